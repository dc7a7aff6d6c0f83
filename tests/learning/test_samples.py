"""Tables of samples that are made part by part, and the targets of every step."""

from dataclasses import replace

import numpy as np

from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.samples import SampleIndex, SampleSource, step_targets


def test_parts_of_a_sample_table_equal_the_whole_table():
    starts = np.array([7, 0, 3])
    rows = SampleIndex(starts, 5, lambda starts, lengths: 2 * (starts + lengths))
    table = sample_table(starts, np.full(3, 5), 2 * (starts + 5))
    np.testing.assert_array_equal(rows[:], table)
    np.testing.assert_array_equal(rows[1:][:, :3], table[1:, :3])
    np.testing.assert_array_equal(rows[np.array([2, 0])][:, :3], table[[2, 0], :3])
    assert len(rows) == 3


def test_every_step_of_a_sample_has_targets():
    window = Window(3, 2, n_targets=2, segment=2)
    samples = sample_table(np.array([0, 6]), np.array([3, 1]), np.array([10, 50]))
    running, first = step_targets(samples, window)
    assert running.tolist() == [[True, True, True], [True, False, False]]
    assert first.tolist() == [10, 14, 18, 50]


def test_samples_are_taken_at_equal_distances():
    index = SampleIndex(np.arange(10), np.arange(10), lambda starts, lengths: starts)
    few = index.subsample(4)
    assert few.starts.tolist() == few.lengths.tolist() == [0, 3, 6, 9]
    assert index.subsample(None).starts.tolist() == list(range(10))


def test_weights_are_empty_if_all_are_one():
    source = SampleSource(np.zeros((3, 1)), np.zeros((3, 1)), Window(1, 1))
    assert source.flat_weights(np.dtype("float32")).shape == (0,)
    assert replace(source, weights=np.ones(3)).flat_weights(np.dtype("float32")).dtype == np.float32
