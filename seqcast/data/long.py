"""Long frames: many series one below the other, told apart by a column of ids."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from .conversion import convert_input
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
    """Series in the order in which their ids first appear; iterates over pairs of id and `Table`.

    A series is cut out when it is asked for: making its index takes longer than all other work.

    Attributes
    ----------
    ids : pandas.Index of m labels
        With the dtype of the column of ids; None alone where no such column was named.
    columns : tuple of c labels
    values : ndarray of shape (n, c), float64, C-contiguous
        Of all series, one after the other, each in the order of time.
    index : pandas.Index of n labels
        The stamps of these rows.
    bounds : ndarray of shape (m + 1,), int64
        First row of each series, and the row after the last.
    order : ndarray of shape (n,), int64
        Where each of these rows stood in the frame.
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
        place = range(len(self))[number]
        return self.ids[place], self._table(*self.bounds[place : place + 2].tolist())

    @property
    def row_numbers(self) -> list[np.ndarray]:
        """Of each series: where the rows of its table stood in the frame."""
        return [self.order[begin:end] for begin, end in self._ends()]

    def with_columns(self, columns: Sequence[Hashable], values: np.ndarray) -> LongTable:
        """Other columns of the same rows: values (n, c) in the order in which these stood in the frame."""
        return replace(self, columns=tuple(columns), values=values[self.order])

    def describe_series(self, row: int) -> str:
        """For messages: the series that a row of `values` belongs to, in words that follow others."""
        label = self.ids[int(np.searchsorted(self.bounds, row, side="right")) - 1]
        return "" if label is None else f" in series {format_labels([label])}"

    def _ends(self) -> Iterator[tuple[int, int]]:
        return pairwise(self.bounds.tolist())  # Python's own integers cut faster than NumPy's

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
    """Check a long frame and take it apart into series.

    Parameters
    ----------
    X : DataFrame of n rows, of pandas or another library
        Rows in any order.
    id_col : label or None
        The column that tells the series apart; None if there is only one.
    time_col : label or None
        The column of stamps; None if the index tells the time.
    columns : sequence of labels or None
        The columns of numbers to read; None for all but `id_col` and `time_col`.
    owner : str
        Name of the estimator or function that asks, for messages.
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
        If there is no row, a column is missing, an id or a stamp is unknown, or a series has a stamp twice
        or an infinite value.
    """
    argument = Argument(parameter, owner)
    frame = check_long_frame(X, id_col, time_col, argument)
    if columns is None:
        columns = [label for label in frame.columns if label not in (id_col, time_col)]
        check_size((len(frame), len(columns)), argument)
    ids, codes = _series_numbers(frame, id_col, argument)
    table = _sorted(
        _values(frame, columns, argument), _stamps(frame, time_col, argument), ids, codes, columns
    )
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
    """Series one below the other, the way back from :func:`read_long`.

    Parameters
    ----------
    ids : pandas.Index or sequence of m labels
        An index keeps its dtype.
    indexes : sequence of m pandas.Index
        The stamps of each series.
    values : sequence of m ndarrays of shape (n_k, c), or ndarray of shape (m, n, c)
    columns : sequence of c labels
    id_col, time_col : label or None
        Names of the columns of ids and stamps. Without the first there is none; without the second the
        stamps are the index.

    Returns
    -------
    DataFrame of sum(n_k) rows
        The columns of ids and stamps come first.
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


# ---- what comes in ----


def check_long_frame(
    X: Any, id_col: Hashable | None, time_col: Hashable | None, argument: Argument
) -> pd.DataFrame:
    """A frame of pandas with rows and these columns."""
    frame = convert_input(X)
    if not isinstance(frame, pd.DataFrame):
        way_out = "Pass one with the columns that id_col and time_col name."
        raise TypeError(argument.format_error("be a DataFrame", type(X).__name__, way_out))
    check_size(frame.shape, argument)
    check_column_names(frame.columns, argument)
    for name, label in (("id_col", id_col), ("time_col", time_col)):
        if label is not None:
            check_present(frame, [label], f", which {name} names", argument)
    if id_col is not None and id_col == time_col:
        rule, way_out = "have its ids and its stamps in two columns", "Set id_col or time_col to another."
        raise ValueError(argument.format_error(rule, f"{id_col!r} for both", way_out))
    return frame


def _values(frame: pd.DataFrame, columns: Sequence[Hashable], argument: Argument) -> np.ndarray:
    check_present(frame, columns, "", argument)
    numbers = frame[list(columns)]
    check_numeric(numbers, owner=argument.owner, parameter=argument.parameter)
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _series_numbers(
    frame: pd.DataFrame, id_col: Hashable | None, argument: Argument
) -> tuple[pd.Index, np.ndarray]:
    """The ids (m,) in the order of their first row, and the number of each row's (n,)."""
    if id_col is None:
        return pd.Index([None], dtype=object), np.zeros(len(frame), dtype=np.int64)
    codes, ids = pd.factorize(frame[id_col])
    if codes.min() < 0:
        row = int(np.argmin(codes))
        got = f"{frame[id_col].iloc[row]} in row {row} ({int((codes < 0).sum())} such rows)"
        rule = f"have an id in every row of the column {id_col!r}"
        raise ValueError(argument.format_error(rule, got, "Drop these rows, or fill in their ids."))
    return pd.Index(ids), codes


def _stamps(frame: pd.DataFrame, time_col: Hashable | None, argument: Argument) -> pd.Index:
    index = frame.index if time_col is None else pd.Index(frame[time_col])
    check_stamp_kind(index, argument, time_col)
    check_known_stamps(index, argument)
    return index


def _sorted(
    values: np.ndarray, stamps: pd.Index, ids: pd.Index, codes: np.ndarray, columns: Sequence[Hashable]
) -> LongTable:
    order = _order(codes, _plain(stamps))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    return LongTable(ids, tuple(columns), np.ascontiguousarray(values[order]), stamps[order], bounds, order)


def _plain(stamps: pd.Index) -> np.ndarray:
    """Numbers in the same order."""
    if isinstance(stamps, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return stamps.asi8
    return stamps.to_numpy(dtype=np.float64 if is_float_dtype(stamps.dtype) else np.int64)


def _order(codes: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Rows sorted by series, then by stamp."""
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (stamps[1:] >= stamps[:-1]))
    return np.arange(len(codes)) if later.all() else np.lexsort((stamps, codes))


# ---- what holds for every series ----


def _check_unique(table: LongTable, id_col: Hashable | None, argument: Argument) -> None:
    stamps = _plain(table.index)
    twice = stamps[1:] == stamps[:-1]
    twice[table.bounds[1:-1] - 1] = False  # the first row of a series comes after the last of another
    if not twice.any():
        return
    row = int(np.argmax(twice)) + 1
    rows = f"rows {table.order[row - 1]} and {table.order[row]}"
    got = f"{table.index[row]}{table.describe_series(row)} in {rows} ({int(twice.sum())} such pairs)"
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
    """That each of these columns has an observed value in every series."""
    for label in columns:
        known = np.isfinite(table.values[:, table.columns.index(label)])
        blank = ~np.logical_or.reduceat(known, table.bounds[:-1])
        if blank.any():
            where = table.describe_series(int(table.bounds[np.argmax(blank)]))
            got = f"nothing but missing values{where} ({int(blank.sum())} such series)"
            rule = f"have an observed value in the column {label!r} of every series"
            raise ValueError(argument.format_error(rule, got, "Drop such series."))
