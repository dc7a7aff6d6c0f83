"""What the rows of ``fit`` looked like, so that later rows are read the same way."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from .categories import Categories, check_static
from .conversion import convert_input, is_on_gpu, to_host
from .long import LongTable, check_long_frame, check_observed, read_long, to_long
from .roles import ColumnSpec, Roles, to_label_list
from .tables import Argument, Kind, Table, is_default_index, read_table, select_columns, sort_by_index
from .targets import read_training_table
from .time_steps import insert_missing_steps


@dataclass(frozen=True)
class InputRows:
    """Rows of one or several series, as they came in one argument.

    Attributes
    ----------
    ids : list
        Of the series; None for the only one of a wide frame.
    tables : list of Table
        Their rows in the order of time.
    row_numbers : list of ndarray of int
        Where each of these rows stood in the argument.
    index : pandas.Index
        Of the argument.
    kind : {"array", "series", "frame"}
    """

    ids: list[Any]
    tables: list[Table]
    row_numbers: list[np.ndarray]
    index: pd.Index
    kind: Kind

    @classmethod
    def from_long(cls, series: LongTable, index: pd.Index) -> InputRows:
        return cls(list(series.ids), [table for _, table in series], series.row_numbers, index, "frame")

    @classmethod
    def from_table(cls, table: Table) -> InputRows:
        ordered, order = sort_by_index(table)
        return cls([None], [ordered], [order], table.index, table.kind)

    def __iter__(self) -> Iterator[tuple[Any, Table]]:
        return zip(self.ids, self.tables, strict=True)

    def align_weights(self, weights: Any, steps: list[np.ndarray]) -> list[np.ndarray] | None:
        """What each step of the series counts, of weights (n,) of the rows as they came, whose steps these
        are."""
        if weights is None:
            return None
        weights = to_host(weights) if is_on_gpu(weights) else weights
        checked = _check_sample_weight(weights, np.empty(len(self.index)), ensure_non_negative=True)
        columns = [checked[places, None] for places in self.row_numbers]
        return [insert_missing_steps(column, of)[:, 0] for column, of in zip(columns, steps, strict=True)]

    def restore_order(self, blocks: Sequence[np.ndarray]) -> np.ndarray:
        """Values of each series' rows, put where these stood."""
        values = np.empty((len(self.index), blocks[0].shape[1]))
        for places, block in zip(self.row_numbers, blocks, strict=True):
            values[places] = block
        return values


