"""Normalization of windows in kernels, compared with plain NumPy."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from layers import slopes

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.constants import LEAST_DEVIATION
from seqcast.kernels.samples import sample_table
from seqcast.learning.losses import validation_losses
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState

CHANNELS, TARGETS, LONG, HORIZON = 3, 2, 4, 2
LOSSES = {"squared": naive.squared, "absolute": naive.absolute, "huber": naive.huber}
still = TrainingOptions(optimizer="sgd", learning_rate_init=0.0, clip_norm=None, batch_size=10**6)

readings = pytest.mark.parametrize(
    "reading",
    [
        {"normalize": True, "scale": "deviation"},
        {"normalize": True, "scale": "deviation", "n_normalized": 2},
        {"normalize": True, "n_normalized": 2},
        {"scale": "deviation", "segment": 3},
        {"normalize": True, "scale": "deviation", "segment": 2, "n_normalized": 2, "masked": True},
        {"scale": "mean", "n_normalized": 2, "masked": True},
        {"scale": "mean"},
    ],
    ids=lambda reading: "-".join(map(str, reading.values())),
)


def make_task(n_rows=9, dtype="float64", missing=True, **reading):
    """Rows of different lengths; a flat one, and one without an observation of the first channel, among
    them."""
    rng, segment = np.random.default_rng(1), reading.get("segment", 1)
    n = n_rows + segment * LONG + HORIZON
    values = 5 + 3 * rng.normal(size=(n, CHANNELS))
    targets = 4 + 3 * rng.normal(size=(n, TARGETS))
    if missing:
        values[rng.random(values.shape) < 0.2] = np.nan
        values[2 : 2 + LONG * segment, 0] = np.nan
        targets[rng.random(targets.shape) < 0.2] = np.nan
    values[1 : 1 + LONG * segment, 1] = 7.5
    starts, lengths = np.arange(n_rows), np.resize([4, 4, 4, 3, 1], n_rows)
    rows = sample_table(starts, lengths, (starts + lengths * segment) * TARGETS)
    window = Window(LONG, CHANNELS, TARGETS, **reading)
    return SampleSource(values.astype(dtype), targets.astype(dtype), window), rows


def make_network(window, dtype="float64", hidden=3):
    network = Network(
        compose(find_cell("gru"), window.input_size, hidden, n_outputs=HORIZON * TARGETS), dtype
    )
    network.initialize(np.random.RandomState(0))
    return network


def units_of(column, window):
    """Return offset and scale of one channel of one window."""
    seen = column[~np.isnan(column)]
    if not seen.size:
        return 0.0, 1.0
    scales = {"none": 1.0, "deviation": max(np.std(seen), 0.1), "mean": 1 + np.mean(seen)}
    return seen[-1] if window.normalize else 0.0, scales[window.scale]


def read(windows, rows):
    """Return the inputs of the network (B, T, F), and offsets and scales (B, channels)."""
    window = windows.window
    x = np.zeros((len(rows), LONG, window.input_size))
    offsets, scales = np.zeros((len(rows), CHANNELS)), np.ones((len(rows), CHANNELS))
    for k, (start, length, _, _) in enumerate(rows):
        cut = windows.values[start : start + length * window.segment].astype(float)
        for c in range(CHANNELS if window.n_normalized is None else window.n_normalized):
            offsets[k, c], scales[k, c] = units_of(cut[:, c], window)
        inputs = np.nan_to_num((cut - offsets[k]) / scales[k])
        if window.masked:
            inputs = np.hstack([inputs, ~np.isnan(cut)])
        x[k, :length] = inputs.reshape(length, -1)
    return x, offsets, scales


def predict_naive(network, windows, rows, flat):
    """Return targets, shape (B, HORIZON, TARGETS)."""
    x, offsets, scales = read(windows, rows)
    weights = network.architecture.views(flat)
    _, state = naive.recurrent("gru", weights, x, lengths=rows[:, 1])
    out = naive.head(state[0], weights["head_weight"], weights["head_bias"])
    out = out.reshape(-1, HORIZON, TARGETS)
    return out * scales[:, None, :TARGETS] + offsets[:, None, :TARGETS]


def truth(windows, rows):
    return np.stack([windows.targets.ravel()[t : t + HORIZON * TARGETS] for t in rows[:, 2]]).reshape(
        -1, HORIZON, TARGETS
    )


def gradient(network, windows, rows, options=still):
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    return trainer.run_epoch(rows), trainer.gradient.copy()


@pytest.mark.nojit
@readings
def test_forecasts_equal_naive_ones(reading):
    windows, rows = make_task(**reading)
    network = make_network(windows.window)
    expected = predict_naive(network, windows, rows, network.flat)
    np.testing.assert_allclose(
        network.predict(windows, rows, 1), expected.reshape(len(rows), -1), rtol=1e-12, atol=1e-12
    )


@pytest.mark.nojit
@pytest.mark.parametrize("loss", LOSSES)
@readings
def test_losses_and_gradients_are_in_the_units_of_values(reading, loss):
    windows, rows = make_task(**reading)
    network, options, measure = make_network(windows.window), replace(still, loss=loss), LOSSES[loss]
    flat, y = network.flat.copy(), truth(windows, rows)
    forecast = predict_naive(network, windows, rows, flat)
    expected = [measure(y[..., k], forecast[..., k]) for k in range(TARGETS)]
    found, slope = gradient(network, windows, rows, options)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(validation_losses(network, windows, rows, options), expected, rtol=1e-10)

    def total():
        return measure(y, predict_naive(network, windows, rows, flat))

    for directions, derivative in slopes(total, {"flat": flat}, n_directions=3):
        scale = abs(slope).sum()
        assert scale > 0
        assert slope @ directions["flat"] == pytest.approx(derivative, rel=1e-6, abs=1e-8 * scale)


def test_flat_and_empty_windows_have_a_smallest_divisor():
    """All weights are 0, so the readout adds its bias, times the divisor, to the last value."""
    assert LEAST_DEVIATION == 0.1
    windows, rows = make_task(1, normalize=True, scale="deviation")
    network = make_network(windows.window)
    network.flat[:] = 0
    network.weights["head_bias"][:] = [1, 1, -2, -2]
    windows.values[:LONG, 0] = np.nan
    windows.values[:LONG, 1] = [3, np.nan, 3, 3]
    np.testing.assert_allclose(network.predict(windows, rows, 1), [[1, 3.1, -2, 2.8]], rtol=1e-14)
    windows.values[:LONG, 0] = [np.nan, 4, np.nan, np.nan]
    np.testing.assert_allclose(network.predict(windows, rows, 1), [[4.1, 3.1, 3.8, 2.8]], rtol=1e-14)


@pytest.mark.parametrize("scale", ["deviation", "mean"])
def test_scales_of_far_levels_lose_no_digits(scale):
    """Values in float32 are 10,000 deviations away from zero, with a jump at the end."""
    windows, rows = make_task(1, "float32", missing=False, normalize=True, scale=scale)
    network = make_network(windows.window, "float32")
    network.flat[:] = 0
    network.weights["head_bias"][:] = 1
    column = np.array([10000.25, 10001.5, 9998.75, 10020], "float32")
    windows.values[:LONG, 0] = column
    expected = np.float64(column.std(dtype=float) if scale == "deviation" else 1 + column.mean(dtype=float))
    assert network.predict(windows, rows, 1)[0, 0] == np.float32(10020 + expected)


def test_forecasts_shift_and_stretch_with_their_series():
    windows, rows = make_task(missing=False, normalize=True, scale="deviation", n_normalized=2)
    rows, network = rows[3:4], make_network(windows.window)
    before = network.predict(windows, rows, 1).reshape(HORIZON, TARGETS)
    windows.values[:, :2] = windows.values[:, :2] * [4, 16] + [100, -100]
    after = network.predict(windows, rows, 1).reshape(HORIZON, TARGETS)
    np.testing.assert_allclose(after, before * [4, 16] + [100, -100], rtol=1e-12)
    windows.values[:, 2] += 1
    assert (network.predict(windows, rows, 1).reshape(HORIZON, TARGETS) != after).all()


@pytest.mark.parametrize("normalize", [False, True])
def test_defaults_are_no_scale_and_all_channels(normalize):
    """Division by 1 does not change a bit."""
    one, rows = make_task(normalize=normalize)
    other, _ = make_task(normalize=normalize, scale="none", n_normalized=CHANNELS)
    network = make_network(one.window)
    np.testing.assert_array_equal(network.predict(one, rows, 1), network.predict(other, rows, 1))
    for found, again in zip(gradient(network, one, rows), gradient(network, other, rows), strict=True):
        np.testing.assert_array_equal(found, again)


def test_channels_that_are_not_normalized_are_read_as_they_are():
    """The other channels equal those that were normalized by hand."""
    windows, rows = make_task(1, missing=False, normalize=True, scale="deviation", n_normalized=2)
    network, values = make_network(windows.window), windows.values.copy()
    offsets, scales = values[LONG - 1, :2].copy(), values[:LONG, :2].std(axis=0)
    scales[1] = max(scales[1], LEAST_DEVIATION)
    values[:, :2] = (values[:, :2] - offsets) / scales
    by_hand = SampleSource(values, windows.targets, Window(LONG, CHANNELS, TARGETS))
    expected = network.predict(by_hand, rows, 1).reshape(HORIZON, TARGETS) * scales + offsets
    np.testing.assert_allclose(network.predict(windows, rows, 1), expected.reshape(1, -1), rtol=1e-13)


@readings
def test_forecasts_do_not_depend_on_batch_and_threads(reading):
    windows, rows = make_task(300, "float32", **reading)
    network = make_network(windows.window, "float32", hidden=9)
    whole = network.predict(windows, rows, 2)
    assert np.isfinite(whole).all()
    for chosen in (np.arange(1), np.arange(300)[::-1], np.arange(7, 24), np.repeat(5, 3)):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])
