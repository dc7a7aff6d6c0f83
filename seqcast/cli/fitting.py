"""The network that a command fits: made as was asked for, fitted, and told in words."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ..estimators.forecaster import SeqForecaster


def make_forecaster(arguments: argparse.Namespace, targets: list[str] | None, verbose: int) -> SeqForecaster:
    """Make a forecaster of the options that were given; its own defaults stand for the others."""
    from ..estimators.forecaster import SeqForecaster

    names = ("horizon", "window", "cell", "hidden_size", "max_iter")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return SeqForecaster(**given, target=targets, random_state=arguments.seed, verbose=verbose)


def fit(forecaster: SeqForecaster, df: pd.DataFrame) -> str:
    """Fit, and tell what was fitted."""
    started = time.perf_counter()
    forecaster.fit(df)
    seconds = time.perf_counter() - started
    return (
        f"{network_in_words(forecaster)}, window {forecaster.window_}, horizon {forecaster.horizon_}: "
        f"{forecaster.n_iter_} epochs in {seconds:.1f} s"
    )


def network_in_words(forecaster: SeqForecaster) -> str:
    """Tell the cell and the size."""
    return f"{forecaster.cell} of {forecaster.hidden_size} units"


def progress(quiet: bool) -> int:
    """Return the verbosity of a fit: a bar only where somebody watches."""
    return int(sys.stderr.isatty() and not quiet)
