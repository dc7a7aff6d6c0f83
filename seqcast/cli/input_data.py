"""The columns of a CSV file that a command reads."""

from __future__ import annotations

import argparse
import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .csv_file import find_line, read_csv
from .messages import CommandError
from .time_column import set_time_index

if TYPE_CHECKING:
    import pandas as pd


def read_data(arguments: argparse.Namespace) -> tuple[pd.DataFrame, list[str] | None]:
    """Return the numeric columns over an increasing index, and the names of the targets, None for all."""
    path = arguments.data
    column = arguments.time
    if column is None and arguments.time_format is not None:
        raise CommandError("argument --time-format: needs --time with the name of the column of dates")
    data = read_csv(path, column)
    targets = None if arguments.target is None else list(dict.fromkeys(arguments.target))
    _check_columns(data, column, targets or [], path)
    for name in targets or []:
        data[name] = _to_numbers(data[name], path)
    if column is not None:
        data = set_time_index(data, column, arguments.time_format, path)
    return _drop_text(data.rename_axis(column or "row"), targets, path), targets


def _check_columns(data: pd.DataFrame, time: str | None, targets: list[str], path: str) -> None:
    names = [str(column) for column in data.columns]
    for name in targets if time is None else [time, *targets]:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            suggestion = f"; did you mean {close[0]!r}?" if close else "."
            raise CommandError(f"{path} has no column {name!r}{suggestion} It has {', '.join(names)}")
    if time in targets:
        raise CommandError(f"{path}: the column {time!r} holds the times and cannot be a target")


def _to_numbers(cells: pd.Series, path: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(cells, errors="coerce")
    text = cells[numbers.isna() & cells.notna()]
    if len(text):
        line = find_line(text.index[0], path)
        cell = text.iloc[0]
        raise CommandError(f"{path}, line {line}: {cell!r} in target {cells.name!r} is not a number")
    return numbers


def _drop_text(data: pd.DataFrame, targets: list[str] | None, path: str) -> pd.DataFrame:
    """Return the numeric columns, and warn of the others."""
    from pandas.api.types import is_numeric_dtype

    other = [name for name in data.columns if not is_numeric_dtype(data[name]) or data[name].isna().all()]
    if len(other) == len(data.columns):
        raise CommandError(f"{path} has no column of numbers to forecast")
    for name in other:
        if name in (targets or []):
            raise CommandError(f"{path}: the target {name!r} has no values")
        hint = "" if data.index.name != "row" else f"; if it holds the times, pass --time {name}"
        warnings.warn(f"the column {name!r} holds no numbers and is left out{hint}", stacklevel=2)
    return data.drop(columns=other)
