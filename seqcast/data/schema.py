"""Schema of the rows of ``fit``, by which later rows are read and forecasts are returned."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from .categories import Categories, check_static
from .conversion import convert_input, has_index
from .long import LongTable, check_long_frame, check_observed, read_long, to_long
from .roles import ColumnSpec, Roles, to_label_list
from .tables import Argument, Kind, Table, is_default_index, read_table, select_columns, sort_by_index
from .targets import TrainingTable, read_training_table
from .time_steps import insert_missing_steps


@dataclass(frozen=True)
class InputRows:
    """Rows of one or several series, from one argument of the user.

    Attributes
    ----------
    ids : list
        Ids of the series; a single None for a frame without a column of ids.
    tables : list of Table
        One table for each series, its rows in the order of time.
    row_numbers : list of ndarray of int
        Row number in the argument of each of these rows.
    index : pandas.Index
        Index of the argument.
    kind : {"array", "series", "frame"}
        Type of the argument.
    has_index : bool
        Whether the argument is of a library whose frames have an index.
    source : any
        The argument, after `convert_input`.
    caller : str
        The estimator and its method that were called, for messages.
    """

    ids: list[Any]
    tables: list[Table]
    row_numbers: list[np.ndarray]
    index: pd.Index
    kind: Kind
    has_index: bool = True
    source: Any = None
    caller: str = ""

    @classmethod
    def from_long(cls, series: LongTable, index: pd.Index, source: Any = None) -> InputRows:
        """Return the rows of a long frame that has this index."""
        tables = [table for _, table in series]
        return cls(list(series.ids), tables, series.row_numbers, index, "frame", source=source)

    @classmethod
    def from_table(cls, table: Table, has_index: bool = True, source: Any = None) -> InputRows:
        """Return the rows of a single series, sorted by time."""
        ordered, order = sort_by_index(table)
        return cls([None], [ordered], [order], table.index, table.kind, has_index, source)

    def __iter__(self) -> Iterator[tuple[Any, Table]]:
        return zip(self.ids, self.tables, strict=True)

    def align_weights(self, weights: Any, steps: list[np.ndarray], caller: str) -> list[np.ndarray] | None:
        """Return the weight of each step of each series, NaN at missing steps.

        Parameters
        ----------
        weights : array-like, shape (n,), or None
            Weights of the rows in the order of the argument. Those of a Series are found by its index, unless
            it counts rows.
        steps : list of ndarray of int
            Step numbers of the rows of each series.
        caller : str
            The estimator and its method, for messages.
        """
        if weights is None:
            return None
        weights = convert_input(weights)
        if isinstance(weights, pd.Series):
            weights = self._find_weights(weights, caller)
        checked = _check_sample_weight(weights, np.empty(len(self.index)), ensure_non_negative=True)
        columns = [checked[rows, None] for rows in self.row_numbers]
        return [insert_missing_steps(column, own)[:, 0] for column, own in zip(columns, steps, strict=True)]

    def _find_weights(self, weights: pd.Series, caller: str) -> pd.Series:
        """Return weights in the order of the rows of the argument."""
        index = weights.index
        if self.kind == "array" or is_default_index(index) or index.equals(self.index):
            return weights
        if len(index) == len(self.index) and index.is_unique and self.index.isin(index).all():
            return weights.reindex(self.index)
        raise ValueError(
            f"The 'sample_weight' parameter of {caller} must have the labels of the index of X. Got "
            f"{index[0]} to {index[-1]}, and {self.index[0]} to {self.index[-1]} in X. Align it with "
            f"sample_weight.reindex(X.index), or pass sample_weight.to_numpy() for weights by position."
        )

    def restore_order(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return values of the rows of each series in the order of the argument, shape (n, n_columns)."""
        restored = np.empty((len(self.index), values[0].shape[1]))
        for rows, own in zip(self.row_numbers, values, strict=True):
            restored[rows] = own
        return restored


