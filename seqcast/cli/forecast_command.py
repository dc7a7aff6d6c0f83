"""The command ``forecast``: forecasts of the columns of a CSV file."""

from __future__ import annotations

import argparse
import sys

from .fitting import choose_verbosity, fit_forecaster, make_forecaster
from .input_data import read_data
from .output_files import plan_file_outputs
from .output_formats import draw_forecast, to_csv_text
from .report import Report
from .text_format import describe_rows


def run_forecast(arguments: argparse.Namespace) -> None:
    """Forecast the steps after the rows of a file."""
    outputs = plan_file_outputs(arguments)
    data, targets = read_data(arguments)
    forecaster = make_forecaster(arguments, targets, choose_verbosity(arguments.quiet))
    fit_text = fit_forecaster(forecaster, data)
    # If the CSV is printed to stdout, the report goes to stderr.
    stream = sys.stderr if arguments.out is None else sys.stdout
    report = Report(None if arguments.quiet else stream)
    report.item("data", f"{arguments.data}: {describe_rows(data)}")
    report.item("fitted", fit_text)
    forecast = forecaster.forecast(arguments.horizon)
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: draw_forecast(data, forecast)))
    if arguments.out is None:
        print(to_csv_text(forecast), end="")
