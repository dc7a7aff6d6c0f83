"""Where the cutoffs are: so many stamps before the end, at equal distances."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .rows import Rows

N_WINDOWS = 5


def cutoffs(rows: Rows, horizon: int, gap: int, n_windows: Any, step_size: int) -> np.ndarray:
    """How many stamps each cutoff knows, in the order of time.

    n_windows : None for all that there is room for, if the rows of training have been left out.
    """
    last = len(rows.stamps) - gap - horizon
    if n_windows is None:
        n_windows = max(1, (last - 1) // step_size + 1) if rows.after_fit else N_WINDOWS
    first = last - (count("n_windows", n_windows) - 1) * step_size
    if first < 1:
        of_training = 1 if rows.after_fit else 0  # the first stamp
        n, least = (total - of_training for total in (len(rows.stamps), len(rows.stamps) - first + 1))
        after = " after those of training" if rows.after_fit else ""
        gap_in_words = f", gap={gap}" if gap else ""
        raise ValueError(
            f"backtest needs at least {least} {rows.noun}{after} for horizon={horizon}{gap_in_words}, "
            f"n_windows={n_windows} and step_size={step_size}. Got {n} instead. Pass more rows, fewer "
            f"windows or a shorter horizon."
        )
    return np.arange(first, last + 1, step_size)


def count(name: str, value: Any, least: int = 1) -> int:
    """A parameter that is one."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"The {name!r} parameter of backtest must be an int of at least {least}. Got {value!r} instead."
        )
    return int(value)
