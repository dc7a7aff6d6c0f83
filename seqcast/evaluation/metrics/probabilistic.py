"""Scores of forecast distributions that are given as quantiles or samples."""

from typing import Any

import numpy as np

from .validation import select_observed, select_observed_members


def pinball(y: Any, y_hat: Any, quantile: Any = 0.5) -> float:
    r"""Compute the mean pinball loss of quantiles [1]_, in the unit of `y`.

    .. math:: L_q(y, \hat y) = \max\big(q\,(y - \hat y),\ (q - 1)\,(y - \hat y)\big)

    The loss is :math:`q` times the distance if the truth is above the forecast, and :math:`1 - q` times the
    distance if it is below. Its expectation is smallest if :math:`\hat y` is the quantile of probability
    :math:`q`. The result is the mean over all elements and probabilities. Twice this loss is known as the
    quantile score.

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    y_hat : array-like, Series or DataFrame
        Forecast quantiles: of the shape of `y` for one probability, or with one more axis, (n, q) or
        (n, k, q), for q probabilities in their order.
    quantile : float or array-like of q floats
        The probability or probabilities, above 0 and below 1. All have equal weight.

    Returns
    -------
    float
        0 for a perfect forecast. For probability 0.5, half of :func:`mae`.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1, the shapes do not match, the labels of pandas objects differ,
        or no value was observed.

    See Also
    --------
    crps : Score of the whole distribution.

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
    probabilities = _check_probabilities(quantile, "quantile", "pinball")
    if probabilities.ndim == 0:
        truth, forecast = select_observed("pinball", y, y_hat=y_hat)
    else:
        truth, forecast = select_observed_members("pinball", y, y_hat, "quantiles", probabilities.size)
    return mean_pinball_loss(truth - forecast, probabilities)


def crps(y: Any, y_hat: Any, quantiles: Any = None) -> float:
    r"""Compute the mean continuous ranked probability score [1]_, in the unit of `y`.

    .. math:: \mathrm{CRPS}(F, y) = \int \big(F(x) - 1\{y \le x\}\big)^2 dx
        = 2 \int_0^1 L_q\big(y, F^{-1}(q)\big)\, dq

    Here :math:`F` is the forecast distribution and :math:`L_q` the loss of :func:`pinball`.

    Parameters
    ----------
    y : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth. Elements with NaN are left out.
    y_hat : array-like, Series or DataFrame
        The forecast distribution of each element along one more axis, (n, m) or (n, k, m): m samples of equal
        probability in any order, or the quantiles of the probabilities `quantiles`. An array of the shape of
        `y` is a point forecast.
    quantiles : array-like of m floats, default=None
        Probabilities of the quantiles in `y_hat`, above 0 and below 1. None means that `y_hat` holds samples.

    Returns
    -------
    float
        0 for a perfect point forecast. The score of a point forecast is its :func:`mae`.

    Raises
    ------
    ValueError
        If a probability is not between 0 and 1, the shapes do not match, the labels of pandas objects differ,
        or no value was observed.

    Notes
    -----
    Samples are scored as a discrete distribution, whose score is

    .. math:: \frac{1}{m} \sum_i |x_i - y| - \frac{1}{2 m^2} \sum_{i,j} |x_i - x_j|,

    It is computed from the sorted samples in m log m instead of m squared operations. It is not negative. The
    expected score of m samples is larger than that of the distribution that they were drawn from, by 1/m of
    half the mean distance of two samples. Compare forecasts with the same number of samples. The "fair"
    estimator, which divides by m (m - 1) instead [2]_, has no such bias, but may be negative and is undefined
    for a single sample.

    The score of quantiles is an approximation: twice the mean :func:`pinball` over the probabilities. It is
    good for many probabilities at equal distances from 0 to 1. With the probabilities (i - 1/2) / m it is
    exact for m sorted samples [3]_. It does not depend on the tails beyond the outermost quantiles.

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
        truth, members = select_observed_members("crps", y, y_hat, "samples")
        # The i-th smallest of m samples is the quantile of probability (i - 1/2) / m. This gives the same
        # number as the sum over pairs [3], without the cancellation of large terms.
        members = np.sort(members, axis=-1)
        probabilities = (np.arange(members.shape[-1]) + 0.5) / members.shape[-1]
    else:
        probabilities = _check_probabilities(quantiles, "quantiles", "crps")
        truth, members = select_observed_members("crps", y, y_hat, "quantiles", probabilities.size)
    return 2.0 * mean_pinball_loss(truth - members, probabilities)


def mean_pinball_loss(errors: np.ndarray, probabilities: np.ndarray | float) -> float:
    """Return the mean pinball loss of errors, truth minus forecast.

    `errors` has shape (n,) for one probability or (n, q) for q probabilities.
    """
    return float(np.mean(np.maximum(probabilities * errors, (probabilities - 1.0) * errors)))


def _check_probabilities(quantile: Any, name: str, owner: str) -> np.ndarray:
    """Return probabilities as an array after checking that they are in (0, 1)."""
    probabilities = np.asarray(quantile, dtype=np.float64)
    inside = (probabilities > 0.0) & (probabilities < 1.0)
    if probabilities.ndim > 1 or not probabilities.size or not inside.all():
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold probabilities above 0 and below 1. "
            f"Got {quantile!r} instead."
        )
    return probabilities
