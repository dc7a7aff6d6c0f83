"""Which windows of a series to learn from, and which to judge by: always in the order of time.

A window of `window` steps is followed by `horizon` target steps. Training windows, targets included, end
before the border; validation windows forecast rows after it, and may look back across it, as a forecast made
at that time could.
"""

import numpy as np


def validation_start(n_steps: int, horizon: int, fraction: float) -> int:
    """First step kept for validation: the last `fraction` of the series, at least one horizon."""
    return n_steps - max(horizon, round(fraction * n_steps))


def training_starts(targets: np.ndarray, window: int, horizon: int, end: int) -> np.ndarray:
    """First steps of the windows whose targets end by step `end`; see `usable_starts`."""
    return usable_starts(targets, 0, end - window - horizon + 1, window, horizon)


def validation_starts(targets: np.ndarray, window: int, horizon: int, begin: int) -> np.ndarray:
    """First steps of the windows whose targets begin at step `begin` or later; see `usable_starts`."""
    return usable_starts(
        targets, max(0, begin - window), len(targets) - window - horizon + 1, window, horizon
    )


def usable_starts(targets: np.ndarray, first: int, end: int, window: int, horizon: int) -> np.ndarray:
    """Those starts from `first` to before `end` with something observed both in the window and among its
    targets (n, n_targets)."""
    if end <= first:
        return np.empty(0, np.int64)
    count = np.zeros(len(targets) + 1, np.int64)
    np.cumsum(np.isfinite(targets).any(axis=1), out=count[1:])
    start, middle, last = (count[first + lead : end + lead] for lead in (0, window, window + horizon))
    return first + np.flatnonzero((middle > start) & (last > middle))


def subsample(starts: np.ndarray, n: int | None) -> np.ndarray:
    """At most `n` of `starts`, from the first to the last at equal distances."""
    if n is None or len(starts) <= n:
        return starts
    return starts[np.linspace(0, len(starts) - 1, n).astype(np.int64)]
