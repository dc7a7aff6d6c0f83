"""How far off forecasts may be: errors on rows that were not learned from, and nothing assumed of their
shape.

Split conformal prediction (Papadopoulos et al., "Inductive Confidence Machines for Regression", ECML 2002)
for each step of the horizon: the size of the next error is as likely to fall between any two neighbours of n
earlier ones as between any others, so the k-th smallest is a quantile of level k / (n + 1). Sizes, and not
errors with their signs: the bias of the last rows is seldom that of the next ones (Winkler scores of signed
quantiles were 3 % worse on 44 splits of eleven series). That needs errors of one kind: where the last rows
are of another season than those to come, or a series has changed, coverage is not what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.panel import Panel
from .residual_scale import residual_scales

MAX_NUMBERS, MIN_SAMPLES, MAX_SAMPLES = 400_000, 200, 2000  # errors that are kept in all, and windows of them
ALIKE = np.ones((1, 1, 1))  # of one series


@dataclass(frozen=True)
class ConformalResiduals:
    """Truth minus forecast, in units of their expected size.

    Attributes
    ----------
    values : ndarray, shape (n_windows, horizon, n_targets)
        NaN where nothing was observed.
    weights : ndarray, shape (n_windows,)
        Adding up to 1.
    sizes : ndarray, shape (n_series, 1, n_targets)
        Of each series, beside those of all: part of the unit.
    """

    values: np.ndarray
    weights: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of_series(cls, levels: Panel, groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> ConformalResiduals:
        """Of groups of windows by their cutoffs, as `residual_scales` takes them."""
        sizes = residual_scales(levels, groups)
        return cls.of([errors / sizes[levels.find_series(cutoffs)] for cutoffs, errors in groups], sizes)

    @classmethod
    def of(cls, groups: Sequence[np.ndarray], sizes: np.ndarray = ALIKE) -> ConformalResiduals:
        """Of groups of windows that count the same, such as those of two times; of each, windows at equal
        distances, so many as are worth keeping."""
        most = min(max(MAX_NUMBERS // max(1, groups[0][0].size), MIN_SAMPLES), MAX_SAMPLES) // len(groups)
        kept = [group[spread_rows(len(group), most)] for group in groups]
        weights = [np.full(len(group), 1 / len(groups) / len(group)) for group in kept]
        return cls(np.concatenate(kept).astype(np.float32), np.concatenate(weights), sizes)

    def with_series(self, n: int) -> ConformalResiduals:
        """With `n` series more, of whose errors nothing is known: they are taken to be as those of all."""
        return replace(self, sizes=np.concatenate([self.sizes, np.ones((n, *self.sizes.shape[1:]))]))

    def quantiles(self, probabilities: Sequence[float]) -> np.ndarray:
        """Of each step and target, shape (n_probabilities, horizon, n_targets): plus or minus the size that
        errors stay below in so many cases; the largest where there are too few errors to tell."""
        sizes = np.abs(self.values)
        order = np.argsort(sizes, axis=0)  # NaN come last
        ordered = np.nan_to_num(np.take_along_axis(sizes, order, axis=0))
        weights = np.where(np.isnan(self.values), 0.0, self.weights[:, None, None])
        n, total = self._count(weights), weights.sum(axis=0)
        shares = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
        found = np.empty((len(probabilities), *ordered.shape[1:]))
        for out, probability in zip(found, probabilities, strict=True):
            level = abs(2 * probability - 1)
            wanted = np.minimum(np.ceil((n + 1) * level - 1e-9) / n, 1.0) * total
            place = np.minimum((shares < wanted * (1 - 1e-9)).sum(axis=0), (weights > 0).sum(axis=0) - 1)
            size = np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)[0]
            out[...] = np.sign(probability - 0.5) * size
        return found

    def fewest(self) -> float:
        """How many errors the step with the fewest has, those that count the same taken together."""
        return float(self._count(np.where(np.isnan(self.values), 0.0, self.weights[:, None, None])).min())

    def sizes_of(self, series: np.ndarray) -> np.ndarray:
        """Of these series, (n, 1, n_targets); 1 of those that came after fit."""
        last = len(self.sizes) - 1
        return np.where((series <= last)[:, None, None], self.sizes[np.minimum(series, last)], 1.0)

    def paths(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Errors of windows drawn at random, shape (n, horizon, n_targets): steps and targets stay together,
        as they depend on each other; a missing one is 0."""
        drawn = rng.choice(len(self.values), size=n, p=self.weights / self.weights.sum())
        return np.nan_to_num(self.values[drawn]).astype(np.float64)

    def _count(self, weights: np.ndarray) -> np.ndarray:
        """Kish's effective number of observations."""
        squares = np.square(weights).sum(axis=0)
        return np.where(
            squares > 0, np.square(weights.sum(axis=0)) / np.where(squares > 0, squares, 1.0), 1.0
        )


def spread_rows(n: int, most: int) -> np.ndarray:
    """Numbers of at most so many out of `n` rows, at equal distances."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def fewest_for(probabilities: Sequence[float]) -> float:
    """So many errors are needed for the outermost of these to be within them."""
    level = max(abs(2 * probability - 1) for probability in probabilities)
    return level / (1 - level) - 1e-9
