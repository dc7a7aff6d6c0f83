"""The table of samples."""

import numpy as np

from seqcast.kernels.samples import sample_table


def test_samples_are_numbered_in_a_table_of_integers():
    table = sample_table(np.array([5, 7]), np.array([3, 2]), np.array([0, 4]))
    assert table.dtype == np.int64
    assert table.tolist() == [[5, 3, 0, 0], [7, 2, 4, 1]]
