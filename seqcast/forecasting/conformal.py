"""How far off forecasts may be: errors on rows that were not learned from, and nothing assumed of their shape.

Split conformal prediction (Papadopoulos et al., "Inductive Confidence Machines for Regression", ECML 2002)
for each step of the horizon: the next error is as likely to fall between any two neighbours of n earlier ones
as between any others, so the k-th smallest is a quantile of level k / (n + 1). That needs errors of one kind:
where the last rows are of another season than those to come, or a series has changed, coverage is not what
was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NUMBERS, FEWEST, MOST = 400_000, 200, 2000  # errors that are kept in all, and windows of them


@dataclass(frozen=True)
class Errors:
    """Truth minus forecast, in levels.

    Attributes
    ----------
    values : ndarray, shape (n_windows, horizon, n_targets)
        NaN where nothing was observed.
    """

    values: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, forecasts: np.ndarray) -> Errors:
        """Of windows at equal distances, so many as are worth keeping."""
        most = min(max(NUMBERS // max(1, truth[0].size), FEWEST), MOST)
        kept = np.unique(np.linspace(0, len(truth) - 1, most).astype(np.int64))
        return cls((truth[kept] - forecasts[kept]).astype(np.float32))

    def quantiles(self, probabilities: np.ndarray) -> np.ndarray:
        """Of each step and target, shape (n_probabilities, horizon, n_targets): between the order statistics
        that the probabilities fall between, the outer one; the outermost where there are too few."""
        ordered = np.sort(self.values, axis=0)  # NaN come last
        n = np.isfinite(ordered).sum(axis=0)
        ordered = np.where(n > 0, ordered, 0.0)
        ranks = np.array([_rank(probability, n) for probability in probabilities])
        return np.take_along_axis(ordered, ranks, axis=0).astype(np.float64)

    def fewest(self) -> int:
        """Errors of the step that has the fewest."""
        return int(np.isfinite(self.values).sum(axis=0).min())

    def paths(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Errors of windows drawn at random, shape (n, horizon, n_targets): steps and targets stay together,
        as they depend on each other; a missing one is 0."""
        return np.nan_to_num(self.values[rng.integers(len(self.values), size=n)]).astype(np.float64)


def _rank(probability: float, n: np.ndarray) -> np.ndarray:
    """Which of `n` numbers in order, from 0."""
    place = (n + 1) * probability
    rank = np.floor(place + 1e-9) if probability < 0.5 else np.ceil(place - 1e-9)
    return np.clip(rank, 1, np.maximum(n, 1)).astype(np.int64) - 1


def fewest_for(probabilities: np.ndarray) -> int:
    """So many errors are needed for the outermost of these to be within them."""
    outermost = min(min(probability, 1 - probability) for probability in probabilities)
    return int(np.ceil(1 / outermost - 1e-9)) - 1
