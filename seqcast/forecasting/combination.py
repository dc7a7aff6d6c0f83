"""How much of each part, by validation windows; and the naive forecasts where no part beats them.

The mean of two forecasts is hard to beat (Claeskens et al., "The forecast combination puzzle", International
Journal of Forecasting 32, 2016): weights fitted on few windows, or to forecasts that hardly differ, follow
noise. So the share of a part has a prior, the half, give or take one, and only windows that do not overlap
count as evidence: ridge regression towards the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR_DEVIATION = 0.5  # of the share of a part, around the half
LIKELY, CERTAIN = 0.5, 2.0  # standard errors that a gain must exceed; see `choose`
LARGE = 0.25  # of the squared error of the naive forecast
LEAST_FREEDOM = 0.5  # of less than one and a half horizons


def combine(parts: dict[str, np.ndarray], truth: np.ndarray, n_horizons: float) -> dict[str, float]:
    """Weights of the parts, adding up to 1.

    Parameters
    ----------
    parts : dict of ndarray, shape (n, horizon, n_targets)
        Forecasts of validation windows.
    truth : ndarray, shape (n, horizon, n_targets)
        NaN where nothing was observed.
    n_horizons : float
        How many of the windows' horizons fit beside each other.
    """
    names = list(parts)
    if len(names) == 1 or not np.isfinite(truth).any():
        return dict.fromkeys(names, 1 / len(names))
    share = _share(parts[names[0]], parts[names[1]], truth, n_horizons)
    return {names[0]: share, names[1]: 1 - share}


def _share(one: np.ndarray, other: np.ndarray, truth: np.ndarray, n_horizons: float) -> float:
    """The most probable share of `one`, between 0 and 1, where ``truth - other = share (one - other)`` plus
    noise."""
    seen = np.isfinite(truth)
    apart, left = (one - other)[seen], (truth - other)[seen]
    size = float(apart @ apart)
    best = min(max(float(apart @ left) / size, 0.0), 1.0) if size > 0 else 0.5
    noise = left - best * apart
    evidence, doubt = n_horizons * size, float(noise @ noise) / PRIOR_DEVIATION**2
    trust = evidence / (evidence + doubt) if evidence > 0 else 0.0
    return trust * best + (1 - trust) * 0.5


@dataclass(frozen=True)
class ValidationForecasts:
    """Forecasts of windows that were not learned from.

    Attributes
    ----------
    parts, naive : dict of ndarray, shape (n, horizon, n_targets)
    truth : ndarray, shape (n, horizon, n_targets)
        NaN where nothing was observed.
    n_horizons : float
        How many horizons fit beside each other in what the windows stand for, which may be more windows.
    """

    parts: dict[str, np.ndarray]
    naive: dict[str, np.ndarray]
    truth: np.ndarray
    n_horizons: float

    def forecast(self, weights: dict[str, float]) -> np.ndarray:
        """The weighted sum, of parts or of a naive forecast."""
        return blend(self.parts | self.naive, weights)

    def gains(self, forecast: np.ndarray, rival: str) -> Gains:
        """By how much a forecast of these windows is better than a naive one."""
        squares = np.square(self.naive[rival] - self.truth) - np.square(forecast - self.truth)
        seen = np.isfinite(squares)
        n = seen.sum(axis=(1, 2))
        means = np.where(seen, squares, 0.0).sum(axis=(1, 2)) / np.maximum(n, 1)
        return Gains(means[n > 0], np.full((n > 0).sum(), self.n_horizons / max(len(n), 1)))


@dataclass(frozen=True)
class Gains:
    """Differences of mean squared errors.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Of windows.
    horizons : ndarray, shape (n,)
        What each window counts: neighbours overlap, and are no evidence of their own.
    """

    values: np.ndarray
    horizons: np.ndarray

    def __add__(self, other: Gains) -> Gains:
        values = np.concatenate([self.values, other.values])
        return Gains(values, np.concatenate([self.horizons, other.horizons]))

    @property
    def mean(self) -> float:
        return float(np.average(self.values, weights=self.horizons)) if self.values.size else 0.0

    def exceed(self, t: float) -> bool:
        """Whether their mean is more than so many of its standard errors; of none, it is not."""
        if not self.values.size:
            return False
        variance = np.average(np.square(self.values - self.mean), weights=self.horizons)
        freedom = max(self.horizons.sum() - 1, LEAST_FREEDOM)
        return self.mean > t * float(np.sqrt(variance / freedom))


def choose(validation: ValidationForecasts, folds: ValidationForecasts | None = None) -> dict[str, float]:
    """As `combine`; or a naive forecast alone.

    The forecast must be better than each naive one on the validation windows, and not by luck, for they are
    few. So the linear part must also be better, by half a standard error, on them and the windows out of fold
    taken together; or the forecast itself by two on the validation windows, as there may be series that only
    the network can forecast. Of random walks of 2000 steps 97 % are then forecast naively, and 38 % by the
    first rule alone; none of 44 cases with something to forecast is.

    Parameters
    ----------
    validation : Trial
        Of all parts.
    folds : Trial, default=None
        Of the part "linear", by maps that were fitted without these windows. None: validation has the say.
    """
    parts, naive, truth = validation.parts, validation.naive, validation.truth
    weights = combine(parts, truth, validation.n_horizons)
    if not naive or not np.isfinite(truth).any():
        return weights
    mixture, best = blend(parts, weights), _nearest(naive, truth)
    if squared_error(mixture, truth) >= squared_error(naive[best], truth):
        return {best: 1.0}
    if folds is None or validation.gains(mixture, best).exceed(CERTAIN):
        return weights
    large = squared_error(mixture, truth) < (1 - LARGE) * squared_error(naive[best], truth)
    if large and folds.gains(folds.parts["linear"], best).exceed(-LIKELY):
        return weights
    gains = {
        rival: folds.gains(folds.parts["linear"], rival) + validation.gains(parts["linear"], rival)
        for rival in naive
    }
    rival = min(gains, key=lambda name: gains[name].mean)  # the naive forecast with the least error
    return weights if gains[rival].exceed(LIKELY) else {rival: 1.0}


def _nearest(forecasts: dict[str, np.ndarray], truth: np.ndarray) -> str:
    return min(forecasts, key=lambda name: squared_error(forecasts[name], truth))


def blend(parts: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """The weighted sum."""
    return sum(weight * parts[name] for name, weight in weights.items())  # type: ignore[return-value]


def squared_error(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Mean over what was observed."""
    errors = forecast - truth
    return float(np.nanmean(errors * errors))


def root_mean_square(errors: np.ndarray) -> float:
    """Of what was observed; 1 if they are all 0."""
    return float(np.sqrt(np.nanmean(np.square(errors)))) or 1.0
