"""Run the benchmarks named on the command line, or all, and write the README from the results."""

import argparse
from importlib import import_module

from . import report, timing

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
ON_REQUEST = ("gpu", "ptx")  # need a GPU; the CUDA toolkit


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[*NAMES, *ON_REQUEST, []],  # argparse looks for the empty default too
        help=f"which to run: {', '.join(NAMES)}, by default; or {', '.join(ON_REQUEST)}",
    )
    parser.add_argument("--seconds", type=float, default=timing.SECONDS, help="measured for each contestant")
    parser.add_argument("--print", action="store_true", help="print the tables instead of writing results")
    parser.add_argument("--report", action="store_true", help="run nothing, only write the README again")
    options = parser.parse_args()
    timing.SECONDS = options.seconds
    for name in () if options.report else options.names or NAMES:
        rows: list[dict] = []
        for row in _module(name).run():
            rows.append(row)
            if not options.print:
                report.save(name, rows)  # after each, where they come one by one: all of them may take long
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
