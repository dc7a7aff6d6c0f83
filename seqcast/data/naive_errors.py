"""How much a series changes from one season to the next: the unit of scaled errors."""

import numpy as np


def seasonal_naive_errors(targets: np.ndarray, season_length: int) -> np.ndarray:
    """Mean absolute and root mean squared change of each column, shape (2, n_columns); 0 where none was
    observed.

    targets (n, n_columns). In place, since a series may have millions of steps.
    """
    with np.errstate(over="ignore"):  # the difference of two large values may be infinite
        changes = targets[season_length:] - targets[:-season_length]
    np.abs(changes, out=changes)
    seen = np.isfinite(changes)
    changes[~seen] = 0.0
    n, largest = np.maximum(seen.sum(axis=0), 1), changes.max(axis=0, initial=np.finfo(float).tiny)
    changes /= largest  # whose square may be infinite
    mean = changes.sum(axis=0) / n * largest
    return np.stack([mean, np.sqrt(np.square(changes, out=changes).sum(axis=0) / n) * largest])
