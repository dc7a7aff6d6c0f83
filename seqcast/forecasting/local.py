"""Local models: one model for each series, with the interface of a single model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data.panel import Panel
from .model import ForecastModel


@dataclass(frozen=True)
class LocalModels:
    """Models that were each fitted to one series.

    Attributes
    ----------
    models : dict of ForecastModel
        The model of each series by its id, in the order of the series' numbers. In the panels that a model
        is given, its only series has the number 0.
    """

    models: dict[Any, ForecastModel]

    @cached_property
    def _by_number(self) -> list[ForecastModel]:
        """The models in the order of the series' numbers."""
        return list(self.models.values())

    def __getitem__(self, number: int) -> ForecastModel:
        """Return the model of the series with this number."""
        return self._by_number[number]

    def forecast(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Return forecasts at each cutoff, and their quantiles; see `Model.forecast`."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for number, places, own in panel.group_by_series(cutoffs):
            series = Panel.stack([panel.series(number)], clocks=panel.clocks[[number]])
            found.append((places, self[panel.series_numbers[number]].forecast(series, own, probabilities)))
        return _restore_order([(places, values.swapaxes(0, 1)) for places, values in found]).swapaxes(0, 1)

    def draw(
        self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, rngs: list[np.random.Generator]
    ) -> np.ndarray:
        """Return sample paths; see `Model.draw`."""
        fitted = panel.series_numbers[panel.find_series(begins)]
        alone = panel.with_series_numbers(np.zeros_like(panel.series_numbers))
        found = []
        for number in np.unique(fitted):
            own = np.flatnonzero(fitted == number)
            own_rngs = [rngs[k] for k in own]
            found.append((own, self[number].draw(alone, begins[own], steps, n_paths, own_rngs)))
        return _restore_order(found)

    def gradient(self, panel: Panel, cutoff: np.ndarray) -> np.ndarray:
        """Return derivatives of the forecast at one cutoff; see `Model.gradient`."""
        number = panel.series_numbers[panel.find_series(cutoff)][0]
        return self[number].gradient(panel.with_series_numbers(np.zeros_like(panel.series_numbers)), cutoff)

    @property
    def needs_residuals(self) -> bool:
        """Whether quantiles of some series are computed from residuals."""
        return any(model.needs_residuals for model in self.models.values())

    @property
    def n_residuals(self) -> float:
        """The smallest number of residuals of all series whose quantiles are computed from residuals."""
        numbers = (model.n_residuals for model in self.models.values() if model.needs_residuals)
        return min(numbers, default=np.inf)

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the targets in training, shape (n_series, n_targets)."""
        return np.concatenate([model.target_scales for model in self.models.values()])


def _restore_order(found: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return one array with the values at their places.

    found : pairs of places (n_own,) and values (n_own, ...)
    """
    places = np.concatenate([own for own, _ in found])
    values = np.concatenate([part for _, part in found])
    ordered = np.empty_like(values)
    ordered[places] = values
    return ordered
