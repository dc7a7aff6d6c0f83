"""Very many small models, each fitted by itself: what a fit costs beside its arithmetic."""

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
BATCHES = (32, POINTS - WINDOW)  # the second: all windows in one

TITLE = "A thousand fits"
TEXT = (
    f"Independent LSTM fits: {POINTS} points each, window {WINDOW}, hidden {HIDDEN}, {EPOCHS} epochs, Adam, "
    f"float32, batches of {BATCHES[0]} windows or all {BATCHES[1]} in one. seqcast: {MODELS:,} fits of "
    f"`SeqForecaster(n_jobs=1, ...)`, its network alone and step by step, by joblib in two processes that "
    f"have imported it before. PyTorch: a loop in one process over {PEER_MODELS} fits of the same work, "
    f"batches cut from one tensor of windows, with the better of one and two threads. Models a minute."
)
COLUMNS = ("batch", "seqcast", "PyTorch", "ratio")


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
    """Fit one model; its last training loss."""
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
        warnings.simplefilter("ignore")  # that the epochs were few
        return model.fit(series(seed)).loss_curve_[-1]


def _joblib(batch: int) -> float:
    """Models a minute; fewer models where `--seconds` asks for less."""
    models = max(4, round(MODELS * min(1, timing.SECONDS)))
    with Parallel(n_jobs=2) as parallel:
        parallel(delayed(fit)(seed, batch) for seed in range(4))  # imports, loads the kernels
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
