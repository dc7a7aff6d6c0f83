"""Which columns are forecast and which are only read: the three ways to call ``fit``.

A. ``fit(X)``: the targets are columns of `X`, by name or all of them.
B. ``fit(X, y)`` where `y` is the history of a column of `X` (or of several), by its name or, if it has none,
   by its values: that column is the target. So scorers of scikit-learn, which want a ``y``, get theirs, and
   tools that make arrays of a ``y`` change no forecast.
C. ``fit(X, y)`` where `y` is no column of `X`: all columns are covariates, and the target is unknown in the
   rows that are to be forecast.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .roles import to_label_list
from .tables import Kind, Table, read_table, select_columns, sort_by_index


@dataclass(frozen=True)
class TrainingTable:
    """What a forecaster learns from.

    Attributes
    ----------
    table : Table
        Targets, then covariates.
    order : ndarray of int
        Where each of its rows stood in `X`.
    targets, covariates : list of labels
    columns : tuple of labels
        Of `X`, in its order.
    separate_targets : bool
        Whether the targets came beside `X` and are no columns of it (C).
    y_kind : {"array", "series", "frame"} or None
        Of `y`; None if there was none.
    y_ndim : int
        Dimensions of `y`.
    """

    table: Table
    order: np.ndarray
    targets: list[Hashable]
    covariates: list[Hashable]
    columns: tuple[Hashable, ...]
    y_kind: Kind | None = None
    y_ndim: int = 2
    separate_targets: bool = False


def read_training_table(X: Any, y: Any, target: Any, owner: str) -> TrainingTable:
    """Read the arguments of ``fit``, rows in the order of time.

    Parameters
    ----------
    X : Series, DataFrame or array-like
    y : Series, DataFrame, array-like or None
    target : label, several labels, or None
        The estimator's parameter.
    owner : str
        Name of the estimator, for messages.

    Raises
    ------
    ValueError, TypeError
        If `X` or `y` is not what `read_table` takes, `target` names no columns, or `y` differs from the
        column that bears its name.
    """
    fit = f"{owner}.fit"
    table = read_table(X, owner=fit, unsorted="keep")
    if y is None:
        return _history(table, _named(table, target, owner))
    if not isinstance(X, pd.Series) and len(_shape(X)) == 1:
        raise ValueError(
            f"The 'X' parameter of {fit} must have shape (n, n_columns) where y is given. Got {_shape(X)} "
            f"instead. Reshape your data with X.reshape(-1, 1), or leave y out if X is the series to "
            f"forecast."
        )
    past = read_table(y, owner=fit, parameter="y", unsorted="keep")
    own, equal = _names(y), _equal_columns(table, past)
    names = own or equal or _new_names(past)
    _check_target(target, names, owner)
    if table.kind == "array":  # whose columns have no names: only their values tell
        table, found = _renamed(table, equal, names), names if equal else []
    else:
        found = [name for name in own or equal if name in table.columns]
    if not found:
        return _beside(table, past, names, len(_shape(y)), fit)
    if len(found) < len(names):
        raise ValueError(
            f"The 'y' parameter of {fit} must hold columns of X only, or none of them. Got {found} in X, and "
            f"{[name for name in names if name not in found]} beside it. Put all targets into X and leave y "
            f"out, or take them all out of X."
        )
    if own and table.kind != "array":
        _check_same(table, past, names, fit)
    return replace(_history(table, names), y_kind=past.kind, y_ndim=len(_shape(y)))


def _history(table: Table, targets: list[Hashable]) -> TrainingTable:
    covariates = [column for column in table.columns if column not in targets]
    ordered, order = sort_by_index(table)
    ordered = select_columns(ordered, [*targets, *covariates], owner="fit")
    return TrainingTable(ordered, order, targets, covariates, table.columns)


def _names(y: Any) -> list[Hashable]:
    """The target's own names, none if it has none."""
    if isinstance(y, pd.DataFrame):
        return list(y.columns)
    return [] if getattr(y, "name", None) is None else [y.name]


def _renamed(table: Table, columns: list[Hashable], names: list[Hashable]) -> Table:
    """A step of a pipeline may have made an array of X: the columns that y equals get their names back."""
    known = dict(zip(columns, names, strict=False))
    return replace(table, columns=tuple(known.get(column, column) for column in table.columns))


def _equal_columns(table: Table, past: Table) -> list[Hashable]:
    """Columns of X that hold just what y holds, row by row; none unless all of y is there."""
    timed = "array" not in (table.kind, past.kind)
    if len(past.index) != len(table.index) or (timed and not past.index.equals(table.index)):
        return []
    found = [
        next((c for k, c in enumerate(table.columns) if _equal(table.values[:, k], target)), None)
        for target in past.values.T
    ]
    return [] if None in found or len(set(found)) < len(found) else found


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _new_names(past: Table) -> list[Hashable]:
    n = past.values.shape[1]
    return ["y"] if n == 1 else [f"y{number}" for number in range(n)]


