"""Seasonal features of a cutoff, as inputs of the linear map: phases of a period, and waves over the year.

Each phase of a period has an intercept of its own for each step of the horizon. A window has one row of these
features, and not one for each of its steps: features of neighbouring steps are collinear, and hundreds of
weights of them made forecasts much worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Harmonics of the year.
HARMONICS = 2
# The minimum number of periods or years in training. If only a part of a year was observed, waves do not fit
# the rest of it: squared errors became 3 to 15 times as large.
MIN_PERIODS, MIN_YEARS = 3, 1.3
# The maximum period in steps. Each step is an input, and the time of a fit grows with their number's cube.
MAX_PERIOD = 1000


@dataclass(frozen=True)
class SeasonalFeatures:
    """Inputs that are made of the number of the first step that is forecast.

    Attributes
    ----------
    periods : tuple of int
        Each period has one input for each phase: 1 if the step has this phase, else 0.
    year : float or None
        The number of steps in a year, which has a sine and a cosine for each harmonic.
    """

    periods: tuple[int, ...] = ()
    year: float | None = None

    def __len__(self) -> int:
        return sum(self.periods) + self._n_waves

    @property
    def _n_waves(self) -> int:
        return 0 if self.year is None else 2 * HARMONICS

    def encode(self, steps: np.ndarray) -> np.ndarray:
        """Return the inputs for these step numbers, shape (n, n_inputs)."""
        phases = [steps[:, None] % period == np.arange(period) for period in self.periods]
        return np.hstack([*phases, self._encode_year(steps)])

    def multiply(self, steps: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return ``encode(steps) @ weights``; the bits of a row do not depend on the other rows."""
        n = len(weights) - self._n_waves
        product = (self._encode_year(steps)[:, None] @ weights[n:])[:, 0]
        first = 0
        for period in self.periods:
            product += weights[first + steps % period]
            first += period
        return product

    def find_inputs(self, subset: SeasonalFeatures) -> np.ndarray:
        """Return the numbers of the inputs that belong to a subset of these features."""
        periods = np.repeat(self.periods, self.periods)
        years = np.full(self._n_waves, subset.year is not None)
        return np.flatnonzero(np.concatenate([np.isin(periods, subset.periods), years]))

    def _encode_year(self, steps: np.ndarray) -> np.ndarray:
        if self.year is None:
            return np.empty((len(steps), 0))
        angles = 2 * np.pi * (steps[:, None] / self.year) * np.arange(1, HARMONICS + 1)
        return np.hstack([np.sin(angles), np.cos(angles)])


def list_candidates(periods: Sequence[int], year: float | None, n_steps: int) -> list[SeasonalFeatures]:
    """Return the features that can be learned from `n_steps` steps; the first has no inputs.

    The others have one of the periods, the year, or both.
    """
    learnable = [(p,) for p in periods if 1 < p <= MAX_PERIOD and n_steps >= MIN_PERIODS * p]
    years = [None] if year is None or n_steps < MIN_YEARS * year else [None, year]
    return [SeasonalFeatures(period, year) for year in years for period in [(), *dict.fromkeys(learnable)]]


def merge(candidates: Sequence[SeasonalFeatures]) -> SeasonalFeatures:
    """Return the features that have the inputs of all candidates."""
    periods = dict.fromkeys(period for features in candidates for period in features.periods)
    year = next((features.year for features in candidates if features.year), None)
    return SeasonalFeatures(tuple(periods), year)
