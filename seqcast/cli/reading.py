"""Which columns of a CSV file are read, and as what."""

from __future__ import annotations

import argparse
import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .csv_file import line_of, read_csv
from .messages import CommandError
from .times import indexed

if TYPE_CHECKING:
    import pandas as pd


def read_data(arguments: argparse.Namespace) -> tuple[pd.DataFrame, list[str] | None]:
    """Read the columns of numbers over an increasing index, and which of them are targets (None: all)."""
    path, column = arguments.data, arguments.time
    if column is None and arguments.time_format is not None:
        raise CommandError(
            "argument --time-format: tells the form of a column of dates, so --time must name the column"
        )
    df = read_csv(path, column)
    targets = None if arguments.target is None else list(dict.fromkeys(arguments.target))
    _check_columns(df, column, targets or [], path)
    for name in targets or []:
        df[name] = _numbers(df[name], path)
    if column is not None:
        df = indexed(df, column, arguments.time_format, path)
    return _only_numbers(df.rename_axis(column or "row"), targets, path), targets


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
        line, cell = line_of(text.index[0], path), text.iloc[0]
        raise CommandError(f"{path}, line {line}: {cell!r} in target {cells.name!r} is not a number")
    return numbers


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