@dataclass(frozen=True)
class Schema:
    """The rows of ``fit``.

    Attributes
    ----------
    roles : Roles
    columns : tuple of labels
        Of `X`, in its order.
    kind, y_kind : {"array", "series", "frame"} or None
        Of `X`, and of `y`, None if there was none.
    y_ndim : int
        Dimensions of `y`.
    separate_targets : bool
        Whether the targets were no columns of `X`.
    has_default_index : bool
        Whether the rows were numbered 0, 1, 2, ...
    column_spec : ColumnSpec
    categories : Categories
        What numbers stand for columns of text.
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
        return self.column_spec.id_col is not None

    def read(self, X: Any, method: str) -> InputRows:
        """Rows with the columns of fit."""
        own = [] if self.separate_targets else self.roles.targets
        names = [*own, *self.roles.past, *self.roles.future]
        return self._read(X, names, self.columns, f"{self.owner}.{method}", "X")

    def read_future(self, X: Any, method: str) -> InputRows:
        """Rows with the columns that are known before their time."""
        names = self.roles.future
        return self._read(X, names, tuple(names), f"{self.owner}.{method}", "X_future")

    def _read(
        self, X: Any, names: list[Hashable], places: tuple[Hashable, ...], owner: str, parameter: str
    ) -> InputRows:
        X = self.categories.select(names).transform(X, owner, parameter)
        if self.column_spec.is_long:
            return self._read_long(X, names, owner, parameter)
        table = read_table(X, owner=owner, parameter=parameter, unsorted="keep", require_observed=False)
        if table.kind == "series" and len(places) == 1:
            table = replace(table, columns=places)
        if "array" in (table.kind, self.kind):
            table = _by_place(table, places, self.owner, is_flat=len(getattr(X, "shape", (0, 0))) == 1)
        return InputRows.from_table(select_columns(table, names, owner=owner))

    def _read_long(self, X: Any, names: list[Hashable], owner: str, parameter: str) -> InputRows:
        series = read_long(X, self.column_spec.id_col, self.column_spec.time_col, names, owner, parameter)
        return InputRows.from_long(series, X.index)

    def read_new_series(self, X: Any, rows: np.ndarray, targets: np.ndarray, method: str) -> InputRows:
        """Rows of series that are not known, with all columns as fit reads them, constant ones too.

        rows : where they stand in X; targets : of each row of X as it came.
        """
        owner, declared = f"{self.owner}.{method}", self.column_spec
        X = convert_input(X).iloc[rows]
        check_static(X, declared.id_col, to_label_list(declared.static_cols), owner)
        numbers = self.categories.transform(X, owner)
        if self.separate_targets:
            numbers = pd.concat([pd.DataFrame(targets[rows], X.index, self.roles.targets), numbers], axis=1)
        series = read_long(numbers, declared.id_col, declared.time_col, self.roles.all, owner)
        check_observed(series, self.roles.targets, Argument("X", owner))
        return InputRows.from_long(series, X.index)

    def with_ids(self, known: Iterable[Any], ids: Sequence[Any]) -> Schema:
        """Where there are series with these ids, too."""
        kinds = {_kind_of(id_) for id_ in known}
        others = [id_ for id_ in ids if _kind_of(id_) not in kinds]
        if others:
            raise TypeError(
                f"The column {self.column_spec.id_col!r} of X in {self.owner} must hold ids of the same type as "
                f"in fit, {' or '.join(sorted(kinds))}. Got {others[0]!r}, {_kind_of(others[0])}, instead. "
                f"Convert the column with astype."
            )
        return replace(self, id_dtype=_dtype_for(ids, self.id_dtype))

    def check_known(self, ids: Iterable[Any], known: Container[Any], method: str) -> None:
        """That all series are known: the scale and the past of others are not."""
        others = [id_ for id_ in ids if id_ not in known]
        if others:
            raise ValueError(
                f"The column {self.column_spec.id_col!r} of X in {self.owner}.{method} must hold series that "
                f"are known. Got {len(others)} others, such as {others[0]!r}. Leave them out, or add them "
                f"with update, from rows of their past (where each series has a model of its own: with fit)."
            )

    def lacks_time_index(self, given: InputRows) -> bool:
        """Whether the rows' index tells nothing of their time: they follow the training rows."""
        if self.column_spec.is_long:
            return False
        without_time = self.separate_targets and self.has_default_index and is_default_index(given.index)
        return self.kind == "array" or not given.tables[0].timed or without_time

    def read_targets(self, given: InputRows, y: Any, method: str) -> np.ndarray:
        """The targets of each row as it came: y, or those columns of X."""
        n_targets, owner = len(self.roles.targets), f"{self.owner}.{method}"
        if y is None and not self.separate_targets:
            return given.restore_order([table.values[:, :n_targets] for table in given.tables])
        if y is None:
            raise ValueError(
                f"The 'y' parameter of {owner} must be given, since fit had its target in y and not in X. "
                f"Got None instead."
            )
        truth = read_table(y, owner=owner, parameter="y", unsorted="keep", require_observed=False)
        if truth.values.shape != (len(given.index), n_targets):
            raise ValueError(
                f"The 'y' parameter of {owner} must have shape ({len(given.index)}, {n_targets}), a row for "
                f"each of X. Got {truth.values.shape} instead."
            )
        timed = "array" not in (truth.kind, given.kind) and not is_default_index(given.index)
        if timed and not truth.index.equals(given.index):
            raise ValueError(
                f"The 'y' parameter of {owner} must have the index of X, row by row. Got others, such as "
                f"{truth.index[0]} beside {given.index[0]}. Align it with y.reindex(X.index)."
            )
        if truth.kind == "frame":
            truth = select_columns(truth, self.roles.targets, owner=owner)
        return truth.values

    def read_known_targets(self, given: InputRows, y: Any, method: str) -> np.ndarray:
        """The same, of rows that are learned from: y must equal those columns of X."""
        truth = self.read_targets(given, y, method)
        if (
            y is not None
            and not self.separate_targets
            and not np.array_equal(truth, self.read_targets(given, None, method), True)
        ):
            raise ValueError(
                f"The 'y' parameter of {self.owner}.{method} must equal the columns {self.roles.targets} of "
                f"X, whose history it is. They differ. Leave y out."
            )
        return truth

    def format_like_fit(
        self, forecasts: np.ndarray, given: InputRows
    ) -> pd.DataFrame | pd.Series | np.ndarray:
        """Forecasts of rows in the form that y had, or X if there was none; of an array always in that of
        one."""
        form = given.kind if self.y_kind is None or given.kind == "array" else self.y_kind
        given_flat = form != "frame" if self.y_kind is None else self.y_ndim == 1
        if given_flat and forecasts.shape[1] == 1:
            forecasts = forecasts[:, 0]
        if form == "array":
            return forecasts
        if form == "series":
            return pd.Series(forecasts, given.index, name=self.roles.targets[0])
        return pd.DataFrame(forecasts, given.index, self.roles.targets)

    def to_future_frame(
        self, ids: list[Any], labels: list[pd.Index], values: list[np.ndarray], names: Sequence[Hashable]
    ) -> pd.DataFrame:
        """Values (n, len(names)) of each series at the labels that follow."""
        if self.column_spec.is_long:
            return to_long(
                pd.Index(ids, dtype=self.id_dtype),
                labels,
                values,
                names,
                self.column_spec.id_col,
                self.column_spec.time_col,
            )
        return pd.DataFrame(values[0], labels[0], list(names))

    def to_paths_frame(
        self, ids: list[Any], labels: list[pd.Index], paths: np.ndarray, names: Sequence[Hashable]
    ) -> pd.DataFrame:
        """Paths (n_series, n_paths, n_steps, n_targets), a row for each and step."""
        n_paths, n_steps = paths.shape[1:3]
        numbers = np.repeat(np.arange(n_paths), n_steps)
        if not self.column_spec.is_long:
            steps = labels[0].take(np.tile(np.arange(n_steps), n_paths))
            index = pd.MultiIndex.from_arrays([numbers, steps], names=["path", labels[0].name])
            return pd.DataFrame(paths[0].reshape(len(index), -1), index, list(names))
        repeated = [own.take(np.tile(np.arange(n_steps), n_paths)) for own in labels]
        frame = self.to_future_frame(
            ids, repeated, list(paths.reshape(len(ids), n_paths * n_steps, -1)), names
        )
        frame.insert(len(self.column_spec.keys), "path", np.tile(numbers, len(ids)))
        return frame


