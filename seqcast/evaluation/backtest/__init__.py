"""Forecasts of the past, each made without what came after it, beside the truth and the naive forecasts.

===============  ==========================================================================
``backtesting``  from many cutoffs; of a forecaster that was fitted once
``rows``         what is given, cut at moments of time; where the cutoffs are
``folds``        fit on the rows up to there, then forecast from one cutoff or several
``comparison``   a row for each forecast beside the truth
``summary``      from these rows to errors, skill, and how good intervals are
===============  ==========================================================================
"""

from .backtesting import backtest, evaluate
from .summary import summarize

__all__ = ["backtest", "evaluate", "summarize"]
