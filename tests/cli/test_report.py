"""The report that a command prints."""

from io import StringIO

import pandas as pd

from seqcast.cli.report import Report

ERRORS = {
    "rmse": 1.5,
    "mae": 1.0,
    "rmse_seasonal_naive": 2.0,
    "mae_seasonal_naive": 1.25,
    "rmse_persistence": 20.0,
    "mae_persistence": 10.5,
    "skill": 0.25,
}


def test_errors_are_printed_as_a_table():
    stream = StringIO()
    Report(stream).errors(ERRORS, title="load")
    assert (
        stream.getvalue()
        == """
load                  RMSE       MAE
forecast              1.50      1.00
seasonal naive        2.00      1.25
persistence          20.00     10.50

skill   0.25: an RMSE 25% below that of the seasonal naive forecast
"""
    )


def test_forecast_is_printed_as_range_of_each_target():
    stream = StringIO()
    index = pd.date_range("2024-01-01", periods=3)
    Report(stream).forecast(pd.DataFrame({"load": [1.0, 3.0, 2.0], "temp": 0.5}, index))
    assert (
        stream.getvalue()
        == """
next    3 steps, 2024-01-01 to 2024-01-03
        load: 1.00 to 3.00
        temp: 0.50 to 0.50
"""
    )


def test_files_are_printed_below_each_other():
    stream = StringIO()
    Report(stream).files(["a.csv", "a.png"])
    Report(stream).files([])
    assert stream.getvalue() == "\nwrote   a.csv\n        a.png\n"


def test_report_without_a_stream_prints_nothing(capsys):
    report = Report(None)
    report.errors(ERRORS)
    report.files(["a.csv"])
    assert capsys.readouterr() == ("", "")
