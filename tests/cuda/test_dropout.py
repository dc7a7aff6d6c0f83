"""Dropout masks on the device against those of the CPU."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from stage_batches import Batch, few, on_cpu

from seqcast.kernels.cpu import dropout, readout
from seqcast.kernels.cuda.dropout import Dropout


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 0.999]), st.integers(1, 9), st.booleans())
def test_masks_match_cpu(queue, seed, rate, hidden, bidirectional):
    b = Batch("float32", (3, 2), hidden, bidirectional=bidirectional, n_layers=2, n_outputs=1)
    T, B, H, D = b.n_steps, b.n_samples, hidden, b.architecture.stack.n_directions
    b.net.batch.seed, b.net.batch.dropout = seed, rate
    stage = Dropout(queue, b.packed_layout, rate, B)
    batch_table, seeds = queue.upload(b.batch_table.ravel()), queue.upload(np.uint32([seed]))
    for layer in range(2):
        values = b.draw(T, B, D, H)
        padded = np.zeros((T, B, D, b.net.stack.hidden), b.dtype)
        padded[..., :H] = values
        on_cpu(dropout.drop)(b.net, b.batch_table, layer, 0, T, D * b.net.stack.hidden, padded.reshape(-1))
        found = queue.upload(values.ravel())
        stage.drop(batch_table, seeds, layer, T, found)
        np.testing.assert_array_equal(queue.download(found), padded[..., :H].ravel())

    padded = b.part(b.net.readout.pooled, B, (D * b.net.stack.hidden, b.net.readout.pooled_stride))
    expected = np.ones((T, B, D * H + 1), b.dtype)
    for t in range(T):
        padded[:] = 1
        on_cpu(readout.drop_pooled)(b.net, b.batch_table, t, b.work[b.net.readout.pooled :])
        for d in range(D):
            expected[t, :, d * H : (d + 1) * H] = padded[:, d * b.net.stack.hidden :][:, :H]
    for n_times in (1, T):
        found = queue.upload(np.ones(n_times * B * (D * H + 1), b.dtype))
        stage.drop_pooled(batch_table, seeds, n_times, found)
        np.testing.assert_array_equal(queue.download(found), expected[:n_times].ravel())


def test_nothing_is_launched_without_dropout(queue):
    b = Batch("float32")
    Dropout(queue, b.packed_layout, 0.0, b.n_samples).drop(None, None, 0, b.n_steps, None)
