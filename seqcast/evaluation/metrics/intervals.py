"""Scores of prediction intervals."""

from numbers import Real
from typing import Any

import numpy as np

from .distributions import mean_loss
from .inputs import floats, observed


def coverage(y: Any, lower: Any, upper: Any) -> float:
    r"""Share of the observed values that lie in their interval, ends included.

    .. math:: \frac{1}{n} \sum_t 1\{l_t \le y_t \le u_t\}

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    lower, upper : array-like, Series or DataFrame of the shape of `y`
        Ends of the intervals; plus or minus infinity where one is open.

    Returns
    -------
    float
        From 0 to 1. Good intervals of level 90 have about 0.9; narrow ones are better, see :func:`winkler`.

    Raises
    ------
    ValueError
        If a lower end lies above its upper one, the shapes, or the labels of pandas objects, differ, or
        nothing was observed.

    Examples
    --------
    >>> coverage([1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 0.0], [1.0, 3.0, 5.0, 9.0])
    0.75
    """
    truth, low, high = _intervals("coverage", y, lower, upper)
    unknown = np.isnan(low) | np.isnan(high)
    return float(np.mean(np.where(unknown, np.nan, (low <= truth) & (truth <= high))))


def winkler(y: Any, lower: Any, upper: Any, level: float = 90.0) -> float:
    r"""Winkler's interval score [1]_: the mean width, and a fine for each value outside, in the unit of `y`.

    .. math:: \frac{1}{n} \sum_t (u_t - l_t) + \frac{2}{\alpha} \max(l_t - y_t, 0)
        + \frac{2}{\alpha} \max(y_t - u_t, 0), \quad \alpha = 1 - \frac{\mathrm{level}}{100}

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    lower, upper : array-like, Series or DataFrame of the shape of `y`
        Ends of the intervals, the quantiles of levels :math:`\alpha/2` and :math:`1 - \alpha/2`.
    level : float
        Percent of the values that should lie inside, above 0 and below 100.

    Returns
    -------
    float
        Smaller for intervals that are narrow and yet hold what they should.

    Raises
    ------
    ValueError
        If a lower end lies above its upper one, `level` is out of its range, the shapes, or the labels of
        pandas objects, differ, or nothing was observed.

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
    tail = (100 - float(level)) / 200  # α/2, the level of the lower end
    truth, low, high = _intervals("winkler", y, lower, upper)
    return (mean_loss(truth - low, tail) + mean_loss(truth - high, 1 - tail)) / tail


def _intervals(owner: str, y: Any, lower: Any, upper: Any) -> list[np.ndarray]:
    """Truth, lower and upper ends, all of shape (n_observed,), where the truth is known."""
    arrays = observed(owner, y, lower=lower, upper=upper)
    low, high = floats(lower, "lower", owner), floats(upper, "upper", owner)
    crossed = np.argwhere(low > high)
    if len(crossed):
        place = tuple(crossed[0].tolist())
        raise ValueError(
            f"The 'lower' parameter of {owner} must nowhere lie above 'upper'. Got {low[place]} above "
            f"{high[place]} at position {', '.join(map(str, place))} ({len(crossed)} such intervals) instead."
        )
    return arrays
