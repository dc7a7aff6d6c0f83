"""Windows on the device against the CPU's kernels, number by number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from stage_batches import DTYPES, Batch, assert_close, few, on_cpu

from seqcast.kernels.cpu import windows as cpu
from seqcast.kernels.cuda.window_reader import WindowReader
from seqcast.kernels.modes import SCALES

windows = st.fixed_dictionaries(
    {
        "n_channels": st.integers(1, 3),
        "segment": st.integers(1, 3),
        "masked": st.booleans(),
        "normalize": st.booleans(),
        "scale": st.sampled_from(SCALES),
    }
)
ragged = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(lambda n: tuple(sorted(n)[::-1]))


def read_on_both(queue, batch):
    """Yield offsets, scales and inputs of each direction, on the device and on the CPU."""
    b, H, F, C, T = batch, batch.hidden_size, batch.window.input_size, batch.window.n_channels, batch.n_steps
    values = b.values.ravel()
    on_cpu(cpu.find_offsets)(b.net, b.batch_table, values, b.work)
    on_cpu(cpu.gather)(b.net, b.layers, b.batch_table, 0, T, values, b.work)
    batch_table, device_values = queue.upload(b.batch_table.ravel()), queue.upload(values)
    reader = WindowReader(queue, b.packed_layout, b.window, b.n_samples)
    reader.find_offsets(batch_table, device_values)
    for found, offset in ((reader.offsets, b.net.window.offsets), (reader.scales, b.net.window.scales)):
        yield queue.download(found).reshape(-1, C), b.part(offset, b.n_samples, (C, C))
    for direction in range(b.architecture.stack.n_directions):
        workspace, layer = b.make_workspace(queue, direction, fill=7)
        reader.gather(batch_table, device_values, workspace)
        operands = queue.download(workspace.operands)
        operands = operands.reshape(T + 1, b.n_samples, workspace.layout.operand_width)[:T]
        expected = b.part(layer.hx, T, b.n_samples, (b.net.stack.hidden + F, layer.hx_stride))
        yield operands[..., H:-1], expected[..., b.net.stack.hidden :]
        assert (operands[..., :H] == 7).all()
        assert (operands[..., -1] == 1).all()


@few
@given(windows, ragged, st.booleans(), st.sampled_from(DTYPES), st.sampled_from([0, 0.3, 0.9]))
def test_windows_match_cpu(queue, window, lengths, bidirectional, dtype, missing):
    batch = Batch(dtype, lengths, bidirectional=bidirectional, window=window, missing=missing)
    for actual, expected in read_on_both(queue, batch):
        assert_close(actual, expected)


def test_only_first_channels_are_normalized_and_missing_is_0(queue):
    window = {"n_channels": 3, "normalize": True, "scale": "deviation", "n_normalized": 2, "masked": True}
    batch = Batch("float32", (4, 2), window=window, missing=0)
    batch.values[:, 0] = np.nan
    (offsets, expected_offsets), (scales, _), (x, _) = read_on_both(queue, batch)
    np.testing.assert_array_equal(offsets, expected_offsets)
    assert (offsets[:, 0] == 0).all()
    assert (scales[:, [0, 2]] == 1).all()
    assert (offsets[:, 2] == 0).all()
    start = batch.batch_table[0, 0]
    np.testing.assert_array_equal(x[:, 0, 2], batch.values[start : start + 4, 2])
    assert x[:, 0, [0, 3]].tolist() == [[0, 0]] * 4
    assert x[:, 0, 4].tolist() == [1] * 4


def test_scale_is_exact_if_window_ends_far_from_its_mean(queue):
    batch = Batch("float32", (40,), window={"n_channels": 1, "scale": "deviation"}, missing=0)
    batch.values[:] = batch.rng.normal(size=batch.values.shape)
    first = batch.batch_table[0, 0]
    batch.values[first + 39] += 1e4
    _, (scales, _), _ = read_on_both(queue, batch)
    window = batch.values[first : first + 40].astype(float)
    np.testing.assert_allclose(scales, window.std(), rtol=1e-6)
