"""Tables of numbers over an index, read from frames, series and arrays, and checked.

What the rest of the library assumes about data is established here: values are float64, C-contiguous, and
finite or NaN; columns are unique; the index increases strictly and is of a kind that can be continued. NaN
means "not observed". No value is filled in, and no text is parsed.

Data of other libraries must have passed `conversion.convert_input`.
"""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_float_dtype, is_integer_dtype

from .suggestions import suggest

Kind = Literal["array", "series", "frame"]
Unsorted = Literal["refuse", "sort", "keep"]

# Kinds of dtypes: one letter that NumPy's dtypes and those of pandas (nullable, Arrow, sparse) have in
# common.
NUMERIC_KINDS = "iufb"
COMPLEX_KIND = "c"
OBJECT_KIND = "O"

# How many labels a message shows.
MAX_EXAMPLES = 3
MAX_SHOWN_COLUMNS = 20

WAYS_OUT = {
    "boolean": "Convert it with .astype('boolean').",
    "categorical": "Encode it with pd.get_dummies or .cat.codes, or drop it.",
    "date": "Make it the index with set_index, or name it with time_col= where there is that parameter, or "
    "derive numbers from it, such as .dt.day_of_year.",
    "timedelta": "Convert it with .dt.total_seconds().",
    "period": "Make it the index with set_index, or drop it.",
    "decimal": "Convert it with .astype('float64').",
    "string": "Convert it with pd.to_numeric if it holds numbers. If it holds categories, convert it with "
    ".astype('category'), or name it with future_cols= (known in advance) or static_cols= where there are "
    "such parameters. Otherwise drop it.",
}
DEFAULT_WAY_OUT = "Convert it with pd.to_numeric if it holds numbers, or drop it."


@dataclass(frozen=True)
class Table:
    """Observations of one or several columns over an index.

    Attributes
    ----------
    values : ndarray, shape (n, n_columns), float64, C-contiguous
        NaN where nothing was observed. The array may share memory with the data it was read from: do not
        write into it.
    columns : tuple of n_columns labels
        The labels of the data; ``"y"`` for a single unnamed column, ``"x0"``, ``"x1"``, ... for arrays.
    index : pandas.Index of n labels
        Strictly increasing, unless the table was read with ``unsorted="keep"``.
    kind : {"array", "series", "frame"}
        Type of the data, so that an answer can have the same type.
    """

    values: np.ndarray
    columns: tuple[Hashable, ...]
    index: pd.Index
    kind: Kind


class ComplexDataError(TypeError, ValueError):
    """Complex numbers in the place of real ones.

    A ``TypeError``, as for every other dtype that is refused. Also a ``ValueError``, because scikit-learn's
    estimator checks expect one.
    """


@dataclass(frozen=True)
class Argument:
    """Name of a parameter and of the function or estimator that has it, for error messages."""

    parameter: str
    owner: str

    def format_error(self, rule: str, got: str, way_out: str) -> str:
        """Return a message of the parts parameter, rule, value and way out."""
        return f"The {self.parameter!r} parameter of {self.owner} must {rule}. Got {got} instead. {way_out}"


def read_table(
    data: Any,
    *,
    owner: str,
    parameter: str = "X",
    unsorted: Unsorted = "refuse",
    require_observed: bool = True,
) -> Table:
    """Check data and turn them into a `Table`.

    Parameters
    ----------
    data : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
        Integers, floats, booleans, or pandas' nullable and Arrow forms of them. Missing entries are NaN, NA
        or, in lists and object arrays, None. The index may hold integers, floats, timestamps with or without
        a time zone, timedeltas or periods. Rows of arrays are numbered from 0.
    owner : str
        Name of the estimator or function that is called, for messages.
    parameter : str
        Name under which the user passed `data`, for messages.
    unsorted : {"refuse", "sort", "keep"}
        Treatment of rows out of order: raise an error, sort them, or leave them.
    require_observed : bool
        Whether a column without any observed value is an error.

    Returns
    -------
    Table

    Raises
    ------
    TypeError
        If a container, index or column holds no real numbers: text, objects, categories, decimals, dates,
        complex numbers, sparse matrices, an index of several levels.
    ValueError
        If the data have no rows or no columns, duplicated columns or stamps, missing stamps, rows out of
        order (with "refuse"), infinite values, or columns that were never observed.
    """
    argument = Argument(parameter, owner)
    table = _read(data, argument)
    _check_stamps(table.index, argument)
    table = _apply_order(table, unsorted, argument)
    _check_finite(table, argument)
    if require_observed:
        _check_observed(table, argument)
    return table


