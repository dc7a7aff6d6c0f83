"""Training errors of the seasonal naive forecast, by which scaled errors (MASE, RMSSE) are divided."""

import numpy as np


def seasonal_naive_errors(targets: np.ndarray, season_length: int) -> np.ndarray:
    """Return the mean absolute and the root mean squared difference between one season and the next.

    Parameters
    ----------
    targets : ndarray, shape (n, n_columns)
    season_length : int

    Returns
    -------
    ndarray, shape (2, n_columns)
        0 if no two values one season apart were observed.
    """
    # The difference of two large values may be infinite.
    with np.errstate(over="ignore"):
        differences = targets[season_length:] - targets[:-season_length]
    # In place, because a series may have millions of steps.
    np.abs(differences, out=differences)
    observed = np.isfinite(differences)
    differences[~observed] = 0.0
    n = np.maximum(observed.sum(axis=0), 1)
    # Divided by the largest, because the square of a large difference may be infinite.
    largest = differences.max(axis=0, initial=np.finfo(float).tiny)
    differences /= largest
    mean_absolute = differences.sum(axis=0) / n * largest
    root_mean_squared = np.sqrt(np.square(differences, out=differences).sum(axis=0) / n) * largest
    return np.stack([mean_absolute, root_mean_squared])
