"""The command ``seqcast``: forecasts in the terminal.

Results go to stdout; progress, warnings and errors to stderr. An error is one line and exit code 2, and
leaves every file as it was. Whatever is slow to import is imported where it is used, so that ``--help`` is
there at once.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from . import __version__

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from .estimators.forecaster import SeqForecaster

__all__ = ["main"]

DEMO_TARGET, DEMO_UNIT = "temp", "degrees Fahrenheit"
DEMO_HELD_OUT = 0.2  # the share of the rows that the demo's forecaster never sees

SEPARATORS = ",;\t"
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may take a text for a formula by
MATPLOTLIB_HINT = "pictures need matplotlib: run `pip install 'seqcast[plot]'`"
PICTURE_DPI = 150
BAR_WIDTH, SKYLINE_WIDTH = 24, 64  # characters


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
    >>> main(["forecast", "load.csv", "--time", "date", "--out", "forecast.csv"])  # doctest: +SKIP
    0
    """
    try:
        arguments = _parser().parse_args(argv)
        with _warnings_in_one_line():
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail(130, "interrupted")
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
    shown: set[str] = set()  # the folds of a backtest all say the same

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = f"seqcast: warning: {_one_line(message)}"
        if line not in shown:
            print(line, file=sys.stderr)
        shown.add(line)

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
    text = (
        "Forecast real weather: fit, compare with naive forecasts on rows held out, forecast what comes next."
    )
    parser = commands.add_parser(
        "demo", help="forecast real weather, a year of it shipped here", description=text
    )
    parser.add_argument("--out", metavar="DIR", help="folder for forecast.csv and forecast.png")
    parser.add_argument(
        "--horizon", metavar="N", type=_count, default=48, help="hours to forecast (default 48)"
    )
    _add_common(parser)
    parser.set_defaults(run=_demo)


def _add_forecast(commands: Any) -> None:
    text = "Fit a network on the rows of a CSV file and forecast what comes after them."
    parser = commands.add_parser("forecast", help="forecast the columns of a CSV file", description=text)
    _add_data(parser)
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file to write (default: the CSV goes to stdout)")
    parser.add_argument(
        "--plot", metavar="FILE", help="picture to write (.png, .svg, .pdf); needs matplotlib"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress and no report")
    _add_common(parser)
    parser.set_defaults(run=_forecast)


def _add_backtest(commands: Any) -> None:
    text = (
        "Forecast the last rows of a CSV file from several origins, each time with a network that was fitted "
        "on earlier rows only, and compare with the truth and with naive forecasts."
    )
    parser = commands.add_parser("backtest", help="measure forecasts on the past", description=text)
    _add_data(parser)
    parser.add_argument(
        "--windows", metavar="N", type=_count, default=5, help="number of origins (default 5)"
    )
    parser.add_argument(
        "--step", metavar="N", type=_count, help="rows between origins (default: the horizon)"
    )
    _add_model(parser)
    parser.add_argument("--out", metavar="FILE", help="CSV file for all forecasts beside the truth")
    parser.add_argument("--plot", metavar="FILE", help="picture of the last origin (.png, .svg, .pdf)")
    _add_common(parser)
    parser.set_defaults(run=_backtest)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", metavar="DATA.csv", help="CSV file: one row a step of time, names in its first line"
    )
    parser.add_argument(
        "--time", metavar="COLUMN", help="column of dates or numbers (default: rows are counted)"
    )
    parser.add_argument(
        "--time-format", metavar="F", help="form of the dates, such as %%d/%%m/%%Y (default: seen)"
    )
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
    parser.add_argument(
        "--cell", metavar="CELL", choices=cell_names(), help=", ".join(cell_names()) + " (default gru)"
    )
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
    outputs = _demo_outputs(arguments.out, arguments.force)

    from .datasets import load_weather
    from .estimators.forecaster import SeqForecaster
    from .evaluation.backtest import evaluate, summarize

    df, horizon = load_weather(), arguments.horizon
    train, test = _hold_out(df, horizon)
    forecaster = SeqForecaster(
        horizon, target=DEMO_TARGET, random_state=arguments.seed, verbose=_progress(quiet=False)
    )
    fitted = _fit(forecaster, train)
    report = _Report(sys.stdout)
    report.item("data", "weather at JFK airport, New York: " + ", ".join(df.columns))
    report.item("", _span(df))
    report.item("task", f"{DEMO_TARGET} for the next {horizon} hours, in {DEMO_UNIT}")
    report.item("fitted", fitted)
    report.item("", "on " + _span(train))
    report.item("tested", f"on the {len(test):,} rows after them, which the network has never seen")
    report.errors(summarize(evaluate(forecaster, train, test)).to_dict("index")[DEMO_TARGET])

    forecast = _forecast_after(forecaster, test, horizon)
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: _picture(df, forecast)))
    if arguments.out is None:
        report.line("\nNothing was written: --out DIR writes the forecast as forecast.csv and forecast.png.")
    elif outputs.plot is None:
        report.item("", f"no forecast.png: {MATPLOTLIB_HINT}")


