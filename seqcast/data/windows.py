"""Which windows of a series to learn from, and which to judge by: always in the order of time.

A window of `window` steps is followed by `horizon` target steps. Training windows, targets included, end
before the border; validation windows forecast rows after it, and may look back across it, as a forecast made
at that time could.
"""

import numpy as np


def border(n_steps: int, horizon: int, fraction: float) -> int:
    """First step kept for validation: the last `fraction` of the series, at least one horizon."""
    return n_steps - max(horizon, round(fraction * n_steps))


def training_starts(targets: np.ndarray, window: int, horizon: int, end: int) -> np.ndarray:
    """First steps of the windows whose targets end by step `end`; see `usable`."""
    return usable(targets, 0, end - window - horizon + 1, window, horizon)


def validation_starts(targets: np.ndarray, window: int, horizon: int, begin: int) -> np.ndarray:
    """First steps of the windows whose targets begin at step `begin` or later; see `usable`."""
    return usable(targets, max(0, begin - window), len(targets) - window - horizon + 1, window, horizon)


def usable(targets: np.ndarray, first: int, end: int, window: int, horizon: int) -> np.ndarray:
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


def on_grid(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of `values` at their step numbers (from 0), NaN at the steps between: gaps become missing
    steps."""
    if len(positions) == positions[-1] + 1:
        return values
    grid = np.full((positions[-1] + 1, values.shape[1]), np.nan)
    grid[positions] = values
    return grid


def seasonal_naive(
    values: np.ndarray, cutoffs: np.ndarray, season_length: int, n: int, reach: int | None = None
) -> np.ndarray:
    """The seasonal naive forecast of each column from the steps before each cutoff, shape (n_cutoffs, n,
    n_columns).

    Each step repeats the last observed value of the same place in the season; where there is none, the last
    observed value; where there is none at all, NaN. ``season_length=1`` repeats the last observed value
    (persistence).

    reach : of so many steps before a cutoff; None: of all.
    """
    steps = cutoffs[:, None] - season_length + np.arange(n) % season_length
    firsts = None if reach is None else cutoffs[:, None] - reach
    same_place = _last_seen(values, season_length, steps, firsts)
    last = _last_seen(values, 1, cutoffs[:, None] - 1, firsts)
    return np.where(np.isnan(same_place), last, same_place)


def seasonal_continuation(values: np.ndarray, season_length: int, n: int) -> np.ndarray:
    """`seasonal_naive` after the last step, shape (n, n_columns)."""
    return seasonal_naive(values, np.array([len(values)]), season_length, n)[0]


def filled(values: np.ndarray, season_length: int) -> np.ndarray:
    """At each step, the last value that was observed at the same place in the season up to it, or NaN."""
    n, n_columns = values.shape
    seasons = -(-n // season_length)
    padded = np.full((seasons * season_length, n_columns), np.nan)
    padded[:n] = values
    table = padded.reshape(seasons, season_length, n_columns)
    latest = np.maximum.accumulate(np.where(np.isnan(table), 0, np.arange(seasons)[:, None, None]), axis=0)
    return np.take_along_axis(table, latest, axis=0).reshape(padded.shape)[:n]


def _last_seen(
    values: np.ndarray, season_length: int, steps: np.ndarray, firsts: np.ndarray | None
) -> np.ndarray:
    """What was last observed at the same place in the season up to these steps, from steps `firsts` on."""
    found = _looked_up(filled(values, season_length), steps)
    if firsts is not None:
        when = np.where(np.isnan(values), np.nan, np.arange(len(values))[:, None])
        found[_looked_up(filled(when, season_length), steps) < firsts[..., None]] = np.nan
    return found


def _looked_up(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """``values[steps]``, NaN for steps before the first."""
    found = values[np.maximum(steps, 0)]
    found[steps < 0] = np.nan
    return found
