"""Rows on the steps of their calendar."""

import numpy as np
import pandas as pd

from .calendar import Calendar

MAX_GAP_FACTOR = 50  # steps of the calendar for each row: beyond it, the rows hardly follow the calendar


def step_numbers(calendar: Calendar, index: pd.Index, owner: str) -> np.ndarray:
    """Of training rows, the first being 0; refuses an index that hardly follows its calendar."""
    positions = calendar.positions(index)
    if positions[-1] + 1 > MAX_GAP_FACTOR * len(positions) + 1000:
        raise ValueError(
            f"The index of X in {owner} must not have more than {MAX_GAP_FACTOR} missing steps for each row. "
            f"Got {len(positions)} rows over {positions[-1] + 1} steps. Resample the rows to a coarser step, "
            f"or drop the index with reset_index(drop=True) to count rows."
        )
    return positions


def insert_missing_steps(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows of `values` at their step numbers (from 0), NaN at the steps between: gaps become missing
    steps."""
    if len(positions) == positions[-1] + 1:
        return values
    grid = np.full((positions[-1] + 1, values.shape[1]), np.nan)
    grid[positions] = values
    return grid
