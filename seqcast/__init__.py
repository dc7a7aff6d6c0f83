"""seqcast: time-series forecasting with recurrent networks, compiled by numba, in the manner of scikit-learn.

Every public name is imported when it is first used: ``import seqcast`` itself loads nothing but this file.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import datasets, evaluation, exceptions
    from .cells import Cell, Gate, check_cell, register_cell
    from .estimators.forecaster import SeqForecaster
    from .estimators.recurrent import Recurrent
    from .estimators.regressor import SeqRegressor
    from .evaluation.backtest import backtest, evaluate, summarize
    from .exceptions import TrainingDivergedError
    from .plotting import plot_forecast

_HOME = {
    "Cell": "cells",
    "Gate": "cells",
    "Recurrent": "estimators.recurrent",
    "SeqForecaster": "estimators.forecaster",
    "SeqRegressor": "estimators.regressor",
    "TrainingDivergedError": "exceptions",
    "backtest": "evaluation.backtest",
    "check_cell": "cells",
    "evaluate": "evaluation.backtest",
    "plot_forecast": "plotting",
    "register_cell": "cells",
    "summarize": "evaluation.backtest",
}
_MODULES = ("datasets", "evaluation", "exceptions")

__all__ = [
    "Cell",
    "Gate",
    "Recurrent",
    "SeqForecaster",
    "SeqRegressor",
    "TrainingDivergedError",
    "__version__",
    "backtest",
    "check_cell",
    "datasets",
    "evaluate",
    "evaluation",
    "exceptions",
    "plot_forecast",
    "register_cell",
    "summarize",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'seqcast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
