"""The role of each column: target, or past, future or static covariate."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .categories import Categories
from .suggestions import suggest

# Types that hold several labels.
LABEL_LISTS = (list, tuple, np.ndarray, pd.Index)


@dataclass(frozen=True)
class ColumnSpec:
    """The parameters of a forecaster that name columns of `X`, as the user set them."""

    target: Any = None
    id_col: Hashable | None = None
    time_col: Hashable | None = None
    future_cols: Any = None
    static_cols: Any = None

    @property
    def is_long(self) -> bool:
        """True if the ids or the stamps of rows are columns."""
        return bool(self.keys)

    @property
    def keys(self) -> list[Hashable]:
        """The columns of ids and stamps."""
        return [label for label in (self.id_col, self.time_col) if label is not None]

    def find_category_columns(self, X: pd.DataFrame) -> list[Hashable]:
        """Return the columns whose text stands for categories.

        These are the future and static columns that the user named, and all columns of a categorical dtype.
        """
        named = [*to_label_list(self.future_cols), *to_label_list(self.static_cols)]
        categorical = [label for label, dtype in X.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
        return [label for label in X.columns if label in [*named, *categorical] and label not in self.keys]

    def choose_targets(self, X: Any, has_y: bool, categories: Categories, owner: str) -> Any:
        """Return the targets among the columns of `X`, or None for all columns.

        If neither the user nor y names them, they are all columns that are neither future or static
        covariates nor categories.
        """
        named = [*to_label_list(self.future_cols), *to_label_list(self.static_cols)]
        covariates = categories.column_names([*named, *categories.by_column])
        if self.target is None and covariates and not has_y:
            return [column for column in _column_names(X) if column not in covariates]
        duplicates = [label for label in to_label_list(self.target) if label in covariates]
        if duplicates:
            raise ValueError(
                f"The 'target' parameter of {owner} must name no column of categories, future_cols or "
                f"static_cols. Got {duplicates} in both."
            )
        return self.target

    def assign_roles(
        self, targets: list[Hashable], covariates: list[Hashable], categories: Categories, owner: str
    ) -> Roles:
        """Return the roles of columns, given which are targets and which are covariates."""
        future = categories.column_names(to_label_list(self.future_cols))
        static = categories.column_names(to_label_list(self.static_cols))
        for parameter, names in ("future_cols", future), ("static_cols", static):
            unknown = [name for name in names if name not in covariates]
            if unknown or len(set(names)) < len(names):
                hint = suggest(unknown[0], covariates) if unknown else ""
                raise ValueError(
                    f"The {parameter!r} parameter of {owner} must name columns of X that are no targets, "
                    f"each once: {covariates}. Got {getattr(self, parameter)!r} instead.{hint}"
                )
        if set(future) & set(static):
            raise ValueError(
                f"The 'static_cols' parameter of {owner} must name no column of future_cols. Got "
                f"{sorted(set(future) & set(static), key=str)} in both."
            )
        past = [label for label in covariates if label not in future and label not in static]
        return Roles(targets, past, future, static)


@dataclass(frozen=True)
class Roles:
    """Labels of the numeric columns by role, in the order in which the columns stand side by side.

    Attributes
    ----------
    targets : list of labels
        Columns to be forecast, known up to the cutoff.
    past : list of labels
        Covariates known up to the cutoff.
    future : list of labels
        Covariates known ahead, at the forecast steps too.
    static : list of labels
        Covariates with one value for all steps of a series.
    """

    targets: list[Hashable]
    past: list[Hashable]
    future: list[Hashable]
    static: list[Hashable]

    @property
    def covariates(self) -> list[Hashable]:
        """All columns but the targets."""
        return [*self.past, *self.future, *self.static]

    @property
    def layout(self) -> ColumnLayout:
        """Number and position of the columns of each role."""
        return ColumnLayout(len(self.targets), len(self.past), len(self.future), len(self.static))

    @property
    def all(self) -> list[Hashable]:
        """All columns."""
        return [*self.targets, *self.covariates]


@dataclass(frozen=True)
class ColumnLayout:
    """Number of columns of each role, side by side in the order targets, lags, past, future, static.

    Attributes
    ----------
    targets : int
    past, future, static : int
        Covariates, as in `Roles`.
    lags : int
        Lagged columns of each target; those of the first target come first.
    """

    targets: int
    past: int = 0
    future: int = 0
    static: int = 0
    lags: int = 0

    @property
    def past_slice(self) -> slice:
        """Positions of the past covariates."""
        begin = self.targets * (1 + self.lags)
        return slice(begin, begin + self.past)

    @property
    def future_slice(self) -> slice:
        """Positions of the future covariates."""
        begin = self.past_slice.stop
        return slice(begin, begin + self.future)

    @property
    def static_slice(self) -> slice:
        """Positions of the static covariates."""
        begin = self.future_slice.stop
        return slice(begin, begin + self.static)

    def target_columns(self, number: int) -> list[int]:
        """Return the positions of one target, of its lags, and of all covariates."""
        first_lag = self.targets + number * self.lags
        lags = range(first_lag, first_lag + self.lags)
        covariates = range(self.past_slice.start, self.static_slice.stop)
        return [number, *lags, *covariates]


def to_label_list(labels: Any) -> list[Hashable]:
    """Return one label, several labels or None as a list."""
    if labels is None:
        return []
    return list(labels) if isinstance(labels, LABEL_LISTS) else [labels]


def _column_names(X: Any) -> list[Hashable]:
    """Return the columns of a frame, or the names that `read_table` gives to the columns of an array."""
    if hasattr(X, "columns"):
        return list(X.columns)
    shape = np.shape(X)
    return [f"x{number}" for number in range(shape[1])] if len(shape) == 2 else ["y"]
