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
    """A fitted forecaster.

    The record holds all that forecasts, updates and files need. It is immutable: an update returns a new one.

    Attributes
    ----------
    schema : Schema
        The columns of ``fit``, so that later rows are read the same way.
    rules : LengthRules
    lengths : Lengths
    memory : Memory
    calendar_columns : CalendarColumns
    series : dict of SeriesState
        The state of each series by its id. The only series of a wide frame has the id None.
    model : Model
        One model of all series, or `LocalModels`.
    naive_errors : ndarray, shape (2, n_series, n_targets)
        The mean absolute and the root mean squared error of the seasonal naive forecast in training.
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
        """A list of the model of all series, or of the local models."""
        if isinstance(self.model, LocalModels):
            return list(self.model.models.values())
        assert isinstance(self.model, ForecastModel)
        return [self.model]

    def find_numbers(self, ids: Iterable[Any]) -> np.ndarray:
        """Return the numbers of the series with these ids."""
        numbers = {id_: number for number, id_ in enumerate(self.series)}
        return np.array([numbers[id_] for id_ in ids])

    def with_series(self, series: dict[Any, SeriesState]) -> FittedForecaster:
        """Return the forecaster with these states of series, which replace or follow those that it has."""
        return replace(self, series=self.series | series)

    def select_series(self, id_: Any) -> FittedForecaster:
        """Return the forecaster of one series, which has a local model."""
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