def _shape(data: Any) -> tuple[int, ...]:
    return data.shape if hasattr(data, "shape") else np.asarray(data).shape


# -- A: the targets are columns of X


def _named(table: Table, target: Any, owner: str) -> list[Hashable]:
    if target is None:
        return list(table.columns)
    names = to_label_list(target)
    if not names or not set(names) <= set(table.columns) or len(set(names)) < len(names):
        raise ValueError(
            f"The 'target' parameter of {owner} must name columns of X, each once: {list(table.columns)}. "
            f"Got {target!r} instead."
        )
    return names


def _check_target(target: Any, names: list[Hashable], owner: str) -> None:
    if target is None or to_label_list(target) == names:
        return
    raise ValueError(
        f"The 'target' parameter of {owner} must be None or the name of y ({', '.join(map(repr, names))}) "
        f"when y is given. Got {target!r} instead."
    )


# -- B: y is the history of columns of X


def _check_same(table: Table, past: Table, names: Sequence[Hashable], owner: str) -> None:
    (table, _), (past, _) = sort_by_index(table), sort_by_index(past)
    columns = select_columns(table, names, owner=owner)
    if past.index.equals(table.index) and _equal(past.values, columns.values):
        return
    shown = repr(names[0]) if len(names) == 1 else str(list(names))
    raise ValueError(
        f"The 'y' parameter of {owner} must equal the column {shown} of X, whose history it is. They differ: "
        f"a step of a pipeline has changed one of them. Scaling is done inside, so leave the scaler out, or "
        f"leave that column out of it."
    )


# -- C: y is no column of X


def _beside(
    covariates: Table, targets: Table, names: Sequence[Hashable], y_ndim: int, owner: str
) -> TrainingTable:
    """Targets and covariates side by side, in rows of the same time."""
    index = targets.index if covariates.kind == "array" else covariates.index
    _check_rows(targets, index, owner)
    columns = _covariate_names(covariates, names, owner)
    _refuse_scaled_copies(targets.values, names, covariates.values, columns, owner)
    values = np.hstack([targets.values, covariates.values])
    table, order = sort_by_index(Table(values, (*names, *columns), index, covariates.kind))
    return TrainingTable(
        table, order, list(names), list(columns), columns, targets.kind, y_ndim, separate_targets=True
    )


def _check_rows(targets: Table, index: pd.Index, owner: str) -> None:
    if len(targets.index) != len(index):
        raise ValueError(
            f"The 'y' parameter of {owner} must have as many rows as X. Got {len(targets.index)} and "
            f"{len(index)} instead."
        )
    if targets.kind != "array" and not targets.index.equals(index):
        raise ValueError(
            f"The 'y' parameter of {owner} must have the index of X, since its rows belong to the same "
            f"times. Got {targets.index[0]} to {targets.index[-1]}, and {index[0]} to {index[-1]} in X. "
            f"Align it with y.reindex(X.index), or pass y.to_numpy()."
        )


def _covariate_names(covariates: Table, names: Sequence[Hashable], owner: str) -> tuple[Hashable, ...]:
    if covariates.kind == "array":  # not "y", as an array of one column is called where it is the target
        return tuple(f"x{number}" for number in range(len(covariates.columns)))
    twice = [name for name in names if name in covariates.columns]
    if twice:
        raise ValueError(
            f"The 'y' parameter of {owner} has no name, and would be called {twice[0]!r}, as a column of X "
            f"is. Give it another one with y.rename, or leave it out if it is that column."
        )
    return covariates.columns


def _refuse_scaled_copies(
    targets: np.ndarray,
    names: Sequence[Hashable],
    covariates: np.ndarray,
    columns: Sequence[Hashable],
    owner: str,
) -> None:
    """As a covariate, the history of the target would help no forecast beyond the first block."""
    for target, name in zip(targets.T, names, strict=True):
        for column, label in zip(covariates.T, columns, strict=True):
            if _is_scaled_copy(target, column):
                raise ValueError(
                    f"The 'X' parameter of {owner} must not hold the target in other units. Column {label!r} "
                    f"is y, {name!r}, scaled or shifted: a step of a pipeline has changed it. Scaling is "
                    f"done inside, so leave the scaler out and pass a frame with the column {name!r}, or "
                    f"take that column out of X."
                )


def _is_scaled_copy(target: np.ndarray, column: np.ndarray) -> bool:
    seen = ~np.isnan(target) & ~np.isnan(column)
    one, other = target[seen], column[seen]
    if len(one) < 3 or np.array_equal(one, other) or not (np.ptp(one) and np.ptp(other)):
        return False
    if not np.diff(other, 2).any():
        return False  # a count of the steps, which a series without noise may well follow
    slope = np.ptp(one) / np.ptp(other)
    centered, copy = one - one.mean(), slope * (other - other.mean())
    near = 5e-7 * np.ptp(one)  # a scaler may have worked in float32
    alike = any(np.allclose(centered, sign * copy, rtol=0, atol=near) for sign in (1, -1))
    return alike and len(np.unique(one)) > 2  # of two values, any column is the other scaled