@dataclass(frozen=True)
class Schema:
    """Columns, types and ids of the rows of ``fit``.

    Attributes
    ----------
    roles : Roles
    columns : tuple of labels
        The columns of `X`, in its order.
    kind, y_kind : {"array", "series", "frame"} or None
        Types of `X` and `y`; None if there was no `y`.
    y_ndim : int
        Dimensions of `y`.
    separate_targets : bool
        Whether the targets were given in `y` and are no columns of `X`.
    has_default_index : bool
        Whether the index was 0, 1, 2, ...
    column_spec : ColumnSpec
    categories : Categories
        Categories of the columns of text.
    id_dtype : dtype or None
        Of the column of ids.
    owner : str
        Name of the estimator, for messages.
    """

    roles: Roles
    columns: tuple[Hashable, ...]
    kind: Kind
    y_kind: Kind | None
    y_ndim: int
    separate_targets: bool
    has_default_index: bool
    column_spec: ColumnSpec
    categories: Categories
    id_dtype: Any
    owner: str

    @property
    def has_ids(self) -> bool:
        """True if a column of ids identifies the series."""
        return self.column_spec.id_col is not None

    # ---- later rows ----

    def read(self, X: Any, method: str) -> InputRows:
        """Read rows that have the columns of fit, without the static ones."""
        targets = [] if self.separate_targets else self.roles.targets
        names = [*targets, *self.roles.past, *self.roles.future]
        return self._read(X, names, self.columns, f"{self.owner}.{method}", "X")

    def read_future(self, X: Any, method: str) -> InputRows:
        """Read rows that have the future covariates.

        A category that is missing is none of those in fit: all of its columns are 0.
        """
        names = self.roles.future
        owner = f"{self.owner}.{method}"
        numbers = self.categories.select(names).transform(convert_input(X), owner, "X_future", missing=0.0)
        return self._read(numbers, names, tuple(names), owner, "X_future")

    def _read(
        self, X: Any, names: list[Hashable], columns: tuple[Hashable, ...], owner: str, parameter: str
    ) -> InputRows:
        """Read the columns `names` of rows; `columns` are those that an array must have."""
        source = convert_input(X)
        numbers = source
        if parameter == "X":
            numbers = self.categories.select(names).transform(source, owner, parameter)
        if self.column_spec.is_long:
            spec = self.column_spec
            series = read_long(numbers, spec.id_col, spec.time_col, names, owner, parameter)
            return replace(InputRows.from_long(series, numbers.index, source), caller=owner)
        table = read_table(numbers, owner=owner, parameter=parameter, unsorted="keep", require_observed=False)
        if table.kind == "series" and len(columns) == 1:
            table = replace(table, columns=columns)
        if "array" in (table.kind, self.kind):
            table = _name_by_position(table, columns, self.owner, is_flat=_is_flat(numbers))
        rows = InputRows.from_table(select_columns(table, names, owner=owner), has_index(X), source)
        return replace(rows, caller=owner)

    def read_new_series(
        self, given: InputRows, row_numbers: np.ndarray, targets: np.ndarray, method: str
    ) -> InputRows:
        """Read rows of series that were not in fit, with all columns that fit reads, static ones too.

        Parameters
        ----------
        given : InputRows
            What `read` returned for the rows of all series.
        row_numbers : ndarray of int
            The rows of new series.
        targets : ndarray, shape (n, n_targets)
            Targets of all rows, in the order of the argument.
        method : str
            Name of the method that is called, for messages.
        """
        owner = f"{self.owner}.{method}"
        spec = self.column_spec
        X = given.source.iloc[row_numbers]
        check_static(X, spec.id_col, to_label_list(spec.static_cols), owner)
        numbers = self.categories.transform(X, owner)
        if self.separate_targets:
            own_targets = pd.DataFrame(targets[row_numbers], X.index, self.roles.targets)
            numbers = pd.concat([own_targets, numbers], axis=1)
        series = read_long(numbers, spec.id_col, spec.time_col, self.roles.all, owner)
        check_observed(series, self.roles.targets, Argument("X", owner))
        return InputRows.from_long(series, X.index)

    def with_ids(self, known: Iterable[Any], ids: Sequence[Any]) -> Schema:
        """Return a schema in which series with these ids are known, too."""
        types = {_type_name(id_) for id_ in known}
        others = [id_ for id_ in ids if _type_name(id_) not in types]
        if others:
            raise TypeError(
                f"The column {self.column_spec.id_col!r} of X in {self.owner} must hold ids of the same type "
                f"as in fit, {' or '.join(sorted(types))}. Got {others[0]!r}, {_type_name(others[0])}, "
                f"instead. Convert the column with astype."
            )
        return replace(self, id_dtype=_extend_dtype(ids, self.id_dtype))

    def check_known(self, ids: Iterable[Any], known: Container[Any], method: str) -> None:
        """Check that all series are known, because neither the scale nor the past of others is."""
        others = [id_ for id_ in ids if id_ not in known]
        if others:
            raise ValueError(
                f"The column {self.column_spec.id_col!r} of X in {self.owner}.{method} must hold series that "
                f"are known. Got {len(others)} others, such as {others[0]!r}. Leave them out, or add them "
                f"with update, from rows of their past (where each series has a model of its own: with fit)."
            )

    def lacks_time_index(self, given: InputRows) -> bool:
        """Return whether the index of rows does not tell their time: they follow the training rows then."""
        if self.column_spec.is_long:
            return False
        are_default = self.separate_targets and self.has_default_index and is_default_index(given.index)
        return "array" in (self.kind, given.kind) or not given.has_index or are_default

    def read_targets(self, given: InputRows, y: Any, method: str) -> np.ndarray:
        """Return the targets of each row, from `y` or from columns of X, in the order of the argument."""
        n_targets = len(self.roles.targets)
        owner = f"{self.owner}.{method}"
        if y is None and not self.separate_targets:
            return given.restore_order([table.values[:, :n_targets] for table in given.tables])
        if y is None:
            raise ValueError(
                f"The 'y' parameter of {owner} must be given, since fit had its target in y and not in X. "
                f"Got None instead."
            )
        table = read_table(
            convert_input(y), owner=owner, parameter="y", unsorted="keep", require_observed=False
        )
        if table.values.shape != (len(given.index), n_targets):
            raise ValueError(
                f"The 'y' parameter of {owner} must have shape ({len(given.index)}, {n_targets}), a row for "
                f"each of X. Got {table.values.shape} instead."
            )
        have_index = "array" not in (table.kind, given.kind) and not is_default_index(given.index)
        if have_index and not table.index.equals(given.index):
            raise ValueError(
                f"The 'y' parameter of {owner} must have the index of X, row by row. Got others, such as "
                f"{table.index[0]} beside {given.index[0]}. Align it with y.reindex(X.index)."
            )
        if table.kind == "frame":
            table = select_columns(table, self.roles.targets, owner=owner)
        return table.values

    def read_known_targets(self, given: InputRows, y: Any, method: str) -> np.ndarray:
        """Return the targets as `read_targets` does, after checking that `y` equals those columns of X."""
        targets = self.read_targets(given, y, method)
        if y is None or self.separate_targets:
            return targets
        if not np.array_equal(targets, self.read_targets(given, None, method), equal_nan=True):
            raise ValueError(
                f"The 'y' parameter of {self.owner}.{method} must equal the columns {self.roles.targets} of "
                f"X, whose history it is. They differ. Leave y out."
            )
        return targets

    # ---- results for the user ----

    def format_like_fit(
        self, forecasts: np.ndarray, given: InputRows
    ) -> pd.DataFrame | pd.Series | np.ndarray:
        """Return forecasts of rows as the type of `y` in fit, or of `X` if there was no `y`.

        Forecasts of rows in an array are an array.
        """
        kind = given.kind if self.y_kind is None or given.kind == "array" else self.y_kind
        is_flat = kind != "frame" if self.y_kind is None else self.y_ndim == 1
        if is_flat and forecasts.shape[1] == 1:
            forecasts = forecasts[:, 0]
        if kind == "array":
            return forecasts
        if kind == "series":
            return pd.Series(forecasts, given.index, name=self.roles.targets[0])
        return pd.DataFrame(forecasts, given.index, self.roles.targets)

    def to_future_frame(
        self, ids: list[Any], labels: list[pd.Index], values: list[np.ndarray], names: Sequence[Hashable]
    ) -> pd.DataFrame:
        """Return values (n, len(names)) of each series at future labels as a frame.

        It is a long frame if fit had one.
        """
        spec = self.column_spec
        if spec.is_long:
            id_index = pd.Index(ids, dtype=self.id_dtype)
            return to_long(id_index, labels, values, names, spec.id_col, spec.time_col)
        return pd.DataFrame(values[0], labels[0], list(names))

    def to_paths_frame(
        self, ids: list[Any], labels: list[pd.Index], paths: np.ndarray, names: Sequence[Hashable]
    ) -> pd.DataFrame:
        """Return sample paths (n_series, n_paths, n_steps, n_targets) as a frame, one row a path and step."""
        spec = self.column_spec
        taken = [*spec.keys, *self.roles.targets] if spec.is_long else [labels[0].name]
        if "path" in taken:
            raise ValueError(
                f"The result of {self.owner}.sample_paths has a column 'path' with the number of each path. "
                f"Got a target, id_col, time_col or index of this name, too. Rename it before fit, for "
                f"example with X.rename(columns={{'path': 'page'}})."
            )
        n_paths, n_steps = paths.shape[1:3]
        path_numbers = np.repeat(np.arange(n_paths), n_steps)
        steps = np.tile(np.arange(n_steps), n_paths)
        if not self.column_spec.is_long:
            index = pd.MultiIndex.from_arrays(
                [path_numbers, labels[0].take(steps)], names=["path", labels[0].name]
            )
            return pd.DataFrame(paths[0].reshape(len(index), -1), index, list(names))
        repeated = [own.take(steps) for own in labels]
        values = list(paths.reshape(len(ids), n_paths * n_steps, -1))
        frame = self.to_future_frame(ids, repeated, values, names)
        frame.insert(len(self.column_spec.keys), "path", np.tile(path_numbers, len(ids)))
        return frame


