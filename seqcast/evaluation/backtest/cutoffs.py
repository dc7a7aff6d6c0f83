"""Positions of the cutoffs of a backtest: at equal distances, the last one a horizon before the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..counts import check_count
from .backtest_data import BacktestData

N_WINDOWS = 5


def choose_cutoffs(data: BacktestData, horizon: int, gap: int, n_windows: Any, step_size: int) -> np.ndarray:
    """Return the number of stamps that each cutoff knows, in the order of time.

    Parameters
    ----------
    data : BacktestData
        The rows of the backtest.
    horizon : int
        Number of steps that are compared with the truth.
    gap : int
        Number of steps between a cutoff and these.
    n_windows : int or None
        Number of cutoffs. None means 5, or as many as fit in if the training rows were dropped from `data`.
    step_size : int
        Number of stamps from one cutoff to the next.

    Returns
    -------
    ndarray of int, shape (n_windows,)

    Raises
    ------
    ValueError
        If `n_windows` is not a positive int, or there are too few stamps.
    """
    last = len(data.stamps) - gap - horizon
    if n_windows is None:
        n_windows = max(1, (last - 1) // step_size + 1) if data.after_training else N_WINDOWS
    first = last - (check_count(n_windows, "n_windows", "backtest") - 1) * step_size
    if first < 1:
        raise ValueError(_describe_shortage(data, first, horizon, gap, n_windows, step_size))
    return np.arange(first, last + 1, step_size)


def _describe_shortage(
    data: BacktestData, first: int, horizon: int, gap: int, n_windows: int, step_size: int
) -> str:
    """Return the error message for a first cutoff that would know no stamp."""
    # The first stamp is that of the last training row if the training rows were dropped.
    n_found = len(data.stamps) - data.after_training
    n_needed = n_found - first + 1
    after = " after those of training" if data.after_training else ""
    gap_text = f", gap={gap}" if gap else ""
    return (
        f"backtest needs at least {n_needed} {data.unit}{after} for horizon={horizon}{gap_text}, "
        f"n_windows={n_windows} and step_size={step_size}. Got {n_found} instead. Pass more rows, fewer "
        f"windows or a shorter horizon."
    )
