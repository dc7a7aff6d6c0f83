"""The command ``demo``: a year of real weather, forecast."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, cast

from .fitting import fit, progress
from .formats import MATPLOTLIB_HINT, picture
from .messages import CommandError
from .report import Report
from .text_format import span
from .writing import demo_outputs

if TYPE_CHECKING:
    import pandas as pd

    from ..estimators.forecaster import SeqForecaster

TARGET, UNIT = "temp", "degrees Fahrenheit"
HELD_OUT = 0.2  # the share of the rows that the demo's forecaster never sees


def run_demo(arguments: argparse.Namespace) -> None:
    """Fit, compare with naive forecasts on rows held out, forecast what comes after all rows."""
    outputs = demo_outputs(arguments.out, arguments.force)

    from ..datasets import load_weather
    from ..estimators.forecaster import SeqForecaster
    from ..evaluation.backtest import evaluate, summarize

    df, horizon = load_weather(), arguments.horizon
    train, test = _hold_out(df, horizon)
    forecaster = SeqForecaster(
        horizon, target=TARGET, random_state=arguments.seed, verbose=progress(quiet=False)
    )
    fitted = fit(forecaster, train)
    report = Report(sys.stdout)
    report.item("data", "weather at JFK airport, New York: " + ", ".join(df.columns))
    report.item("", span(df))
    report.item("task", f"{TARGET} for the next {horizon} hours, in {UNIT}")
    report.item("fitted", fitted)
    report.item("", "on " + span(train))
    report.item("tested", f"on the {len(test):,} rows after them, which the network has never seen")
    report.errors(summarize(evaluate(forecaster, train, test)).to_dict("index")[TARGET])

    forecast = _forecast_after(forecaster, test, horizon)
    report.forecast(forecast)
    report.files(outputs.write(forecast, lambda: picture(df, forecast)))
    if arguments.out is None:
        report.line("\nNothing was written: --out DIR writes the forecast as forecast.csv and forecast.png.")
    elif outputs.plot is None:
        report.item("", f"no forecast.png: {MATPLOTLIB_HINT}")


def _hold_out(df: pd.DataFrame, horizon: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the last fifth, such that a whole number of horizons follows the last training row."""
    import numpy as np

    from ..data.calendar import infer_calendar

    steps = infer_calendar(df.index).positions(df.index)
    left = steps[-1] - steps
    ends = np.flatnonzero((left % horizon == 0) & (left >= HELD_OUT * steps[-1]))
    if not len(ends):
        raise CommandError(f"argument --horizon: {horizon} is too long for data of {steps[-1] + 1} hours")
    return df.iloc[: ends[-1] + 1], df.iloc[ends[-1] + 1 :]


def _forecast_after(forecaster: SeqForecaster, test: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Forecast what follows `test`, which is a whole number of horizons, without fitting again."""
    import pandas as pd

    from ..data.calendar import infer_calendar

    # Rows nobody has observed yet are one block more for `predict`: forecast from all rows before them.
    index = infer_calendar(test.index).future(test.index[-1], horizon)
    unknown = pd.DataFrame(float("nan"), index, test.columns)
    forecasts = cast("pd.DataFrame", forecaster.predict(pd.concat([test, unknown])))
    return forecasts.tail(horizon)
