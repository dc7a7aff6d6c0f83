"""What each column is to a forecaster."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .categories import Categories

SEVERAL = (list, tuple, np.ndarray, pd.Index)  # what may hold several names


@dataclass(frozen=True)
class ColumnSpec:
    """What a forecaster's parameters say about columns; see there."""

    target: Any = None
    id_col: Hashable | None = None
    time_col: Hashable | None = None
    future_cols: Any = None
    static_cols: Any = None

    @property
    def is_long(self) -> bool:
        """Whether ids and stamps of rows are columns."""
        return bool(self.keys)

    @property
    def keys(self) -> list[Hashable]:
        return [label for label in (self.id_col, self.time_col) if label is not None]

    def find_category_columns(self, X: pd.DataFrame) -> list[Hashable]:
        """Columns whose text stands for categories: those that are declared to be known ahead or never to
        change, and all of a categorical dtype."""
        known = [*to_label_list(self.future_cols), *to_label_list(self.static_cols)]
        categorical = [label for label, dtype in X.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
        return [label for label in X.columns if label in [*known, *categorical] and label not in self.keys]

    def choose_targets(self, X: Any, has_y: bool, categories: Categories, owner: str) -> Any:
        """What to forecast, out of the columns of `X`: if neither the user nor y says it, those that are
        neither known ahead nor categories; None for all columns."""
        declared = [*to_label_list(self.future_cols), *to_label_list(self.static_cols)]
        known = categories.column_names([*declared, *categories.by_column])
        if self.target is None and known and not has_y:
            return [column for column in _column_names(X) if column not in known]
        twice = [label for label in to_label_list(self.target) if label in known]
        if twice:
            raise ValueError(
                f"The 'target' parameter of {owner} must name no column of categories, future_cols or "
                f"static_cols. Got {twice} in both."
            )
        return self.target

    def assign_roles(
        self, targets: list[Hashable], covariates: list[Hashable], categories: Categories, owner: str
    ) -> Roles:
        """Of the columns of rows with these targets and covariates."""
        future, static = (
            categories.column_names(to_label_list(given)) for given in (self.future_cols, self.static_cols)
        )
        for parameter, names in ("future_cols", future), ("static_cols", static):
            if not set(names) <= set(covariates) or len(set(names)) < len(names):
                raise ValueError(
                    f"The {parameter!r} parameter of {owner} must name columns of X that are no targets, "
                    f"each once: {covariates}. Got {getattr(self, parameter)!r} instead."
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
    """Numeric columns by what is known of them when a forecast is made: the order they are stacked in.

    Attributes
    ----------
    targets : list of labels
        Known up to then, and to be forecast.
    past : list of labels
        Known up to then.
    future : list of labels
        Known before their time.
    static : list of labels
        The same at all steps of a series.
    """

    targets: list[Hashable]
    past: list[Hashable]
    future: list[Hashable]
    static: list[Hashable]

    @property
    def covariates(self) -> list[Hashable]:
        return [*self.past, *self.future, *self.static]

    @property
    def layout(self) -> ColumnLayout:
        return ColumnLayout(len(self.targets), len(self.past), len(self.future), len(self.static))

    @property
    def all(self) -> list[Hashable]:
        return [*self.targets, *self.covariates]


@dataclass(frozen=True)
class ColumnLayout:
    """How many columns there are of each kind, which stand side by side in this order.

    Attributes
    ----------
    targets : int
    lags : int
        Of each target; those of the first target come first.
    past, future, static : int
        As `Roles` has them.
    """

    targets: int
    past: int = 0
    future: int = 0
    static: int = 0
    lags: int = 0

    @property
    def past_slice(self) -> slice:
        begin = self.targets * (1 + self.lags)
        return slice(begin, begin + self.past)

    @property
    def future_slice(self) -> slice:
        begin = self.past_slice.stop
        return slice(begin, begin + self.future)

    @property
    def static_slice(self) -> slice:
        begin = self.future_slice.stop
        return slice(begin, begin + self.static)

    def target_columns(self, number: int) -> list[int]:
        """A target, its lags, and all covariates."""
        first = self.targets + number * self.lags
        lags, others = range(first, first + self.lags), range(self.past_slice.start, self.static_slice.stop)
        return [number, *lags, *others]


def to_label_list(given: Any) -> list[Hashable]:
    """One label, several or none, as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, SEVERAL) else [given]


def _column_names(X: Any) -> list[Hashable]:
    """Those of a frame, or those that `read_table` gives to an array's."""
    if hasattr(X, "columns"):
        return list(X.columns)
    shape = np.shape(X)
    return [f"x{number}" for number in range(shape[1])] if len(shape) == 2 else ["y"]
