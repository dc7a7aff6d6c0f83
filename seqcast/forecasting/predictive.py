"""Predictive distributions of forecasts, in scaled values: centers, quantiles and random draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from ..data.panel import Panel
from .conformal import ConformalResiduals
from .recent_volatility import RecentVolatility

if TYPE_CHECKING:
    # It imports numba, which takes half a second, and only networks need it.
    from .distributions import Distribution

# The spread of a distribution is the distance between these quantiles.
QUARTILES = (0.25, 0.75)
MIN_SPREAD = 1e-3


@dataclass(frozen=True)
class PredictiveForecast:
    """Forecasts with a distribution made of residuals of earlier forecasts.

    Attributes
    ----------
    center : ndarray, shape (n, horizon, n_targets)
    unit : callable
        Returns the unit of residuals, an array that is broadcast against `center`. It is called for quantiles
        and draws only: in a rolling backtest without them it would take a third of the time.
    series : ndarray of int, shape (n,)
        The number, among the fitted series, of the series of each forecast.
    residuals : ConformalResiduals or None
        Residuals divided by this unit; None if there are none.
    """

    center: np.ndarray
    unit: Callable[[], np.ndarray]
    series: np.ndarray
    residuals: ConformalResiduals | None

    def shift(self, center: np.ndarray) -> PredictiveForecast:
        """Return the forecasts shifted to another center."""
        return replace(self, center=center)

    def repeat(self, n: int) -> Self:
        """Return each forecast `n` times, one after the other."""
        center, series = (np.repeat(of_each, n, axis=0) for of_each in (self.center, self.series))
        return replace(self, center=center, unit=lambda: np.repeat(self.unit(), n, axis=0), series=series)

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        """Return quantiles, shape (n_probabilities, n, horizon, n_targets)."""
        # The caller has checked this before; see `check_quantiles`.
        assert self.residuals is not None
        unit = self.unit() * self.residuals.select_scales(self.series)
        return self.center + self.residuals.quantiles(probabilities)[:, None] * unit

    def draw(self, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """Draw one path for each forecast, shape (n, horizon, n_targets).

        Each generator draws the same number of paths, in order.
        """
        assert self.residuals is not None
        n = len(self.center) // len(rngs)
        unit = self.unit() * self.residuals.select_scales(self.series)
        return self.center + np.concatenate([self.residuals.draw(n, rng) for rng in rngs]) * unit


@dataclass(frozen=True)
class DistributionForecast(PredictiveForecast):
    """Forecasts with a distribution that a part forecasts.

    Attributes
    ----------
    distribution : Distribution
    parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        Their location is `center`.
    """

    distribution: Distribution
    parameters: np.ndarray

    def shift(self, center: np.ndarray) -> PredictiveForecast:
        parameters = self.distribution.shift(self.parameters, center)
        return replace(self, center=parameters[:, 0], parameters=parameters)

    def repeat(self, n: int) -> Self:
        return replace(super().repeat(n), parameters=np.repeat(self.parameters, n, axis=0))

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        return np.moveaxis(self.distribution.quantiles(self.parameters, probabilities), 1, 0)

    def draw(self, rngs: Sequence[np.random.Generator]) -> np.ndarray:
        """Draw one path for each forecast, shape (n, horizon, n_targets).

        The draws of a step and target have the ranks of residuals that are drawn by window, so that steps and
        targets depend on each other as residuals do (Clark et al., "The Schaake Shuffle", Journal of
        Hydrometeorology 5, 2004). Without residuals, all draws are independent.
        """
        n = len(self.center) // len(rngs)
        probabilities = np.concatenate([self._draw_probabilities(n, rng) for rng in rngs])
        return self.distribution.invert_cdf(self.parameters, probabilities)

    def _draw_probabilities(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw probabilities of quantiles, shape (n, horizon, n_targets)."""
        probabilities = rng.random((n, *self.center.shape[1:]))
        if self.residuals is None:
            return probabilities
        ranks = self.residuals.draw(n, rng).argsort(axis=0, kind="stable").argsort(axis=0)
        return (ranks + probabilities) / n


def has_spread(distribution: Distribution) -> bool:
    """Return whether the distribution has more quantiles than the median."""
    return not distribution.probabilities or len(distribution.probabilities) > 1


def compute_spread(distribution: Distribution, parameters: np.ndarray) -> np.ndarray:
    """Return the distance between the quartiles, (n, horizon, n_targets).

    If the quartiles are not known, it is the distance between the outermost known quantiles.
    """
    known = distribution.probabilities or QUARTILES
    probabilities = (max(QUARTILES[0], min(known)), min(QUARTILES[1], max(known)))
    low, high = np.moveaxis(distribution.quantiles(parameters, probabilities), 1, 0)
    return np.maximum(high - low, MIN_SPREAD)


def compute_residual_unit(
    distribution: Distribution | None,
    parameters: np.ndarray | None,
    volatility: RecentVolatility,
    scaled: Panel,
    cutoffs: np.ndarray,
) -> np.ndarray:
    """Return the unit of residuals, an array that is broadcast against forecasts.

    It is the spread of the distribution that is forecast or, without one, the recent volatility of the
    series.
    """
    if parameters is None or distribution is None or not has_spread(distribution):
        return volatility.measure(scaled, cutoffs)
    return compute_spread(distribution, parameters)
