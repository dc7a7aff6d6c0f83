"""How far forecasts lie from the truth, and the forecast that every other one has to beat.

In all of them ``y`` is the truth and ``y_hat`` its forecast, arrays or pandas objects of one shape. An element whose
truth is NaN was not observed and does not count; at least one must be observed. A NaN among the forecasts is no
excuse: the error is then NaN too.

References
----------
.. [1] R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International Journal of
   Forecasting 22 (4), 2006, pages 679-688.
.. [2] S. Makridakis, E. Spiliotis and V. Assimakopoulos, "The M4 Competition: 100,000 time series and 61 forecasting
   methods", International Journal of Forecasting 36 (1), 2020, pages 54-74.
.. [3] A. H. Murphy, "Skill scores based on the mean square error and their relationships to the correlation
   coefficient", Monthly Weather Review 116 (12), 1988, pages 2417-2424.
.. [4] R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021, section 5.2.
"""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["mae", "mape", "mase", "rmse", "seasonal_naive", "skill", "smape"]


def mae(y: Any, y_hat: Any) -> float:
    r"""Mean absolute error, in the unit of `y`.

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
        If the shapes or the labels of pandas objects differ, or nothing was observed.

    Examples
    --------
    >>> mae([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0])
    0.5
    """
    truth, forecast = _observed(y, y_hat, "mae")
    return float(np.mean(np.abs(truth - forecast)))


def rmse(y: Any, y_hat: Any) -> float:
    r"""Root mean squared error, in the unit of `y`.

    .. math:: \mathrm{RMSE} = \sqrt{\frac{1}{n} \sum_t (y_t - \hat y_t)^2}

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        0 for a perfect forecast; never below :func:`mae`.

    Raises
    ------
    ValueError
        If the shapes or the labels of pandas objects differ, or nothing was observed.

    Examples
    --------
    >>> rmse([1.0, 2.0, 3.0], [1.0, 2.0, 6.0])
    1.7320508075688772
    """
    truth, forecast = _observed(y, y_hat, "rmse")
    return float(np.sqrt(np.mean((truth - forecast) ** 2)))


def smape(y: Any, y_hat: Any) -> float:
    r"""Symmetric mean absolute percentage error, from 0 to 200, as the M4 competition counts it [2]_.

    .. math:: \mathrm{sMAPE} = \frac{200}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t| + |\hat y_t|}

    A pair of two zeros is a perfect forecast and adds 0.

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        Percent, on the scale from 0 to 200.

    Raises
    ------
    ValueError
        If the shapes or the labels of pandas objects differ, or nothing was observed.

    Examples
    --------
    >>> smape([100.0, 0.0], [300.0, 0.0])
    50.0
    """
    truth, forecast = _observed(y, y_hat, "smape")
    size = np.abs(truth) + np.abs(forecast)
    return float(np.mean(200.0 * np.abs(truth - forecast) / np.where(size == 0.0, 1.0, size)))


def mape(y: Any, y_hat: Any) -> float:
    r"""Mean absolute percentage error.

    .. math:: \mathrm{MAPE} = \frac{100}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t|}

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth, nowhere zero, and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        Percent, 0 for a perfect forecast, without upper bound.

    Raises
    ------
    ValueError
        If `y` holds a zero, the shapes or the labels of pandas objects differ, or nothing was observed.

    Examples
    --------
    >>> mape([50.0, 200.0], [45.0, 220.0])
    10.0
    """
    truth, forecast = _observed(y, y_hat, "mape")
    zeros = int(np.sum(truth == 0.0))
    if zeros:
        raise ValueError(
            f"The 'y' parameter of mape must hold no zero, of which nothing is a percentage. Got {zeros} instead. "
            "Use smape, or mase, which puts errors in proportion to the changes of the history."
        )
    return float(np.mean(100.0 * np.abs((truth - forecast) / truth)))


def mase(y: Any, y_hat: Any, history: Any, season_length: int = 1) -> float:
    r"""Mean absolute scaled error [1]_: the error in units of what the history changes from season to season.

    .. math:: \mathrm{MASE} = \frac{\mathrm{MAE}(y, \hat y)}{\frac{1}{N - m} \sum_{t=m+1}^{N} |x_t - x_{t-m}|}

    with the history :math:`x_1, \dots, x_N` and the season length :math:`m`. Changes from or to a NaN do not count.

    Parameters
    ----------
    y, y_hat : array-like or Series of shape (n,)
        Truth and forecast of one series. Elements with NaN in `y` are left out.
    history : array-like or Series of shape (N,)
        The series before the forecast, usually the training rows, in equal steps (NaN where one is missing).
    season_length : int
        Steps of one season; 1 for data without any.

    Returns
    -------
    float
        Below 1 where the forecast is better than the (seasonal) naive one-step forecast was on the history.

    Raises
    ------
    ValueError
        If there is more than one series, `history` has no two observed values a season apart or never changes,
        the shapes or the labels of pandas objects differ, or nothing was observed.

    Examples
    --------
    >>> mase([5.0, 7.0], [5.0, 8.0], history=[1.0, 3.0, 2.0, 3.0])
    0.375
    """
    m = _positive("season_length", season_length, "mase")
    past = _floats(history, "history", "mase")
    error = mae(y, y_hat) if _is_series(y) else np.nan
    if past.ndim != 1 or np.isnan(error) and not _is_series(y):
        raise ValueError(
            "The 'y', 'y_hat' and 'history' parameters of mase must be one series each, since every series has a "
            f"scale of its own. Got shapes {np.shape(y)} and {np.shape(history)} instead. Call mase for each column."
        )
    return error / _mean_change(past, m)
