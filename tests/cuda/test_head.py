"""Pooling, dropout, the linear head and losses on the device against the CPU's kernels, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import DTYPES, Batch, close, few, on_cpu

from seqcast.kernels import dropout, losses, readout
from seqcast.kernels.cuda.head import Dropout, Head, Losses, Pooling
from seqcast.kernels.cuda.products import TiledProducts
from seqcast.kernels.cuda.windows import Reader
from seqcast.kernels.losses import LOSSES, POINT_LOSSES
from seqcast.kernels.readout import POOLINGS

dtypes = pytest.mark.parametrize("dtype", DTYPES)
ragged = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(lambda n: tuple(sorted(n)[::-1]))


def columns(batch, offset):
    """What is pooled, or its gradient, in the CPU's work space, as views of both directions."""
    b, D = batch, batch.architecture.stack.n_directions
    whole = b.part(offset, b.n_rows, (D * b.net.stack.hidden, b.net.readout.pooled_stride))
    return [whole[:, d * b.net.stack.hidden :][:, : b.hidden_size] for d in range(D)]


@few
@given(st.sampled_from(POOLINGS), ragged, st.integers(1, 9), st.booleans(), st.sampled_from(DTYPES))
def test_pooling_and_its_way_back_are_those_of_the_cpu(queue, kind, lengths, hidden, bidirectional, dtype):
    b = Batch(dtype, lengths, hidden, bidirectional=bidirectional, pooling=kind, n_outputs=1)
    T, B, H, D = b.n_steps, b.n_rows, hidden, b.architecture.stack.n_directions
    stage, block = Pooling(queue, b.cuda, B, T), queue.upload(b.block.ravel())
    on_cpu(readout.start_pooling)(b.net, B, b.work)
    for direction in range(D):
        space, layer = b.walk(queue, direction, fill=np.nan)
        b.set_states(queue, space, np.round(b.draw(T + 1, B, H)))  # rounded: the largest come more than once
        state = b.part(layer.state, 2, B, (H, b.net.stack.hidden))
        state[:] = b.draw(2, B, H)
        queue.copy(space.state, state.ravel())
        stage.pool(block, space)
    on_cpu(readout.pool_states)(b.net, b.layers, b.block, 0, T, b.work)
    on_cpu(readout.finish_pooling)(b.net, b.layers, b.block, b.work)
    pooled = queue.download(stage.pooled).reshape(B, D * H + 1)
    close(pooled, np.concatenate([*columns(b, b.net.readout.pooled), np.ones((B, 1), dtype)], axis=1))

    d_pooled = b.draw(B, D * H)
    for k, part in enumerate(columns(b, b.net.readout.d_pooled)):
        part[:] = d_pooled[:, k * H : (k + 1) * H]
    queue.copy(stage.d_pooled, np.concatenate([d_pooled, np.full((B, 1), np.nan, dtype)], axis=1).ravel())
    on_cpu(readout.clear_states)(b.net, b.layers, b.work)
    on_cpu(readout.unpool_states)(b.net, b.layers, b.block, 0, T, b.work)
    for direction in range(D):
        space, layer = b.walk(queue, direction, fill=np.nan)
        stage.unpool_states(space)
        expected = b.part(layer.state, 2, B, (H, b.net.stack.hidden))
        np.testing.assert_array_equal(queue.download(space.state).reshape(2, B, H), expected)
    d_sink = queue.upload(np.full(T * B * D * H, np.nan, dtype))
    stage.unpool_outputs(block, d_sink)
    if kind == "last":
        assert np.isnan(queue.download(d_sink)).all()
    else:
        expected = b.part(b.net.stack.d_outputs, T, B, D, (H, b.net.stack.hidden)).reshape(T, B, D * H)
        close(queue.download(d_sink).reshape(T, B, D * H), expected)


