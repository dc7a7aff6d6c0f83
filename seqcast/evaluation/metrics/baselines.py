"""The forecast that every other one has to beat, and by how much it does."""

from typing import Any

import numpy as np

from ...data.seasonal_naive import continue_season
from .inputs import floats, positive


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
    steps = positive(horizon, "horizon", "seasonal_naive")
    season = positive(season_length, "season_length", "seasonal_naive")
    values = floats(history, "history", "seasonal_naive")
    columns = values.reshape(len(values), -1)
    if np.isnan(columns).all(axis=0).any():
        raise ValueError(
            f"The 'history' parameter of seasonal_naive must have an observed value in every column. "
            f"Got shape {values.shape} with a column of nothing but NaN instead."
        )
    return continue_season(columns, season, steps).reshape(steps, *np.shape(history)[1:])


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
