"""The commands ``forecast`` and ``backtest``, on a file of the user's own."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from .fitting import fit, make_forecaster, network_in_words, progress
from .formats import csv_text, picture
from .messages import CommandError
from .reading import read_data
from .report import Report
from .text_format import span, stamps
from .writing import file_outputs

if TYPE_CHECKING:
    import pandas as pd


def run_forecast(arguments: argparse.Namespace) -> None:
    """Forecast what comes after the rows of a file."""
    outputs = file_outputs(arguments)
    df, targets = read_data(arguments)
    forecaster = make_forecaster(arguments, targets, progress(arguments.quiet))
    fitted = fit(forecaster, df)
    # Where the CSV goes to stdout, nothing else may.
    report = Report(None if arguments.quiet else sys.stderr if arguments.out is None else sys.stdout)
    report.item("data", f"{arguments.data}: {span(df)}")
    report.item("fitted", fitted)
    forecast = forecaster.forecast(arguments.horizon)
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: picture(df, forecast)))
    if arguments.out is None:
        print(csv_text(forecast), end="")


def run_backtest(arguments: argparse.Namespace) -> None:
    """Forecast the last rows of a file from several cutoffs, and compare with the truth."""
    outputs = file_outputs(arguments)
    df, targets = read_data(arguments)
    forecaster = make_forecaster(arguments, targets, progress(quiet=False))

    from ..evaluation.backtest import backtest, summarize

    started = time.perf_counter()
    rows = backtest(
        forecaster, df, horizon=arguments.horizon, n_windows=arguments.windows, step_size=arguments.step
    )
    seconds = time.perf_counter() - started
    if rows.empty:
        raise CommandError(f"{arguments.data}: no target was observed within the horizon of any origin")
    cutoffs = rows["cutoff"].drop_duplicates()
    report = Report(sys.stdout)
    report.item("data", f"{arguments.data}: {span(df)}")
    network = network_in_words(forecaster)
    report.item("fitted", f"{network}, anew at each of {len(cutoffs)} cutoffs, in {seconds:.1f} s")
    first, last = stamps([cutoffs.iloc[0], cutoffs.iloc[-1]])
    report.item("", f"the first at {first}, the last at {last}")
    report.item("tested", f"on up to {rows['lead'].max()} steps after each, which it had never seen")
    for target, errors in summarize(rows).to_dict("index").items():
        report.errors(errors, title=str(target))
    report.files(outputs.write(rows, lambda: picture(df, *_last_cutoff(rows))))


def _last_cutoff(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecast and truth of the last cutoff, one column a target."""
    last = rows[rows["cutoff"] == rows["cutoff"].iloc[-1]]
    table = last.pivot(index="time", columns="target", values=["y_hat", "y"])
    targets = last["target"].unique()  # pivot has sorted them
    return table["y_hat"][targets], table["y"][targets]
