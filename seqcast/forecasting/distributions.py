"""Quantiles of forecasts that are distributions.

A forecast holds the parameters of one distribution for each step and target, as returned by
`Network.predict`, in the shape (n, n_parameters, horizon, n_targets). The first parameter is the location.
The distributions of different steps and targets are independent of each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels.distributions import LEAST_COUNT, MAX_QUANTILES, output_probabilities, parameter_count

# A probability may lie so far beyond the outermost one, because sums of 0.1 are rounded.
TOLERANCE = 1e-9


class Distribution(ABC):
    """A kind of distribution that a network forecasts for each step and target.

    Attributes
    ----------
    name : str
        The name of the loss, and of the distribution in the network's architecture.
    min_location : float
        The minimum of the location parameter.
    probabilities : tuple of float
        The probabilities of the quantiles that are forecast; empty for distributions with a density.
    """

    name: ClassVar[str]
    min_location: ClassVar[float] = -np.inf
    probabilities: tuple[float, ...] = ()

    @property
    def n_parameters(self) -> int:
        """The number of outputs of the network for each step and target."""
        return parameter_count(self.name, self.probabilities)

    def shift(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        """Return the parameters of distributions shifted to another location, (n, horizon, n_targets)."""
        return np.concatenate([location[:, None], parameters[:, 1:]], axis=1)

    def check_probabilities(self, probabilities: Sequence[float], owner: str) -> None:
        """Check that quantiles with these probabilities are known.

        owner : name of the estimator, for messages.
        """
        # Distributions with a density have quantiles for all probabilities.
        return

    def quantiles(self, parameters: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
        """Return quantiles with the same probabilities for all steps and targets.

        Parameters
        ----------
        parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        probabilities : sequence of float
            Each between 0 and 1.

        Returns
        -------
        ndarray, shape (n, n_probabilities, horizon, n_targets)
        """
        requested = to_probability_array(probabilities)
        return self._invert_cdf(_split_parameters(parameters), requested[:, None, None])

    def invert_cdf(self, parameters: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the quantile of each step and target for its own probability.

        The probabilities and the quantiles have the shape (n, horizon, n_targets).
        """
        return self._invert_cdf(_split_parameters(parameters), probabilities[:, None])[:, 0]

    @abstractmethod
    def _invert_cdf(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the quantiles with these probabilities; p (n_parameters, n, 1, horizon, n_targets)."""


@dataclass(frozen=True)
class Quantile(Distribution):
    """A distribution that is known by some quantiles, with linear interpolation between them.

    Parameters
    ----------
    probabilities : tuple of float
        Ascending, each between 0 and 1, 0.5 among them; at most 99.

    Raises
    ------
    ValueError
        If the probabilities violate one of these rules.
    """

    name: ClassVar[str] = "quantile"
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        checked = to_probability_array(self.probabilities)
        if 0.5 not in checked or (np.diff(checked) <= 0).any() or len(checked) > MAX_QUANTILES:
            raise ValueError(
                f"The probabilities of a quantile forecast must be ascending, 0.5 among them, and at most "
                f"{MAX_QUANTILES}. Got {self.probabilities} instead."
            )

    def check_probabilities(self, probabilities: Sequence[float], owner: str) -> None:
        lowest, highest = self.probabilities[0], self.probabilities[-1]
        if min(probabilities) < lowest or max(probabilities) > highest:
            raise ValueError(
                f"The 'level' and 'quantiles' parameters of {owner}.forecast must not reach beyond the "
                f"quantiles that were learned, {lowest} to {highest}. Got {min(probabilities):g} and "
                f"{max(probabilities):g}. Fit with quantiles as far out, or intervals='conformal'."
            )

    def shift(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        return parameters + (location - parameters[:, 0])[:, None]

    def _invert_cdf(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        lowest, highest = self.probabilities[0], self.probabilities[-1]
        is_beyond = (probabilities < lowest - TOLERANCE) | (probabilities > highest + TOLERANCE)
        beyond = probabilities[is_beyond]
        if beyond.size:
            raise ValueError(
                f"Probabilities must not lie beyond those of the fit, {lowest} to {highest}. Got {beyond[0]} "
                f"instead. Fit with a probability as far out."
            )
        shape = (p.shape[1], *probabilities.shape[:1], *p.shape[3:])
        return self._interpolate(p, np.broadcast_to(probabilities, shape))

    def invert_cdf(self, parameters: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the quantile of each step and target for its own probability.

        Beyond the outermost quantile, the distribution is not known; the result is the outermost quantile.
        """
        return self._interpolate(_split_parameters(parameters), probabilities[:, None])[:, 0]

    def _interpolate(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Interpolate linearly between quantiles; clip probabilities (n, any, horizon, n_targets) beyond."""
        order = np.argsort(output_probabilities(self.probabilities))
        known = np.array(self.probabilities)
        ascending = np.moveaxis(p[order, :, 0], 0, 1)
        last = len(known) - 1
        above = np.clip(np.searchsorted(known, probabilities), min(1, last), last)
        below = np.maximum(above - 1, 0)
        width = np.where(above > below, known[above] - known[below], 1.0)
        share = np.clip((probabilities - known[below]) / width, 0, 1)
        low, high = (np.take_along_axis(ascending, which, axis=1) for which in (below, above))
        return low + share * (high - low)


@dataclass(frozen=True)
class Gaussian(Distribution):
    """The normal distribution; its parameters are the mean and the standard deviation."""

    name: ClassVar[str] = "gaussian"

    def _invert_cdf(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return p[0] + p[1] * ndtri(probabilities)


@dataclass(frozen=True)
class StudentT(Distribution):
    """Student's t-distribution; its parameters are the location, the scale and the degrees of freedom."""

    name: ClassVar[str] = "student_t"

    def _invert_cdf(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return p[0] + p[1] * stdtrit(p[2], probabilities)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """The negative binomial distribution; its parameters are the mean and alpha.

    The variance is ``mean + alpha * mean^2``.
    """

    name: ClassVar[str] = "negative_binomial"
    min_location: ClassVar[float] = LEAST_COUNT

    def shift(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        return super().shift(parameters, np.maximum(location, self.min_location))

    def _invert_cdf(self, p: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        from scipy.stats import nbinom

        return nbinom.ppf(probabilities, 1 / p[1], 1 / (1 + p[1] * p[0]))


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    kind.name: kind for kind in (Quantile, Gaussian, StudentT, NegativeBinomial)
}


def find_distribution(name: str, probabilities: Sequence[float] = ()) -> Distribution:
    """Return the distribution that is learned by the loss of this name.

    probabilities : those of the quantiles, for the loss "quantile".
    """
    return Quantile(tuple(probabilities)) if name == "quantile" else DISTRIBUTIONS[name]()


def to_probability_array(probabilities: Sequence[float]) -> np.ndarray:
    """Return probabilities as an array, after checking that each lies between 0 and 1."""
    array = np.asarray(probabilities, float)
    if array.ndim != 1 or not ((array > 0) & (array < 1)).all():
        raise ValueError(
            f"Probabilities must be a sequence of numbers between 0 and 1. Got {probabilities!r} instead."
        )
    return array


def _split_parameters(parameters: np.ndarray) -> np.ndarray:
    """Return the parameters as float64, shape (n_parameters, n, 1, horizon, n_targets)."""
    return np.moveaxis(np.asarray(parameters, float), 1, 0)[:, :, None]
