"""Plots of forecasts and backtests.

=============  ===================================================
``forecasts``  plots of a forecast after its history
``backtests``  plots of backtests, over time or by lead
``axes``       axes of figures: one for each target, and their style
=============  ===================================================

Figures are made without pyplot. They need no display, are not shown, and change no global setting.
"""

from .backtests import BacktestDisplay, plot_backtest
from .forecasts import ForecastDisplay, plot_forecast

__all__ = ["BacktestDisplay", "ForecastDisplay", "plot_backtest", "plot_forecast"]
