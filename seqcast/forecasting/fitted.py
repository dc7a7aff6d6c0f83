"""Everything that a fit leaves, in one record."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.schema import Schema
from ..data.series_state import SeriesState
from .calendar_columns import CalendarColumns
from .lengths import LengthRules, Lengths
from .local import LocalModels
from .memory import Memory
from .model import ForecastModel, Model
from .training_data import TrainingData


@dataclass(frozen=True)
class FittedForecaster:
    """A fitted forecaster: forecasts, updates and files need this record, and nothing else.

    It is never changed: an update makes another one.

    Attributes
    ----------
    schema : Schema
        The columns of ``fit``, so that later rows are read the same way.
    rules : LengthRules
    lengths : Lengths
    memory : Memory
    calendar_columns : CalendarColumns
    series : dict of SeriesState
        By id; None is the id of the only series of a wide frame.
    model : Model
        One of all series, or `LocalModels`.
    naive_errors : ndarray, shape (2, n_series, n_targets)
        Mean absolute and root mean squared error of the seasonal naive forecast in training.
    residual_hint : str
        Advice on how to get more residuals, for messages.
    """

    schema: Schema
    rules: LengthRules
    lengths: Lengths
    memory: Memory
    calendar_columns: CalendarColumns
    series: dict[Any, SeriesState]
    model: Model
    naive_errors: np.ndarray
    residual_hint: str

    @property
    def owner(self) -> str:
        """Name of the estimator, for messages."""
        return self.schema.owner

    @property
    def targets(self) -> list[Hashable]:
        """Names of the targets."""
        return self.schema.roles.targets

    @property
    def n_targets(self) -> int:
        return len(self.targets)

    @property
    def ids(self) -> list[Any]:
        """The ids of the series, in the order of their numbers."""
        return list(self.series)

    @property
    def models(self) -> list[ForecastModel]:
        """The model of all series or, if they have models of their own, each of them."""
        if isinstance(self.model, LocalModels):
            return list(self.model.models.values())
        assert isinstance(self.model, ForecastModel)
        return [self.model]

    def find_numbers(self, ids: Iterable[Any]) -> np.ndarray:
        """Return the numbers of the series with these ids."""
        numbers = {id_: number for number, id_ in enumerate(self.series)}
        return np.array([numbers[id_] for id_ in ids])

    def with_series(self, series: dict[Any, SeriesState]) -> FittedForecaster:
        """Return the forecaster with other states of some series, or with more series."""
        return replace(self, series=self.series | series)

    def select_series(self, id_: Any) -> FittedForecaster:
        """Return the forecaster of one series with a model of its own."""
        assert isinstance(self.model, LocalModels)
        errors = self.naive_errors[:, self.find_numbers([id_])]
        return replace(
            self, series={id_: self.series[id_]}, model=self.model.models[id_], naive_errors=errors
        )


def make_series_states(data: TrainingData, memory: Memory) -> dict[Any, SeriesState]:
    """Return the state of each series: its calendar and its last steps."""
    parts = zip(data.ids, data.calendars, data.last_labels, data.grids, strict=True)
    return {
        id_: SeriesState(calendar, last, len(grid), memory.cut_tail(grid, data.n_targets))
        for id_, calendar, last, grid in parts
    }
