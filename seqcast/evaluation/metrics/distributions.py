"""Scores of forecast distributions, told by quantiles or by samples."""

from typing import Any

import numpy as np

from .inputs import observed, observed_members


def pinball(y: Any, y_hat: Any, quantile: Any = 0.5) -> float:
    r"""Quantile loss [1]_, the mean over all elements and levels, in the unit of `y`.

    .. math:: L_q(y, \hat y) = \max\big(q\,(y - \hat y),\ (q - 1)\,(y - \hat y)\big)

    A truth above the forecast costs :math:`q` a unit, one below it :math:`1 - q`: smallest on average where
    :math:`\hat y` is the quantile of level :math:`q`. Twice this loss is known as the quantile score.

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    y_hat : array-like, Series or DataFrame
        Forecast quantiles: of the shape of `y` for one level; with one axis more, (n, q) or (n, k, q), for a
        sequence of q levels, in their order.
    quantile : float or array-like of q floats
        The level or levels, above 0 and below 1. Every level counts the same.

    Returns
    -------
    float
        0 for a perfect forecast; half of :func:`mae` at level 0.5.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1, the shapes do not fit, the labels of pandas objects differ, or
        nothing was observed.

    See Also
    --------
    crps : the whole distribution.

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1), 1978, pages 33-50.

    Examples
    --------
    >>> pinball([10.0, 20.0], [12.0, 16.0], quantile=0.75)
    1.75
    >>> pinball([10.0, 20.0], [[8.0, 12.0], [16.0, 20.0]], quantile=[0.25, 0.75])
    0.5
    """
    levels = _levels(quantile, "quantile", "pinball")
    if levels.ndim == 0:
        truth, forecast = observed("pinball", y, y_hat=y_hat)
    else:
        truth, forecast = observed_members("pinball", y, y_hat, "quantile levels", levels.size)
    return mean_loss(truth - forecast, levels)


def crps(y: Any, y_hat: Any, quantiles: Any = None) -> float:
    r"""Continuous ranked probability score [1]_, the mean over all elements, in the unit of `y`.

    .. math:: \mathrm{CRPS}(F, y) = \int \big(F(x) - 1\{y \le x\}\big)^2 dx
        = 2 \int_0^1 L_q\big(y, F^{-1}(q)\big)\, dq

    for the forecast distribution :math:`F` and the loss :math:`L_q` of :func:`pinball`.

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    y_hat : array-like, Series or DataFrame
        The forecast distribution of each element along one axis more, (n, m) or (n, k, m): its m samples,
        all as likely, in any order, or its quantiles at the levels `quantiles`. In the shape of `y`: a point
        forecast.
    quantiles : array-like of m floats, default=None
        Levels of `y_hat`, above 0 and below 1. None: `y_hat` holds samples.

    Returns
    -------
    float
        0 for a perfect forecast that is certain. Of a point forecast, its :func:`mae`.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1, the shapes do not fit, the labels of pandas objects differ, or
        nothing was observed.

    Notes
    -----
    Samples are scored exactly as the discrete distribution that they are, equal to

    .. math:: \frac{1}{m} \sum_i |x_i - y| - \frac{1}{2 m^2} \sum_{i,j} |x_i - x_j|,

    which sorting brings down from m squared to m log m steps. It is never negative. Few samples pay for being
    few: on average they score worse than the distribution that they were drawn from, by 1/m of half the mean
    distance of two draws. Compare forecasts with the same number of samples. (The "fair" estimator, which
    divides by m (m - 1) instead [2]_, mends that, but may be negative and knows no single sample.)

    Quantiles give an approximation: twice the mean :func:`pinball` over the levels. It is good for many
    levels spread evenly from 0 to 1; at the levels (i - 1/2) / m it is exact for m samples, sorted [3]_. The
    tails beyond the outermost levels are not seen.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation", Journal
       of the American Statistical Association 102 (477), 2007, pages 359-378.
    .. [2] M. Zamo and P. Naveau, "Estimation of the continuous ranked probability score with limited
       information and applications to ensemble weather forecasts", Mathematical Geosciences 50, 2018, pages
       209-234.
    .. [3] J. Bröcker, "Evaluating raw ensembles with the continuous ranked probability score", Quarterly
       Journal of the Royal Meteorological Society 138 (667), 2012, pages 1611-1617.

    Examples
    --------
    >>> crps([2.0], [[1.0, 2.0, 3.0, 6.0]])
    0.5
    >>> crps([2.0, 3.0], [2.0, 4.0])
    0.5
    >>> crps([2.0], [[1.0, 2.0, 4.0]], quantiles=[0.25, 0.5, 0.75])
    0.5
    """
    if quantiles is None:
        truth, members = observed_members("crps", y, y_hat, "samples")
        # The i-th smallest of m samples is the quantile of level (i - 1/2) / m: the same number as from
        # the sum over pairs [3], without its cancellation of large terms.
        members = np.sort(members, axis=-1)
        levels = (np.arange(members.shape[-1]) + 0.5) / members.shape[-1]
    else:
        levels = _levels(quantiles, "quantiles", "crps")
        truth, members = observed_members("crps", y, y_hat, "quantile levels", levels.size)
    return 2.0 * mean_loss(truth - members, levels)


def mean_loss(errors: np.ndarray, levels: np.ndarray | float) -> float:
    """Mean quantile loss of truth minus forecast (n,) or (n, q) at one level or at q."""
    return float(np.mean(np.maximum(levels * errors, (levels - 1.0) * errors)))


def _levels(quantile: Any, name: str, owner: str) -> np.ndarray:
    levels = np.asarray(quantile, dtype=np.float64)
    inside = (levels > 0.0) & (levels < 1.0)
    if levels.ndim > 1 or not levels.size or not inside.all():
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold levels above 0 and below 1. "
            f"Got {quantile!r} instead."
        )
    return levels
