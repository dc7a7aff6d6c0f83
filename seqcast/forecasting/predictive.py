"""What is forecast from some cutoffs, in levels: the center, and how far off the truth may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from ..data.panel import Panel
from .conformal import ConformalResiduals
from .recent_volatility import RecentVolatility

if TYPE_CHECKING:  # numba takes half a second, and only networks need it
    from .distributions import Distribution

QUARTERS = (0.25, 0.75)  # the spread of a distribution is the distance between these quantiles
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class PredictiveForecast:
    """Forecasts whose errors are taken to be as those that were seen.

    Attributes
    ----------
    center : ndarray, shape (n, horizon, n_targets)
    unit : callable
        Gives an ndarray, broadcast against `center`, with which errors grow and shrink: only quantiles and
        draws ask for it (in a rolling backtest without them it would take a third of the time).
    series : ndarray of int, shape (n,)
        Of which of the series that were fitted each is.
    errors : Errors or None
        In these units and the sizes of their series; None if none were seen.
    """

    center: np.ndarray
    unit: Callable[[], np.ndarray]
    series: np.ndarray
    errors: ConformalResiduals | None

    def around(self, center: np.ndarray) -> PredictiveForecast:
        """The same, around another center."""
        return replace(self, center=center)

    def repeated(self, n: int) -> Self:
        """Each forecast so many times, one after the other."""
        center, series = (np.repeat(of_each, n, axis=0) for of_each in (self.center, self.series))
        return replace(self, center=center, unit=lambda: np.repeat(self.unit(), n, axis=0), series=series)

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        """Shape (n_probabilities, n, horizon, n_targets)."""
        assert self.errors is not None  # which is checked where they are asked for
        unit = self.unit() * self.errors.sizes_of(self.series)
        return self.center + self.errors.quantiles(probabilities)[:, None] * unit

    def draws(self, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """One for each forecast, all steps and targets together; of as many forecasts by each generator."""
        assert self.errors is not None
        n, unit = len(self.center) // len(rngs), self.unit() * self.errors.sizes_of(self.series)
        return self.center + np.concatenate([self.errors.paths(n, rng) for rng in rngs]) * unit


@dataclass(frozen=True)
class DistributionForecast(PredictiveForecast):
    """Forecasts with distributions of their own.

    Attributes
    ----------
    distribution : Distribution
    parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        Of which the location is `center`.
    """

    distribution: Distribution
    parameters: np.ndarray

    def around(self, center: np.ndarray) -> PredictiveForecast:
        parameters = self.distribution.moved(self.parameters, center)
        return replace(self, center=parameters[:, 0], parameters=parameters)

    def repeated(self, n: int) -> Self:
        return replace(super().repeated(n), parameters=np.repeat(self.parameters, n, axis=0))

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        return np.moveaxis(self.distribution.quantiles(self.parameters, probabilities), 1, 0)

    def draws(self, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """Draws of each step and target at the ranks that errors which were seen together have among their
        kind: so they depend on each other as errors do (Clark et al., "The Schaake Shuffle", Journal of
        Hydrometeorology 5, 2004); each by itself where no errors were seen."""
        n = len(self.center) // len(rngs)
        probabilities = np.concatenate([self._probabilities(n, rng) for rng in rngs])
        return self.distribution.at(self.parameters, probabilities)

    def _probabilities(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Shape (n, horizon, n_targets)."""
        probabilities = rng.random((n, *self.center.shape[1:]))
        if self.errors is None:
            return probabilities
        ranks = self.errors.paths(n, rng).argsort(axis=0, kind="stable").argsort(axis=0)
        return (ranks + probabilities) / n


def has_spread(distribution: Distribution) -> bool:
    """Whether it tells more than the median."""
    return not distribution.levels or len(distribution.levels) > 1


def spread_of(distribution: Distribution, parameters: np.ndarray) -> np.ndarray:
    """The distance between the quarters, or the outermost quantiles within them, (n, horizon, n_targets)."""
    known = distribution.levels or QUARTERS
    levels = (max(QUARTERS[0], min(known)), min(QUARTERS[1], max(known)))
    low, high = np.moveaxis(distribution.quantiles(parameters, levels), 1, 0)
    return np.maximum(high - low, LEAST_SPREAD)


def residual_unit(
    distribution: Distribution | None,
    parameters: np.ndarray | None,
    volatility: RecentVolatility,
    scaled: Panel,
    cutoffs: np.ndarray,
) -> np.ndarray:
    """Return the unit of residuals, broadcast against forecasts: they grow and shrink with it.

    It is the spread of the distribution that is forecast or, without one, how much the series moved before
    the cutoff.
    """
    if parameters is None or distribution is None or not has_spread(distribution):
        return volatility.at(scaled, cutoffs)
    return spread_of(distribution, parameters)
