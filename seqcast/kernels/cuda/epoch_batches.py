"""The batches of an epoch on the device.

The table of all samples of an epoch is uploaded once. One launch copies the next batch from it, so the same
recorded launches train every batch of one size.
"""

from collections.abc import Iterator

import numpy as np
from numba import float32, int64, uint32

from .compiler import SIMULATED, Example, cuda, cuda_kernel
from .queue import Queue

# A single block takes a batch, because it also advances the counters.
TAKE_THREADS = 32 if SIMULATED else 1024


class EpochBatches:
    """The batches of an epoch, and the current one among them.

    Parameters
    ----------
    queue : Queue
    dtype : dtype
        Type of the network's parameters.
    n_samples, n_batches : int
        Largest numbers of samples and batches of an epoch.
    batch_size : int
        Number of samples of its largest batch.

    Attributes
    ----------
    batch_table : array of int64, (batch_size, 4), flat
        Start, length, target and number of each sample of the current batch.
    seed : array of uint32, (1,)
        Seed of its dropout masks.
    corrections : array, (2,)
        See `optimizers.adam_corrections`.
    counters : array of int64, (2,)
        Number of samples up to the end of the current batch, and the number of this batch, which is -1 before
        the first one.
    """

    def __init__(self, queue: Queue, dtype, n_samples: int, n_batches: int, batch_size: int):
        self._queue = queue
        self._all_samples = queue.zeros(4 * n_samples, np.int64)
        self.batch_table = queue.zeros(4 * batch_size, np.int64)
        self._seeds = queue.zeros(n_batches, np.uint32)
        self.seed = queue.zeros(1, np.uint32)
        self._corrections = queue.zeros(2 * n_batches, dtype)
        self.corrections = queue.zeros(2, dtype)
        self.counters = queue.zeros(2, np.int64)

    def begin(self, samples: np.ndarray, seeds: np.ndarray, corrections: np.ndarray) -> None:
        """Upload the tables of all batches, and the seed and corrections of each.

        Parameters
        ----------
        samples : ndarray of int64, shape (n_samples, 4)
            The tables of all batches below each other, in each batch the longest sample first.
        seeds : ndarray of uint32, shape (n_batches,)
        corrections : ndarray, shape (n_batches, 2)
        """
        pairs = (self._all_samples, samples), (self._seeds, seeds), (self._corrections, corrections)
        for to, source in pairs:
            self._queue.copy(to, np.ascontiguousarray(source.ravel(), to.dtype))
        self._queue.copy(self.counters, np.array([0, -1], np.int64))

    def take(self, n_samples: int) -> None:
        """Make the next `n_samples` samples the current batch."""
        uploaded = self._all_samples, self._seeds, self._corrections
        current = self.batch_table, self.seed, self.corrections
        self._queue.launch(take_batch, 1, TAKE_THREADS, *uploaded, self.counters, *current, n_samples)


@cuda_kernel(threads=TAKE_THREADS)
def take_batch(all_samples, seeds, all_corrections, counters, batch_table, seed, corrections, n_samples):
    """Copy the next batch, its seed and its corrections, and advance the counters."""
    i = cuda.threadIdx.x
    first = counters[0]
    number = counters[1] + 1
    # All threads must have read the counters before one of them advances them.
    cuda.syncthreads()
    if i == 0:
        counters[0] = first + n_samples
        counters[1] = number
        seed[0] = seeds[number]
        corrections[0] = all_corrections[2 * number]
        corrections[1] = all_corrections[2 * number + 1]
    for k in range(i, 4 * n_samples, cuda.blockDim.x):
        batch_table[k] = all_samples[4 * first + k]


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    integers, seeds, real = int64[::1], uint32[::1], float32[::1]
    signature = integers, seeds, real, integers, integers, seeds, real, int64
    yield Example("take_batch", take_batch, signature, TAKE_THREADS)
