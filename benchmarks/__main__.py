"""Run the benchmarks given on the command line, or all of them, and write README.md from the results."""

import argparse
from importlib import import_module

from . import by_target, report, timing

NAMES = (
    "train_step",
    "inference",
    "one_row",
    "start",
    "variants",
    "many_fits",
    "compile",
    "growth",
    "memory",
    "end_to_end",
    "classification",
    "backtest",
    "accuracy",
)
# Run only if named: the first needs the wheel of `make wheel`, the second a GPU, the third the CUDA toolkit.
ON_REQUEST = ("shipped", "gpu", "ptx")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        # argparse compares the empty default with the choices, too
        choices=[*NAMES, *ON_REQUEST, []],
        help=f"benchmarks to run; by default {', '.join(NAMES)}; on request {', '.join(ON_REQUEST)}",
    )
    parser.add_argument("--seconds", type=float, default=timing.SECONDS, help="measuring time per contestant")
    parser.add_argument("--print", action="store_true", help="print the tables and write no files")
    parser.add_argument("--report", action="store_true", help="run no benchmark, only write the pages again")
    options = parser.parse_args()
    timing.SECONDS = options.seconds
    for name in () if options.report else options.names or NAMES:
        rows: list[dict] = []
        conditions = report.conditions()
        for row in by_target.run(name, _module(name)):
            rows.append(row)
            if not options.print:
                # saved after each row, because a whole benchmark may take long
                report.save(name, conditions, rows)
        if options.print:
            print(report.markdown(_module(name), rows))
    if not options.print:
        _write_pages()


def _write_pages() -> None:
    report.write_readme({name: _module(name) for name in (*NAMES, *ON_REQUEST)})
    report.fill_front_page(_module("train_step"), "train_step")


def _module(name: str):
    return import_module(f".bench_{name}", __package__)


if __name__ == "__main__":
    main()
