"""Scores of prediction intervals."""

from numbers import Real
from typing import Any

import numpy as np

from .probabilistic import mean_pinball_loss
from .validation import select_observed, to_floats


def coverage(y: Any, lower: Any, upper: Any) -> float:
    r"""Compute the fraction of the observed values that lie in their interval, bounds included.

    .. math:: \frac{1}{n} \sum_t 1\{l_t \le y_t \le u_t\}

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    lower, upper : array-like, Series or DataFrame of the shape of `y`
        Bounds of the intervals. They may be infinite.

    Returns
    -------
    float
        From 0 to 1. It should be near 0.9 for intervals of level 90. See :func:`winkler` for a score that
        depends on the width too.

    Raises
    ------
    ValueError
        If a lower bound lies above the upper one, the shapes, or the labels of pandas objects, differ, or no
        value was observed.

    Examples
    --------
    >>> coverage([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 0.0], [1.0, 3.0, 5.0, 9.0])
    0.75
    """
    truth, low, high = _select_intervals("coverage", y, lower, upper)
    unknown = np.isnan(low) | np.isnan(high)
    return float(np.mean(np.where(unknown, np.nan, (low <= truth) & (truth <= high))))


def winkler(y: Any, lower: Any, upper: Any, level: float = 90.0) -> float:
    r"""Compute Winkler's interval score [1]_: the mean width plus a penalty for each value outside.

    .. math:: \frac{1}{n} \sum_t (u_t - l_t) + \frac{2}{\alpha} \max(l_t - y_t, 0)
        + \frac{2}{\alpha} \max(y_t - u_t, 0), \quad \alpha = 1 - \frac{\mathrm{level}}{100}

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    lower, upper : array-like, Series or DataFrame of the shape of `y`
        Bounds of the intervals, the quantiles of probability :math:`\alpha/2` and :math:`1 - \alpha/2`.
    level : float
        Level of the intervals: percent of the values that should lie inside, above 0 and below 100.

    Returns
    -------
    float
        In the unit of `y`. Smaller for narrow intervals that contain the values.

    Raises
    ------
    ValueError
        If a lower bound lies above the upper one, `level` is out of its range, the shapes, or the labels of
        pandas objects, differ, or no value was observed.

    References
    ----------
    .. [1] R. L. Winkler, "A decision-theoretic approach to interval estimation", Journal of the American
       Statistical Association 67 (337), 1972, pages 187-191.

    Examples
    --------
    >>> winkler([2.0, 6.0], [1.0, 1.0], [5.0, 5.0], level=50)
    6.0
    """
    if not isinstance(level, Real) or not 0 < level < 100:
        raise ValueError(
            f"The 'level' parameter of winkler must be a number above 0 and below 100. Got {level!r} instead."
        )
    # The probability of the lower bound, α/2.
    tail = (100 - float(level)) / 200
    truth, low, high = _select_intervals("winkler", y, lower, upper)
    return (mean_pinball_loss(truth - low, tail) + mean_pinball_loss(truth - high, 1 - tail)) / tail


def _select_intervals(owner: str, y: Any, lower: Any, upper: Any) -> list[np.ndarray]:
    """Return truth, lower and upper bounds where the truth is known, each of shape (n_observed,)."""
    arrays = select_observed(owner, y, lower=lower, upper=upper)
    low = to_floats(lower, "lower", owner)
    high = to_floats(upper, "upper", owner)
    crossed = np.argwhere(low > high)
    if len(crossed):
        position = tuple(crossed[0].tolist())
        raise ValueError(
            f"The 'lower' parameter of {owner} must not be above 'upper'. Got {low[position]} above "
            f"{high[position]} at position {', '.join(map(str, position))} ({len(crossed)} such intervals) "
            f"instead."
        )
    return arrays
