"""Backtests: forecasts from past cutoffs, compared with the truth and with naive forecasts.

=================  =====================================================================
``backtesting``    the function `backtest`
``backtest_data``  the rows of a backtest, numbered by their time stamps
``cutoffs``        positions of the cutoffs
``folds``          one fit, and the forecasts from the cutoffs that it serves
``comparison``     forecasts, truth and naive forecasts as columns of equal length
``progress``       the progress display of ``verbose=1``
``summary``        errors, skill and interval scores of a backtest
=================  =====================================================================
"""

from .backtesting import backtest
from .summary import summarize

__all__ = ["backtest", "summarize"]