def _type_name(id_: Any) -> str:
    return "int" if isinstance(id_, Integral) else type(id_).__name__


def _extend_dtype(ids: Sequence[Any], dtype: Any) -> Any:
    """Return a dtype that holds these ids as well: `dtype` itself where it does."""
    if isinstance(dtype, pd.CategoricalDtype):
        new = [id_ for id_ in ids if id_ not in dtype.categories]
        return pd.CategoricalDtype([*dtype.categories, *new], dtype.ordered)
    if getattr(dtype, "kind", "") not in "iu":
        return dtype
    is_numpy = isinstance(dtype, np.dtype)
    limits = np.iinfo(dtype if is_numpy else dtype.numpy_dtype)
    if limits.min <= min(ids) and max(ids) <= limits.max:
        return dtype
    return np.dtype(np.int64) if is_numpy else pd.Int64Dtype()


def _is_flat(data: Any) -> bool:
    return len(getattr(data, "shape", (0, 0))) == 1


def _name_by_position(table: Table, names: tuple[Hashable, ...], owner: str, is_flat: bool) -> Table:
    """Give names to the columns of an array, which are identified by their positions."""
    if table.values.shape[1] != len(names):
        reshape = " Reshape your data to one row a step." if is_flat else ""
        raise ValueError(
            f"X has {table.values.shape[1]} features, but {owner} is expecting {len(names)} features as "
            f"input.{reshape}"
        )
    return replace(table, columns=names)