def select_columns(table: Table, columns: Iterable[Hashable], *, owner: str) -> Table:
    """Return a table with the given columns, in the given order.

    Parameters
    ----------
    table : Table
    columns : iterable of labels
    owner : str
        Name of the estimator or function that is called, for the message.

    Returns
    -------
    Table
        `table` itself if it has exactly these columns in this order.

    Raises
    ------
    ValueError
        If the table lacks a column.
    """
    wanted = tuple(columns)
    if wanted == table.columns:
        return table
    missing = [label for label in wanted if label not in table.columns]
    if missing:
        raise ValueError(
            f"The data for {owner} must have the columns {format_labels(wanted, MAX_SHOWN_COLUMNS)}. "
            f"Missing: {format_labels(missing, MAX_SHOWN_COLUMNS)}; got "
            f"{format_labels(table.columns, MAX_SHOWN_COLUMNS)} instead.{suggest(missing[0], table.columns)}"
        )
    positions = [table.columns.index(label) for label in wanted]
    return replace(table, values=np.ascontiguousarray(table.values[:, positions]), columns=wanted)


def sort_by_index(table: Table) -> tuple[Table, np.ndarray]:
    """Return the table sorted by its index, and the former row number of each of its rows, shape (n,)."""
    order = np.asarray(table.index.argsort())
    if table.index.is_monotonic_increasing:
        return table, order
    return replace(table, values=table.values[order], index=table.index[order]), order


def is_default_index(index: pd.Index) -> bool:
    """Return whether the labels are 0, 1, 2, ..., as pandas makes them where no index is given."""
    return is_integer_dtype(index.dtype) and np.array_equal(index, np.arange(len(index)))


def check_numeric(frame: pd.DataFrame, *, owner: str, parameter: str = "X") -> None:
    """Raise the error of `read_table` if a column holds anything but numbers."""
    _check_numeric(frame, tuple(frame.columns), Argument(parameter, owner))


# ---- frames and series ----


def _read(data: Any, argument: Argument) -> Table:
    if isinstance(data, pd.DataFrame):
        return _read_frame(data, tuple(data.columns), "frame", argument)
    if isinstance(data, pd.Series):
        label = "y" if data.name is None else data.name
        return _read_frame(data.to_frame("y"), (label,), "series", argument)
    return _read_array(data, argument)


def _read_frame(frame: pd.DataFrame, columns: tuple[Hashable, ...], kind: Kind, argument: Argument) -> Table:
    check_size(frame.shape, argument)
    check_column_names(frame.columns, argument)
    check_stamp_kind(frame.index, argument)
    _check_numeric(frame, columns, argument)
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return Table(np.ascontiguousarray(values), columns, frame.index, kind)


def _check_numeric(frame: pd.DataFrame, columns: tuple[Hashable, ...], argument: Argument) -> None:
    for position, dtype in enumerate(frame.dtypes):
        if dtype.kind not in NUMERIC_KINDS:
            raise _column_error(columns[position], frame.iloc[:, position], argument)


def check_column_names(columns: pd.Index, argument: Argument) -> None:
    """Check that column names have one level and are unique."""
    if isinstance(columns, pd.MultiIndex):
        way_out = "Join the levels into one name: X.columns = ['_'.join(map(str, c)) for c in X.columns]."
        rule = "have one level of column names"
        raise TypeError(argument.format_error(rule, f"{columns.nlevels} levels", way_out))
    if not columns.is_unique:
        got = f"{format_labels(columns[columns.duplicated()].unique())} more than once"
        way_out = "Rename or drop the duplicates."
        raise ValueError(argument.format_error("have unique column names", got, way_out))


