"""Losses and their gradients on the device against the CPU's kernels, number by number."""

import numpy as np
import pytest
from stage_batches import Batch, assert_close, on_cpu

from seqcast.kernels.cpu import losses
from seqcast.kernels.cuda.losses import Losses
from seqcast.kernels.cuda.window_reader import WindowReader
from seqcast.kernels.losses import LOSSES, POINT_LOSSES
from seqcast.kernels.samples import LENGTH, TARGET

N_PARAMETERS = {"quantile": 4, "gaussian": 2, "student_t": 3, "negative_binomial": 2}
# Samples, steps, targets, rate of missing targets, weighted. The second has several blocks for a target.
CASES = ((4, 2, 2, 0.3, True), (16, 3, 1, 0.1, False), (5, 3, 3, 0.9, True))


def make_batch(loss, dtype, n_samples=4, n_steps=2, n_targets=2, missing=0.3, weighted=True):
    """Return a batch with outputs, targets and weights, and offsets and scales that a window may have."""
    counts, classes = loss == "negative_binomial", loss == "cross_entropy"
    n_targets = 1 if classes else n_targets
    is_distribution = LOSSES.index(loss) > LOSSES.index("cross_entropy")
    window = {"n_channels": 3, "n_targets": n_targets, "normalize": not counts and not classes}
    b = Batch(
        dtype,
        (3,) * n_samples,
        n_outputs=5 if classes else n_steps * n_targets * N_PARAMETERS.get(loss, 1),
        distribution=loss if is_distribution else "none",
        probabilities=(0.1, 0.5, 0.8, 0.9) if loss == "quantile" else (),
        window=window | {"scale": "none" if classes else "mean"},
    )
    n = (1 if classes else n_steps) * n_samples
    b.batch_table[:, 2] = b.rng.permutation(n_samples) * (n // n_samples) * n_targets
    targets = np.round(b.draw(n, n_targets))
    targets = np.abs(targets) if counts else targets % 5 if classes else targets
    # A class is always known.
    if not classes:
        targets[b.rng.random(targets.shape) < missing] = np.nan
    b.targets = targets.astype(dtype).ravel()
    b.weights = (b.rng.integers(0, 3, n) / 2).astype(dtype) if weighted else np.empty(0, dtype)
    b.out = (b.draw(n_samples, b.n_outputs) / 3).astype(dtype)
    b.offsets = b.draw(n_samples, 3) * b.window.normalize
    b.scales = np.ones((n_samples, 3), dtype) if classes else np.exp(b.draw(n_samples, 3) / 5).astype(dtype)
    return b


def compute_on_cpu(b, loss):
    """Return the gradient of the outputs, and the sums of losses and weights."""
    b.net.readout.loss = LOSSES.index(loss)
    out = b.part(b.net.readout.out, b.n_samples, (b.n_outputs, b.net.readout.out_stride))
    out[:] = b.out
    b.part(b.net.window.offsets, b.n_samples, (3, 3))[:] = b.offsets
    b.part(b.net.window.scales, b.n_samples, (3, 3))[:] = b.scales
    is_point = b.architecture.readout.distribution == "none"
    stage = losses.loss_backward if is_point else losses.distribution_loss_backward
    sums = np.zeros((2, b.window.n_targets))
    on_cpu(stage)(b.net, b.batch_table, 0, b.targets, b.weights, b.work, sums)
    return out, sums


def compute_on_device(queue, b, loss):
    """Return the gradient of the outputs, and the sums of losses and weights, of batch 1 of three."""
    reader = WindowReader(queue, b.packed_layout, b.window, b.n_samples)
    queue.copy(reader.offsets, b.offsets.ravel())
    queue.copy(reader.scales, b.scales.ravel())
    out = queue.upload(b.out.ravel())
    sums = queue.upload(np.full(3 * 2 * b.window.n_targets, 7, b.dtype))
    batch_table, targets, weights = (queue.upload(a) for a in (b.batch_table.ravel(), b.targets, b.weights))
    counters = queue.upload(np.array([99, 1]))
    stage = Losses(queue, b.packed_layout, b.window, loss, b.n_samples)
    stage.backward(batch_table, out, reader, targets, weights, counters, sums)
    sums = queue.download(sums).reshape(3, 2, b.window.n_targets)
    assert (sums[[0, 2]] == 7).all()
    return queue.download(out).reshape(b.out.shape), sums[1]


def make_step_batch(loss):
    """Return a ragged batch with outputs (T, B, n_outputs), each of which forecasts two steps of targets."""
    classes = loss == "cross_entropy"
    n_targets, horizon = (1, 1) if classes else (2, 2)
    b = Batch(
        "float64",
        (4, 3, 1),
        n_outputs=5 if classes else horizon * n_targets * N_PARAMETERS.get(loss, 1),
        pooling="none",
        distribution=loss if loss in N_PARAMETERS else "none",
        probabilities=(0.1, 0.5, 0.8, 0.9) if loss == "quantile" else (),
        window={"n_channels": 3, "n_targets": n_targets},
    )
    n_rows = b.n_steps + horizon - 1
    n = b.n_samples * n_rows
    b.batch_table[:, TARGET] = b.rng.permutation(b.n_samples) * n_rows * n_targets
    targets = np.abs(np.round(b.draw(n, n_targets))) % 5
    targets[b.rng.random(targets.shape) < 0.2] = np.nan
    b.targets = targets.ravel()
    b.weights = b.rng.integers(0, 3, n) / 2
    b.out = b.draw(b.n_steps, b.n_samples, b.n_outputs) / 3
    b.offsets, b.scales = np.zeros((b.n_samples, 3)), np.ones((b.n_samples, 3))
    return b


def compute_steps_on_cpu(b, loss):
    """Return the gradient of the outputs, 0 past the end of a sample, and the sums of losses and weights."""
    b.net.readout.loss = LOSSES.index(loss)
    out = b.part(b.net.readout.out, b.n_samples, (b.n_outputs, b.net.readout.out_stride))
    is_point = b.architecture.readout.distribution == "none"
    stage = losses.loss_backward if is_point else losses.distribution_loss_backward
    gradient = np.zeros_like(b.out)
    sums = np.zeros((2, b.window.n_targets))
    for t in range(b.n_steps):
        running = b.batch_table[b.batch_table[:, LENGTH] > t]
        out[: len(running)] = b.out[t, : len(running)]
        on_cpu(stage)(b.net, running, t, b.targets, b.weights, b.work, sums)
        gradient[t, : len(running)] = out[: len(running)]
    return gradient, sums


# Few losses in float32, since each case compiles the stages of the CPU.
LOSS_TYPES = [*((loss, "float64") for loss in LOSSES), ("squared", "float32"), ("student_t", "float32")]


@pytest.mark.parametrize(("loss", "dtype"), LOSS_TYPES)
def test_losses_and_gradients_match_cpu(queue, loss, dtype):
    for case in CASES[: 3 if loss == "squared" else 2 if loss in POINT_LOSSES else 1]:
        b = make_batch(loss, dtype, *case)
        gradient, sums = compute_on_device(queue, b, loss)
        expected, expected_sums = compute_on_cpu(b, loss)
        assert_close(gradient, expected, scale=np.abs(expected).max())
        assert_close(sums, expected_sums.astype(dtype))


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_at_every_step_match_cpu(queue, loss):
    b = make_step_batch(loss)
    gradient, sums = compute_on_device(queue, b, loss)
    expected, expected_sums = compute_steps_on_cpu(b, loss)
    assert expected_sums[1].all()
    assert_close(gradient, expected, scale=np.abs(expected).max())
    assert_close(sums, expected_sums)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross_entropy"])
def test_missing_targets_and_zero_weights_count_nothing(queue, loss):
    for missing in (0, 1):
        b = make_batch(loss, "float32", missing=missing)
        b.weights[:] = missing
        gradient, sums = compute_on_device(queue, b, loss)
        assert not gradient.any()
        assert not sums.any()


def test_sums_of_many_blocks_are_reproducible(queue):
    b = make_batch("squared", "float32", n_samples=16, n_steps=9, n_targets=2)
    first, second = (compute_on_device(queue, b, "squared") for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[0], second[0])
    forecasts = b.out * b.scales[:, [0, 1] * 9] + b.offsets[:, [0, 1] * 9]
    starts = b.batch_table[:, 2]
    y = np.stack([b.targets[start : start + 18] for start in starts])
    weights = np.stack([b.weights[start // 2 : start // 2 + 9] for start in starts]).repeat(2, axis=1)
    losses = np.nansum(weights * (forecasts - y) ** 2, axis=0).reshape(9, 2).sum(axis=0)
    np.testing.assert_allclose(first[1][0], losses, rtol=1e-5)


def test_absolute_loss_has_gradient_0_at_0_and_nan_at_nan(queue):
    b = make_batch("absolute", "float32", n_samples=1, n_steps=3, n_targets=1, missing=0, weighted=False)
    b.offsets[:], b.scales[:] = 0, 1
    b.out[0], b.targets[:] = [2, np.nan, -np.inf], [2, 2, 2]
    gradient, sums = compute_on_device(queue, b, "absolute")
    np.testing.assert_array_equal(gradient, [[0, np.nan, -1]])
    assert np.isnan(sums[0, 0])
