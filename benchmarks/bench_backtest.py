"""Measure the time of backtests: with a refit at every cutoff, and without refits."""

import os
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from seqcast import LinearForecaster, SeqForecaster, backtest, datasets

HOURS, REFITS, HORIZON = 2 * 365 * 24, 20, 24
CUTOFFS, SERIES, STEPS = 2800, 7, 96

TITLE = "Backtests"
TEXT = (
    f"With refits: two years of hourly data, {REFITS} cutoffs, a horizon of {HORIZON} hours, one fit per"
    " cutoff, two processes. The data are the oil temperature of ETTh1, if its path is given in "
    "SEQCAST_BENCH_ETT, and the weather data of the package twice with different noise (no package "
    "provides two years of hourly weather). A network can memorise the repeated year, so training on it"
    f" runs for many epochs. Without refits: a fitted forecaster, {CUTOFFS:,} cutoffs, {SERIES} series, "
    f"a horizon of {STEPS} steps, without and with prediction intervals. Seconds are those of one call, "
    "including the creation of the resulting frame. All other parameters have their default values."
)
COLUMNS = ("backtest", "forecaster", "rows of the result", "seconds", "target")


def run() -> list[dict]:
    with_refits = [_measure_with_refits(*two_years) for two_years in _two_years()]
    linear = _measure_without_refits(LinearForecaster(STEPS))
    return [*with_refits, *linear, *_measure_without_refits(_network())]


def _measure_with_refits(name: str, frame: pd.DataFrame) -> dict:
    model = SeqForecaster(HORIZON, random_state=0)
    results, seconds = _time_backtest(model, frame, n_windows=REFITS, n_jobs=2)
    return _row(f"{REFITS} refits, {name}", model, results, seconds, "under 60")


def _two_years() -> Iterator[tuple[str, pd.DataFrame]]:
    path = os.environ.get("SEQCAST_BENCH_ETT")
    if path is not None:
        yield "oil temperature", pd.read_csv(path, index_col=0, parse_dates=True)[["OT"]]
    yield "weather, one year repeated", _repeated_weather()


def _measure_without_refits(model) -> list[dict]:
    frame = _waves(4000 + CUTOFFS + STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame[:4000])
    rows = []
    for name, level in (("no refits", None), ("no refits, level=80", 80)):
        options = {"step_size": 1, "n_windows": CUTOFFS, "refit": False, "level": level}
        results, seconds = _time_backtest(model, frame, **options)
        rows.append(_row(f"{CUTOFFS:,} cutoffs, {name}", model, results, seconds, "a few seconds"))
    return rows


def _network() -> SeqForecaster:
    return SeqForecaster(STEPS, max_iter=3, naive_fallback=False, random_state=0)


def _time_backtest(model, frame: pd.DataFrame, **options) -> tuple[pd.DataFrame, float]:
    begin = time.perf_counter()
    with warnings.catch_warnings():
        # training may stop at max_iter
        warnings.simplefilter("ignore")
        results = backtest(model, frame, horizon=model.horizon, **options)
    return results, time.perf_counter() - begin


def _row(name: str, model, results: pd.DataFrame, seconds: float, target: str) -> dict:
    row = {
        "backtest": name,
        "forecaster": type(model).__name__,
        "rows": len(results),
        "seconds": seconds,
        "target": target,
    }
    print(row, flush=True)
    return row


def _repeated_weather() -> pd.DataFrame:
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
        (row["backtest"], row["forecaster"], f"{row['rows']:,}", f"{row['seconds']:.1f}", row["target"])
        for row in rows
    ]
