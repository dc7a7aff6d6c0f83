"""Measure many independent fits of small models, to see the overhead of a fit."""

import time
import warnings

import numpy as np
from joblib import Parallel, delayed

from seqcast import SeqForecaster

from . import timing
from .comparisons import NETWORK_ALONE, THREADS, find_functions
from .formatting import ratio

POINTS, WINDOW, HIDDEN, EPOCHS = 200, 24, 16, 20
MODELS, PEER_MODELS = 1000, 30
# The second batch size holds all windows.
BATCHES = (32, POINTS - WINDOW)

TITLE = "A thousand fits"
TEXT = (
    f"Independent LSTM fits: {POINTS} observations each, window {WINDOW}, {HIDDEN} units, {EPOCHS} "
    f"epochs, Adam, float32, with batches of {BATCHES[0]} windows or with all {BATCHES[1]} windows in "
    f"one batch. seqcast: {MODELS:,} fits of `SeqForecaster(n_jobs=1, ...)` with only the network and "
    "one step of the window at a time, run by joblib in two processes that have already imported it. "
    f"PyTorch: a loop in one process over {PEER_MODELS} fits of the same work, with batches taken from "
    "one tensor of windows, on one or two threads, whichever is faster. The table gives models per "
    "minute."
)
COLUMNS = ("batch size", "seqcast, models / min", "PyTorch, models / min", "ratio")


def run() -> list[dict]:
    rows = []
    for batch in BATCHES:
        rows.append({"batch": batch, "per_minute": {"seqcast": _joblib(batch), **_peers(batch)}})
        print(rows[-1], flush=True)
    return rows


def series(seed: int) -> np.ndarray:
    noise = np.random.RandomState(seed).normal(size=POINTS)
    return np.sin(np.arange(POINTS) / 4) + 0.3 * noise


def fit(seed: int, batch: int) -> float:
    """Fit one model, and return its last training loss."""
    model = SeqForecaster(
        1,
        WINDOW,
        "lstm",
        HIDDEN,
        batch_size=batch,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        early_stopping=False,
        n_jobs=1,
        random_state=seed,
        **NETWORK_ALONE,
    )
    with warnings.catch_warnings():
        # few epochs are not meant to converge
        warnings.simplefilter("ignore")
        return model.fit(series(seed)).loss_curve_[-1]


def _joblib(batch: int) -> float:
    """Return the models per minute. `--seconds` below 1 reduces the number of models."""
    models = max(4, round(MODELS * min(1, timing.SECONDS)))
    with Parallel(n_jobs=2) as parallel:
        # import seqcast and load the kernels in the workers
        parallel(delayed(fit)(seed, batch) for seed in range(4))
        begin = time.perf_counter()
        losses = parallel(delayed(fit)(seed, batch) for seed in range(models))
        seconds = time.perf_counter() - begin
    assert np.isfinite(losses).all()
    return 60 * models / seconds


def _peers(batch: int) -> dict[str, float]:
    found = find_functions("fit_series", "PyTorch")
    return {f"{peer} {n}": _loop(make, batch, n) for peer, make in found.items() for n in THREADS}


def _loop(fit_series, batch: int, n_threads: int) -> float:
    models = max(1, round(PEER_MODELS * min(1, timing.SECONDS)))
    fit_series(series(0), WINDOW, HIDDEN, EPOCHS, batch, n_threads)
    begin = time.perf_counter()
    for seed in range(models):
        fit_series(series(seed), WINDOW, HIDDEN, EPOCHS, batch, n_threads)
    return 60 * models / (time.perf_counter() - begin)


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row["batch"], row["per_minute"]) for row in rows]


def _line(batch: int, per_minute: dict[str, float]) -> tuple[str, ...]:
    ours = per_minute["seqcast"]
    peers = [per_minute[f"PyTorch {n}"] for n in THREADS if f"PyTorch {n}" in per_minute]
    if not peers:
        return (str(batch), f"{ours:,.0f}", "not installed", "not installed")
    return (str(batch), f"{ours:,.0f}", f"{max(peers):,.0f}", ratio(ours, max(peers)))
