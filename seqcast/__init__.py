"""Time-series forecasting with recurrent networks, compiled by numba, as scikit-learn estimators.

Each public name is imported at its first use. ``import seqcast`` itself loads this file only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import datasets, evaluation, exceptions
    from .cells import Cell, Gate, check_cell, register_cell
    from .data.sequences import pad_sequences
    from .estimators.classifier import SeqClassifier
    from .estimators.encoder import SeqEncoder
    from .estimators.forecaster import SeqForecaster
    from .estimators.linear_forecaster import LinearForecaster
    from .estimators.naive_forecaster import NaiveForecaster
    from .estimators.recurrent import Recurrent
    from .estimators.regressor import SeqRegressor
    from .estimators.window_transformer import WindowTransformer
    from .evaluation.backtest import backtest, summarize
    from .evaluation.leaks import check_no_leak
    from .evaluation.scorers import make_forecast_scorer
    from .evaluation.splits import PanelTimeSeriesSplit
    from .exceptions import LeakError, TrainingDivergedError
    from .plotting import plot_forecast

# Module that defines each public name.
_MODULE_OF_NAME = {
    "ForecastDisplay": "plotting",
    "BacktestDisplay": "plotting",
    "Cell": "cells",
    "Gate": "cells",
    "LeakError": "exceptions",
    "LinearForecaster": "estimators.linear_forecaster",
    "NaiveForecaster": "estimators.naive_forecaster",
    "PanelTimeSeriesSplit": "evaluation.splits",
    "Recurrent": "estimators.recurrent",
    "SeqClassifier": "estimators.classifier",
    "SeqEncoder": "estimators.encoder",
    "SeqForecaster": "estimators.forecaster",
    "SeqRegressor": "estimators.regressor",
    "TrainingDivergedError": "exceptions",
    "WindowTransformer": "estimators.window_transformer",
    "backtest": "evaluation.backtest",
    "check_cell": "cells",
    "check_no_leak": "evaluation.leaks",
    "make_forecast_scorer": "evaluation.scorers",
    "pad_sequences": "data.sequences",
    "permutation_importance": "evaluation.importance",
    "plot_backtest": "plotting",
    "plot_forecast": "plotting",
    "register_cell": "cells",
    "summarize": "evaluation.backtest",
}
_MODULES = ("datasets", "evaluation", "exceptions")

__all__ = [
    "BacktestDisplay",
    "Cell",
    "ForecastDisplay",
    "Gate",
    "LeakError",
    "LinearForecaster",
    "NaiveForecaster",
    "PanelTimeSeriesSplit",
    "Recurrent",
    "SeqClassifier",
    "SeqEncoder",
    "SeqForecaster",
    "SeqRegressor",
    "TrainingDivergedError",
    "WindowTransformer",
    "__version__",
    "backtest",
    "check_cell",
    "check_no_leak",
    "datasets",
    "evaluation",
    "exceptions",
    "make_forecast_scorer",
    "pad_sequences",
    "permutation_importance",
    "plot_backtest",
    "plot_forecast",
    "register_cell",
    "summarize",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF_NAME:
        return getattr(import_module(f".{_MODULE_OF_NAME[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'seqcast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
