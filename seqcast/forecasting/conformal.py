"""Quantiles of residuals on windows that were not learned from, without assumptions about their distribution.

The method is split conformal prediction (Papadopoulos et al., "Inductive Confidence Machines for Regression",
ECML 2002), for each step of the horizon. The absolute value of the next residual is equally likely to lie
between any two neighbours of n earlier ones, so that the k-th smallest is a quantile of probability
k / (n + 1). Absolute values are used, and not signed residuals, since the bias of the last steps is seldom
that of the next ones (Winkler scores of signed quantiles were 3 % worse on 44 splits of eleven series). The
method assumes that residuals are exchangeable: if the last steps belong to another season than the next ones,
or if a series has changed, coverage differs from the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.panel import Panel
from .residual_scale import compute_residual_scales

# The maximum number of residuals that are kept.
MAX_NUMBERS = 400_000
# The number of windows that residuals are kept of lies between these limits, whatever their size.
MIN_SAMPLES, MAX_SAMPLES = 200, 2000
# The scale of a single series.
UNIT_SCALE = np.ones((1, 1, 1))


@dataclass(frozen=True)
class ConformalResiduals:
    """Residuals (truth minus forecast), divided by their unit.

    Attributes
    ----------
    values : ndarray, shape (n_windows, horizon, n_targets)
        NaN where nothing was observed.
    weights : ndarray, shape (n_windows,)
        They add up to 1.
    scales : ndarray, shape (n_series, 1, n_targets)
        The size of the residuals of each series relative to that of all series; a factor of the unit.
    """

    values: np.ndarray
    weights: np.ndarray
    scales: np.ndarray

    @classmethod
    def from_series(
        cls, scaled: Panel, groups: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> ConformalResiduals:
        """Keep groups of residuals, each in units of the scale of its series.

        groups : pairs of cutoffs and residuals; see `compute_residual_scales`.
        """
        scales = compute_residual_scales(scaled, groups)
        in_units = [residuals / scales[scaled.find_series(cutoffs)] for cutoffs, residuals in groups]
        return cls.from_groups(in_units, scales)

    @classmethod
    def from_groups(cls, groups: Sequence[np.ndarray], scales: np.ndarray = UNIT_SCALE) -> ConformalResiduals:
        """Keep groups of residuals of windows, (n, horizon, n_targets) each.

        All groups have the same total weight. Of each group, equally spaced windows are kept, so that memory
        is limited.
        """
        limit = min(max(MAX_NUMBERS // max(1, groups[0][0].size), MIN_SAMPLES), MAX_SAMPLES) // len(groups)
        kept = [group[choose_spaced_rows(len(group), limit)] for group in groups]
        weights = [np.full(len(group), 1 / len(groups) / len(group)) for group in kept]
        return cls(np.concatenate(kept).astype(np.float32), np.concatenate(weights), scales)

    def with_series(self, n: int) -> ConformalResiduals:
        """Return the residuals with `n` series added, whose scale is taken to be 1."""
        return replace(self, scales=np.concatenate([self.scales, np.ones((n, *self.scales.shape[1:]))]))

    def quantiles(self, probabilities: Sequence[float]) -> np.ndarray:
        """Return quantiles for each step and target, shape (n_probabilities, horizon, n_targets).

        A quantile is plus or minus the absolute value that residuals do not exceed with the coverage of its
        interval. If there are too few residuals for the coverage, it is the largest absolute value.
        """
        sizes = np.abs(self.values)
        # NaN are sorted last.
        order = np.argsort(sizes, axis=0)
        ordered = np.nan_to_num(np.take_along_axis(sizes, order, axis=0))
        weights = self._observed_weights()
        n = _count_effective(weights)
        total = weights.sum(axis=0)
        cumulative = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
        found = np.empty((len(probabilities), *ordered.shape[1:]))
        for out, probability in zip(found, probabilities, strict=True):
            coverage = abs(2 * probability - 1)
            wanted = np.minimum(np.ceil((n + 1) * coverage - 1e-9) / n, 1.0) * total
            place = np.minimum((cumulative < wanted * (1 - 1e-9)).sum(axis=0), (weights > 0).sum(axis=0) - 1)
            size = np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)[0]
            out[...] = np.sign(probability - 0.5) * size
        return found

    def count_effective(self) -> float:
        """Return the effective number of residuals of the step and target with the fewest."""
        return float(_count_effective(self._observed_weights()).min())

    def select_scales(self, series: np.ndarray) -> np.ndarray:
        """Return the scales of the series with these numbers, (n, 1, n_targets); 1 for unknown series."""
        last = len(self.scales) - 1
        return np.where((series <= last)[:, None, None], self.scales[np.minimum(series, last)], 1.0)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the residuals of `n` windows at random, shape (n, horizon, n_targets).

        The steps and targets of a window are drawn together, since they depend on each other. Missing
        residuals are 0.
        """
        drawn = rng.choice(len(self.values), size=n, p=self.weights / self.weights.sum())
        return np.nan_to_num(self.values[drawn]).astype(np.float64)

    def _observed_weights(self) -> np.ndarray:
        """Return the weight of each residual, 0 where it is missing."""
        return np.where(np.isnan(self.values), 0.0, self.weights[:, None, None])


def _count_effective(weights: np.ndarray) -> np.ndarray:
    """Return Kish's effective number of observations along the first axis, 1 where all weights are 0."""
    squares = np.square(weights).sum(axis=0)
    return np.where(squares > 0, np.square(weights.sum(axis=0)) / np.where(squares > 0, squares, 1.0), 1.0)


def choose_spaced_rows(n: int, limit: int) -> np.ndarray:
    """Return at most `limit` equally spaced numbers of `n` rows."""
    return np.unique(np.linspace(0, n - 1, min(n, limit)).astype(np.int64))


def count_needed_residuals(probabilities: Sequence[float]) -> float:
    """Return how many residuals are needed for the outermost of these quantiles."""
    coverage = max(abs(2 * probability - 1) for probability in probabilities)
    return coverage / (1 - coverage) - 1e-9
