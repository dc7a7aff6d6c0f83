"""Pooling and the linear head on the device against the CPU's kernels, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_batches import DTYPES, Batch, assert_close, few, on_cpu

from seqcast.kernels.cpu import readout
from seqcast.kernels.cuda.readout import Head, Pooling
from seqcast.kernels.cuda.tiled_products import TiledProducts
from seqcast.kernels.modes import POOLINGS
from seqcast.kernels.samples import LENGTH

ragged = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(lambda n: tuple(sorted(n)[::-1]))


def columns(batch, offset):
    """Return views of both directions of a pooled array in the CPU's work space."""
    b, D = batch, batch.architecture.stack.n_directions
    whole = b.part(offset, b.n_samples, (D * b.net.stack.hidden, b.net.readout.pooled_stride))
    return [whole[:, d * b.net.stack.hidden :][:, : b.hidden_size] for d in range(D)]


def pool_on_both(queue, batch, stage, batch_table):
    """Pool random states, rounded so that the largest one occurs several times."""
    b, T, B, H = batch, batch.n_steps, batch.n_samples, batch.hidden_size
    on_cpu(readout.start_pooling)(b.net, B, b.work)
    for direction in range(b.architecture.stack.n_directions):
        workspace, layer = b.make_workspace(queue, direction, fill=np.nan)
        b.set_states(queue, workspace, np.round(b.draw(T + 1, B, H)))
        state = b.part(layer.state, 2, B, (H, b.net.stack.hidden))
        state[:] = b.draw(2, B, H)
        queue.copy(workspace.state, state.ravel())
        stage.pool(batch_table, workspace)
    on_cpu(readout.pool_states)(b.net, b.layers, b.batch_table, 0, T, b.work)
    on_cpu(readout.finish_pooling)(b.net, b.layers, b.batch_table, b.work)


@few
@given(st.sampled_from(POOLINGS), ragged, st.integers(1, 9), st.booleans(), st.sampled_from(DTYPES))
def test_pooling_and_its_backward_match_cpu(queue, kind, lengths, hidden, bidirectional, dtype):
    b = Batch(dtype, lengths, hidden, bidirectional=bidirectional, pooling=kind, n_outputs=1)
    T, B, H, D = b.n_steps, b.n_samples, hidden, b.architecture.stack.n_directions
    stage = Pooling(queue, b.packed_layout, B, T)
    batch_table = queue.upload(b.batch_table.ravel())
    pool_on_both(queue, b, stage, batch_table)
    pooled = queue.download(stage.pooled).reshape(B, D * H + 1)
    assert_close(pooled, np.concatenate([*columns(b, b.net.readout.pooled), np.ones((B, 1), dtype)], axis=1))

    grad_pooled = b.draw(B, D * H)
    for k, part in enumerate(columns(b, b.net.readout.d_pooled)):
        part[:] = grad_pooled[:, k * H : (k + 1) * H]
    with_bias = np.concatenate([grad_pooled, np.full((B, 1), np.nan, dtype)], axis=1)
    queue.copy(stage.grad_pooled, with_bias.ravel())
    on_cpu(readout.clear_states)(b.net, b.layers, b.work)
    on_cpu(readout.unpool_states)(b.net, b.layers, b.batch_table, 0, T, b.work)
    for direction in range(D):
        workspace, layer = b.make_workspace(queue, direction, fill=np.nan)
        stage.unpool_states(workspace)
        expected = b.part(layer.state, 2, B, (H, b.net.stack.hidden))
        np.testing.assert_array_equal(queue.download(workspace.state).reshape(2, B, H), expected)
    grad_outputs = queue.upload(np.full(T * B * D * H, np.nan, dtype))
    stage.unpool_outputs(batch_table, grad_outputs)
    if kind == "last":
        assert np.isnan(queue.download(grad_outputs)).all()
    else:
        expected = b.part(b.net.stack.d_outputs, T, B, D, (H, b.net.stack.hidden)).reshape(T, B, D * H)
        assert_close(queue.download(grad_outputs).reshape(T, B, D * H), expected)


