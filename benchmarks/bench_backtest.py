"""How long backtests take: refitted at every origin, and of a fitted forecaster from every origin."""

import os
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from seqcast import LinearForecaster, SeqForecaster, backtest, datasets

HOURS, FOLDS, HORIZON = 2 * 365 * 24, 20, 24
ORIGINS, SERIES, STEPS = 2800, 7, 96

TITLE = "Backtests"
TEXT = (
    f"Two years of hours, {FOLDS} origins, {HORIZON} hours from each, the forecaster fitted anew for each of "
    f"them, two processes: the oil temperature of ETTh1, if SEQCAST_BENCH_ETT is its path; and the shipped "
    f"year of weather twice, with other noise, which a network learns by heart, better with every epoch that "
    f"it is given (no two years of hourly weather come with a package). And a forecaster "
    f"that stays as it was fitted, {ORIGINS:,} origins of {SERIES} series, {STEPS} steps from each, without "
    f"and with intervals. Seconds of the whole call, the frame of its rows included, once; everything with "
    f"its defaults."
)
COLUMNS = ("backtest", "forecaster", "rows", "seconds", "aim")


def run() -> list[dict]:
    refitted = [_refitted(*two_years) for two_years in _hours()]
    return [*refitted, *_rolled(LinearForecaster(STEPS)), *_rolled(_network())]


def _refitted(name: str, frame: pd.DataFrame) -> dict:
    model = SeqForecaster(HORIZON, random_state=0)
    rows, seconds = _timed(model, frame, n_windows=FOLDS, n_jobs=2)
    return _told(f"{FOLDS} refitted folds, {name}", model, rows, seconds, "under 60")


def _hours() -> Iterator[tuple[str, pd.DataFrame]]:
    path = os.environ.get("SEQCAST_BENCH_ETT")
    if path is not None:
        yield "oil temperature", pd.read_csv(path, index_col=0, parse_dates=True)[["OT"]]
    yield "weather, one year twice", _twice()


def _rolled(model) -> list[dict]:
    frame = _waves(4000 + ORIGINS + STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame[:4000])
    found = []
    for name, level in (("rolling", None), ("rolling, level=80", 80)):
        rows, seconds = _timed(model, frame, step_size=1, n_windows=ORIGINS, refit=False, level=level)
        found.append(_told(f"{ORIGINS:,} origins, {name}", model, rows, seconds, "seconds"))
    return found


def _network() -> SeqForecaster:
    return SeqForecaster(STEPS, max_iter=3, naive_fallback=False, random_state=0)


def _timed(model, frame: pd.DataFrame, **options) -> tuple[pd.DataFrame, float]:
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at max_iter
        rows = backtest(model, frame, horizon=model.horizon, **options)
    return rows, time.perf_counter() - begin


def _told(name: str, model, rows: pd.DataFrame, seconds: float, aim: str) -> dict:
    row = {
        "backtest": name,
        "forecaster": type(model).__name__,
        "rows": len(rows),
        "seconds": seconds,
        "aim": aim,
    }
    print(row, flush=True)
    return row


def _twice() -> pd.DataFrame:
    year = datasets.load_weather()["temp"].interpolate().to_numpy()
    rng = np.random.default_rng(0)
    temperature = np.resize(year, HOURS) + rng.normal(scale=0.5, size=HOURS)
    return pd.DataFrame({"temp": temperature}, pd.date_range("2012-01-01", periods=HOURS, freq="h"))


def _waves(n: int) -> pd.DataFrame:
    rng, t = np.random.default_rng(0), np.arange(n)
    waves = {
        f"y{k}": np.sin(2 * np.pi * t / 24 + k) + 0.1 * rng.normal(size=n).cumsum() for k in range(SERIES)
    }
    return pd.DataFrame(waves, pd.date_range("2020-01-01", periods=n, freq="h"))


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [
        (row["backtest"], row["forecaster"], f"{row['rows']:,}", f"{row['seconds']:.1f}", row["aim"])
        for row in rows
    ]
