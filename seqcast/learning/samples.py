"""The samples of a data set: the arrays that they are cut from, and the position of each sample."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.training_windows import subsample
from ..kernels.batch_plan import Window
from ..kernels.samples import LENGTH, TARGET, sample_table


@dataclass(frozen=True)
class SampleSource:
    """The arrays that samples are cut from.

    Parameters
    ----------
    values : ndarray, shape (n, n_channels), or flat
    targets : ndarray, shape (n, n_targets), or flat
        The column TARGET of a table of samples holds the position of the first target of each sample. Classes
        are numbers from 0.
    window : Window
    weights : ndarray, shape (n,), optional
        Weight of each step of the targets in the loss; 1 if left out.
    """

    values: np.ndarray
    targets: np.ndarray
    window: Window
    weights: np.ndarray | None = None

    def flat_weights(self, dtype: np.dtype) -> np.ndarray:
        """Return the weights as the kernels read them: empty if all weigh 1."""
        return np.empty(0, dtype) if self.weights is None else self.weights.astype(dtype)


@dataclass(frozen=True)
class SampleIndex:
    """Samples whose table is created in parts; the whole table of 10 million samples would take 320 MB.

    ``index[which]``, with a slice or an array of numbers, is a table of these samples, see `sample_table`.

    Parameters
    ----------
    starts : ndarray of int, shape (n,)
        Rows of the values where the samples begin.
    lengths : int, or ndarray of int, shape (n,)
    targets_of : callable
        Computes where the targets begin in the flat targets, given starts and lengths.
    """

    starts: np.ndarray
    lengths: int | np.ndarray
    targets_of: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.starts)

    def subsample(self, n: int) -> "SampleIndex":
        """Return at most `n` of the samples, from the first to the last at equal distances."""
        which = subsample(np.arange(len(self)), n)
        lengths = self.lengths[which] if isinstance(self.lengths, np.ndarray) else self.lengths
        return SampleIndex(self.starts[which], lengths, self.targets_of)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        starts = self.starts[which]
        if isinstance(self.lengths, np.ndarray):
            lengths = self.lengths[which]
        else:
            lengths = np.full(len(starts), self.lengths)
        return sample_table(starts, lengths, self.targets_of(starts, lengths))


# A table of samples, or an index that creates it in parts.
AnySamples = SampleIndex | np.ndarray


def step_targets(samples: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return which steps of samples are read, and where the targets of each of these steps begin.

    Returns
    -------
    running : ndarray of bool, shape (n, n_steps)
        Steps before the end of a sample.
    first : ndarray of int, shape (number of these steps,)
        Sample by sample, step by step.
    """
    steps = np.arange(window.n_steps)
    running = steps < samples[:, LENGTH, None]
    first = samples[:, TARGET, None] + steps * window.target_stride
    return running, first[running]
