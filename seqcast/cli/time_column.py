"""Conversion of a column of text to an index of times."""

from __future__ import annotations

import shlex
import warnings
from typing import TYPE_CHECKING, Any

from .csv_file import find_line
from .messages import CommandError
from .text_format import format_labels

if TYPE_CHECKING:
    import pandas as pd


def set_time_index(data: pd.DataFrame, column: str, date_format: str | None, path: str) -> pd.DataFrame:
    """Return the rows sorted by their times, which become the index.

    `date_format` is the format of the dates, None to detect it. `path` is the file, for error messages.
    """
    import pandas as pd

    index = pd.Index(_parse_times(data[column], date_format, path))
    if not index.is_unique:
        duplicate = index[index.duplicated()][0]
        lines = " and ".join(str(find_line(row, path)) for row in data.index[index == duplicate][:2])
        (time,) = format_labels([duplicate])
        raise CommandError(f"{path}, lines {lines}: the time {time} in {column!r} occurs more than once")
    return data.drop(columns=column).set_index(index).sort_index()


def _parse_times(cells: pd.Series, date_format: str | None, path: str) -> pd.Series:
    """Return dates, or numbers if all cells are numbers that do not look like 20130131."""
    import pandas as pd

    if cells.isna().any():
        line = find_line(cells.isna().idxmax(), path)
        raise CommandError(f"{path}, line {line}: there is no time in {cells.name!r}")
    numbers = pd.to_numeric(cells, errors="coerce")
    if date_format is None and numbers.notna().all() and not cells.str.fullmatch(r"[12]\d{7}").all():
        return numbers
    formats = [date_format] if date_format else _guess_formats(cells.iloc[0])
    readings = {form: pd.to_datetime(cells, format=form, errors="coerce", utc=True) for form in formats}
    if not readings:
        raise _make_date_error(cells, cells.index[0], path)
    best = max(readings, key=lambda form: readings[form].notna().sum())
    unread = readings[best].isna()
    if unread.any():
        raise _make_date_error(cells, unread.idxmax(), path)
    _check_unambiguous(cells, {form: times for form, times in readings.items() if times.notna().all()}, path)
    try:
        with warnings.catch_warnings():
            # pandas 2 warns of mixed offsets, pandas 3 raises an error.
            warnings.simplefilter("error", FutureWarning)
            return pd.to_datetime(cells, format=best)
    except (ValueError, FutureWarning):
        # Dates whose offsets differ, such as those of summer time, are read as UTC.
        return readings[best]


def _guess_formats(first: str) -> list[str]:
    """Return the formats that the first date may have."""
    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    if not pd.isna(pd.to_datetime(first, format="ISO8601", errors="coerce")):
        return ["ISO8601"]
    # The day comes first in dates with dots. For dates with slashes, the format that fits more rows is used.
    orders = (True,) if "." in first else (False, True)
    with warnings.catch_warnings():
        # The first date may fit one of the orders only.
        warnings.simplefilter("ignore", UserWarning)
        guesses = [guess_datetime_format(first, dayfirst=day_first) for day_first in orders]
    return [guess for guess in guesses if guess is not None]


def _check_unambiguous(cells: pd.Series, readings: dict[str, pd.Series], path: str) -> None:
    """Check that the dates do not have two readings, month first and day first, that differ."""
    import pandas as pd

    if len(readings) < 2:
        return
    month_first, day_first = readings.values()
    differ = month_first != day_first
    if differ.any():
        row: Any = differ.idxmax()
        dates = " or ".join(f"{pd.to_datetime(cells[row], format=form):%Y-%m-%d}" for form in readings)
        options = " or ".join(f"--time-format {shlex.quote(form)}" for form in readings)
        raise CommandError(
            f"{path}, line {find_line(row, path)}: {cells[row]!r} in {cells.name!r} may be {dates}, "
            f"and no other row decides it. Pass {options}"
        )


def _make_date_error(cells: pd.Series, row: Any, path: str) -> CommandError:
    return CommandError(
        f"{path}, line {find_line(row, path)}: {cells[row]!r} in {cells.name!r} is not a date like the "
        "others. Write dates as 2013-01-31 or 2013-01-31 18:00, or pass their format as --time-format"
    )
