"""The forecaster of a command, and its fit."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ..estimators.forecaster import SeqForecaster


def make_forecaster(arguments: argparse.Namespace, targets: list[str] | None, verbose: int) -> SeqForecaster:
    """Return a forecaster with the options that were given, and its own defaults for the others."""
    from ..estimators.forecaster import SeqForecaster

    names = ("horizon", "window", "cell", "hidden_size", "max_iter")
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return SeqForecaster(**options, target=targets, random_state=arguments.seed, verbose=verbose)


def fit_forecaster(forecaster: SeqForecaster, data: pd.DataFrame) -> str:
    """Fit a forecaster, and return a description of it."""
    started = time.perf_counter()
    forecaster.fit(data)
    seconds = time.perf_counter() - started
    return (
        f"{describe_network(forecaster)}, window {forecaster.window_}, horizon {forecaster.horizon_}: "
        f"{forecaster.n_iter_} epochs in {seconds:.1f} s"
    )


def describe_network(forecaster: SeqForecaster) -> str:
    """Return the cell and the size of the network in words."""
    return f"{forecaster.cell} of {forecaster.hidden_size} units"


def choose_verbosity(quiet: bool) -> int:
    """Return the verbosity of a fit: 1, which shows a progress bar, on a terminal only."""
    return int(sys.stderr.isatty() and not quiet)
