"""Columns of text and categories as columns of numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from .tables import NUMERIC_KINDS, Argument, check_column_names, check_present, format_labels

MAX_CATEGORIES = 100


@dataclass(frozen=True)
class Categories:
    """The categories of columns of text, each of which becomes a column of zeros and ones.

    The product of such columns with the input weights of a network selects one row of the weights. That row
    is the embedding of the category, as wide as the network, and is learned with all other weights. Columns
    of booleans are numbers already, and stay one column each.

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
        """Learn the categories of those columns that hold text or categories.

        Parameters
        ----------
        frame : DataFrame
        columns : iterable of labels
            The columns to look at.
        owner : str
            Name of the estimator or function that is called, for messages.
        parameter : str
            Name under which the user passed `frame`, for messages.

        Returns
        -------
        Categories

        Raises
        ------
        ValueError
            If the frame lacks a column or has one twice, or if a column of text has no observed value, or
            more than 100 categories.
        """
        argument = Argument(parameter, owner)
        labels = list(columns)
        check_column_names(frame.columns, argument)
        check_present(frame, labels, "", argument)
        found = {label: frame[label] for label in labels if _is_categorical(frame[label])}
        return cls({label: _find_categories(label, column, argument) for label, column in found.items()})

    def transform(self, frame: Any, owner: str, parameter: str = "X", missing: float = np.nan) -> Any:
        """Replace these columns by columns of numbers.

        Parameters
        ----------
        frame : DataFrame of n rows
            Any other object is returned as it is.
        owner, parameter : str
            As in :meth:`fit`.
        missing : float
            The value in all columns of a category that is missing in a row.

        Returns
        -------
        DataFrame of n rows
            In the place of column ``col``, one float64 column ``"col=value"`` for each category: 1 where the
            row has it, 0 where it has another one. The other columns stay as they are.

        Raises
        ------
        ValueError
            If a column is missing or duplicated, or has a category that :meth:`fit` has not seen.
        """
        if not (isinstance(frame, pd.DataFrame) and self.by_column):
            return frame
        argument = Argument(parameter, owner)
        check_column_names(frame.columns, argument)
        check_present(frame, self.by_column, "", argument)
        parts = [
            self._one_hot(label, frame, argument, missing)
            if label in self.by_column
            else frame.iloc[:, [position]]
            for position, label in enumerate(frame.columns)
        ]
        return pd.concat(parts, axis=1)

    def column_names(self, columns: Iterable[Hashable]) -> list[Hashable]:
        """Return the names of the columns that :meth:`transform` makes of these columns, in their order."""
        return [name for label in columns for name in self._names(label)]

    def select(self, names: Iterable[Hashable]) -> Categories:
        """Return the categories of the columns that any of the columns `names` were made of."""
        wanted = set(names)
        return Categories({k: v for k, v in self.by_column.items() if wanted & set(self._names(k))})

    def _names(self, label: Hashable) -> list[Hashable]:
        if label not in self.by_column:
            return [label]
        return [f"{label}={category}" for category in self.by_column[label]]

    def _one_hot(
        self, label: Hashable, frame: pd.DataFrame, argument: Argument, missing: float
    ) -> pd.DataFrame:
        categories = self.by_column[label]
        # The code of a missing entry is -1, which selects the last row of `rows`.
        codes, values = pd.factorize(frame[label])
        numbers = categories.get_indexer(pd.Index(list(values), dtype=object))
        if (numbers < 0).any():
            row = int(np.argmax((numbers < 0)[codes] & (codes >= 0)))
            raise _unknown_error(label, categories, frame, row, argument)
        n_categories = len(categories)
        rows = np.vstack([np.eye(n_categories), np.full(n_categories, missing)])
        return pd.DataFrame(rows[np.append(numbers, n_categories)[codes]], frame.index, self._names(label))


def check_static(
    frame: pd.DataFrame,
    id_col: Hashable | None,
    static_cols: Sequence[Hashable],
    owner: str,
    parameter: str = "X",
) -> None:
    """Check that static columns have one value in all rows of a series.

    Parameters
    ----------
    frame : DataFrame
    id_col : label or None
        The column that identifies the series; None if there is only one series.
    static_cols : sequence of labels
        Columns of any dtype.
    owner, parameter : str
        As in :meth:`Categories.fit`.

    Raises
    ------
    ValueError
        If the frame lacks a column, or a column has several values in a series. A missing entry counts as a
        value.
    """
    argument = Argument(parameter, owner)
    check_present(frame, static_cols, ", which static_cols names", argument)
    n = len(frame)
    ids = np.zeros(n, np.int64) if id_col is None else _to_codes(frame[id_col])
    first_rows = np.empty(ids.max(initial=0) + 1, np.int64)
    first_rows[ids[::-1]] = np.arange(n)[::-1]
    for label in static_cols:
        values = _to_codes(frame[label])
        changed = values != values[first_rows[ids]]
        if changed.any():
            row = int(np.argmax(changed))
            series = "the series" if id_col is None else f"series {format_labels([frame[id_col].iloc[row]])}"
            rule = f"have one value of column {label!r}, which static_cols names, in each series"
            got = f"{format_labels(frame[label][ids == ids[row]].unique())} in {series}"
            way_out = "Correct these rows, or take the column out of static_cols if it changes with time."
            raise ValueError(argument.format_error(rule, got, way_out))


def _to_codes(column: pd.Series) -> np.ndarray:
    return pd.factorize(column, use_na_sentinel=False)[0]


def _is_categorical(column: pd.Series) -> bool:
    if column.dtype.kind in NUMERIC_KINDS:
        return False
    is_text = isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype)
    return is_text or infer_dtype(column, skipna=True) == "string"


def _find_categories(label: Hashable, column: pd.Series, argument: Argument) -> pd.Index:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        found = dtype.categories[np.unique(column.cat.codes[column.notna()])]
    else:
        found = pd.Index(pd.factorize(column.dropna().astype(object), sort=True)[1])
    if found.empty:
        rule = "have an observed value in every column"
        got = f"nothing but missing values in column {label!r}"
        raise ValueError(argument.format_error(rule, got, "Drop such columns."))
    if len(found) > MAX_CATEGORIES:
        rule = f"have at most {MAX_CATEGORIES} categories in a column, since each becomes one of numbers"
        way_out = "If it tells series apart, name it with id_col; otherwise join rare categories, or drop it."
        raise ValueError(argument.format_error(rule, f"{len(found)} in column {label!r}", way_out))
    return found


def _unknown_error(
    label: Hashable, categories: pd.Index, frame: pd.DataFrame, row: int, argument: Argument
) -> ValueError:
    seen = format_labels(categories, MAX_CATEGORIES)
    rule = f"have in column {label!r} only categories that fit has seen, {seen}"
    at = "" if isinstance(frame.index, pd.RangeIndex) else f"at {frame.index[row]}, "
    got = f"{format_labels([frame[label].iloc[row]])} {at}in row {row},"
    way_out = "Fit with rows that have it, or make it NaN or one of these."
    return ValueError(argument.format_error(rule, got, way_out))