def _hold_out(df: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the last fifth, such that a whole number of horizons follows the last training row."""
    import numpy as np

    from .data.calendar import Calendar

    steps = Calendar.from_index(df.index).positions(df.index)
    left = steps[-1] - steps
    ends = np.flatnonzero((left % horizon == 0) & (left >= DEMO_HELD_OUT * steps[-1]))
    if not len(ends):
        raise CommandError(f"argument --horizon: {horizon} is too long for data of {steps[-1] + 1} hours")
    return df.iloc[: ends[-1] + 1], df.iloc[ends[-1] + 1 :]


def _forecast_after(forecaster: SeqForecaster, test: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Forecast what follows `test`, which is a whole number of horizons, without fitting again."""
    import pandas as pd

    from .data.calendar import Calendar

    # Rows nobody has observed yet are one block more for `predict`: forecast from all rows before them.
    index = Calendar.from_index(test.index).future(test.index[-1], horizon)
    unknown = pd.DataFrame(float("nan"), index, test.columns)
    forecasts = cast("pd.DataFrame", forecaster.predict(pd.concat([test, unknown])))
    return forecasts.tail(horizon)


def _forecast(arguments: argparse.Namespace) -> None:
    outputs = _file_outputs(arguments)
    df, targets = _read_data(arguments)
    forecaster = _forecaster(arguments, targets, _progress(arguments.quiet))
    fitted = _fit(forecaster, df)
    # Where the CSV goes to stdout, nothing else may.
    report = _Report(None if arguments.quiet else sys.stderr if arguments.out is None else sys.stdout)
    report.item("data", f"{arguments.data}: {_span(df)}")
    report.item("fitted", fitted)
    forecast = forecaster.forecast(arguments.horizon)
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: _picture(df, forecast)))
    if arguments.out is None:
        print(_csv(forecast), end="")


def _backtest(arguments: argparse.Namespace) -> None:
    outputs = _file_outputs(arguments)
    df, targets = _read_data(arguments)
    forecaster = _forecaster(arguments, targets, _progress(quiet=False))

    from .evaluation.backtest import backtest, summarize

    started = time.perf_counter()
    rows = backtest(
        forecaster, df, horizon=arguments.horizon, n_windows=arguments.windows, step_size=arguments.step
    )
    seconds = time.perf_counter() - started
    if rows.empty:
        raise CommandError(f"{arguments.data}: no target was observed within the horizon of any origin")
    origins = rows["cutoff"].drop_duplicates()
    report = _Report(sys.stdout)
    report.item("data", f"{arguments.data}: {_span(df)}")
    report.item(
        "fitted", f"{_network(forecaster)}, anew at each of {len(origins)} origins, in {seconds:.1f} s"
    )
    first, last = _stamps([origins.iloc[0], origins.iloc[-1]])
    report.item("", f"the first at {first}, the last at {last}")
    report.item("tested", f"on up to {rows['lead'].max()} steps after each, which it had never seen")
    for target, errors in summarize(rows).to_dict("index").items():
        report.errors(errors, title=str(target))
    report.files(outputs.write(rows, lambda: _picture(df, *_last_origin(rows))))


