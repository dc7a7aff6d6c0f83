"""How far forecasts lie from the truth, and the forecast that every other one has to beat.

Everywhere ``y`` is the truth and ``y_hat`` its forecast: arrays or pandas objects of one shape. An element
whose truth is NaN was not observed and does not count; at least one must be observed. A NaN in the forecast
is no excuse: the error is NaN then.
"""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..data.windows import seasonal_continuation

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
        If the shapes, or the labels of pandas objects, differ, or nothing was observed.

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
        If the shapes, or the labels of pandas objects, differ, or nothing was observed.

    Examples
    --------
    >>> rmse([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 10.0])
    3.0
    """
    truth, forecast = _observed(y, y_hat, "rmse")
    return float(np.sqrt(np.mean((truth - forecast) ** 2)))


def smape(y: Any, y_hat: Any) -> float:
    r"""Symmetric mean absolute percentage error, from 0 to 200, as the M4 competition counts it [1]_.

    .. math:: \mathrm{sMAPE} = \frac{200}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t| + |\hat y_t|}

    Where truth and forecast are both zero, the forecast is perfect and adds 0.

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
        If the shapes, or the labels of pandas objects, differ, or nothing was observed.

    References
    ----------
    .. [1] S. Makridakis, E. Spiliotis and V. Assimakopoulos, "The M4 Competition: 100,000 time series and 61
       forecasting methods", International Journal of Forecasting 36 (1), 2020, pages 54-74.

    Examples
    --------
    >>> smape([100.0, 0.0], [300.0, 0.0])
    50.0
    """
    truth, forecast = _observed(y, y_hat, "smape")
    size = np.abs(truth) + np.abs(forecast)
    return float(np.mean(200.0 * np.abs(truth - forecast) / np.where(size == 0.0, 1.0, size)))


def mape(y: Any, y_hat: Any) -> float:
    r"""Mean absolute percentage error [1]_.

    .. math:: \mathrm{MAPE} = \frac{100}{n} \sum_t \frac{|y_t - \hat y_t|}{|y_t|}

    Parameters
    ----------
    y, y_hat : array-like, Series or DataFrame of shape (n,) or (n, k)
        Truth, nowhere zero, and forecast. Elements with NaN in `y` are left out.

    Returns
    -------
    float
        Percent: 0 for a perfect forecast, without upper bound.

    Raises
    ------
    ValueError
        If `y` holds a zero, the shapes, or the labels of pandas objects, differ, or nothing was observed.

    References
    ----------
    .. [1] R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International
       Journal of Forecasting 22 (4), 2006, pages 679-688.

    Examples
    --------
    >>> mape([50.0, 200.0], [45.0, 220.0])
    10.0
    """
    truth, forecast = _observed(y, y_hat, "mape")
    zeros = int(np.sum(truth == 0.0))
    if zeros:
        raise ValueError(
            f"The 'y' parameter of mape must hold no zeros, of which there are no percentages. "
            f"Got {zeros} instead. Use smape, or mase, which compares errors with the changes of the history."
        )
    return float(np.mean(100.0 * np.abs((truth - forecast) / truth)))


def mase(y: Any, y_hat: Any, history: Any, season_length: int = 1) -> float:
    r"""Mean absolute scaled error [1]_: the error in units of what the history changes from season to season.

    .. math:: \mathrm{MASE} = \mathrm{MAE}(y, \hat y) \Big/ \frac{1}{N - m} \sum_{t=m+1}^{N} |x_t - x_{t-m}|

    with the history :math:`x_1, \dots, x_N` and the season length :math:`m`. Changes from or to NaN do not
    count.

    Parameters
    ----------
    y, y_hat : array-like or Series of shape (n,)
        Truth and forecast of one series. Elements with NaN in `y` are left out.
    history : array-like or Series of shape (N,)
        What was known before the forecast, usually the training rows, in equal steps (NaN where one is
        missing).
    season_length : int
        Steps of one season; 1 where there is none.

    Returns
    -------
    float
        Below 1 if the errors are smaller than those that the (seasonal) naive forecast made within the
        history.

    Raises
    ------
    ValueError
        If there are several series, `history` has no two observed values a season apart or never changes, the
        shapes, or the labels of pandas objects, differ, or nothing was observed.

    References
    ----------
    .. [1] R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International
       Journal of Forecasting 22 (4), 2006, pages 679-688.

    Examples
    --------
    >>> mase([5.0, 7.0], [5.0, 8.0], history=[1.0, 3.0, 2.0, 3.0])
    0.375
    """
    season = _positive(season_length, "season_length", "mase")
    past = _floats(history, "history", "mase")
    for name, values in (("history", past), ("y", _floats(y, "y", "mase"))):
        if values.ndim != 1:
            raise ValueError(
                f"The {name!r} parameter of mase must be one series, since every series has its own scale. "
                f"Got shape {values.shape} instead. Call mase for each column."
            )
    truth, forecast = _observed(y, y_hat, "mase")
    return float(np.mean(np.abs(truth - forecast))) / _mean_change(past, season)


def _mean_change(past: np.ndarray, season_length: int) -> float:
    changes = np.abs(past[season_length:] - past[:-season_length])
    changes = changes[~np.isnan(changes)]
    if not changes.any():
        got = "no change at all" if changes.size else f"{past.size} values without such a pair"
        raise ValueError(
            f"The 'history' parameter of mase must have observed values that differ from those season_length="
            f"{season_length} steps before. Got {got} instead. Pass a longer history, or use mae."
        )
    return float(changes.mean())


def skill(error: float, reference_error: float) -> float:
    r"""How much smaller an error is than that of a reference forecast [1]_.

    .. math:: \mathrm{skill} = 1 - \frac{\mathrm{error}}{\mathrm{error\ of\ the\ reference}}

    Parameters
    ----------
    error, reference_error : float
        Errors of the two forecasts at the same times in the same measure, such as :func:`rmse`; not negative.

    Returns
    -------
    float
        1 for a perfect forecast, 0 for one as good as the reference, negative for a worse one. If the
        reference is perfect: 0 for a perfect forecast, else minus infinity.

    Raises
    ------
    ValueError
        If an error is negative.

    References
    ----------
    .. [1] A. H. Murphy, "Skill scores based on the mean square error and their relationships to the
       correlation coefficient", Monthly Weather Review 116 (12), 1988, pages 2417-2424.

    Examples
    --------
    >>> skill(1.5, 2.0)
    0.25
    """
    for name, value in (("error", error), ("reference_error", reference_error)):
        if value < 0:
            raise ValueError(f"The {name!r} parameter of skill must not be negative. Got {value} instead.")
    if reference_error == 0:
        return 0.0 if error == 0 else -np.inf
    return float(1 - error / reference_error)


def seasonal_naive(history: Any, horizon: int, season_length: int = 1) -> np.ndarray:
    r"""Forecast each step by what was observed last at the same place of the season [1]_.

    .. math:: \hat y_{N+h} = y_{N + h - k m}, \quad k = \lceil h / m \rceil

    with the season length :math:`m`. If that step was not observed, the same place of the season before it
    counts, and so on; a place that was never observed takes the last observed value of all.

    Parameters
    ----------
    history : array-like, Series or DataFrame of shape (N,) or (N, k)
        What was known before the forecast, in equal steps (NaN where one is missing).
    horizon : int
        Steps to forecast.
    season_length : int
        Steps of one season. With 1, the last observed value is repeated: the naive forecast, or persistence.

    Returns
    -------
    ndarray of shape (horizon,) or (horizon, k), float64
        Never NaN.

    Raises
    ------
    ValueError
        If `horizon` or `season_length` is not a positive integer, or a column of `history` has no observed
        value.

    References
    ----------
    .. [1] R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021,
       section 5.2.

    Examples
    --------
    >>> seasonal_naive([1.0, 2.0, 3.0, 4.0, 5.0], horizon=4, season_length=3)
    array([3., 4., 5., 3.])
    """
    steps = _positive(horizon, "horizon", "seasonal_naive")
    season = _positive(season_length, "season_length", "seasonal_naive")
    values = _floats(history, "history", "seasonal_naive")
    columns = values.reshape(len(values), -1)
    if np.isnan(columns).all(axis=0).any():
        raise ValueError(
            f"The 'history' parameter of seasonal_naive must have an observed value in every column. "
            f"Got shape {values.shape} with a column of nothing but NaN instead."
        )
    return seasonal_continuation(columns, season, steps).reshape(steps, *np.shape(history)[1:])


# ---- what comes in ----


def _observed(y: Any, y_hat: Any, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and forecast, both of shape (n_observed,), where the truth is known."""
    _check_labels(y, y_hat, owner)
    truth, forecast = _floats(y, "y", owner), _floats(y_hat, "y_hat", owner)
    if truth.shape != forecast.shape:
        raise ValueError(
            f"The 'y' and 'y_hat' parameters of {owner} must have one shape. "
            f"Got {np.shape(y)} and {np.shape(y_hat)} instead."
        )
    known = ~np.isnan(truth)
    if not known.any():
        raise ValueError(
            f"The 'y' parameter of {owner} must hold at least one observed value. "
            f"Got {truth.size} values, all of them NaN, instead."
        )
    return truth[known], forecast[known]


def _check_labels(y: Any, y_hat: Any, owner: str) -> None:
    # Compared by position, rows of other times would give a number, and a wrong one.
    axes = zip(getattr(y, "axes", ()), getattr(y_hat, "axes", ()), strict=False)
    for kind, (one, other) in zip(("index", "columns"), axes, strict=False):
        if len(one) == len(other) and not (one == other).all():
            place = int(np.argmin(one == other))
            raise ValueError(
                f"The 'y' and 'y_hat' parameters of {owner} must have the same {kind}. Got {one[place]} and "
                f"{other[place]} at position {place} instead. Align them with y_hat.reindex_like(y), or "
                f"pass arrays."
            )


def _floats(values: Any, name: str, owner: str) -> np.ndarray:
    """Float64 of the shape that came, but (n,) instead of (n, 1)."""
    if isinstance(values, pd.Series | pd.DataFrame):
        values = values.to_numpy(dtype=np.float64, na_value=np.nan)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"The {name!r} parameter of {owner} must hold one value or more in shape (n,) or (n, k). "
            f"Got shape {array.shape} instead."
        )
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _positive(value: int, name: str, owner: str) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The {name!r} parameter of {owner} must be an int of at least 1. Got {value!r} instead."
        )
    return int(value)