@few
@given(ragged, st.integers(1, 9), st.booleans(), st.sampled_from(DTYPES))
def test_reading_every_step_and_its_backward_match_cpu(queue, lengths, hidden, bidirectional, dtype):
    b = Batch(dtype, lengths, hidden, bidirectional=bidirectional, pooling="none", n_outputs=1)
    T, B, H, D = b.n_steps, b.n_samples, hidden, b.architecture.stack.n_directions
    stage = Pooling(queue, b.packed_layout, B, T)
    batch_table = queue.upload(b.batch_table.ravel())
    for direction in range(D):
        workspace, _ = b.make_workspace(queue, direction, fill=np.nan)
        b.set_states(queue, workspace, b.draw(T + 1, B, H))
        stage.pool(batch_table, workspace)
        stage.unpool_states(workspace)
        assert not queue.download(workspace.state).any()
    pooled = queue.download(stage.pooled).reshape(T, B, D * H + 1)
    assert (pooled[..., -1] == 1).all()

    grad_pooled = b.draw(T, B, D * H)
    with_bias = np.concatenate([grad_pooled, np.full((T, B, 1), np.nan, dtype)], axis=2)
    queue.copy(stage.grad_pooled, with_bias.ravel())
    grad_outputs = queue.upload(np.full(T * B * D * H, np.nan, dtype))
    stage.unpool_outputs(batch_table, grad_outputs)
    grad_outputs = queue.download(grad_outputs).reshape(T, B, D, H)
    expected = b.part(b.net.stack.d_outputs, T, B, D, (H, b.net.stack.hidden))
    for t in range(T):
        n_running = on_cpu(readout.read_states)(b.net, b.layers, b.batch_table, 0, t, b.work)
        assert n_running == (b.batch_table[:, LENGTH] > t).sum()
        states = np.concatenate(columns(b, b.net.readout.pooled), axis=1)
        np.testing.assert_array_equal(pooled[t, :n_running, :-1], states[:n_running])
        assert not pooled[t, n_running:, :-1].any()
        for k, part in enumerate(columns(b, b.net.readout.d_pooled)):
            part[:] = grad_pooled[t, :, k * H : (k + 1) * H]
        on_cpu(readout.unread_step)(b.net, b.batch_table, n_running, t, b.work)
        np.testing.assert_array_equal(grad_outputs[t, :n_running], expected[t, :n_running])


@pytest.mark.parametrize("dtype", DTYPES)
def test_head_and_its_backward_are_products(queue, dtype):
    b = Batch(dtype, (4, 3, 2, 1, 1), bidirectional=True, n_outputs=7)
    layout = b.packed_layout
    B, P = b.n_samples, b.architecture.stack.output_size + 1
    stage = Head(queue, TiledProducts(queue, np.dtype(dtype)), layout, B)
    flat = np.append(b.draw(b.architecture.n_parameters), 0).astype(dtype)
    packed = queue.upload(flat[layout.index] + flat[layout.second])
    pooled = b.draw(B, P)
    pooled[:, -1] = 1
    device_pooled = queue.upload(pooled.ravel())
    weights = b.architecture.views(flat[:-1])
    stage.forward(device_pooled, packed)
    expected = pooled[:, :-1] @ weights["head_weight"].T + weights["head_bias"]
    assert_close(queue.download(stage.out).reshape(B, 7), expected, scale=100)

    grad_out = b.draw(B, 7)
    queue.copy(stage.out, grad_out.ravel())
    gradient = queue.zeros(layout.index.size, dtype)
    grad_pooled = queue.zeros(B * P, dtype)
    stage.backward(device_pooled, packed, grad_pooled, gradient)
    found = queue.download(grad_pooled).reshape(B, P)[:, :-1]
    assert_close(found, grad_out @ weights["head_weight"], scale=100)
    gradients = b.architecture.views(queue.download(gradient)[layout.back])
    assert_close(gradients["head_weight"], grad_out.T @ pooled[:, :-1], scale=100)
    assert_close(gradients["head_bias"], grad_out.sum(axis=0), scale=100)
