"""Batches of an epoch on the device."""

import numpy as np

from seqcast.kernels.cuda.epoch_batches import EpochBatches


def test_batches_are_taken_in_order(queue):
    rng = np.random.default_rng(0)
    epoch = EpochBatches(queue, np.float32, n_samples=7, n_batches=3, batch_size=3)
    # The second epoch has fewer samples than there is room for.
    for n_samples in (7, 5):
        samples, sizes = rng.integers(0, 99, (n_samples, 4)), [3, n_samples - 4, 1]
        seeds, corrections = rng.integers(2**32, size=3, dtype=np.uint32), rng.random((3, 2), np.float32)
        epoch.begin(samples, seeds, corrections)
        first = 0
        for k, size in enumerate(sizes):
            epoch.take(size)
            batch_table = queue.download(epoch.batch_table).reshape(-1, 4)[:size]
            np.testing.assert_array_equal(batch_table, samples[first : first + size])
            first += size
            assert queue.download(epoch.seed).tolist() == [seeds[k]]
            np.testing.assert_array_equal(queue.download(epoch.corrections), corrections[k])
            assert queue.download(epoch.counters).tolist() == [first, k]


def test_replayed_launches_take_the_next_batch(queue):
    epoch = EpochBatches(queue, np.float64, n_samples=4, n_batches=2, batch_size=2)
    epoch.begin(np.zeros((4, 4), np.int64), np.zeros(2, np.uint32), np.zeros((2, 2)))
    epoch.take(2)
    with queue.record() as graph:
        epoch.take(2)
    samples = np.arange(16).reshape(4, 4)
    epoch.begin(samples, np.zeros(2, np.uint32), np.zeros((2, 2)))
    for k in range(2):
        graph.replay()
        expected = samples[2 * k : 2 * k + 2].ravel()
        np.testing.assert_array_equal(queue.download(epoch.batch_table), expected)
