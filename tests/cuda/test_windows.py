"""Batches, windows, states and forecasts on the device against the CPU's kernels, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import DTYPES, Batch, close, few, on_cpu

from seqcast.kernels import windows as cpu
from seqcast.kernels.cuda.windows import Epoch, Exchange, Forecasts, Reader
from seqcast.kernels.windows import SCALES

windows = st.fixed_dictionaries(
    {
        "n_channels": st.integers(1, 3),
        "segment": st.integers(1, 3),
        "masked": st.booleans(),
        "normalize": st.booleans(),
        "scale": st.sampled_from(SCALES),
    }
)
ragged = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(lambda n: tuple(sorted(n)[::-1]))


def test_batches_of_an_epoch_are_taken_one_after_the_other(queue):
    rng = np.random.default_rng(0)
    epoch = Epoch(queue, np.float32, n_rows=7, n_batches=3, batch_size=3)
    for n_rows in (7, 5):  # a second epoch, with fewer rows than there is room for
        rows, sizes = rng.integers(0, 99, (n_rows, 4)), [3, n_rows - 4, 1]
        seeds, corrections = rng.integers(2**32, size=3, dtype=np.uint32), rng.random((3, 2), np.float32)
        epoch.begin(rows, seeds, corrections)
        first = 0
        for k, size in enumerate(sizes):
            epoch.take(size)
            block = queue.download(epoch.block).reshape(-1, 4)[:size]
            np.testing.assert_array_equal(block, rows[first : first + size])
            first += size
            assert queue.download(epoch.seed).tolist() == [seeds[k]]
            np.testing.assert_array_equal(queue.download(epoch.corrections), corrections[k])
            assert queue.download(epoch.counters).tolist() == [first, k]


def test_recorded_launches_take_the_next_batch_each_time(queue):
    epoch = Epoch(queue, np.float64, n_rows=4, n_batches=2, batch_size=2)
    epoch.begin(np.zeros((4, 4), np.int64), np.zeros(2, np.uint32), np.zeros((2, 2)))
    epoch.take(2)
    with queue.captured() as graph:
        epoch.take(2)
    rows = np.arange(16).reshape(4, 4)
    epoch.begin(rows, np.zeros(2, np.uint32), np.zeros((2, 2)))
    for k in range(2):
        graph.replay()
        np.testing.assert_array_equal(queue.download(epoch.block), rows[2 * k : 2 * k + 2].ravel())


def read_both(queue, batch):
    """Offsets, scales and inputs in walk time: on the device, and on the CPU."""
    b, H, F, C, T = batch, batch.hidden_size, batch.window.input_size, batch.window.n_channels, batch.n_steps
    values = b.values.ravel()
    on_cpu(cpu.find_offsets)(b.net, b.block, values, b.work)
    on_cpu(cpu.gather)(b.net, b.layers, b.block, 0, T, values, b.work)
    block, on_device = queue.upload(b.block.ravel()), queue.upload(values)
    reader = Reader(queue, b.cuda, b.window, b.n_rows)
    reader.find_offsets(block, on_device)
    for mine, offset in ((reader.offsets, b.net.window.offsets), (reader.scales, b.net.window.scales)):
        yield queue.download(mine).reshape(-1, C), b.part(offset, b.n_rows, (C, C))
    for direction in range(b.architecture.stack.n_directions):
        space, layer = b.walk(queue, direction, fill=7)
        reader.gather(block, on_device, space)
        rows = queue.download(space.rows).reshape(T + 1, b.n_rows, space.walk.row_width)[:T]
        expected = b.part(layer.hx, T, b.n_rows, (b.net.stack.hidden + F, layer.hx_stride))
        yield rows[..., H:-1], expected[..., b.net.stack.hidden :]
        assert (rows[..., :H] == 7).all()
        assert (rows[..., -1] == 1).all()


@few
@given(windows, ragged, st.booleans(), st.sampled_from(DTYPES), st.sampled_from([0, 0.3, 0.9]))
def test_windows_are_read_as_on_the_cpu(queue, window, lengths, bidirectional, dtype, missing):
    batch = Batch(dtype, lengths, bidirectional=bidirectional, window=window, missing=missing)
    for actual, expected in read_both(queue, batch):
        close(actual, expected)


def test_only_the_first_channels_are_relative_and_a_missing_channel_is_zero(queue):
    window = {"n_channels": 3, "normalize": True, "scale": "deviation", "n_normalized": 2, "masked": True}
    batch = Batch("float32", (4, 2), window=window, missing=0)
    batch.values[:, 0] = np.nan
    (offsets, of_cpu), (scales, _), (x, _) = read_both(queue, batch)
    np.testing.assert_array_equal(offsets, of_cpu)
    assert (offsets[:, 0] == 0).all()
    assert (scales[:, [0, 2]] == 1).all()
    assert (offsets[:, 2] == 0).all()
    start = batch.block[0, 0]
    np.testing.assert_array_equal(x[:, 0, 2], batch.values[start : start + 4, 2])
    assert x[:, 0, [0, 3]].tolist() == [[0, 0]] * 4
    assert x[:, 0, 4].tolist() == [1] * 4


def test_a_scale_keeps_its_digits_where_the_window_ends_far_from_its_mean(queue):
    batch = Batch("float32", (40,), window={"n_channels": 1, "scale": "deviation"}, missing=0)
    batch.values[:] = batch.rng.normal(size=batch.values.shape)
    last = batch.block[0, 0] + 39
    batch.values[last] += 1e4
    _, (scales, _), _ = read_both(queue, batch)
    window = batch.values[batch.block[0, 0] : last + 1].astype(float)
    np.testing.assert_allclose(scales, window.std(), rtol=1e-6)


# -- the layer by itself

STACKS = [(1, False), (1, True), (2, True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n_layers", "bidirectional"), STACKS)
def test_states_go_to_their_walks_and_back(queue, dtype, n_layers, bidirectional):
    b = Batch(dtype, (4, 2, 0), n_layers=n_layers, bidirectional=bidirectional)
    net, H = b.architecture, b.hidden_size
    states = b.draw(2, net.stack.n_unrolls, b.n_rows, H)
    on_cpu(cpu.gather_states)(b.net, b.layers, b.block, states.ravel(), b.work)
    exchange, block = Exchange(queue, b.cuda, b.n_rows, b.n_steps), queue.upload(b.block.ravel())
    back = queue.zeros(states.size, dtype)
    for layer, direction in np.ndindex(n_layers, net.stack.n_directions):
        space, of_cpu = b.walk(queue, direction, layer)
        exchange.gather_states(block, queue.upload(states.ravel()), space)
        expected = b.part(of_cpu.state, 2, b.n_rows, (H, b.net.stack.hidden))
        np.testing.assert_array_equal(queue.download(space.state).reshape(2, b.n_rows, H), expected)
        exchange.scatter_states(block, space, back)
    np.testing.assert_array_equal(queue.download(back), states.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n_layers", "bidirectional"), STACKS)
def test_outputs_go_to_their_places(queue, dtype, n_layers, bidirectional):
    b = Batch(dtype, (4, 2, 0), n_layers=n_layers, bidirectional=bidirectional)
    T, B, H = b.n_steps, b.n_rows, b.hidden_size
    expected = np.full((B, T, b.architecture.stack.output_size), 7, dtype)
    block, outputs = queue.upload(b.block.ravel()), queue.upload(expected.ravel())
    exchange = Exchange(queue, b.cuda, B, T)
    for direction in range(b.architecture.stack.n_directions):
        space, _ = b.walk(queue, direction)
        b.set_states(queue, space, b.draw(T + 1, B, H))
        exchange.scatter_outputs(block, space, outputs)
    on_cpu(cpu.scatter_outputs)(b.net, b.layers, b.block, 0, T, b.work, expected.reshape(-1))
    assert (expected != 7).any()
    np.testing.assert_array_equal(queue.download(outputs), expected.ravel())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_come_in_and_go_out(queue, dtype, bidirectional):
    b = Batch(dtype, (4, 2, 0), bidirectional=bidirectional)
    T, B, H, F, D = b.n_steps, b.n_rows, b.hidden_size, b.window.n_channels, b.architecture.stack.n_directions
    b.block[:, 0] = np.arange(B) * T  # rows do not overlap
    block, exchange = queue.upload(b.block.ravel()), Exchange(queue, b.cuda, B, T)
    d_outputs = b.draw(B, T, D * H)
    on_cpu(cpu.gather_output_gradient)(b.net, b.block, T, d_outputs.ravel(), b.work)
    d_sink = queue.upload(np.full(T * B * D * H, np.nan, dtype))
    exchange.gather_output_gradient(block, queue.upload(d_outputs.ravel()), d_sink)
    expected = b.part(b.net.stack.d_outputs, T, B, D, (H, b.net.stack.hidden)).reshape(T, B, D * H)
    past = np.arange(T)[:, None] >= b.block[:, 1]
    expected[past] = 0  # what lies there is never read on the CPU
    np.testing.assert_array_equal(queue.download(d_sink).reshape(T, B, D * H), expected)

    layer = b.layers[0]
    d_source = b.part(layer.d_inputs, T, B, (F, F))
    d_source[:] = b.draw(T, B, F)
    d_values = np.full(B * T * F, 7, dtype)
    on_device = queue.upload(d_values)
    exchange.scatter_input_gradient(block, queue.upload(d_source.ravel()), on_device)
    on_cpu(cpu.scatter_input_gradient)(b.net, layer, b.block, T, b.work, d_values)
    np.testing.assert_array_equal(queue.download(on_device), d_values)


# -- forecasts

KINDS = {
    "none": (),
    "quantile": (0.1, 0.5, 0.8, 0.9),
    "gaussian": (),
    "student_t": (),
    "negative_binomial": (),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("distribution", KINDS)
def test_forecasts_are_in_the_unit_of_the_values(queue, distribution, dtype):
    counts = distribution == "negative_binomial"
    window = {"n_channels": 3, "n_targets": 2, "normalize": not counts, "scale": "mean"}
    n_outputs = 4 * (4 if distribution == "quantile" else 3 if distribution == "student_t" else 2)
    options = {"n_outputs": n_outputs, "distribution": distribution, "levels": KINDS[distribution]}
    b = Batch(dtype, (4, 3, 1), window=window, **options)
    out = b.draw(b.n_rows, n_outputs)
    b.work[:] = b.rng.random(b.work.size) + 1
    b.part(b.net.readout.out, b.n_rows, (n_outputs, b.net.readout.out_stride))[:] = out
    reader = Reader(queue, b.cuda, b.window, b.n_rows)
    for to, offset in ((reader.offsets, b.net.window.offsets), (reader.scales, b.net.window.scales)):
        queue.copy(to, np.ascontiguousarray(b.part(offset, b.n_rows, (3, 3)).ravel()))
    on_cpu(cpu.add_offsets if distribution == "none" else cpu.place_distributions)(b.net, b.n_rows, b.work)
    expected, forecasts = np.zeros(b.n_rows * n_outputs, dtype), queue.zeros(b.n_rows * n_outputs, dtype)
    on_cpu(cpu.scatter_predictions)(b.net, b.block, 0, b.work, expected)
    Forecasts(queue, b.cuda, b.window, b.n_rows).place(
        queue.upload(b.block.ravel()), queue.upload(out.ravel()), reader, forecasts
    )
    close(queue.download(forecasts), expected)
