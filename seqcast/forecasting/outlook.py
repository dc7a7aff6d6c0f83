"""What is forecast from some origins, in levels: the centre, and how far off the truth may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .conformal import Errors
from .distributions import Distribution

QUARTERS = (0.25, 0.75)  # the spread of a distribution is the distance between these quantiles
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Outlook:
    """Forecasts whose errors are taken to be as those that were seen.

    Attributes
    ----------
    centre : ndarray, shape (n, horizon, n_targets)
    unit : ndarray, broadcast against `centre`
        Errors grow and shrink with it.
    errors : Errors or None
        In these units; None if none were seen.
    """

    centre: np.ndarray
    unit: np.ndarray
    errors: Errors | None

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        """Shape (n_probabilities, n, horizon, n_targets)."""
        assert self.errors is not None  # which is checked where they are asked for
        return self.centre + self.errors.quantiles(probabilities)[:, None] * self.unit

    def draws(self, rng: np.random.Generator) -> np.ndarray:
        """One for each forecast, all steps and targets together."""
        assert self.errors is not None
        return self.centre + self.errors.paths(len(self.centre), rng) * self.unit


@dataclass(frozen=True)
class DistributionOutlook(Outlook):
    """Forecasts with distributions of their own.

    Attributes
    ----------
    distribution : Distribution
    parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        Of which the location is `centre`.
    """

    distribution: Distribution
    parameters: np.ndarray

    def quantiles(self, probabilities: tuple[float, ...]) -> np.ndarray:
        return np.moveaxis(self.distribution.quantiles(self.parameters, probabilities), 1, 0)

    def draws(self, rng: np.random.Generator) -> np.ndarray:
        """Draws of each step and target, put in the order that errors which were seen together have among
        their kind: so they depend on each other as errors do (Clark et al., "The Schaake Shuffle", Journal of
        Hydrometeorology 5, 2004)."""
        apart = self.distribution.draws(self.parameters, 1, rng)[:, 0] - self.centre
        if self.errors is None:
            return self.centre + apart
        ranks = self.errors.paths(len(apart), rng).argsort(axis=0, kind="stable").argsort(axis=0)
        return self.centre + np.take_along_axis(np.sort(apart, axis=0), ranks, axis=0)


def spread_of(distribution: Distribution, parameters: np.ndarray) -> np.ndarray:
    """The distance between the quarters, shape (n, horizon, n_targets)."""
    low, high = np.moveaxis(distribution.quantiles(parameters, QUARTERS), 1, 0)
    return np.maximum(high - low, LEAST_SPREAD)
