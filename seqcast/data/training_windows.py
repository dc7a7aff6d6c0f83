"""Windows to train on and windows to validate on, split in the order of time.

A window of `window` steps is followed by `horizon` target steps. Training windows, targets included, end
before the first validation step. The targets of validation windows begin at that step or later; the windows
may begin before it, as the window of a forecast from that step does.
"""

import numpy as np


def validation_start(n_steps: int, horizon: int, fraction: float) -> int:
    """Return the first step kept for validation: the last `fraction` of the series, at least one horizon."""
    return n_steps - max(horizon, round(fraction * n_steps))


def training_starts(targets: np.ndarray, window: int, horizon: int, end: int) -> np.ndarray:
    """Return the first steps of the usable windows whose targets end before step `end`."""
    return usable_starts(targets, 0, end - window - horizon + 1, window, horizon)


def validation_starts(targets: np.ndarray, window: int, horizon: int, begin: int) -> np.ndarray:
    """Return the first steps of the usable windows whose targets begin at step `begin` or later."""
    return usable_starts(
        targets, max(0, begin - window), len(targets) - window - horizon + 1, window, horizon
    )


def usable_starts(targets: np.ndarray, first: int, end: int, window: int, horizon: int) -> np.ndarray:
    """Return the first steps of usable windows.

    A window is usable if there is an observed value in it and another one among its target steps.

    Parameters
    ----------
    targets : ndarray, shape (n, n_targets)
    first, end : int
        The steps from `first` to before `end` are considered.
    window, horizon : int
    """
    if end <= first:
        return np.empty(0, np.int64)
    count = np.zeros(len(targets) + 1, np.int64)
    np.cumsum(np.isfinite(targets).any(axis=1), out=count[1:])
    at_begin, at_cutoff, at_end = (
        count[first + offset : end + offset] for offset in (0, window, window + horizon)
    )
    return first + np.flatnonzero((at_cutoff > at_begin) & (at_end > at_cutoff))


def subsample(starts: np.ndarray, n: int | None) -> np.ndarray:
    """Return at most `n` of `starts`, evenly spaced from the first to the last; all if `n` is None."""
    if n is None or len(starts) <= n:
        return starts
    return starts[np.linspace(0, len(starts) - 1, n).astype(np.int64)]
