"""What can be read from forecasts that are distributions: their location, quantiles and random draws.

A forecast is the parameters of one distribution for each step and target, as `Network.predict` gives them, in
the shape (n, n_parameters, horizon, n_targets). Steps and targets are distributions of their own: draws of
one say nothing of the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..kernels.distributions import MAX_LEVELS, output_levels, parameter_count

LEAST_MEAN = 1e-6  # of counts
ROUNDING = 1e-9  # a level may lie so far beyond the outermost: sums of 0.1 do


class Distribution(ABC):
    """What all of them share; `name` is also that of the loss, and of the network's distribution."""

    name: ClassVar[str]
    least_location: ClassVar[float] = -np.inf
    levels: tuple[float, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Outputs of the network for each step and target."""
        return parameter_count(self.name, self.levels)

    def location(self, parameters: np.ndarray) -> np.ndarray:
        """The forecast in one number: the median of quantiles, the mean of counts, else the centre.

        Parameters
        ----------
        parameters : ndarray, shape (n, n_parameters, horizon, n_targets)

        Returns
        -------
        ndarray, shape (n, horizon, n_targets)
        """
        return parameters[:, 0]

    def moved(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        """The parameters of the same distribution around another location, (n, horizon, n_targets)."""
        return np.concatenate([location[:, None], parameters[:, 1:]], axis=1)

    def check_probabilities(self, probabilities: Sequence[float], owner: str) -> None:
        """Check that quantiles this far out are known; `owner` is the estimator, for messages."""
        return  # most distributions know all of them

    def quantiles(self, parameters: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """What the value lies below with each of these probabilities.

        Parameters
        ----------
        parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        levels : sequence of float
            Each between 0 and 1.

        Returns
        -------
        ndarray, shape (n, n_levels, horizon, n_targets)
        """
        asked = checked_levels(levels)
        return self._inverse(_by_parameter(parameters), asked[:, None, None])

    def at(self, parameters: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """The quantile of each step and target at a probability of its own, both (n, horizon, n_targets)."""
        return self._inverse(_by_parameter(parameters), probabilities[:, None])[:, 0]

    def draws(self, parameters: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Random values.

        Parameters
        ----------
        parameters : ndarray, shape (n, n_parameters, horizon, n_targets)
        n_draws : int
        rng : Generator

        Returns
        -------
        ndarray, shape (n, n_draws, horizon, n_targets)
        """
        n, _, *points = parameters.shape
        return self._draw(_by_parameter(parameters), (n, n_draws, *points), rng)

    @abstractmethod
    def _inverse(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """The value below which it lies with probability `levels`; p (n_parameters, n, 1, horizon,
        n_targets)."""

    @abstractmethod
    def _draw(self, p: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Values of this shape."""


@dataclass(frozen=True)
class Quantile(Distribution):
    """Quantiles at some levels, straight lines between them.

    Parameters
    ----------
    levels : tuple of float
        Ascending, each between 0 and 1, 0.5 among them; at most 99.

    Raises
    ------
    ValueError
        If they are not.
    """

    name: ClassVar[str] = "quantile"
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        levels = checked_levels(self.levels)
        if 0.5 not in levels or (np.diff(levels) <= 0).any() or len(levels) > MAX_LEVELS:
            raise ValueError(
                f"The levels of a quantile forecast must be ascending, 0.5 among them, and at most "
                f"{MAX_LEVELS}. Got {self.levels} instead."
            )

    def check_probabilities(self, probabilities: Sequence[float], owner: str) -> None:
        lowest, highest = self.levels[0], self.levels[-1]
        if min(probabilities) < lowest or max(probabilities) > highest:
            raise ValueError(
                f"The 'level' and 'quantiles' parameters of {owner}.forecast must not reach beyond the "
                f"quantiles that were learned, {lowest} to {highest}. Got {min(probabilities):g} and "
                f"{max(probabilities):g}. Fit with quantiles as far out, or intervals='conformal'."
            )

    def moved(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        return parameters + (location - parameters[:, 0])[:, None]

    def _inverse(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        lowest, highest = self.levels[0], self.levels[-1]
        beyond = levels[(levels < lowest - ROUNDING) | (levels > highest + ROUNDING)]
        if beyond.size:
            raise ValueError(
                f"Levels must not lie beyond those of the fit, {lowest} to {highest}. Got {beyond[0]} "
                f"instead; fit with a level as far out."
            )
        return self._between(p, np.broadcast_to(levels, (p.shape[1], *levels.shape[:1], *p.shape[3:])))

    def at(self, parameters: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Beyond the outermost quantile, that one: how far is not known."""
        return self._between(_by_parameter(parameters), probabilities[:, None])[:, 0]

    def _draw(self, p: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """What lies beyond the outermost quantile is drawn as that one: how far is not known."""
        return self._between(p, rng.random(shape))

    def _between(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """By straight lines; levels (n, any, horizon, n_targets), those beyond the outermost taken for it."""
        order, known = np.argsort(output_levels(self.levels)), np.array(self.levels)
        ascending = np.moveaxis(p[order, :, 0], 0, 1)
        last = len(known) - 1
        above = np.clip(np.searchsorted(known, levels), min(1, last), last)
        below = np.maximum(above - 1, 0)
        width = np.where(above > below, known[above] - known[below], 1.0)
        share = np.clip((levels - known[below]) / width, 0, 1)
        low, high = (np.take_along_axis(ascending, which, axis=1) for which in (below, above))
        return low + share * (high - low)


@dataclass(frozen=True)
class Gaussian(Distribution):
    """Parameters: mean, deviation."""

    name: ClassVar[str] = "gaussian"

    def _inverse(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return p[0] + p[1] * ndtri(levels)

    def _draw(self, p: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return p[0] + p[1] * rng.standard_normal(shape)


@dataclass(frozen=True)
class StudentT(Distribution):
    """Parameters: location, scale, degrees of freedom."""

    name: ClassVar[str] = "student_t"

    def _inverse(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return p[0] + p[1] * stdtrit(p[2], levels)

    def _draw(self, p: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return p[0] + p[1] * rng.standard_t(p[2], shape)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Parameters: mean, and alpha, the variance being ``mean + alpha mean^2``."""

    name: ClassVar[str] = "negative_binomial"
    least_location: ClassVar[float] = LEAST_MEAN

    def moved(self, parameters: np.ndarray, location: np.ndarray) -> np.ndarray:
        return super().moved(parameters, np.maximum(location, self.least_location))

    def _inverse(self, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
        from scipy.stats import nbinom

        return nbinom.ppf(levels, 1 / p[1], 1 / (1 + p[1] * p[0]))

    def _draw(self, p: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Poisson's, of a mean that is itself drawn."""
        return rng.poisson(rng.gamma(1 / p[1], p[0] * p[1], shape)).astype(float)


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    kind.name: kind for kind in (Quantile, Gaussian, StudentT, NegativeBinomial)
}


def find_distribution(name: str, levels: Sequence[float] = ()) -> Distribution:
    """By the name of its loss; `levels` are those of quantiles."""
    return Quantile(tuple(levels)) if name == "quantile" else DISTRIBUTIONS[name]()


def checked_levels(levels: Sequence[float]) -> np.ndarray:
    """As an array, if each lies between 0 and 1."""
    array = np.asarray(levels, float)
    if array.ndim != 1 or not ((array > 0) & (array < 1)).all():
        raise ValueError(f"Levels must be a sequence of numbers between 0 and 1. Got {levels!r} instead.")
    return array


def _by_parameter(parameters: np.ndarray) -> np.ndarray:
    """Shape (n_parameters, n, 1, horizon, n_targets), float64."""
    return np.moveaxis(np.asarray(parameters, float), 1, 0)[:, :, None]
