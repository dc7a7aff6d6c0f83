"""Rows that are sequences: ragged ones end in NaN, and equal ones can be made one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def pad_sequences(
    sequences: Sequence[ArrayLike] | np.ndarray, lengths: ArrayLike | None = None
) -> np.ndarray:
    """Bring sequences of different lengths into one array, in which NaN follows the end of the shorter ones.

    Parameters
    ----------
    sequences : list of array-like, or array-like of shape (n, n_steps) or (n, n_steps, n_channels)
        Each of shape (n_steps,) or (n_steps, n_channels), all with the same channels.
    lengths : array-like of int, shape (n,), optional
        Steps of each sequence that count; all of them if None. What lies beyond is replaced by NaN.

    Returns
    -------
    ndarray, shape (n, longest, n_channels), float64
        What ``SeqRegressor``, ``SeqClassifier`` and ``SeqEncoder`` take as `X`.

    Raises
    ------
    ValueError
        If there are no sequences, their channels differ, or a length is not between 1 and the steps of its
        sequence.

    Examples
    --------
    >>> from seqcast import pad_sequences
    >>> pad_sequences([[1.0, 2.0, 3.0], [4.0]])[..., 0]
    array([[ 1.,  2.,  3.],
           [ 4., nan, nan]])
    """
    rows = [_steps(sequence, number) for number, sequence in enumerate(sequences)]
    if not rows:
        raise ValueError("The 'sequences' parameter of pad_sequences must hold a sequence or more. Got none.")
    widths = [row.shape[1] for row in rows]
    if min(widths) < max(widths):
        odd = next(number for number, width in enumerate(widths) if width != widths[0])
        raise ValueError(
            f"The 'sequences' parameter of pad_sequences must have the same channels in every sequence. Got "
            f"{widths[0]} in sequence 0 and {widths[odd]} in sequence {odd} instead."
        )
    ends = _ends(lengths, [len(row) for row in rows])
    padded = np.full((len(rows), max(ends), widths[0]), np.nan)
    for to, row, end in zip(padded, rows, ends, strict=True):
        to[:end] = row[:end]
    return padded


def _steps(sequence: ArrayLike, number: int) -> np.ndarray:
    array = np.asarray(sequence, np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(
            f"The 'sequences' parameter of pad_sequences must hold sequences of shape (n_steps,) or "
            f"(n_steps, n_channels), none of them empty. Got shape {array.shape} in sequence {number} "
            f"instead."
        )
    return array.reshape(len(array), -1)


def _ends(lengths: ArrayLike | None, n_steps: list[int]) -> list[int]:
    if lengths is None:
        return n_steps
    ends: Any = np.asarray(lengths)
    fits = ends.shape == (len(n_steps),) and ends.dtype.kind in "iu"
    if not fits or (ends < 1).any() or (ends > np.array(n_steps)).any():
        raise ValueError(
            f"The 'lengths' parameter of pad_sequences must be {len(n_steps)} integers, each between 1 and "
            f"the steps of its sequence. Got {lengths!r} instead."
        )
    return ends.tolist()


def sequence_lengths(sequences: np.ndarray) -> np.ndarray:
    """Steps of each row of (n, n_steps, n_channels) up to the last one with something observed, shape (n,); 1
    where there is none: one missing step."""
    observed = ~np.isnan(sequences).all(axis=2)
    return np.where(observed.any(axis=1), observed.shape[1] - np.argmax(observed[:, ::-1], axis=1), 1)


@dataclass(frozen=True)
class Samples:
    """What a network is to learn: a sequence, its targets and its weight in each row.

    Parameters
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

    def __getitem__(self, rows: Any) -> Samples:
        return Samples(self.sequences[rows], self.targets[rows], self.weights[rows])

    def drop_unweighted(self) -> Samples:
        """Without the rows of weight 0."""
        seen = self.weights > 0
        return self if seen.all() else self[seen]

    def __add__(self, other: Samples) -> Samples:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Samples(*(np.concatenate(pair) for pair in pairs))

    def merge_duplicates(self) -> Samples:
        """Equal rows as one with the sum of their weights, in an order that depends on their values only.

        A full batch then gives the same bits for a weight of 2 as for a row that comes twice, and whatever
        the order of the rows; sums of float32 would differ in the last ones.
        """
        rows = np.ascontiguousarray(np.column_stack([self.sequences.reshape(len(self), -1), self.targets]))
        rows += 0.0  # -0.0 has other bits than 0.0
        rows[np.isnan(rows)] = np.nan  # and so have some NaN
        keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, number = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(self.weights, kind="stable")  # a sum in an order of its own
        weights = np.bincount(number.ravel()[order], self.weights[order])
        return Samples(self.sequences[first], self.targets[first], weights)
