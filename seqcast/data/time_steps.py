"""Step numbers of training rows, and missing steps between rows."""

import numpy as np
import pandas as pd

from .calendar import Calendar

# With more steps of the calendar for each row than this, the rows hardly follow the calendar.
MAX_GAP_FACTOR = 50


def step_numbers(calendar: Calendar, index: pd.Index, series: str, owner: str) -> np.ndarray:
    """Return the step number of each training row, 0 for the first.

    Raises a ValueError if the rows have too many missing steps between them.

    series : the series in words, such as " of series 'a'"; empty if there is only one
    """
    positions = calendar.positions(index)
    if positions[-1] + 1 > MAX_GAP_FACTOR * len(positions) + 1000:
        gap = int(np.argmax(np.diff(positions)))
        raise ValueError(
            f"The stamps{series} in X of {owner} must not have more than {MAX_GAP_FACTOR} missing steps for "
            f"each row. Got {len(positions)} rows over {positions[-1] + 1} steps; the largest gap is from "
            f"{index[gap]} to {index[gap + 1]}. Look for a wrong stamp there. Otherwise resample the rows to "
            f"a coarser step, or number them in the place of stamps, which counts rows."
        )
    return positions


def insert_missing_steps(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return values at every step, NaN at the steps that have no row.

    Parameters
    ----------
    values : ndarray, shape (n, n_columns)
    positions : ndarray of int, shape (n,)
        Step numbers of the rows, ascending.

    Returns
    -------
    ndarray, shape (positions[-1] + 1, n_columns)
        `values` itself if no step is missing.
    """
    if len(positions) == positions[-1] + 1:
        return values
    grid = np.full((positions[-1] + 1, values.shape[1]), np.nan)
    grid[positions] = values
    return grid