def _kind_of(id_: Any) -> str:
    return "int" if isinstance(id_, Integral) else type(id_).__name__


def _dtype_for(ids: Sequence[Any], dtype: Any) -> Any:
    """The same, or one that holds these ids beside those of before."""
    if isinstance(dtype, pd.CategoricalDtype):
        more = [id_ for id_ in ids if id_ not in dtype.categories]
        return pd.CategoricalDtype([*dtype.categories, *more], dtype.ordered)
    if getattr(dtype, "kind", "") not in "iu":
        return dtype
    plain = isinstance(dtype, np.dtype)
    limits = np.iinfo(dtype if plain else dtype.numpy_dtype)
    if limits.min <= min(ids) and max(ids) <= limits.max:
        return dtype
    return np.dtype(np.int64) if plain else pd.Int64Dtype()


def _by_place(table: Table, names: tuple[Hashable, ...], owner: str, is_flat: bool) -> Table:
    """An array's columns are told by their places."""
    if table.values.shape[1] != len(names):
        reshape = " Reshape your data to one row a step." if is_flat else ""
        raise ValueError(
            f"X has {table.values.shape[1]} features, but {owner} is expecting {len(names)} features as "
            f"input.{reshape}"
        )
    return replace(table, columns=names)


def read_fit_arguments(X: Any, y: Any, declared: ColumnSpec, owner: str) -> tuple[Schema, InputRows]:
    """What the arguments of ``fit`` hold.

    Raises
    ------
    ValueError, TypeError
        If `X` or `y` is not what `read_table` takes, a column that was declared is missing, or `y` differs
        from the column that bears its name.
    """
    X, y, fit = convert_input(X), convert_input(y), f"{owner}.fit"
    if declared.is_long:
        X = check_long_frame(X, declared.id_col, declared.time_col, Argument("X", fit))
    if isinstance(X, pd.DataFrame):
        check_static(X, declared.id_col, to_label_list(declared.static_cols), fit)
    keys, columns = declared.keys, tuple(getattr(X, "columns", ()))
    categories = Categories.fit(X, declared.find_category_columns(X), fit) if columns else Categories({})
    rows = numbers = categories.transform(X, fit)
    if keys:  # before what is in no series: messages tell series and stamp
        series = read_long(numbers, declared.id_col, declared.time_col, None, fit)
        rows = numbers.drop(columns=keys).reset_index(drop=True)
    history = read_training_table(
        rows,
        _in_rows_of(X, y, fit) if keys else y,
        declared.choose_targets(rows, y is not None, categories, owner),
        owner,
    )
    roles = declared.assign_roles(history.targets, history.covariates, categories, owner)
    table = select_columns(history.table, roles.all, owner=fit)
    given = InputRows([None], [table], [history.order], table.index, table.kind)
    if keys:
        series = series.with_columns(roles.all, table.values)
        check_observed(series, roles.targets, Argument("X", fit))
        given = InputRows.from_long(series, X.index)
    schema = Schema(
        roles=roles,
        columns=columns if keys or categories.by_column else history.columns,
        kind=table.kind,
        y_kind=history.y_kind,
        y_ndim=history.y_ndim,
        separate_targets=history.separate_targets,
        has_default_index=is_default_index(table.index),
        column_spec=declared,
        categories=categories,
        id_dtype=X[declared.id_col].dtype if declared.id_col is not None else None,
        owner=owner,
    )
    return schema, given


def _in_rows_of(X: pd.DataFrame, y: Any, owner: str) -> Any:
    """y without its index, which must be that of X: stamps occur once for each series."""
    if not isinstance(y, pd.Series | pd.DataFrame):
        return y
    if not y.index.equals(X.index):
        raise ValueError(
            f"The 'y' parameter of {owner} must have the index of X, row by row. Got another one. Align it "
            f"with y.reindex(X.index), or pass y.to_numpy()."
        )
    return y.reset_index(drop=True)
