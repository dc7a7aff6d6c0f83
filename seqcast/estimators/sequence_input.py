"""Reading the arguments of the estimators whose samples are sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import _check_sample_weight

from ..data.conversion import is_on_gpu, to_host
from ..data.sequences import Samples
from ..data.tables import check_numeric


def flatten_steps(X: ArrayLike, n_channels: int | None, owner: str) -> tuple[ArrayLike, int | None]:
    """Return sequences with their steps side by side, and their number of channels.

    Parameters
    ----------
    X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
    n_channels : int or None
        The expected number of channels; None if any number is allowed.
    owner : str
        Name of the estimator, for messages.

    Returns
    -------
    X : array-like, shape (n, n_steps * n_channels)
    n_channels : int or None
        None if `X` has fewer than three dimensions.
    """
    if isinstance(X, pd.DataFrame):
        check_numeric(X, owner=owner)
    X = to_host(X) if is_on_gpu(X) else X
    if _count_dimensions(X, owner) < 3:
        return X, None
    array = np.asarray(X)
    if array.ndim > 3 or n_channels not in (None, array.shape[2]):
        wanted = "n_channels" if n_channels is None else n_channels
        raise ValueError(
            f"The 'X' parameter of {owner} must have shape (n, n_steps, {wanted}) or (n, n_steps * "
            f"{wanted}). Got {array.shape} instead. n_channels is the number of variables of a step; leave "
            f"it None to take it from X."
        )
    return array.reshape(len(array), array.shape[1] * array.shape[2]), array.shape[2]


def needs_no_check(X: Any, width: int) -> bool:
    """Return whether `X` surely passes scikit-learn's checks, which take longer than the forecast of a row.

    width: numbers of a row of the training data.
    """
    return (
        type(X) is np.ndarray
        and X.dtype.char in "fd"
        and X.dtype.isnative
        and X.ndim == 2
        and X.shape[1] == width
        and len(X) > 0
        and not np.isinf(X).any()
    )


def check_divisible(width: int, n_channels: int, owner: str) -> None:
    """Check that a row of `width` numbers holds whole steps."""
    if width % n_channels:
        raise ValueError(
            f"The rows of the 'X' parameter of {owner} must hold a multiple of n_channels={n_channels} "
            f"numbers. Got {width} instead. Set n_channels to the number of variables of a step."
        )


def check_channels_observed(steps: np.ndarray, owner: str) -> None:
    """Check that each channel has an observed value. steps: shape (n, n_channels)."""
    is_missing = np.isnan(steps).all(axis=0)
    if is_missing.any():
        raise ValueError(
            f"The 'X' parameter of {owner}.fit must have an observed value in every channel of the rows that "
            f"are trained on. Got nothing but NaN in channel {int(np.argmax(is_missing))}. Drop that channel."
        )


def make_samples(
    sequences: np.ndarray, targets: np.ndarray, sample_weight: ArrayLike | None, owner: str
) -> Samples:
    """Return the samples whose weight is positive.

    Parameters
    ----------
    sequences : ndarray, shape (n, n_steps, n_channels)
    targets : ndarray, shape (n, n_targets)
    sample_weight : array-like of shape (n,) or None
        None if all weights are 1.
    owner : str
        Name of the estimator, for messages.
    """
    weights = to_host(sample_weight) if is_on_gpu(sample_weight) else sample_weight
    weights = _check_sample_weight(weights, sequences, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError(
            f"The 'sample_weight' parameter of {owner}.fit must be more than 0 for some rows. Got zeros only."
        )
    # Divided by a power of two near the largest: sums of large weights overflow float64, and other divisors
    # round.
    scaled = np.ldexp(weights, -np.frexp(weights.max())[1])
    return Samples(sequences, targets, scaled).drop_unweighted()


def normalize_weights(weights: np.ndarray) -> np.ndarray | None:
    """Return weights divided by their mean, or None if all are equal."""
    if (weights == weights[0]).all():
        return None
    return weights / weights.mean()


def pack_callback_data(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of a fit in the form that scikit-learn's callbacks receive."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


def _count_dimensions(X: Any, owner: str) -> int:
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError as error:
        raise ValueError(
            f"The 'X' parameter of {owner} must have rows of one length. Got rows of different lengths "
            f"instead. Bring them into one array with seqcast.pad_sequences(X)."
        ) from error
