"""How much of each part, by validation windows; and the naive forecasts where no part beats them.

The mean of two forecasts is hard to beat (Claeskens et al., "The forecast combination puzzle", International
Journal of Forecasting 32, 2016): weights fitted on few windows, or to forecasts that hardly differ, follow
noise. So the share of a part has a prior, the half, give or take one, and only windows that do not overlap
count as evidence: ridge regression towards the mean.
"""

from __future__ import annotations

import numpy as np

PRIOR_DEVIATION = 0.5  # of the share of a part, around the half


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


def choose(
    parts: dict[str, np.ndarray], naive: dict[str, np.ndarray], truth: np.ndarray, n_horizons: float
) -> dict[str, float]:
    """As `combine`; or a naive forecast alone that is at least as good on the validation windows."""
    weights = combine(parts, truth, n_horizons)
    if not np.isfinite(truth).any():
        return weights
    errors = {name: squared_error(forecast, truth) for name, forecast in naive.items()}
    best = min(errors, key=errors.__getitem__, default=None)
    if best is None or squared_error(mixed(parts, weights), truth) < errors[best]:
        return weights
    return {best: 1.0}


def mixed(parts: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """The weighted sum."""
    return sum(weight * parts[name] for name, weight in weights.items())  # type: ignore[return-value]


def squared_error(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Mean over what was observed."""
    errors = forecast - truth
    return float(np.nanmean(errors * errors))
