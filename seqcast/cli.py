"""The command ``seqcast``: forecasts in the terminal.

Results go to stdout; progress, warnings and errors to stderr. An error is one line and exit code 2, and leaves
every file as it was. Whatever is slow to import is imported where it is used, so that ``--help`` is not.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__

if TYPE_CHECKING:
    import pandas as pd

    from .estimators.forecaster import SeqForecaster

__all__ = ["main"]

DEMO_TARGET, DEMO_UNIT = "temp", "degrees Fahrenheit"
DEMO_HELD_OUT = 0.2  # the share of the rows that the demo's forecaster never sees

SEPARATORS = ",;\t"
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may take a text for a formula by
BAR_WIDTH = 24


class CommandError(Exception):
    """What the user can put right; its text is the line that is printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process if None.

    Returns
    -------
    int
        Exit code: 0 for success, 2 for an error that was reported in one line, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["forecast", "load.csv", "--time", "date", "--target", "load", "--out", "f.csv"])  # doctest: +SKIP
    0
    """
    try:
        arguments = _parser().parse_args(argv)
        with _warnings_in_one_line():
            arguments.run(arguments)
    except KeyboardInterrupt:
        return _fail(130, "interrupted; no file was written")
    except BrokenPipeError:  # a reader such as `head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return 141  # as a shell says of a program that SIGPIPE ended
    except OSError as error:
        return _fail(2, f"error: {error.filename}: {error.strerror}" if error.filename else f"error: {error}")
    except (CommandError, ValueError) as error:
        return _fail(2, " ".join([f"error: {error}", *getattr(error, "__notes__", ())]))
    return 0


def _fail(code: int, text: str) -> int:
    print(f"seqcast: {_one_line(text)}", file=sys.stderr)
    return code


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"seqcast: warning: {_one_line(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=UserWarning)
        warnings.showwarning = show
        yield


# ---- what can be asked for ----


class _Parser(argparse.ArgumentParser):
    """Reports errors as the commands do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def _parser() -> _Parser:
    parser = _Parser(prog="seqcast", description="Forecast time series with recurrent networks.")
    parser.add_argument("--version", action="version", version=f"seqcast {__version__}")
    parser.set_defaults(run=lambda _: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_forecast(commands)
    _add_backtest(commands)
    return parser


def _add_demo(commands: Any) -> None:
    text = "Forecast real weather: fit, compare with naive forecasts on rows held out, forecast what comes next."
    parser = commands.add_parser("demo", help="forecast real weather, a year of it shipped here", description=text)
    parser.add_argument("--out", metavar="DIR", help="folder for forecast.csv and forecast.png")
    parser.add_argument("--horizon", metavar="N", type=_count, default=48, help="hours to forecast (default 48)")
    _add_common(parser)
    parser.set_defaults(run=_demo)


def _add_forecast(commands: Any) -> None:
    text = "Fit a network on the rows of a CSV file and forecast what comes after them."
    parser = commands.add_parser("forecast", help="forecast the columns of a CSV file", description=text)
    _add_data(parser)
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file to write (default: the CSV goes to stdout)")
    parser.add_argument("--plot", metavar="FILE", help="picture to write (.png, .svg, .pdf); needs matplotlib")
    parser.add_argument("--quiet", action="store_true", help="show no progress and no report")
    _add_common(parser)
    parser.set_defaults(run=_forecast)


def _add_backtest(commands: Any) -> None:
    text = (
        "Forecast the last rows of a CSV file from several origins, each with a network that was fitted on nothing "
        "but the rows before it, and compare with the truth and with naive forecasts."
    )
    parser = commands.add_parser("backtest", help="measure forecasts on the past", description=text)
    _add_data(parser)
    parser.add_argument("--windows", metavar="N", type=_count, default=5, help="number of origins (default 5)")
    parser.add_argument("--step", metavar="N", type=_count, help="rows between origins (default: the horizon)")
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file for all forecasts beside the truth")
    parser.add_argument("--plot", metavar="FILE", help="picture of the last origin (.png, .svg, .pdf)")
    _add_common(parser)
    parser.set_defaults(run=_backtest)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA.csv", help="CSV file: one row a step of time, names in its first line")
    parser.add_argument("--time", metavar="COLUMN", help="column of dates or numbers (default: rows are counted)")
    parser.add_argument("--time-format", metavar="F", help="form of the dates, such as %%d/%%m/%%Y (default: seen)")
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        action="append",
        help="column to forecast, may be given again; the others help (default: forecast all columns)",
    )
    parser.add_argument("--horizon", metavar="N", type=_count, help="steps to forecast (default: one season)")


def _add_model(parser: argparse.ArgumentParser) -> None:
    from .cells import cell_names

    parser.add_argument("--window", metavar="N", type=_count, help="past steps a forecast is made from")
    parser.add_argument("--cell", metavar="CELL", choices=cell_names(), help=", ".join(cell_names()) + " (default gru)")
    parser.add_argument("--hidden-size", metavar="N", type=_count, help="units of the network (default 32)")
    parser.add_argument("--max-iter", metavar="N", type=_count, help="epochs at most (default 100)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the fit (default 0)")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1, not {text!r}")
    return int(text)


# ---- the commands ----


def _demo(arguments: argparse.Namespace) -> None:
    outputs = _demo_outputs(arguments)

    import pandas as pd

    from .data.calendar import Calendar
    from .datasets import load_weather
    from .estimators.forecaster import SeqForecaster
    from .evaluation.backtest import evaluate, summarize

    df, horizon = load_weather(), arguments.horizon
    train, test = _hold_out(df, horizon)
    report = _Report(sys.stdout)
    report.line(f"Weather at JFK airport, New York: {_span(df)}, columns {', '.join(df.columns)}")
    report.line(f"Forecasts of {DEMO_TARGET} for {horizon} hours, in {DEMO_UNIT}")
    forecaster = SeqForecaster(horizon, target=DEMO_TARGET, random_state=arguments.seed, verbose=_verbose())
    report.line()
    report.fitted(forecaster, _fit(forecaster, train))
    report.item("on", _span(train))
    report.item("tested", f"on the {len(test):,} rows after them, which the network has never seen")
    report.errors(summarize(evaluate(forecaster, train, test)).loc[DEMO_TARGET])

    # The network stays as it is: rows not yet observed are one block more, forecast from all rows before.
    coming = pd.DataFrame(index=Calendar.from_index(df.index).future(df.index[-1], horizon), columns=df.columns)
    forecast = forecaster.predict(pd.concat([test, coming.astype(float)])).tail(horizon)
    report.forecast(forecast)
    contents = _rendered(outputs, forecast, lambda: _picture_of(df, forecast))
    _write(outputs)