def _last_origin(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecast and truth of the last origin, one column a target."""
    last = rows[rows["cutoff"] == rows["cutoff"].iloc[-1]]
    table = last.pivot(index="time", columns="target", values=["y_hat", "y"])
    targets = last["target"].unique()  # pivot has sorted them
    return table["y_hat"][targets], table["y"][targets]


def _forecaster(arguments: argparse.Namespace, targets: list[str] | None, verbose: int) -> SeqForecaster:
    from .estimators.forecaster import SeqForecaster

    names = ("horizon", "window", "cell", "hidden_size", "max_iter")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return SeqForecaster(**given, target=targets, random_state=arguments.seed, verbose=verbose)


def _fit(forecaster: SeqForecaster, df: pd.DataFrame) -> str:
    """Fit, and tell what was fitted."""
    started = time.perf_counter()
    forecaster.fit(df)
    seconds = time.perf_counter() - started
    return (
        f"{_network(forecaster)}, window {forecaster.window_}, horizon {forecaster.horizon_}: "
        f"{forecaster.n_iter_} epochs in {seconds:.1f} s"
    )


def _network(forecaster: SeqForecaster) -> str:
    return f"{forecaster.cell} of {forecaster.hidden_size} units"


def _progress(quiet: bool) -> int:
    """Return the verbosity of a fit: a bar only where somebody watches."""
    return int(sys.stderr.isatty() and not quiet)


def _picture(df: pd.DataFrame, forecast: pd.DataFrame, actual: pd.DataFrame | None = None) -> Figure:
    from .plotting import plot_forecast

    return plot_forecast(df, forecast, actual)


# ---- what is read ----


def _read_data(arguments: argparse.Namespace) -> tuple[pd.DataFrame, list[str] | None]:
    """Read the columns of numbers over an increasing index, and which of them are targets (None: all)."""
    path, column = arguments.data, arguments.time
    df = _read_csv(path, column)
    targets = None if arguments.target is None else list(dict.fromkeys(arguments.target))
    _check_columns(df, column, targets or [], path)
    for name in targets or []:
        df[name] = _numbers(df[name], path)
    if column is not None:
        df = _indexed(df, column, arguments.time_format, path)
    return _only_numbers(df.rename_axis(column or "row"), targets, path), targets


def _read_csv(path: str, time: str | None) -> pd.DataFrame:
    """Read all rows; the index is the row number, so that a message can tell the line."""
    import pandas as pd

    try:
        # utf-8-sig: spreadsheets put a mark before the text
        with open(path, encoding="utf-8-sig", newline="") as file:
            df = _parse_csv(file, path, time)
    except FileNotFoundError:
        raise CommandError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CommandError(f"{path} is a directory, not a CSV file") from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not a CSV file: it holds no text in UTF-8") from None
    except pd.errors.ParserWarning:
        raise CommandError(
            f"{path} is not a CSV file: its rows have more cells than its first line"
        ) from None
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ")
        raise CommandError(f"{path} is not a CSV file: {reason}") from error
    if df.empty:
        raise CommandError(f"{path} has column names, but no rows")
    return df


def _parse_csv(file: TextIO, path: str, time: str | None) -> pd.DataFrame:
    import pandas as pd

    separator = _separator(file.readline(), path)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the names would be dropped
        df = pd.read_csv(
            file,
            sep=separator,
            dtype={} if time is None else {time: str},
            index_col=False,  # or pandas takes surplus cells for the names of rows
            skipinitialspace=True,
            skip_blank_lines=False,  # they are lines too
            low_memory=False,  # a column has one dtype
        )
    return df.dropna(how="all")


def _separator(header: str, path: str) -> str:
    """Return what stands between the cells, seen from the first line, whose names it checks."""
    if not header.strip() or "\0" in header:
        raise CommandError(f"{path} is empty, or its first line holds no column names")
    separator = max(SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator, skipinitialspace=True))
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise CommandError(f"{path} has more than one column {twice[0]!r}; rename or remove one")
    return separator


def _check_columns(df: pd.DataFrame, time: str | None, targets: list[str], path: str) -> None:
    names = [str(column) for column in df.columns]
    for name in targets if time is None else [time, *targets]:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            suggestion = f"; did you mean {close[0]!r}?" if close else "."
            raise CommandError(f"{path} has no column {name!r}{suggestion} It has {', '.join(names)}")
    if time in targets:
        raise CommandError(f"{path}: the column {time!r} holds the times, and cannot be a target")


def _numbers(cells: pd.Series, path: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    text = cells[numbers.isna() & cells.notna()]
    if len(text):
        raise CommandError(
            f"{path}, line {_line(text.index[0])}: {text.iloc[0]!r} in target {cells.name!r} is not a number"
        )
    return numbers


def _line(row: Any) -> int:
    return row + 2  # the first line holds the names, and lines count from 1


def _indexed(df: pd.DataFrame, column: str, form: str | None, path: str) -> pd.DataFrame:
    """Move the times into the index and sort by them."""
    import pandas as pd

    index = pd.Index(_times(df[column], form, path))
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        lines = " and ".join(str(_line(row)) for row in df.index[index == twice][:2])
        raise CommandError(
            f"{path}, lines {lines}: the time {_stamps([twice])[0]} in {column!r} occurs more than once"
        )
    return df.drop(columns=column).set_index(index).sort_index()


def _times(cells: pd.Series, form: str | None, path: str) -> pd.Series:
    """Read dates, or numbers where all cells are such and do not look like 20130131."""
    import pandas as pd

    if cells.isna().any():
        raise CommandError(f"{path}, line {_line(cells.isna().idxmax())}: there is no time in {cells.name!r}")
    numbers = pd.to_numeric(cells, errors="coerce")
    if form is None and numbers.notna().all() and not cells.str.fullmatch(r"[12]\d{7}").all():
        return numbers
    forms = [form] if form else _date_forms(cells.iloc[0])
    readings = {form: pd.to_datetime(cells, format=form, errors="coerce", utc=True) for form in forms}
    if not readings:
        raise _no_date(cells, cells.index[0], path)
    best = max(readings, key=lambda form: readings[form].notna().sum())
    unread = readings[best].isna()
    if unread.any():
        raise _no_date(cells, unread.idxmax(), path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # how pandas 2 says what is an error in pandas 3
            return pd.to_datetime(cells, format=best)
    except (ValueError, FutureWarning):  # changing offsets, as of summer time, have only UTC in common
        return readings[best]


def _date_forms(first: str) -> list[str]:
    """Return the forms that the first date may have."""
    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    if not pd.isna(pd.to_datetime(first, format="ISO8601", errors="coerce")):
        return ["ISO8601"]
    # Between dots the day comes first; between slashes, what fits more of the rows decides.
    orders = (True,) if "." in first else (False, True)
    guesses = [guess_datetime_format(first, dayfirst=day_first) for day_first in orders]
    return [guess for guess in guesses if guess is not None]


def _no_date(cells: pd.Series, row: Any, path: str) -> CommandError:
    return CommandError(
        f"{path}, line {_line(row)}: {cells[row]!r} in {cells.name!r} is not a date like the others. "
        "Write dates as 2013-01-31 or 2013-01-31 18:00, or name their form with --time-format"
    )


def _only_numbers(df: pd.DataFrame, targets: list[str] | None, path: str) -> pd.DataFrame:
    """Leave out columns that hold no numbers, which no network can read, and say so."""
    from pandas.api.types import is_numeric_dtype

    other = [name for name in df.columns if not is_numeric_dtype(df[name]) or df[name].isna().all()]
    if len(other) == len(df.columns):
        raise CommandError(f"{path} has no column of numbers to forecast")
    for name in other:
        if name in (targets or []):
            raise CommandError(f"{path}: the target {name!r} has no values")
        hint = "" if df.index.name != "row" else f"; if it holds the times, say --time {name}"
        warnings.warn(f"the column {name!r} holds no numbers and is left out{hint}", stacklevel=2)
    return df.drop(columns=other)


# ---- what is written ----


class _Outputs:
    """The files of a command: checked before the long fit, and written together when all is done."""

    def __init__(
        self,
        table: str | None = None,
        plot: str | None = None,
        *,
        force: bool = False,
        source: str | None = None,
    ) -> None:
        self.table, self.plot, self.force = table, plot, force
        for path in (table, plot):
            if path is not None:
                _check_output(path, force, source)
        if plot is not None:
            _check_picture(plot, table)

    def write(self, frame: pd.DataFrame, draw: Callable[[], Figure]) -> list[str]:
        """Write what was asked for; return the names of the files."""
        contents = {}
        if self.table is not None:
            contents[self.table] = _csv(frame).encode()
        if self.plot is not None:
            contents[self.plot] = _image(draw(), self.plot)
        for path in contents:
            _check_output(path, self.force)  # it may have come while the network was fitted
        _write_whole({os.path.realpath(path): content for path, content in contents.items()})
        return list(contents)


def _file_outputs(arguments: argparse.Namespace) -> _Outputs:
    for path in (arguments.out, arguments.plot):
        if path is not None:
            _check_folder(os.path.dirname(os.path.realpath(path)), path)
    return _Outputs(arguments.out, arguments.plot, force=arguments.force, source=arguments.data)


def _demo_outputs(folder: str | None, force: bool) -> _Outputs:
    """Files in a folder that may be missing, but not the one around it."""
    if folder is None:
        return _Outputs()
    place = os.path.realpath(folder)
    _check_folder(place if os.path.lexists(place) else os.path.dirname(place), folder)
    picture = os.path.join(folder, "forecast.png") if _has_matplotlib() else None
    return _Outputs(os.path.join(folder, "forecast.csv"), picture, force=force)


def _check_folder(folder: str, path: str) -> None:
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no directory {folder}")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"{path}: the directory {folder} may not be written to")


def _check_output(path: str, force: bool, source: str | None = None) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isfile(path):
        raise CommandError(f"{path} exists and is not a plain file; choose another name")
    if source is not None and os.path.exists(source) and os.path.samefile(path, source):
        raise CommandError(f"{path} is the file to be read; choose another name for the output")
    if not force:
        raise CommandError(f"{path} exists already; --force overwrites it")


def _check_picture(plot: str, table: str | None) -> None:
    if table is not None and os.path.realpath(plot) == os.path.realpath(table):
        raise CommandError(f"{plot} cannot be both --out and --plot")
    if not _has_matplotlib():
        raise CommandError(f"argument --plot: {MATPLOTLIB_HINT}")

    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if _suffix(plot) not in known:
        raise CommandError(f"argument --plot: {plot} must end in one of .{', .'.join(sorted(known))}")


def _has_matplotlib() -> bool:
    return find_spec("matplotlib") is not None


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].removeprefix(".").lower()


def _image(figure: Figure, path: str) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=_suffix(path), dpi=PICTURE_DPI)
    return buffer.getvalue()


def _csv(frame: pd.DataFrame) -> str:
    """Return the table as CSV, in which no text is a formula to a spreadsheet."""
    safe = frame.rename(columns=_harmless).rename_axis(index=_harmless(frame.index.name))
    for name in safe.columns[[dtype.kind == "O" for dtype in safe.dtypes]]:
        safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=frame.index.name is not None, lineterminator="\n")


def _harmless(cell: Any) -> Any:
    # An apostrophe tells a spreadsheet that text follows. Numbers are none, so -1.5 stays as it is.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_BEGINS) else cell


def _write_whole(contents: dict[str, bytes]) -> None:
    """Write each file whole or not at all: beside its place first, then moved there when all are written."""
    temporary: dict[str, str] = {}
    try:
        for path, content in contents.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(f"{path}.{os.getpid()}.tmp", "xb") as file:
                temporary[path] = file.name
                file.write(content)
        for path in contents:
            os.replace(temporary[path], path)
            del temporary[path]
    finally:
        for name in temporary.values():
            os.remove(name)


# ---- what is shown ----


class _Report:
    """Prints lines, each under a heading at the left; nothing if there is no stream."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self.bar, self.levels = ("█", "▁▂▃▄▅▆▇█") if encoding.startswith("utf") else ("#", "_.-=+*%#")

    def line(self, text: str = "") -> None:
        if self.stream is not None:
            print(text, file=self.stream)

    def item(self, heading: str, text: str) -> None:
        self.line(f"{heading:<8}{text}")

    def errors(self, errors: Mapping[Any, float], title: str = "") -> None:
        """Print a table of a target's errors, with bars as long as they are large, and the skill."""
        names = {"forecast": "", "seasonal naive": "_seasonal_naive", "persistence": "_persistence"}
        largest = max(errors[f"rmse{suffix}"] for suffix in names.values())
        digits = _digits(largest)
        self.line()
        width = max(16, len(title))
        self.line(f"{title:<{width}}{'RMSE':>10}{'MAE':>10}")
        for name, suffix in names.items():
            rmse, mae = errors[f"rmse{suffix}"], errors[f"mae{suffix}"]
            bar = self.bar * (round(BAR_WIDTH * rmse / largest) if largest else 0)
            self.line(f"{name:<{width}}{rmse:>10.{digits}f}{mae:>10.{digits}f}  {bar}".rstrip())
        self.line()
        self.item("skill", _skill_in_words(errors["skill"]))

    def forecast(self, forecast: pd.DataFrame) -> None:
        """Print what is forecast, each target as a line of bars."""
        self.line()
        self.item("next", f"{len(forecast)} steps, {_from_to(forecast.index)}")
        for name, values in forecast.items():
            low, high = values.min(), values.max()
            digits = _digits(high - low)
            self.item("", f"{name}: {low:.{digits}f} to {high:.{digits}f}")
            self.item("", _skyline(values.to_numpy(), self.levels))

    def files(self, paths: list[str]) -> None:
        if paths:
            self.line()
        for heading, path in zip(["wrote", ""], paths, strict=False):
            self.item(heading, path)


def _span(df: pd.DataFrame) -> str:
    return f"{len(df):,} rows, {_from_to(df.index)}"


def _from_to(labels: Any) -> str:
    return " to ".join(_stamps([labels[0], labels[-1]]))


def _stamps(labels: Sequence[Any]) -> list[str]:
    """Return labels as text, without the times of day or the seconds that are zero in all of them."""
    texts = [str(label) for label in labels]
    for zeros in (" 00:00:00", ":00"):
        if all(text.endswith(zeros) and text.count(":") == 2 for text in texts):
            return [text.removesuffix(zeros) for text in texts]
    return texts


def _digits(size: float) -> int:
    """Return how many decimals to show: two, or as many as it takes for three digits of a number."""
    if size == 0 or 1 <= size < 1000 or not math.isfinite(size):
        return 2
    return max(0, 2 - math.floor(math.log10(size)))


def _skill_in_words(skill: float) -> str:
    if math.isinf(skill):
        return "none: the seasonal naive forecast makes no error"
    side = "below" if skill >= 0 else "above"
    return f"{skill:.2f}: an RMSE {abs(skill):.0%} {side} that of the seasonal naive forecast"


def _skyline(values: np.ndarray, levels: str) -> str:
    """Draw numbers as bars of eight heights, the means of stretches where there are many."""
    import numpy as np

    heights = np.array([part.mean() for part in np.array_split(values, min(len(values), SKYLINE_WIDTH))])
    span = np.ptp(heights) or 1.0
    return "".join(
        levels[int(height)] for height in (heights - heights.min()) / span * (len(levels) - 1) + 0.5
    )
