"""Errors of forecasts, scores of intervals and distributions, and naive forecasts.

In all functions ``y`` is the truth and ``y_hat`` its forecast, arrays or pandas objects of equal shape.
Elements whose truth is NaN are left out. At least one element must be observed. The result is NaN if a
forecast of an observed element is NaN.

=================  ======================================================================
``points``         errors of point forecasts: mae, rmse, smape, mape
``scaled``         errors divided by those of a naive forecast of the history: mase, rmsse
``probabilistic``  scores of quantiles and samples: pinball, crps
``intervals``      scores of prediction intervals: coverage, winkler
``baselines``      the seasonal naive forecast, and the skill relative to it
``validation``     conversion and validation of the arguments
=================  ======================================================================
"""

from .baselines import seasonal_naive, skill
from .intervals import coverage, winkler
from .points import mae, mape, rmse, smape
from .probabilistic import crps, pinball
from .scaled import mase, rmsse

__all__ = [
    "coverage",
    "crps",
    "mae",
    "mape",
    "mase",
    "pinball",
    "rmse",
    "rmsse",
    "seasonal_naive",
    "skill",
    "smape",
    "winkler",
]
