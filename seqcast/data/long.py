"""Long frames: many series one below the other, identified by a column of ids."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from .tables import (
    Argument,
    Table,
    check_column_names,
    check_known_stamps,
    check_numeric,
    check_present,
    check_size,
    check_stamp_kind,
    format_labels,
    infinite_error,
)


@dataclass(frozen=True)
class LongTable:
    """Several series, in the order in which their ids first appear.

    Iteration and indexing give pairs of an id and a `Table`. The table of a series is made when it is asked
    for, because making its index takes longer than all other work.

    Attributes
    ----------
    ids : pandas.Index of n_series labels
        With the dtype of the column of ids; a single None if there is no such column.
    columns : tuple of n_columns labels
    values : ndarray, shape (n, n_columns), float64, C-contiguous
        One series after the other, each in the order of time.
    index : pandas.Index of n labels
        The stamps of these rows.
    bounds : ndarray, shape (n_series + 1,), int64
        First row of each series, and the row after the last series.
    order : ndarray, shape (n,), int64
        Row number in the frame of each of these rows.
    """

    ids: pd.Index
    columns: tuple[Hashable, ...]
    values: np.ndarray
    index: pd.Index
    bounds: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[Any, Table]]:
        return zip(self.ids, (self._table(*ends) for ends in self._ends()), strict=True)

    def __getitem__(self, number: int) -> tuple[Any, Table]:
        position = range(len(self))[number]
        return self.ids[position], self._table(*self.bounds[position : position + 2].tolist())

    @property
    def row_numbers(self) -> list[np.ndarray]:
        """Row numbers in the frame of the rows of each series."""
        return [self.order[begin:end] for begin, end in self._ends()]

    def with_columns(self, columns: Sequence[Hashable], values: np.ndarray) -> LongTable:
        """Return the same rows with other columns; values (n, n_columns) are in the order of the frame."""
        return replace(self, columns=tuple(columns), values=values[self.order])

    def describe_series(self, row: int) -> str:
        """Return " in series ..." for the series of a row of `values`, to be appended to a message."""
        label = self.ids[int(np.searchsorted(self.bounds, row, side="right")) - 1]
        return "" if label is None else f" in series {format_labels([label])}"

    def _ends(self) -> Iterator[tuple[int, int]]:
        # Python's integers slice faster than NumPy's.
        return pairwise(self.bounds.tolist())

    def _table(self, begin: int, end: int) -> Table:
        return Table(self.values[begin:end], self.columns, self.index[begin:end], "frame")


def read_long(
    X: Any,
    id_col: Hashable | None,
    time_col: Hashable | None,
    columns: Sequence[Hashable] | None,
    owner: str,
    parameter: str = "X",
) -> LongTable:
    """Check a long frame and split it into series.

    Parameters
    ----------
    X : DataFrame of n rows
        Rows in any order.
    id_col : label or None
        The column that identifies the series; None if there is only one series.
    time_col : label or None
        The column of stamps; None if the stamps are the index.
    columns : sequence of labels or None
        The columns of numbers to read; None for all but `id_col` and `time_col`.
    owner : str
        Name of the estimator or function that is called, for messages.
    parameter : str
        Name under which the user passed `X`, for messages.

    Returns
    -------
    LongTable

    Raises
    ------
    TypeError
        If `X` is no frame, or if a column or the stamps are of a kind that :func:`read_table` refuses.
    ValueError
        If there is no row, a column is missing, an id or a stamp is missing, or a series has a duplicated
        stamp or an infinite value.
    """
    argument = Argument(parameter, owner)
    frame = check_long_frame(X, id_col, time_col, argument)
    if columns is None:
        columns = [label for label in frame.columns if label not in (id_col, time_col)]
        check_size((len(frame), len(columns)), argument)
    ids, codes = _number_series(frame, id_col, argument)
    values = _read_values(frame, columns, argument)
    stamps = _read_stamps(frame, time_col, argument)
    table = _sort(values, stamps, ids, codes, columns)
    _check_unique(table, id_col, argument)
    _check_finite(table, argument)
    return table


def to_long(
    ids: pd.Index | Sequence[Any],
    indexes: Sequence[pd.Index],
    values: Sequence[np.ndarray] | np.ndarray,
    columns: Sequence[Hashable],
    id_col: Hashable | None,
    time_col: Hashable | None,
) -> pd.DataFrame:
    """Stack series into a long frame, the inverse of :func:`read_long`.

    Parameters
    ----------
    ids : pandas.Index or sequence of n_series labels
        An index keeps its dtype.
    indexes : sequence of n_series pandas.Index
        The stamps of each series.
    values : sequence of n_series ndarrays of shape (n, n_columns), or ndarray, shape (n_series, n, n_columns)
    columns : sequence of n_columns labels
    id_col, time_col : label or None
        Names of the columns of ids and stamps. If `id_col` is None there is no column of ids; if `time_col`
        is None the stamps are the index.

    Returns
    -------
    DataFrame
        One row for each series and stamp. The columns of ids and stamps come first.
    """
    stamps = indexes[0].append(list(indexes[1:]))
    frame = pd.DataFrame(np.concatenate(values), columns=list(columns))
    if time_col is None:
        frame.index = stamps
    else:
        frame.insert(0, time_col, stamps)
    if id_col is not None:
        frame.insert(0, id_col, pd.Index(ids).repeat([len(index) for index in indexes]))
    return frame


def check_long_frame(
    X: Any, id_col: Hashable | None, time_col: Hashable | None, argument: Argument
) -> pd.DataFrame:
    """Return `X` after checking that it is a frame with rows and these columns."""
    if not isinstance(X, pd.DataFrame):
        way_out = "Pass one with the columns that id_col and time_col name."
        raise TypeError(argument.format_error("be a DataFrame", type(X).__name__, way_out))
    check_size(X.shape, argument)
    check_column_names(X.columns, argument)
    for name, label in (("id_col", id_col), ("time_col", time_col)):
        if label is not None:
            check_present(X, [label], f", which {name} names", argument)
    if id_col is not None and id_col == time_col:
        rule = "have its ids and its stamps in two columns"
        way_out = "Set id_col or time_col to another."
        raise ValueError(argument.format_error(rule, f"{id_col!r} for both", way_out))
    return X


def _read_values(frame: pd.DataFrame, columns: Sequence[Hashable], argument: Argument) -> np.ndarray:
    check_present(frame, columns, "", argument)
    numbers = frame[list(columns)]
    check_numeric(numbers, owner=argument.owner, parameter=argument.parameter)
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _number_series(
    frame: pd.DataFrame, id_col: Hashable | None, argument: Argument
) -> tuple[pd.Index, np.ndarray]:
    """Return the ids (n_series,) in the order of their first row, and the series number of each row (n,)."""
    if id_col is None:
        return pd.Index([None], dtype=object), np.zeros(len(frame), dtype=np.int64)
    codes, ids = pd.factorize(frame[id_col])
    if codes.min() < 0:
        row = int(np.argmin(codes))
        got = f"{frame[id_col].iloc[row]} in row {row} ({int((codes < 0).sum())} such rows)"
        rule = f"have an id in every row of the column {id_col!r}"
        way_out = "Drop these rows, or fill in their ids."
        raise ValueError(argument.format_error(rule, got, way_out))
    return pd.Index(ids), codes


def _read_stamps(frame: pd.DataFrame, time_col: Hashable | None, argument: Argument) -> pd.Index:
    index = frame.index if time_col is None else pd.Index(frame[time_col])
    check_stamp_kind(index, argument, time_col)
    check_known_stamps(index, argument)
    return index


def _sort(
    values: np.ndarray, stamps: pd.Index, ids: pd.Index, codes: np.ndarray, columns: Sequence[Hashable]
) -> LongTable:
    order = _find_order(codes, _to_numbers(stamps))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    return LongTable(ids, tuple(columns), np.ascontiguousarray(values[order]), stamps[order], bounds, order)


def _to_numbers(stamps: pd.Index) -> np.ndarray:
    """Return numbers that have the same order as the stamps."""
    if isinstance(stamps, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return stamps.asi8
    return stamps.to_numpy(dtype=np.float64 if is_float_dtype(stamps.dtype) else np.int64)


def _find_order(codes: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Return the row numbers, sorted by series, then by stamp."""
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (stamps[1:] >= stamps[:-1]))
    return np.arange(len(codes)) if later.all() else np.lexsort((stamps, codes))