def check_present(frame: pd.DataFrame, labels: Iterable[Hashable], reason: str, argument: Argument) -> None:
    """Check that the frame has these columns; `reason` ends the rule in the message."""
    missing = [label for label in labels if label not in frame.columns]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        rule = f"have the {noun} {format_labels(missing, MAX_SHOWN_COLUMNS)}{reason}"
        got = f"the columns {format_labels(frame.columns, MAX_SHOWN_COLUMNS)}"
        way_out = "Look for another spelling, or for an index that reset_index() makes a column."
        way_out += suggest(missing[0], frame.columns)
        raise ValueError(argument.format_error(rule, got, way_out))


def check_stamp_kind(index: pd.Index, argument: Argument, time_col: Hashable = None) -> None:
    """Check that the index, or the column `time_col`, holds labels of a kind that can be continued."""
    if isinstance(index, pd.MultiIndex):
        way_out = (
            "Unstack all levels but the time to get one column a series, or reset_index() and name the "
            "id and time columns."
        )
        raise TypeError(
            argument.format_error("have an index of one level", f"{index.nlevels} levels", way_out)
        )
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return
    if not (is_integer_dtype(index.dtype) or is_float_dtype(index.dtype)):
        what = "an index" if time_col is None else f"the column {time_col!r}"
        drop = ", or drop it with reset_index(drop=True) to count rows" if time_col is None else ""
        rule = "be indexed by numbers, timestamps, timedeltas or periods"
        way_out = f"Convert it with pd.to_datetime{drop}."
        raise TypeError(argument.format_error(rule, f"{what} of dtype {index.dtype}", way_out))


def _column_error(label: object, column: pd.Series, argument: Argument) -> TypeError:
    got = f"column {label!r} of dtype {column.dtype}"
    if column.dtype.kind == COMPLEX_KIND:
        return _complex_error(got, argument)
    content = infer_dtype(column, skipna=True)
    if column.dtype == object:
        got += f" (content: {content})"
    way_out = next((way for word, way in WAYS_OUT.items() if content.startswith(word)), DEFAULT_WAY_OUT)
    return TypeError(argument.format_error("hold numbers only", got, way_out))


def _complex_error(got: str, argument: Argument) -> ComplexDataError:
    way_out = "Pass real and imaginary parts as two columns."
    message = argument.format_error("hold real numbers", got, way_out)
    return ComplexDataError(f"Complex data not supported. {message}")


# ---- arrays ----


def _read_array(data: Any, argument: Argument) -> Table:
    array = _to_two_dimensions(data, argument)
    check_size(array.shape, argument)
    n_columns = array.shape[1]
    columns = ("y",) if n_columns == 1 else tuple(f"x{number}" for number in range(n_columns))
    if array.dtype.kind == COMPLEX_KIND:
        raise _complex_error(f"an array of dtype {array.dtype}", argument)
    if array.dtype.kind == OBJECT_KIND:
        array = _objects_to_floats(array, argument)
    elif array.dtype.kind not in NUMERIC_KINDS:
        got = f"an array of dtype {array.dtype}"
        way_out = "Convert it with .astype('float64')."
        raise TypeError(argument.format_error("hold numbers only", got, way_out))
    values = np.ascontiguousarray(array, dtype=np.float64)
    return Table(values, columns, pd.RangeIndex(len(values)), "array")


def _to_two_dimensions(data: Any, argument: Argument) -> np.ndarray:
    if hasattr(data, "todense"):
        raise TypeError(argument.format_error("be dense", "sparse data", "Convert it with .toarray()."))
    if isinstance(data, np.ma.MaskedArray):
        # np.asarray would return the values under the mask.
        data = np.ma.filled(data.astype(np.float64), np.nan)
    rule = "be a Series, a DataFrame, or an array-like of shape (n,) or (n, c)"
    way_out = "Pass one row a time step and one column a variable."
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(argument.format_error(rule, "rows of different lengths", way_out)) from error
    if array.ndim == 0:
        raise TypeError(argument.format_error(rule, f"{type(data).__name__}", way_out))
    if array.ndim > 2:
        raise ValueError(argument.format_error(rule, f"shape {array.shape}", way_out))
    return array[:, np.newaxis] if array.ndim == 1 else array


