"""Columns of text and of categories as numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from .conversion import convert_input
from .tables import NUMERIC_KINDS, Argument, check_column_names, check_present, format_labels

MAX_CATEGORIES = 100


@dataclass(frozen=True)
class Categories:
    """Which categories the columns of text had; each becomes a column of zeros and ones.

    The product of such columns with the input weights of a network picks one row of the weights: that row is
    the category's embedding, of the network's own width, learned with all else. Booleans are numbers as
    they are, and stay in one column.

    Attributes
    ----------
    by_column : dict of label to pandas.Index
        The categories of each column, sorted; those of ordered categoricals in their own order.
    """

    by_column: dict[Hashable, pd.Index]

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, columns: Iterable[Hashable], owner: str, parameter: str = "X"
    ) -> Categories:
        """Learn the categories of those of the columns that hold text or categories.

        Parameters
        ----------
        frame : DataFrame
        columns : iterable of labels
            Others are not looked at.
        owner : str
            Name of the estimator or function that asks, for messages.
        parameter : str
            Name under which the user passed `frame`, for messages.

        Raises
        ------
        ValueError
            If the frame lacks a column or has one twice, or such a column has no observed value, or more
            than 100 categories.
        """
        argument, labels = Argument(parameter, owner), list(columns)
        check_column_names(frame.columns, argument)
        check_present(frame, labels, "", argument)
        found = {label: frame[label] for label in labels if _is_categorical(frame[label])}
        return cls({label: _categories(label, column, argument) for label, column in found.items()})

    def transform(self, frame: Any, owner: str, parameter: str = "X") -> Any:
        """Put numbers in the place of these columns.

        Parameters
        ----------
        frame : DataFrame of n rows
            Of pandas or another library; whatever else comes is given back as it is.
        owner, parameter : str
            As in :meth:`fit`.

        Returns
        -------
        DataFrame of n rows, of pandas
            In the place of column ``col``, float64 columns ``"col=value"``, one for each category: 1 where
            the row has it, 0 where it has another one, NaN in all of them where it has none. The other
            columns are as they came.

        Raises
        ------
        ValueError
            If a column is missing or there twice, or has a category that :meth:`fit` has not seen.
        """
        frame = convert_input(frame)
        if not (isinstance(frame, pd.DataFrame) and self.by_column):
            return frame
        argument = Argument(parameter, owner)
        check_column_names(frame.columns, argument)
        check_present(frame, self.by_column, "", argument)
        parts = [
            self._one_hot(label, frame, argument) if label in self.by_column else frame.iloc[:, [place]]
            for place, label in enumerate(frame.columns)
        ]
        return pd.concat(parts, axis=1)

    def column_names(self, columns: Iterable[Hashable]) -> list[Hashable]:
        """What :meth:`transform` makes of these columns, in their order."""
        return [name for label in columns for name in self._names(label)]

    def select(self, names: Iterable[Hashable]) -> Categories:
        """Of the columns that any of these names were made of."""
        wanted = set(names)
        return Categories({k: v for k, v in self.by_column.items() if wanted & set(self._names(k))})

    def _names(self, label: Hashable) -> list[Hashable]:
        if label not in self.by_column:
            return [label]
        return [f"{label}={category}" for category in self.by_column[label]]

    def _one_hot(self, label: Hashable, frame: pd.DataFrame, argument: Argument) -> pd.DataFrame:
        categories = self.by_column[label]
        codes, values = pd.factorize(frame[label])  # the code of a missing one is -1
        numbers = categories.get_indexer(pd.Index(list(values), dtype=object))
        if (numbers < 0).any():
            row = int(np.argmax((numbers < 0)[codes] & (codes >= 0)))
            raise _unknown_error(label, categories, frame, row, argument)
        width = len(categories)
        rows = np.vstack([np.eye(width), np.full(width, np.nan)])
        return pd.DataFrame(rows[np.append(numbers, width)[codes]], frame.index, self._names(label))


def check_static(
    frame: pd.DataFrame,
    id_col: Hashable | None,
    static_cols: Sequence[Hashable],
    owner: str,
    parameter: str = "X",
) -> None:
    """Check that columns have one value in all rows of a series, whatever they hold.

    Parameters
    ----------
    frame : DataFrame
    id_col : label or None
        The column that tells the series apart; None if there is only one.
    static_cols : sequence of labels
    owner, parameter : str
        As in :meth:`Categories.fit`.

    Raises
    ------
    ValueError
        If the frame lacks a column, or a column has several values in a series; a missing one is a value.
    """
    argument, n = Argument(parameter, owner), len(frame)
    check_present(frame, static_cols, ", which static_cols names", argument)
    ids = np.zeros(n, np.int64) if id_col is None else _codes(frame[id_col])
    first = np.empty(ids.max(initial=0) + 1, np.int64)
    first[ids[::-1]] = np.arange(n)[::-1]
    for label in static_cols:
        values = _codes(frame[label])
        changed = values != values[first[ids]]
        if changed.any():
            row = int(np.argmax(changed))
            series = "the series" if id_col is None else f"series {format_labels([frame[id_col].iloc[row]])}"
            rule = f"have one value of column {label!r}, which static_cols names, in each series"
            got = f"{format_labels(frame[label][ids == ids[row]].unique())} in {series}"
            way_out = "Correct these rows, or take the column out of static_cols if it changes with time."
            raise ValueError(argument.format_error(rule, got, way_out))


def _codes(column: pd.Series) -> np.ndarray:
    return pd.factorize(column, use_na_sentinel=False)[0]


def _is_categorical(column: pd.Series) -> bool:
    if column.dtype.kind in NUMERIC_KINDS:
        return False
    text = isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype)
    return text or infer_dtype(column, skipna=True) == "string"


def _categories(label: Hashable, column: pd.Series, argument: Argument) -> pd.Index:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        found = dtype.categories[np.unique(column.cat.codes[column.notna()])]
    else:
        found = pd.Index(pd.factorize(column.dropna().astype(object), sort=True)[1])
    if found.empty:
        got = f"nothing but missing values in column {label!r}"
        raise ValueError(
            argument.format_error("have an observed value in every column", got, "Drop such columns.")
        )
    if len(found) > MAX_CATEGORIES:
        rule = f"have at most {MAX_CATEGORIES} categories in a column, since each becomes one of numbers"
        way_out = "If it tells series apart, name it with id_col; otherwise join rare categories, or drop it."
        raise ValueError(argument.format_error(rule, f"{len(found)} in column {label!r}", way_out))
    return found


def _unknown_error(
    label: Hashable, categories: pd.Index, frame: pd.DataFrame, row: int, argument: Argument
) -> ValueError:
    rule = f"have in column {label!r} only categories that fit has seen, {format_labels(categories, MAX_CATEGORIES)}"
    at = "" if isinstance(frame.index, pd.RangeIndex) else f"at {frame.index[row]}, "
    got = f"{format_labels([frame[label].iloc[row]])} {at}in row {row},"
    return ValueError(
        argument.format_error(rule, got, "Fit with rows that have it, or make it NaN or one of these.")
    )
