"""The seasonal naive forecast."""

import numpy as np


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


def continue_season(values: np.ndarray, season_length: int, n: int) -> np.ndarray:
    """`seasonal_naive` after the last step, shape (n, n_columns)."""
    return seasonal_naive(values, np.array([len(values)]), season_length, n)[0]


def seasonal_ffill(values: np.ndarray, season_length: int) -> np.ndarray:
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
    found = _looked_up(seasonal_ffill(values, season_length), steps)
    if firsts is not None:
        when = np.where(np.isnan(values), np.nan, np.arange(len(values))[:, None])
        found[_looked_up(seasonal_ffill(when, season_length), steps) < firsts[..., None]] = np.nan
    return found


def _looked_up(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """``values[steps]``, NaN for steps before the first."""
    found = values[np.maximum(steps, 0)]
    found[steps < 0] = np.nan
    return found
