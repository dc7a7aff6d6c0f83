"""The seasonal naive forecast, and the skill of a forecast relative to a reference."""

from typing import Any

import numpy as np

from ...data.seasonal_naive import continue_season
from ..counts import check_count
from .validation import to_floats


def seasonal_naive(history: Any, horizon: int, season_length: int = 1) -> np.ndarray:
    r"""Forecast each step by the last observed value at the same position of the season [1]_.

    .. math:: \hat y_{N+h} = y_{N + h - k m}, \quad k = \lceil h / m \rceil

    Here :math:`m` is the season length. If that step was not observed, the same position of the season before
    it is used, and so on. A position that was never observed takes the last observed value of all.

    Parameters
    ----------
    history : array-like, Series or DataFrame of shape (N,) or (N, k)
        Values before the forecast, at equal steps, NaN where one is missing.
    horizon : int
        Number of steps to forecast.
    season_length : int
        Number of steps of one season. 1 repeats the last observed value, which is called the naive forecast
        or persistence.

    Returns
    -------
    ndarray of shape (horizon,) or (horizon, k), float64
        Contains no NaN.

    Raises
    ------
    ValueError
        If `horizon` or `season_length` is not a positive int, or a column of `history` has no observed value.

    References
    ----------
    .. [1] R. J. Hyndman and G. Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021,
       section 5.2.

    Examples
    --------
    >>> seasonal_naive([1.0, 2.0, 3.0, 4.0, 5.0], horizon=4, season_length=3)
    array([3., 4., 5., 3.])
    """
    n_steps = check_count(horizon, "horizon", "seasonal_naive")
    season_length = check_count(season_length, "season_length", "seasonal_naive")
    values = to_floats(history, "history", "seasonal_naive")
    columns = values.reshape(len(values), -1)
    if np.isnan(columns).all(axis=0).any():
        raise ValueError(
            f"The 'history' parameter of seasonal_naive must have an observed value in every column. "
            f"Got shape {values.shape} with a column of NaN only instead."
        )
    return continue_season(columns, season_length, n_steps).reshape(n_steps, *np.shape(history)[1:])


def skill(error: float, reference_error: float) -> float:
    r"""Return the relative reduction of an error compared to that of a reference forecast [1]_.

    .. math:: \mathrm{skill} = 1 - \frac{\mathrm{error}}{\mathrm{error\ of\ the\ reference}}

    Parameters
    ----------
    error, reference_error : float
        Errors of the two forecasts of the same values by the same metric, such as :func:`rmse`. Not negative.

    Returns
    -------
    float
        1 for a perfect forecast, 0 for one as good as the reference, negative for a worse one. If the
        reference is perfect, 0 for a perfect forecast and minus infinity for any other.

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
