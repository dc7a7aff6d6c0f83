"""Run the benchmarks named on the command line, or all, and write the README from the results."""

import argparse

from . import bench_train_step, report

BENCHMARKS = {"train_step": bench_train_step}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which to run; all by default")
    parser.add_argument("--report", action="store_true", help="only write the README again")
    options = parser.parse_args()
    for name in () if options.report else options.names or BENCHMARKS:
        report.save(name, BENCHMARKS[name].run())
    report.write_readme(BENCHMARKS)
    report.fill_front_page(bench_train_step, "train_step")


if __name__ == "__main__":
    main()
