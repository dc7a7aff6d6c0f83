"""How far forecasts lie from the truth, and the forecast that every other one has to beat.

Everywhere ``y`` is the truth and ``y_hat`` its forecast: arrays or pandas objects of one shape. An element
whose truth is NaN was not observed and does not count; at least one must be observed. A NaN in the forecast
is no excuse: the error is NaN then.

=================  =======================================================================
``points``         errors of point forecasts: mae, rmse, smape, mape
``scaled``         errors in units of what the history changes: mase, rmsse
``distributions``  scores of forecast distributions, as quantiles or samples: pinball, crps
``intervals``      scores of prediction intervals: coverage, winkler
``baselines``      seasonal_naive, and skill: how much better than that a forecast is
``inputs``         what all of them take, checked
=================  =======================================================================
"""

from .baselines import seasonal_naive, skill
from .distributions import crps, pinball
from .intervals import coverage, winkler
from .points import mae, mape, rmse, smape
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
