"""The table that a forecaster is fitted to, from the arguments `X` and `y` of ``fit``.

There are three ways to name the targets:

A. ``fit(X)``: the targets are columns of `X`, either those that are named or all of them.
B. ``fit(X, y)`` where `y` equals one or several columns of `X`, found by the name of `y` or, if it has none,
   by its values: these columns are the targets. Scorers of scikit-learn, which need a ``y``, can then be
   used, and a tool that converts ``y`` to an array changes no forecast.
C. ``fit(X, y)`` where `y` is no column of `X`: the targets are separate. All columns of `X` are covariates,
   and the targets are unknown in the rows that are to be forecast.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .roles import to_label_list
from .suggestions import suggest
from .tables import Kind, Table, read_table, select_columns, sort_by_index

# Advice for the steps of a pipeline before a forecaster.
KEEP_NAMES = (
    "An array has no names: a step of a pipeline returns frames after .set_output(transform='pandas'). "
    "Scaling is done inside, so a scaler can be left out."
)


@dataclass(frozen=True)
class TrainingTable:
    """Targets and covariates of ``fit``.

    Attributes
    ----------
    table : Table
        Targets, then covariates, in the order of time.
    order : ndarray of int
        Row number in `X` of each row of the table.
    targets, covariates : list of labels
    columns : tuple of labels
        The columns of `X`, in its order.
    y_kind : {"array", "series", "frame"} or None
        Type of `y`; None if there was none.
    y_ndim : int
        Dimensions of `y`.
    separate_targets : bool
        Whether the targets were given in `y` and are no columns of `X` (C).
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
    """Read `X` and `y` of ``fit``, and sort the rows by time.

    Parameters
    ----------
    X : Series, DataFrame or array-like
    y : Series, DataFrame, array-like or None
    target : label, several labels, or None
        The parameter of the estimator.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    TrainingTable

    Raises
    ------
    ValueError, TypeError
        If `X` or `y` is refused by `read_table`, `target` names no columns, or `y` differs from the column of
        its name.
    """
    fit = f"{owner}.fit"
    table = read_table(X, owner=fit, unsorted="keep")
    if y is None:
        return _arrange(table, _named_targets(table, target, owner))
    if not isinstance(X, pd.Series) and len(_shape(X)) == 1:
        raise ValueError(
            f"The 'X' parameter of {fit} must have shape (n, n_columns) where y is given. Got {_shape(X)} "
            f"instead. Reshape your data with X.reshape(-1, 1), or leave y out if X is the series to "
            f"forecast."
        )
    y_table = read_table(y, owner=fit, parameter="y", unsorted="keep")
    own_names = _names(y)
    equal_columns = _find_equal_columns(table, y_table)
    names = own_names or equal_columns or _default_names(y_table)
    _check_target(target, names, owner)
    if table.kind == "array":
        # The columns of an array have no names of their own: only their values identify them.
        table = _rename(table, equal_columns, names)
        found = names if equal_columns else []
    else:
        found = [name for name in own_names or equal_columns if name in table.columns]
    if not found:
        return _join(table, y_table, names, len(_shape(y)), fit)
    if len(found) < len(names):
        raise ValueError(
            f"The 'y' parameter of {fit} must hold columns of X only, or none of them. Got {found} in X, and "
            f"{[name for name in names if name not in found]} beside it. Put all targets into X and leave y "
            f"out, or take them all out of X."
        )
    if own_names and table.kind != "array":
        _check_equal(table, y_table, names, fit)
    return replace(_arrange(table, names), y_kind=y_table.kind, y_ndim=len(_shape(y)))


def _arrange(table: Table, targets: list[Hashable]) -> TrainingTable:
    """Return a table with the targets first, its rows in the order of time."""
    covariates = [column for column in table.columns if column not in targets]
    ordered, order = sort_by_index(table)
    ordered = select_columns(ordered, [*targets, *covariates], owner="fit")
    return TrainingTable(ordered, order, targets, covariates, table.columns)


def _names(y: Any) -> list[Hashable]:
    """Return the names that `y` has itself, an empty list if it has none."""
    if isinstance(y, pd.DataFrame):
        return list(y.columns)
    return [] if getattr(y, "name", None) is None else [y.name]


def _rename(table: Table, columns: list[Hashable], names: list[Hashable]) -> Table:
    """Give `names` to `columns`, since a step of a pipeline may have made an array of X."""
    new_names = dict(zip(columns, names, strict=False))
    return replace(table, columns=tuple(new_names.get(column, column) for column in table.columns))


