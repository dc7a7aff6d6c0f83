"""The table of samples that kernels read, and the order of a sample's steps in time.

Each sample of a batch is one row of four integers. The columns are::

    START    row of the series values where the first step of the sample lies
    LENGTH   number of steps that the network reads
    TARGET   position of the first target in the flat targets, or of the first forecast in the predictions
    NUMBER   number of the sample in the batch: the counter of its dropout masks, and its place in outputs

Samples of a batch are sorted by length, the longest first, so the samples that still run at a step are the
first ones.
"""

import numpy as np

START, LENGTH, TARGET, NUMBER = range(4)


def sample_table(starts: np.ndarray, lengths: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the table of samples, shape (n, 4), numbered from 0."""
    table = np.empty((len(starts), 4), np.int64)
    table[:, START] = starts
    table[:, LENGTH] = lengths
    table[:, TARGET] = targets
    table[:, NUMBER] = np.arange(len(starts))
    return table