def _objects_to_floats(array: np.ndarray, argument: Argument) -> np.ndarray:
    """Convert an object array of real numbers and missing entries; a list with None becomes such an array."""
    missing = pd.isna(array)
    for entry in array[~missing]:
        if not isinstance(entry, numbers.Real | np.bool_):
            # scikit-learn's checks look for the words of float(): argument must be, string, number.
            rule = "hold numbers only: each argument must be one, and no string is taken for a number"
            got = f"{entry!r} of type {type(entry).__name__}"
            way_out = "Convert it with .astype('float64')."
            raise TypeError(argument.format_error(rule, got, way_out))
    return np.where(missing, np.nan, array).astype(np.float64)


# ---- checks of every table ----


def check_size(shape: tuple[int, ...], argument: Argument) -> None:
    """Check that there is at least one row and one column."""
    for count, thing in zip(shape, ("sample", "feature"), strict=True):
        if count == 0:
            # scikit-learn's estimator checks look for this wording of the count.
            raise ValueError(
                f"The {argument.parameter!r} parameter of {argument.owner} must not be empty. Got data with "
                f"0 {thing}(s) (shape={shape}) while a minimum of 1 is required."
            )


def check_known_stamps(index: pd.Index, argument: Argument) -> None:
    """Check that no stamp is missing or infinite."""
    unknown = np.asarray(index.isna())
    if is_float_dtype(index.dtype):
        unknown = ~np.isfinite(index.to_numpy(dtype=np.float64, na_value=np.nan))
    if unknown.any():
        row = int(np.argmax(unknown))
        got = f"{index[row]} in row {row} ({int(unknown.sum())} such rows)"
        raise ValueError(argument.format_error("have a known stamp in every row", got, "Drop these rows."))


def _check_stamps(index: pd.Index, argument: Argument) -> None:
    check_known_stamps(index, argument)
    if not index.is_unique:
        duplicates = index[index.duplicated()].unique()
        got = f"{len(duplicates)} stamps that occur more than once, such as {format_labels(duplicates)}"
        way_out = "Aggregate them, for example with X.groupby(level=0).mean()."
        raise ValueError(argument.format_error("have unique stamps", got, way_out))


def _apply_order(table: Table, unsorted: Unsorted, argument: Argument) -> Table:
    if unsorted == "keep" or table.index.is_monotonic_increasing:
        return table
    if unsorted == "sort":
        return sort_by_index(table)[0]
    row = int(np.argmax(np.asarray(table.index[1:] < table.index[:-1]))) + 1
    got = f"{table.index[row]} in row {row}, after {table.index[row - 1]}"
    raise ValueError(argument.format_error("be sorted by its index", got, "Sort it with X.sort_index()."))


def _check_finite(table: Table, argument: Argument) -> None:
    infinite = np.isinf(table.values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        got = f"{table.values[row, column]} in column {table.columns[column]!r} at {table.index[row]}"
        raise infinite_error(got, argument)


def infinite_error(got: str, argument: Argument) -> ValueError:
    """Return the error for infinite values, where `got` says which and where."""
    way_out = "Replace such entries by NaN if they stand for missing values."
    return ValueError(argument.format_error("hold finite numbers or NaN", got, way_out))


def _check_observed(table: Table, argument: Argument) -> None:
    empty = np.isnan(table.values).all(axis=0)
    if empty.any():
        names = [label for label, is_empty in zip(table.columns, empty, strict=True) if is_empty]
        got = f"nothing but missing values in column {format_labels(names)}"
        rule = "have an observed value in every column"
        raise ValueError(argument.format_error(rule, got, "Drop such columns."))


def format_labels(labels: Iterable[Hashable], limit: int = MAX_EXAMPLES) -> str:
    """Return up to `limit` labels, separated by commas, and dots if there are more."""
    names = [repr(label) if isinstance(label, str) else str(label) for label in labels]
    return ", ".join(names[:limit] + ["..."] * (len(names) > limit))