def read_fit_arguments(X: Any, y: Any, spec: ColumnSpec, owner: str) -> tuple[Schema, InputRows]:
    """Read the arguments of ``fit``.

    Parameters
    ----------
    X, y : Series, DataFrame or array-like
        As the user passed them; `y` may be None.
    spec : ColumnSpec
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    schema : Schema
    rows : InputRows
        With the columns ``schema.roles.all``.

    Raises
    ------
    ValueError, TypeError
        If `X` or `y` is refused by `read_table`, a column that a parameter names is missing, or `y` differs
        from the column of its name.
    """
    X = convert_input(X)
    y = convert_input(y)
    fit = f"{owner}.fit"
    if spec.is_long:
        X = check_long_frame(X, spec.id_col, spec.time_col, Argument("X", fit))
    columns = tuple(getattr(X, "columns", ()))
    if isinstance(X, pd.DataFrame):
        check_static(X, spec.id_col, to_label_list(spec.static_cols), fit)
    categories = Categories.fit(X, spec.find_category_columns(X), fit) if columns else Categories({})
    numbers = categories.transform(X, fit)
    # A long frame is split into series first, so that messages name the series and the stamp.
    series = read_long(numbers, spec.id_col, spec.time_col, None, fit) if spec.is_long else None
    training = _read_training_rows(X, y, numbers, spec, categories, owner)
    roles = spec.assign_roles(training.targets, training.covariates, categories, owner)
    table = select_columns(training.table, roles.all, owner=fit)
    if series is None:
        index = X.index if isinstance(X, pd.Series | pd.DataFrame) else table.index
        rows = InputRows([None], [table], [training.order], index, table.kind)
    else:
        series = series.with_columns(roles.all, table.values)
        check_observed(series, roles.targets, Argument("X", fit))
        rows = InputRows.from_long(series, X.index)
    schema = Schema(
        roles=roles,
        columns=columns if spec.is_long or categories.by_column else training.columns,
        kind=table.kind,
        y_kind=training.y_kind,
        y_ndim=training.y_ndim,
        separate_targets=training.separate_targets,
        has_default_index=is_default_index(table.index),
        column_spec=spec,
        categories=categories,
        id_dtype=X[spec.id_col].dtype if spec.id_col is not None else None,
        owner=owner,
    )
    return schema, rows


def _read_training_rows(
    X: Any, y: Any, numbers: Any, spec: ColumnSpec, categories: Categories, owner: str
) -> TrainingTable:
    """Read targets and covariates; `numbers` is X after its categories were replaced."""
    if spec.is_long:
        numbers = numbers.drop(columns=spec.keys).reset_index(drop=True)
        y = _drop_index(X, y, f"{owner}.fit")
    targets = spec.choose_targets(numbers, y is not None, categories, owner)
    return read_training_table(numbers, y, targets, owner)


def _drop_index(X: pd.DataFrame, y: Any, owner: str) -> Any:
    """Return `y` without its index after checking that it is that of X.

    In a long frame, a stamp occurs once for each series.
    """
    if not isinstance(y, pd.Series | pd.DataFrame):
        return y
    if not y.index.equals(X.index):
        raise ValueError(
            f"The 'y' parameter of {owner} must have the index of X, row by row. Got another one. Align it "
            f"with y.reindex(X.index), or pass y.to_numpy()."
        )
    return y.reset_index(drop=True)
