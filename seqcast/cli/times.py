"""From a column of cells to an index of times."""

from __future__ import annotations

import shlex
import warnings
from typing import TYPE_CHECKING, Any

from .csv_file import line_of
from .messages import CommandError
from .text_format import stamps

if TYPE_CHECKING:
    import pandas as pd


def indexed(df: pd.DataFrame, column: str, form: str | None, path: str) -> pd.DataFrame:
    """Move the times into the index and sort by them."""
    import pandas as pd

    index = pd.Index(_times(df[column], form, path))
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        lines = " and ".join(str(line_of(row, path)) for row in df.index[index == twice][:2])
        raise CommandError(
            f"{path}, lines {lines}: the time {stamps([twice])[0]} in {column!r} occurs more than once"
        )
    return df.drop(columns=column).set_index(index).sort_index()


def _times(cells: pd.Series, form: str | None, path: str) -> pd.Series:
    """Read dates, or numbers where all cells are such and do not look like 20130131."""
    import pandas as pd

    if cells.isna().any():
        line = line_of(cells.isna().idxmax(), path)
        raise CommandError(f"{path}, line {line}: there is no time in {cells.name!r}")
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
    _check_order(cells, {form: times for form, times in readings.items() if times.notna().all()}, path)
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the first date may fit one order only
        guesses = [guess_datetime_format(first, dayfirst=day_first) for day_first in orders]
    return [guess for guess in guesses if guess is not None]


def _check_order(cells: pd.Series, readings: dict[str, pd.Series], path: str) -> None:
    """Refuse dates that can all be read month first and all day first, and differ."""
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
            f"{path}, line {line_of(row, path)}: {cells[row]!r} in {cells.name!r} may be {dates}, "
            f"and no row tells which. Name the form: {options}"
        )


def _no_date(cells: pd.Series, row: Any, path: str) -> CommandError:
    return CommandError(
        f"{path}, line {line_of(row, path)}: {cells[row]!r} in {cells.name!r} is not a date like the others. "
        "Write dates as 2013-01-31 or 2013-01-31 18:00, or name their form with --time-format"
    )
