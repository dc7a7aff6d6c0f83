"""Errors divided by those of a naive forecast of the history, which are comparable between series."""

from typing import Any

import numpy as np

from ..counts import check_count
from .validation import select_observed, to_floats


def mase(y: Any, y_hat: Any, history: Any, season_length: int = 1) -> float:
    r"""Compute the mean absolute scaled error [1]_.

    .. math:: \mathrm{MASE} = \mathrm{MAE}(y, \hat y) \Big/ \frac{1}{N - m} \sum_{t=m+1}^{N} |x_t - x_{t-m}|

    The history is :math:`x_1, \dots, x_N` and the season length :math:`m`. Changes from or to NaN are left
    out.

    Parameters
    ----------
    y, y_hat : array-like or Series of shape (n,)
        Truth and forecast of one series. Elements with NaN in `y` are left out.
    history : array-like or Series of shape (N,)
        Values before the forecast, usually those of the training rows, at equal steps, NaN where one is
        missing.
    season_length : int
        Number of steps of one season, 1 if there is none.

    Returns
    -------
    float
        Less than 1 if the errors are smaller than those of the (seasonal) naive forecast within the history.

    Raises
    ------
    ValueError
        If there are several series, `history` has no two observed values one season apart or never changes,
        the shapes, or the labels of pandas objects, differ, or no value was observed.

    References
    ----------
    .. [1] R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International
       Journal of Forecasting 22 (4), 2006, pages 679-688.

    Examples
    --------
    >>> mase([5.0, 7.0], [5.0, 8.0], history=[1.0, 3.0, 2.0, 3.0])
    0.375
    """
    errors, changes = _errors_and_changes("mase", "mae", y, y_hat, history, season_length)
    return float(np.mean(np.abs(errors)) / np.mean(np.abs(changes)))


def rmsse(y: Any, y_hat: Any, history: Any, season_length: int = 1) -> float:
    r"""Compute the root mean squared scaled error, as in the M5 competition [1]_.

    .. math:: \mathrm{RMSSE} = \sqrt{\frac{1}{n} \sum_t (y_t - \hat y_t)^2 \Big/
        \frac{1}{N - m} \sum_{t=m+1}^{N} (x_t - x_{t-m})^2}

    The history is :math:`x_1, \dots, x_N` and the season length :math:`m`, which is 1 in M5. Changes from or
    to NaN are left out. In M5, each history begins with the first unit sold: leave zeros before it out.

    Parameters
    ----------
    y, y_hat : array-like or Series of shape (n,)
        Truth and forecast of one series. Elements with NaN in `y` are left out.
    history : array-like or Series of shape (N,)
        Values before the forecast, usually those of the training rows, at equal steps, NaN where one is
        missing.
    season_length : int
        Number of steps of one season, 1 if there is none.

    Returns
    -------
    float
        Less than 1 if the errors are smaller than those of the (seasonal) naive forecast within the history.

    Raises
    ------
    ValueError
        If there are several series, `history` has no two observed values one season apart or never changes,
        the shapes, or the labels of pandas objects, differ, or no value was observed.

    References
    ----------
    .. [1] S. Makridakis, E. Spiliotis and V. Assimakopoulos, "M5 accuracy competition: Results, findings, and
       conclusions", International Journal of Forecasting 38 (4), 2022, pages 1346-1364.

    Examples
    --------
    >>> rmsse([5.0, 7.0], [5.0, 9.0], history=[1.0, 3.0, 1.0, 3.0])
    0.7071067811865476
    """
    errors, changes = _errors_and_changes("rmsse", "rmse", y, y_hat, history, season_length)
    return float(np.sqrt(np.mean(errors**2) / np.mean(changes**2)))


def _errors_and_changes(
    owner: str, unscaled: str, y: Any, y_hat: Any, history: Any, season_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of the forecast, shape (n_observed,), and the seasonal changes of the history.

    `unscaled` is the name of the metric to use if there is no history.
    """
    season_length = check_count(season_length, "season_length", owner)
    past = to_floats(history, "history", owner)
    for name, values in (("history", past), ("y", to_floats(y, "y", owner))):
        if values.ndim != 1:
            raise ValueError(
                f"The {name!r} parameter of {owner} must be one series, because each series has its own "
                f"scale. Got shape {values.shape} instead. Call {owner} for each column."
            )
    changes = past[season_length:] - past[:-season_length]
    changes = changes[~np.isnan(changes)]
    if not changes.any():
        got = "no change" if changes.size else f"{past.size} values without such a pair"
        raise ValueError(
            f"The 'history' parameter of {owner} must have observed values that differ from those "
            f"season_length={season_length} steps before. Got {got} instead. Pass a longer history, or use "
            f"{unscaled}."
        )
    truth, forecast = select_observed(owner, y, y_hat=y_hat)
    return truth - forecast, changes
