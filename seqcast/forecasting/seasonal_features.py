"""The place of a cutoff in the calendar, as inputs: an intercept of its own for each phase of a period and
each step of the horizon, and slow waves over the year.

They are one row for a window and not a column of each of its steps: the columns of neighbouring steps say the
same, and weights of hundreds of them were ruinous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HARMONICS = 2  # of the year
# A period or year must have been seen so often. Of a part of a year, waves go on as they never did: squared
# errors became 3 to 15 times as large.
FEWEST_PERIODS, FEWEST_YEARS = 3, 1.3
LONGEST_PERIOD = 1000  # steps: an input for each, and the fit takes their cube


@dataclass(frozen=True)
class SeasonalFeatures:
    """Inputs made of the number of the first step that is forecast.

    Attributes
    ----------
    periods : tuple of int
        Each has one input for each phase: 1 if the step is of this phase, else 0.
    year : float or None
        Steps of a year, which has a sine and a cosine for each harmonic.
    """

    periods: tuple[int, ...] = ()
    year: float | None = None

    def __len__(self) -> int:
        return sum(self.periods) + self._n_waves

    @property
    def _n_waves(self) -> int:
        return 0 if self.year is None else 2 * HARMONICS

    def inputs(self, steps: np.ndarray) -> np.ndarray:
        """Shape (n, n_inputs)."""
        phases = [steps[:, None] % period == np.arange(period) for period in self.periods]
        return np.hstack([*phases, self._waves(steps)])

    def product(self, steps: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``inputs(steps) @ weights``, each row with the same bits in any batch."""
        n = len(weights) - self._n_waves
        product, first = (self._waves(steps)[:, None] @ weights[n:])[:, 0], 0
        for period in self.periods:
            product += weights[first + steps % period]
            first += period
        return product

    def places(self, some: SeasonalFeatures) -> np.ndarray:
        """Where the inputs of `some` of these periods and of its year are among these inputs."""
        periods = np.repeat(self.periods, self.periods)
        years = np.full(self._n_waves, some.year is not None)
        return np.flatnonzero(np.concatenate([np.isin(periods, some.periods), years]))

    def _waves(self, steps: np.ndarray) -> np.ndarray:
        if self.year is None:
            return np.empty((len(steps), 0))
        turns = 2 * np.pi * (steps[:, None] / self.year) * np.arange(1, HARMONICS + 1)
        return np.hstack([np.sin(turns), np.cos(turns)])


def choices(periods: Sequence[int], year: float | None, n_steps: int) -> list[SeasonalFeatures]:
    """What may be told from so many steps: nothing, each of the periods, the year, or both; nothing first."""
    told = [(p,) for p in periods if 1 < p <= LONGEST_PERIOD and n_steps >= FEWEST_PERIODS * p]
    years = [None] if year is None or n_steps < FEWEST_YEARS * year else [None, year]
    return [SeasonalFeatures(period, year) for year in years for period in [(), *dict.fromkeys(told)]]


def together(some: Sequence[SeasonalFeatures]) -> SeasonalFeatures:
    """All of their inputs."""
    periods = dict.fromkeys(period for phases in some for period in phases.periods)
    return SeasonalFeatures(tuple(periods), next((phases.year for phases in some if phases.year), None))