# -- dropout


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 0.999]), st.integers(1, 9), st.booleans())
def test_masks_are_those_of_the_cpu(queue, seed, rate, hidden, bidirectional):
    b = Batch("float32", (3, 2), hidden, bidirectional=bidirectional, n_layers=2, n_outputs=1)
    T, B, H, D = b.n_steps, b.n_rows, hidden, b.architecture.stack.n_directions
    b.net.batch.seed, b.net.batch.dropout = seed, rate
    stage, block, seeds = Dropout(queue, b.cuda, rate, B), queue.upload(b.block.ravel()), np.uint32([seed])
    for level in range(2):
        values = b.draw(T, B, D, H)
        padded = np.zeros((T, B, D, b.net.stack.hidden), b.dtype)
        padded[..., :H] = values
        on_cpu(dropout.drop)(b.net, b.block, level, 0, T, D * b.net.stack.hidden, padded.reshape(-1))
        mine = queue.upload(values.ravel())
        stage.drop(block, queue.upload(seeds), level, T, mine)
        np.testing.assert_array_equal(queue.download(mine), padded[..., :H].ravel())

    for part in columns(b, b.net.readout.pooled):
        part[:] = 1
    on_cpu(readout.drop_pooled)(b.net, b.block, 0, b.work[b.net.readout.pooled :])
    mine = queue.upload(np.ones(B * (D * H + 1), b.dtype))
    stage.drop_pooled(block, queue.upload(seeds), mine)
    expected = np.concatenate([*columns(b, b.net.readout.pooled), np.ones((B, 1), b.dtype)], axis=1)
    np.testing.assert_array_equal(queue.download(mine), expected.ravel())


def test_without_dropout_nothing_is_launched(queue):
    b = Batch("float32")
    Dropout(queue, b.cuda, 0.0, b.n_rows).drop(None, None, 0, b.n_steps, None)


# -- the linear head


@dtypes
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_head_and_its_way_back_are_products(queue, dtype, bidirectional):
    b = Batch(dtype, (4, 3, 2, 1, 1), bidirectional=bidirectional, n_outputs=7)
    B, P = b.n_rows, b.architecture.stack.output_size + 1
    stage = Head(queue, TiledProducts(queue, np.dtype(dtype)), b.cuda, B)
    flat, n_packed = np.append(b.draw(b.architecture.n_parameters), 0).astype(dtype), b.cuda.index.size
    packed, pooled = flat[b.cuda.index] + flat[b.cuda.second], b.draw(B, P)
    pooled[:, -1] = 1
    views = b.architecture.views(flat[:-1])
    on_device, pooled_there = queue.upload(packed), queue.upload(pooled.ravel())
    stage.forward(pooled_there, on_device)
    expected = pooled[:, :-1] @ views["head_weight"].T + views["head_bias"]
    close(queue.download(stage.out).reshape(B, 7), expected, scale=100)

    d_out = b.draw(B, 7)
    queue.copy(stage.out, d_out.ravel())
    gradient, d_pooled = queue.zeros(n_packed, dtype), queue.zeros(B * P, dtype)
    stage.backward(pooled_there, on_device, d_pooled, gradient)
    close(queue.download(d_pooled).reshape(B, P)[:, :-1], d_out @ views["head_weight"], scale=100)
    found = b.architecture.views(queue.download(gradient)[b.cuda.back])
    close(found["head_weight"], d_out.T @ pooled[:, :-1], scale=100)
    close(found["head_bias"], d_out.sum(axis=0), scale=100)


# -- losses