def _find_equal_columns(table: Table, y_table: Table) -> list[Hashable]:
    """Return the columns of X that equal those of y, or an empty list unless there is one for each of y."""
    have_index = "array" not in (table.kind, y_table.kind)
    if len(y_table.index) != len(table.index) or (have_index and not y_table.index.equals(table.index)):
        return []
    found = [
        next((c for k, c in enumerate(table.columns) if _equal(table.values[:, k], target)), None)
        for target in y_table.values.T
    ]
    return [] if None in found or len(set(found)) < len(found) else found


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _default_names(y_table: Table) -> list[Hashable]:
    n_targets = y_table.values.shape[1]
    return ["y"] if n_targets == 1 else [f"y{number}" for number in range(n_targets)]


def _shape(data: Any) -> tuple[int, ...]:
    return data.shape if hasattr(data, "shape") else np.asarray(data).shape


# ---- A: the targets are columns of X ----


def _named_targets(table: Table, target: Any, owner: str) -> list[Hashable]:
    if target is None:
        return list(table.columns)
    names = to_label_list(target)
    if not names or not set(names) <= set(table.columns) or len(set(names)) < len(names):
        unknown = [name for name in names if name not in table.columns]
        hint = suggest(unknown[0], table.columns) if unknown else ""
        if unknown and table.kind == "array" and isinstance(unknown[0], str):
            hint = f" {KEEP_NAMES}"
        raise ValueError(
            f"The 'target' parameter of {owner} must name columns of X, each once: {list(table.columns)}. "
            f"Got {target!r} instead.{hint}"
        )
    return names


def _check_target(target: Any, names: list[Hashable], owner: str) -> None:
    if target is None or to_label_list(target) == names:
        return
    raise ValueError(
        f"The 'target' parameter of {owner} must be None or the name of y ({', '.join(map(repr, names))}) "
        f"when y is given. Got {target!r} instead."
    )


# ---- B: y equals columns of X ----


def _check_equal(table: Table, y_table: Table, names: Sequence[Hashable], owner: str) -> None:
    table, _ = sort_by_index(table)
    y_table, _ = sort_by_index(y_table)
    columns = select_columns(table, names, owner=owner)
    if y_table.index.equals(table.index) and _equal(y_table.values, columns.values):
        return
    shown = repr(names[0]) if len(names) == 1 else str(list(names))
    raise ValueError(
        f"The 'y' parameter of {owner} must equal the column {shown} of X, whose history it is. They differ: "
        f"a step of a pipeline has changed one of them. Scaling is done inside, so leave the scaler out, or "
        f"leave that column out of it."
    )


# ---- C: y is no column of X ----


def _join(
    covariates: Table, targets: Table, names: Sequence[Hashable], y_ndim: int, owner: str
) -> TrainingTable:
    """Return separate targets and covariates side by side."""
    index = targets.index if covariates.kind == "array" else covariates.index
    _check_rows(targets, index, owner)
    columns = _covariate_names(covariates, names, owner)
    _check_scaled_copies(targets.values, names, covariates.values, columns, owner)
    values = np.hstack([targets.values, covariates.values])
    table, order = sort_by_index(Table(values, (*names, *columns), index, covariates.kind))
    return TrainingTable(
        table,
        order,
        list(names),
        list(columns),
        columns,
        y_kind=targets.kind,
        y_ndim=y_ndim,
        separate_targets=True,
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
    if covariates.kind == "array":
        # Not "y", the name of a single column of an array that is the target.
        return tuple(f"x{number}" for number in range(len(covariates.columns)))
    duplicates = [name for name in names if name in covariates.columns]
    if duplicates:
        raise ValueError(
            f"The 'y' parameter of {owner} has no name, and would be called {duplicates[0]!r}, as a column "
            f"of X is. Give it another one with y.rename, or leave it out if it is that column."
        )
    return covariates.columns


def _check_scaled_copies(
    targets: np.ndarray,
    names: Sequence[Hashable],
    covariates: np.ndarray,
    columns: Sequence[Hashable],
    owner: str,
) -> None:
    """Check that no covariate is a scaled copy of a target.

    As a covariate, the history of the target would help no forecast beyond the first horizon.
    """
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
    observed = ~np.isnan(target) & ~np.isnan(column)
    one = target[observed]
    other = column[observed]
    if len(one) < 3 or np.array_equal(one, other) or not (np.ptp(one) and np.ptp(other)):
        return False
    if not np.diff(other, 2).any():
        # The column counts the steps. A series without noise may be a straight line too.
        return False
    slope = np.ptp(one) / np.ptp(other)
    centered = one - one.mean()
    copy = slope * (other - other.mean())
    # A scaler may have computed in float32.
    tolerance = 5e-7 * np.ptp(one)
    is_copy = any(np.allclose(centered, sign * copy, rtol=0, atol=tolerance) for sign in (1, -1))
    # Any two columns of two distinct values are scaled copies of each other.
    return is_copy and len(np.unique(one)) > 2
