"""The command ``demo``: forecasts of one year of real weather."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from .fitting import choose_verbosity, fit_forecaster
from .messages import CommandError
from .output_files import plan_demo_outputs
from .output_formats import MATPLOTLIB_HINT, draw_forecast
from .report import Report
from .text_format import describe_rows

if TYPE_CHECKING:
    import pandas as pd

TARGET = "temp"
UNIT = "degrees Fahrenheit"
TEST_FRACTION = 0.2


def run_demo(arguments: argparse.Namespace) -> None:
    """Fit a network, compare its forecasts of later rows with naive ones, and forecast the future."""
    outputs = plan_demo_outputs(arguments.out, arguments.force)

    from ..datasets import load_weather
    from ..estimators.forecaster import SeqForecaster
    from ..evaluation.backtest import backtest, summarize

    data = load_weather()
    horizon = arguments.horizon
    train, test = split_rows(data, horizon)
    forecaster = SeqForecaster(
        horizon, target=TARGET, random_state=arguments.seed, verbose=choose_verbosity(quiet=False)
    )
    fit_text = fit_forecaster(forecaster, train)
    results = backtest(forecaster, test, refit=False)
    report = Report(sys.stdout)
    report.item("data", "weather at JFK airport, New York: " + ", ".join(data.columns))
    report.item("", describe_rows(data))
    report.item("task", f"{TARGET} for the next {horizon} hours, in {UNIT}")
    report.item("fitted", fit_text)
    report.item("", "on " + describe_rows(train))
    report.item("tested", f"on {results['time'].nunique():,} later rows, which were not used in the fit")
    report.errors(summarize(results).to_dict("index")[TARGET])

    forecast = forecaster.update(test).forecast()
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: draw_forecast(data, forecast)))
    if arguments.out is None:
        report.line("\nNothing was written: --out DIR writes the forecast as forecast.csv and forecast.png.")
    elif outputs.plot is None:
        report.item("", f"no forecast.png: {MATPLOTLIB_HINT}")


def split_rows(data: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the last fifth of the rows for testing, one horizon at least."""
    n_test = max(math.ceil(TEST_FRACTION * len(data)), horizon)
    if n_test >= len(data):
        raise CommandError(f"argument --horizon: {horizon} is too long for data of {len(data)} rows")
    return data.iloc[:-n_test], data.iloc[-n_test:]