def make_losses(loss, dtype, n_rows=4, n_steps=2, n_targets=2, missing=0.3, weighted=True, seed=0):
    """A batch, its outputs, targets and weights; offsets and scales that a window may have."""
    counts, classes = loss == "negative_binomial", loss == "cross_entropy"
    n_targets = 1 if classes else n_targets
    distribution = loss if LOSSES.index(loss) > LOSSES.index("cross_entropy") else "none"
    n_parameters = {"quantile": 4, "gaussian": 2, "student_t": 3, "negative_binomial": 2}.get(loss, 1)
    window = {"n_channels": 3, "n_targets": n_targets, "normalize": not counts and not classes}
    b = Batch(
        dtype,
        (3,) * n_rows,
        n_outputs=5 if classes else n_steps * n_targets * n_parameters,
        distribution=distribution,
        levels=(0.1, 0.5, 0.8, 0.9) if loss == "quantile" else (),
        window=window | {"scale": "none" if classes else "mean"},
        seed=seed,
    )
    n = (1 if classes else n_steps) * n_rows
    b.block[:, 2] = b.rng.permutation(n_rows) * (n // n_rows) * n_targets
    targets = np.round(b.draw(n, n_targets))
    targets = np.abs(targets) if counts else targets % 5 if classes else targets
    if not classes:  # a class is always known
        targets[b.rng.random(targets.shape) < missing] = np.nan
    b.targets = targets.astype(dtype).ravel()
    b.weights = (b.rng.integers(0, 3, n) / 2).astype(dtype) if weighted else np.empty(0, dtype)
    b.out = (b.draw(n_rows, b.n_outputs) / 3).astype(dtype)
    b.offsets = b.draw(n_rows, 3) * b.window.normalize
    b.scales = np.ones((n_rows, 3), dtype) if classes else np.exp(b.draw(n_rows, 3) / 5).astype(dtype)
    return b


def losses_on_cpu(b, loss):
    """(outputs' gradient, sums)."""
    b.net.readout.loss = LOSSES.index(loss)
    out = b.part(b.net.readout.out, b.n_rows, (b.n_outputs, b.net.readout.out_stride))
    out[:] = b.out
    b.part(b.net.window.offsets, b.n_rows, (3, 3))[:] = b.offsets
    b.part(b.net.window.scales, b.n_rows, (3, 3))[:] = b.scales
    stage = (
        losses.loss_backward
        if b.architecture.readout.distribution == "none"
        else losses.distribution_loss_backward
    )
    sums = np.zeros((2, b.window.n_targets))
    on_cpu(stage)(b.net, b.block, 0, b.targets, b.weights, b.work, sums)
    return out, sums


def losses_on_device(queue, b, loss, number=1):
    """(outputs' gradient, sums) of a batch that is number 1 of three."""
    reader = Reader(queue, b.cuda, b.window, b.n_rows)
    queue.copy(reader.offsets, b.offsets.ravel())
    queue.copy(reader.scales, b.scales.ravel())
    out, sums = queue.upload(b.out.ravel()), queue.upload(np.full(3 * 2 * b.window.n_targets, 7, b.dtype))
    block, targets, weights = (queue.upload(a) for a in (b.block.ravel(), b.targets, b.weights))
    counters = queue.upload(np.array([99, number]))
    stage = Losses(queue, b.cuda, b.window, loss, b.n_rows)
    stage.backward(block, out, reader, targets, weights, counters, sums)
    sums = queue.download(sums).reshape(3, 2, b.window.n_targets)
    assert (sums[[0, 2]] == 7).all()
    return queue.download(out).reshape(b.n_rows, b.n_outputs), sums[number]


CASES = (  # rows, steps, targets, share of missing ones, weighted
    (4, 2, 2, 0.3, True),
    (16, 3, 1, 0.1, False),  # more than one block sums a target
    (1, 1, 1, 0.0, False),
    (5, 3, 3, 0.9, True),
)


@dtypes
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_are_those_of_the_cpu(queue, loss, dtype):
    for case in CASES[: 4 if loss in POINT_LOSSES else 2]:
        b = make_losses(loss, dtype, *case)
        gradient, sums = losses_on_device(queue, b, loss)
        expected, of_cpu = losses_on_cpu(b, loss)
        close(gradient, expected, scale=np.abs(expected).max())
        close(sums, of_cpu.astype(dtype))


@dtypes
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross_entropy"])
def test_missing_targets_and_weights_of_0_count_nothing(queue, loss, dtype):
    b = make_losses(loss, dtype, missing=1)
    gradient, sums = losses_on_device(queue, b, loss)
    assert not gradient.any()
    assert not sums.any()
    b = make_losses(loss, dtype, missing=0)
    b.weights[:] = 0
    gradient, sums = losses_on_device(queue, b, loss)
    assert not gradient.any()
    assert not sums.any()


def test_many_blocks_sum_a_target_in_one_order(queue):
    b = make_losses("squared", "float32", n_rows=16, n_steps=9, n_targets=2)
    first, second = (losses_on_device(queue, b, "squared") for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[0], second[0])
    d = b.out * b.scales[:, [0, 1] * 9] + b.offsets[:, [0, 1] * 9]
    y = np.stack([b.targets[first : first + 18] for first in b.block[:, 2]])
    weights = np.stack([b.weights[first // 2 : first // 2 + 9] for first in b.block[:, 2]]).repeat(2, axis=1)
    losses = np.nansum(weights * (d - y) ** 2, axis=0).reshape(9, 2).sum(axis=0)
    np.testing.assert_allclose(first[1][0], losses, rtol=1e-5)


def test_the_derivative_of_an_exact_forecast_is_0_and_of_one_that_is_not_a_number_is_none(queue):
    b = make_losses("absolute", "float32", n_rows=1, n_steps=3, n_targets=1, missing=0, weighted=False)
    b.offsets[:], b.scales[:] = 0, 1
    b.out[0], b.targets[:] = [2, np.nan, -np.inf], [2, 2, 2]
    gradient, sums = losses_on_device(queue, b, "absolute")
    np.testing.assert_array_equal(gradient, [[0, np.nan, -1]])
    assert np.isnan(sums[0, 0])