# ---- checks of every series ----


def _check_unique(table: LongTable, id_col: Hashable | None, argument: Argument) -> None:
    stamps = _to_numbers(table.index)
    duplicated = stamps[1:] == stamps[:-1]
    # The first row of a series follows the last row of another one.
    duplicated[table.bounds[1:-1] - 1] = False
    if not duplicated.any():
        return
    row = int(np.argmax(duplicated)) + 1
    rows = f"rows {table.order[row - 1]} and {table.order[row]}"
    got = f"{table.index[row]}{table.describe_series(row)} in {rows} ({int(duplicated.sum())} such pairs)"
    way_out = "Aggregate such rows."
    if id_col is None:
        way_out = "If these are several series, name the column that tells them apart with id_col. " + way_out
    raise ValueError(argument.format_error("have a stamp only once in a series", got, way_out))


def _check_finite(table: LongTable, argument: Argument) -> None:
    infinite = np.isinf(table.values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0].tolist()
        where = f"{table.describe_series(row)} at {table.index[row]}"
        got = f"{table.values[row, column]} in column {table.columns[column]!r}{where}"
        raise infinite_error(got, argument)


def check_observed(table: LongTable, columns: Sequence[Hashable], argument: Argument) -> None:
    """Check that each of these columns has an observed value in every series."""
    for label in columns:
        observed = np.isfinite(table.values[:, table.columns.index(label)])
        blank = ~np.logical_or.reduceat(observed, table.bounds[:-1])
        if blank.any():
            where = table.describe_series(int(table.bounds[np.argmax(blank)]))
            got = f"nothing but missing values{where} ({int(blank.sum())} such series)"
            rule = f"have an observed value in the column {label!r} of every series"
            raise ValueError(argument.format_error(rule, got, "Drop such series."))
