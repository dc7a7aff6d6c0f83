"""The command line: commands and their options."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from .. import __version__
from .backtest_command import run_backtest
from .demo_command import run_demo
from .forecast_command import run_forecast
from .info_command import run_info
from .messages import CommandError
from .warmup_command import run_warmup


class _Parser(argparse.ArgumentParser):
    """A parser that raises `CommandError` for wrong arguments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def make_parser() -> _Parser:
    """Return the parser of all commands. The attribute `run` of its result is the function to call."""
    parser = _Parser(prog="seqcast", description="Forecast time series with recurrent networks.")
    parser.add_argument("--version", action="version", version=f"seqcast {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_forecast(commands)
    _add_backtest(commands)
    _add_warmup(commands)
    _add_info(commands)
    return parser


def _add_demo(commands: Any) -> None:
    text = (
        "Forecast real weather: fit a network, compare its forecasts of later rows with naive ones, and "
        "forecast the steps after all rows."
    )
    parser = commands.add_parser(
        "demo", help="forecast one year of real weather that is part of the package", description=text
    )
    parser.add_argument("--out", metavar="DIR", help="folder for forecast.csv and forecast.png")
    parser.add_argument(
        "--horizon", metavar="N", type=_count, default=48, help="hours to forecast (default 48)"
    )
    _add_common(parser)
    parser.set_defaults(run=run_demo)


def _add_forecast(commands: Any) -> None:
    text = "Fit a network on the rows of a CSV file and forecast the steps after them."
    parser = commands.add_parser("forecast", help="forecast the columns of a CSV file", description=text)
    _add_data(parser)
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file to write (default: print the CSV to stdout)")
    parser.add_argument("--plot", metavar="FILE", help="plot to write (.png, .svg, .pdf); needs matplotlib")
    parser.add_argument("--quiet", action="store_true", help="print no progress and no report")
    _add_common(parser)
    parser.set_defaults(run=run_forecast)


def _add_backtest(commands: Any) -> None:
    text = (
        "Forecast the last rows of a CSV file from several cutoffs, each with a network that was fitted on "
        "the rows up to the cutoff, and compare the forecasts with the truth and with naive forecasts."
    )
    parser = commands.add_parser(
        "backtest", help="compare forecasts from past cutoffs with the truth", description=text
    )
    _add_data(parser)
    parser.add_argument(
        "--windows", metavar="N", type=_count, default=5, help="number of cutoffs (default 5)"
    )
    parser.add_argument(
        "--step", metavar="N", type=_count, help="rows between cutoffs (default: the horizon)"
    )
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file of all forecasts and the truth")
    parser.add_argument("--plot", metavar="FILE", help="plot of the last cutoff (.png, .svg, .pdf)")
    _add_common(parser)
    parser.set_defaults(run=run_backtest)


def _add_warmup(commands: Any) -> None:
    from ..cells import cell_names

    text = (
        "Compile the kernels of estimators and layers ahead of their first use, for example in a container "
        "image. Losses of distributions are compiled when they are first used. Prints the directory of the "
        "compiled kernels, which SEQCAST_CACHE_DIR sets."
    )
    parser = commands.add_parser(
        "warmup", help="compile kernels ahead, and print the cache directory", description=text
    )
    parser.add_argument(
        "--cell",
        metavar="CELL",
        action="append",
        choices=cell_names(),
        help=", ".join(cell_names()) + "; may be repeated (default rnn, lstm, gru)",
    )
    parser.add_argument(
        "--dtype",
        metavar="DTYPE",
        action="append",
        choices=("float32", "float64"),
        help="float32 or float64; may be repeated (default float32)",
    )
    parser.set_defaults(run=run_warmup)


def _add_info(commands: Any) -> None:
    text = (
        "Print versions, processor, threads and cache, and whether kernels are shipped with this "
        "installation or compiled on first use, and why."
    )
    parser = commands.add_parser("info", help="print versions and where kernels come from", description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_info)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        metavar="DATA.csv",
        help="CSV file: one row for each time step, column names in the first line",
    )
    parser.add_argument("--time", metavar="COLUMN", help="column of dates or numbers (default: row numbers)")
    parser.add_argument(
        "--time-format", metavar="F", help="format of the dates, such as %%d/%%m/%%Y (default: detected)"
    )
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        action="append",
        help="column to forecast, may be repeated; the others are covariates (default: forecast all columns)",
    )
    parser.add_argument("--horizon", metavar="N", type=_count, help="steps to forecast (default: one season)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    from ..cells import cell_names

    parser.add_argument(
        "--window", metavar="N", type=_count, help="number of past steps that a forecast reads"
    )
    parser.add_argument(
        "--cell", metavar="CELL", choices=cell_names(), help=", ".join(cell_names()) + " (default gru)"
    )
    parser.add_argument(
        "--hidden-size", metavar="N", type=_count, help="hidden units of the network (default 64)"
    )
    parser.add_argument("--max-iter", metavar="N", type=_count, help="maximum number of epochs (default 100)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the fit (default 0)")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return int(text)
