"""Sequences of different lengths in one array, and samples for regression and classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def pad_sequences(
    sequences: Sequence[ArrayLike] | np.ndarray, lengths: ArrayLike | None = None
) -> np.ndarray:
    """Stack sequences of different lengths into one array, padded with NaN at their ends.

    Parameters
    ----------
    sequences : list of array-like, or array-like of shape (n, n_steps) or (n, n_steps, n_channels)
        Sequences of shape (n_steps,) or (n_steps, n_channels), all with the same number of channels.
    lengths : array-like of int, shape (n,), optional
        Number of steps of each sequence to keep; the steps after them are replaced by NaN. All steps are kept
        if None.

    Returns
    -------
    ndarray, shape (n, max_n_steps, n_channels), float64
        The `X` of ``SeqRegressor``, ``SeqClassifier`` and ``SeqEncoder``.

    Raises
    ------
    ValueError
        If there are no sequences, their numbers of channels differ, or a length is not between 1 and the
        number of steps of its sequence.

    Examples
    --------
    >>> from seqcast import pad_sequences
    >>> pad_sequences([[1.0, 2.0, 3.0], [4.0]])[..., 0]
    array([[ 1.,  2.,  3.],
           [ 4., nan, nan]])
    """
    arrays = [_to_two_dimensions(sequence, number) for number, sequence in enumerate(sequences)]
    if not arrays:
        raise ValueError(
            "The 'sequences' parameter of pad_sequences must hold at least one sequence. Got none instead."
        )
    n_channels = [array.shape[1] for array in arrays]
    if min(n_channels) < max(n_channels):
        odd = next(number for number, n in enumerate(n_channels) if n != n_channels[0])
        raise ValueError(
            f"The 'sequences' parameter of pad_sequences must have the same channels in every sequence. Got "
            f"{n_channels[0]} in sequence 0 and {n_channels[odd]} in sequence {odd} instead."
        )
    ends = _check_lengths(lengths, [len(array) for array in arrays])
    padded = np.full((len(arrays), max(ends), n_channels[0]), np.nan)
    for out, array, end in zip(padded, arrays, ends, strict=True):
        out[:end] = array[:end]
    return padded


def _to_two_dimensions(sequence: ArrayLike, number: int) -> np.ndarray:
    array = np.asarray(sequence, np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(
            f"The 'sequences' parameter of pad_sequences must hold sequences of shape (n_steps,) or "
            f"(n_steps, n_channels), none of them empty. Got shape {array.shape} in sequence {number} "
            f"instead."
        )
    return array.reshape(len(array), -1)


def _check_lengths(lengths: ArrayLike | None, n_steps: list[int]) -> list[int]:
    if lengths is None:
        return n_steps
    ends: Any = np.asarray(lengths)
    are_counts = ends.shape == (len(n_steps),) and ends.dtype.kind in "iu"
    if not are_counts or (ends < 1).any() or (ends > np.array(n_steps)).any():
        raise ValueError(
            f"The 'lengths' parameter of pad_sequences must be {len(n_steps)} integers, each between 1 and "
            f"the steps of its sequence. Got {lengths!r} instead."
        )
    return ends.tolist()


def sequence_lengths(sequences: np.ndarray) -> np.ndarray:
    """Return the number of steps of each sequence up to its last observed one.

    Parameters
    ----------
    sequences : ndarray, shape (n, n_steps, n_channels)

    Returns
    -------
    ndarray of int, shape (n,)
        1 for a sequence without an observed step: one missing step.
    """
    n, n_steps, _ = sequences.shape
    # The usual case: the last step of every sequence is observed.
    if not np.isnan(sequences[:, -1:]).all(axis=2).any():
        return np.full(n, n_steps)
    observed = ~np.isnan(sequences).all(axis=2)
    return np.where(observed.any(axis=1), observed.shape[1] - np.argmax(observed[:, ::-1], axis=1), 1)


@dataclass(frozen=True)
class Samples:
    """Training samples of a network: sequences with their targets and weights.

    Attributes
    ----------
    sequences : ndarray, shape (n, n_steps, n_channels)
        NaN where nothing was observed.
    targets : ndarray, shape (n, n_targets)
    weights : ndarray, shape (n,)
    """

    sequences: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, which: Any) -> Samples:
        return Samples(self.sequences[which], self.targets[which], self.weights[which])

    def __add__(self, other: Samples) -> Samples:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Samples(*(np.concatenate(pair) for pair in pairs))

    def drop_unweighted(self) -> Samples:
        """Return the samples whose weight is positive."""
        is_weighted = self.weights > 0
        return self if is_weighted.all() else self[is_weighted]

    def merge_duplicates(self) -> Samples:
        """Merge equal samples into one with the sum of their weights, in an order that only values decide.

        A full batch then gives the same bits for a weight of 2 as for two equal samples, in whatever order
        the samples come. Sums of float32 would differ in their last bits.
        """
        rows = np.ascontiguousarray(np.column_stack([self.sequences.reshape(len(self), -1), self.targets]))
        # Equal values must have equal bits: -0.0 differs from 0.0, and there are several NaN.
        rows += 0.0
        rows[np.isnan(rows)] = np.nan
        keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, number = np.unique(keys, return_index=True, return_inverse=True)
        # Sorted, so that the sum of weights does not depend on the order of the samples.
        order = np.argsort(self.weights, kind="stable")
        weights = np.bincount(number.ravel()[order], self.weights[order])
        return Samples(self.sequences[first], self.targets[first], weights)
