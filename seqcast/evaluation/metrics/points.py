"""Errors of point forecasts."""

from typing import Any

import numpy as np

from .validation import select_observed


def mae(y: Any, y_hat: Any) -> float:
    r"""Compute the mean absolute error, in the unit of `y`.

    .. math:: \mathrm{MAE} = \frac{1}{n} \sum_t |y_t - \hat y_t|

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        0 for a perfect forecast.

    Raises
    ------
    ValueError
        If the shapes, or the labels of pandas objects, differ, or no value was observed.

    Examples
    --------
    >>> mae([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0])
    0.5
    """
    truth, forecast = select_observed("mae", y, y_hat=y_hat)
    return float(np.mean(np.abs(truth - forecast)))


def rmse(y: Any, y_hat: Any) -> float:
    r"""Compute the root mean squared error, in the unit of `y`.

    .. math:: \mathrm{RMSE} = \sqrt{\frac{1}{n} \sum_t (y_t - \hat y_t)^2}

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        0 for a perfect forecast. At least :func:`mae`.

    Raises
    ------
    ValueError
        If the shapes, or the labels of pandas objects, differ, or no value was observed.

    Examples
    --------
    >>> rmse([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 10.0])
    3.0
    """
    truth, forecast = select_observed("rmse", y, y_hat=y_hat)
    return float(np.sqrt(np.mean((truth - forecast) ** 2)))


def smape(y: Any, y_hat: Any) -> float:
    r"""Compute the symmetric mean absolute percentage error, as in the M4 competition [1]_.

    .. math:: \mathrm{sMAPE} = \frac{200}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t| + |\hat y_t|}

    An element whose truth and forecast are both zero adds 0.

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        Percent, from 0 for a perfect forecast to 200.

    Raises
    ------
    ValueError
        If the shapes, or the labels of pandas objects, differ, or no value was observed.

    References
    ----------
    .. [1] S. Makridakis, E. Spiliotis and V. Assimakopoulos, "The M4 Competition: 100,000 time series and 61
       forecasting methods", International Journal of Forecasting 36 (1), 2020, pages 54-74.

    Examples
    --------
    >>> smape([100.0, 0.0], [300.0, 0.0])
    50.0
    """
    truth, forecast = select_observed("smape", y, y_hat=y_hat)
    size = np.abs(truth) + np.abs(forecast)
    return float(np.mean(200.0 * np.abs(truth - forecast) / np.where(size == 0.0, 1.0, size)))


def mape(y: Any, y_hat: Any) -> float:
    r"""Compute the mean absolute percentage error [1]_.

    .. math:: \mathrm{MAPE} = \frac{100}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t|}

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth without zeros, and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        Percent, 0 for a perfect forecast, without an upper bound.

    Raises
    ------
    ValueError
        If `y` holds a zero, the shapes, or the labels of pandas objects, differ, or no value was observed.

    References
    ----------
    .. [1] R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International
       Journal of Forecasting 22 (4), 2006, pages 679-688.

    Examples
    --------
    >>> mape([50.0, 200.0], [45.0, 220.0])
    10.0
    """
    truth, forecast = select_observed("mape", y, y_hat=y_hat)
    zeros = int(np.sum(truth == 0.0))
    if zeros:
        raise ValueError(
            f"The 'y' parameter of mape must hold no zeros, for which MAPE is undefined. Got {zeros} zeros "
            f"instead. Use smape or mase."
        )
    return float(np.mean(100.0 * np.abs((truth - forecast) / truth)))
