"""The command ``backtest``: errors of forecasts from past cutoffs of a CSV file."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from .fitting import choose_verbosity, describe_network, make_forecaster
from .input_data import read_data
from .messages import CommandError
from .output_files import plan_file_outputs
from .output_formats import draw_forecast
from .report import Report
from .text_format import describe_rows, format_labels

if TYPE_CHECKING:
    import pandas as pd


def run_backtest(arguments: argparse.Namespace) -> None:
    """Forecast the last rows of a file from several cutoffs, and compare the forecasts with the truth."""
    outputs = plan_file_outputs(arguments)
    data, targets = read_data(arguments)
    forecaster = make_forecaster(arguments, targets, choose_verbosity(quiet=False))

    from ..evaluation.backtest import backtest, summarize

    started = time.perf_counter()
    results = backtest(
        forecaster, data, horizon=arguments.horizon, n_windows=arguments.windows, step_size=arguments.step
    )
    seconds = time.perf_counter() - started
    if results.empty:
        raise CommandError(f"{arguments.data}: no target was observed within the horizon of any cutoff")
    cutoffs = results["cutoff"].drop_duplicates()
    report = Report(sys.stdout)
    report.item("data", f"{arguments.data}: {describe_rows(data)}")
    network = describe_network(forecaster)
    report.item("fitted", f"{network}, anew at each of {len(cutoffs)} cutoffs, in {seconds:.1f} s")
    first, last = format_labels([cutoffs.iloc[0], cutoffs.iloc[-1]])
    report.item("", f"the first at {first}, the last at {last}")
    report.item("tested", f"on up to {results['lead'].max()} steps after each cutoff")
    for target, errors in summarize(results).to_dict("index").items():
        report.errors(errors, title=str(target))
    report.files(outputs.write(results, lambda: draw_forecast(data, *select_last_cutoff(results))))


def select_last_cutoff(results: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return forecast and truth of the last cutoff of a backtest, one column for each target."""
    last = results[results["cutoff"] == results["cutoff"].iloc[-1]]
    table = last.pivot(index="time", columns="target", values=["y_hat", "y"])
    # pivot sorts the targets.
    targets = last["target"].unique()
    return table["y_hat"][targets], table["y"][targets]
