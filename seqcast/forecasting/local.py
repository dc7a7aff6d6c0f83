"""Local models: a model for each series, behind the interface of one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data.panel import Panel
from .model import ForecastModel


@dataclass(frozen=True)
class LocalModels:
    """A model of its own for each series.

    Attributes
    ----------
    models : dict of ForecastModel
        By id, in the order of the series' numbers. Each was fitted to one series, so that its own panels have
        a single series with number 0.
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
        """Whether quantiles of some series come from residuals."""
        return any(model.needs_residuals for model in self.models.values())

    @property
    def n_residuals(self) -> float:
        """The number of residuals of the series with the fewest, of those that need them."""
        numbers = (model.n_residuals for model in self.models.values() if model.needs_residuals)
        return min(numbers, default=np.inf)

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the targets in training, shape (n_series, n_targets)."""
        return np.concatenate([model.target_scales for model in self.models.values()])


def _restore_order(found: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Put parts (n_own, ...) at their places in one array."""
    places = np.concatenate([own for own, _ in found])
    values = np.concatenate([part for _, part in found])
    ordered = np.empty_like(values)
    ordered[places] = values
    return ordered
