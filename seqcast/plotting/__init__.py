"""Pictures of forecasts: beside what came before and after them, and in backtests.

=============  ============================================================
``forecasts``  a forecast after the end of its history
``backtests``  forecasts from many cutoffs beside the truth; errors by lead
``panels``     one panel for each target, and how all of them look
=============  ============================================================

Figures are made without pyplot: they need no display, nothing is shown, no global setting is changed.
"""

from .backtests import BacktestDisplay, plot_backtest
from .forecasts import ForecastDisplay, plot_forecast

__all__ = ["BacktestDisplay", "ForecastDisplay", "plot_backtest", "plot_forecast"]
