"""Batches of the trainer against a loop in plain NumPy: losses, gradients and updates."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from training_tasks import (
    CHANNELS,
    HORIZON,
    LOSSES,
    STEPS,
    assert_slopes,
    cut,
    fit,
    gradient,
    losses,
    make_network,
    make_task,
    plain,
    predict_naive,
    quietly,
    stacks,
    still,
)

from seqcast.kernels.batch_plan import Window
from seqcast.kernels.modes import OPTIMIZERS
from seqcast.kernels.samples import sample_table
from seqcast.learning.losses import validation_losses
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState, decay_mask


def make_optimizer(name, rate):
    return {"sgd": naive.SGD, "rmsprop": naive.RMSprop, "adam": naive.Adam}[name](rate)


@pytest.mark.nojit
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@losses
def test_updates_equal_those_of_a_naive_loop(loss, optimizer):
    network, (windows, rows) = make_network(), make_task()
    x, lengths, y = cut(windows, rows)
    flat, stepper = network.flat.copy(), make_optimizer(optimizer, 0.05)
    options = replace(plain, loss=loss, optimizer=optimizer, max_iter=4)
    history = quietly(lambda: fit(network, windows, rows, options))

    def total():
        return LOSSES[loss](y, predict_naive(network, x, lengths, flat))

    for epoch in range(4):
        assert history.loss[epoch] == pytest.approx(total(), rel=1e-7)
        flat[:] = stepper.step(flat, naive.central_differences(total, flat))
    np.testing.assert_allclose(
        network.flat, flat, rtol=0, atol=1e-6
    )  # where a gradient is small, its differences are rough
    np.testing.assert_allclose(
        network.predict(windows, rows, 1), predict_naive(network, x, lengths, flat), atol=1e-5
    )


@pytest.mark.nojit
@losses
@stacks
def test_gradient_of_a_ragged_batch_equals_the_naive_one(n_layers, bidirectional, loss):
    """The batch has several shards, and there are more outputs than numbers in a vector."""
    network, (windows, rows) = make_network(n_layers=n_layers, bidirectional=bidirectional), make_task(37)
    rows[:, 1] = np.random.default_rng(2).integers(1, STEPS + 1, len(rows))
    x, lengths, y = cut(windows, rows)
    per_target, found = gradient(network, windows, rows, replace(still, loss=loss))
    flat = network.flat.copy()
    prediction = predict_naive(network, x, lengths)
    expected = [LOSSES[loss](y[:, k::CHANNELS], prediction[:, k::CHANNELS]) for k in range(CHANNELS)]
    np.testing.assert_allclose(per_target, expected, rtol=1e-12)
    assert_slopes(found, lambda: LOSSES[loss](y, predict_naive(network, x, lengths, flat)), flat)


@pytest.mark.parametrize("share", [0.25, 4.0])
def test_clipping_shrinks_long_gradients_only(share):
    windows, rows = make_task()
    _, whole = gradient(make_network(), windows, rows)
    norm = np.linalg.norm(whole)
    _, clipped = gradient(make_network(), windows, rows, replace(still, clip_norm=share * norm))
    np.testing.assert_allclose(clipped, whole * min(1, share), rtol=1e-12)


def test_alpha_decays_weights_but_no_bias():
    network, (windows, rows) = make_network(n_layers=2, bidirectional=True), make_task()
    _, without = gradient(network, windows, rows)
    found_loss, found = gradient(network, windows, rows, replace(still, alpha=0.3))
    decayed = {
        name: 0.3 * weight if "weight" in name else 0 * weight for name, weight in network.weights.items()
    }
    assert len(decayed) == 18
    expected = np.concatenate([array.ravel() for array in decayed.values()])
    np.testing.assert_allclose(found - without, expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(found_loss, gradient(network, windows, rows)[0])  # the penalty is no loss
    assert decay_mask(network).sum() == sum(w.size for name, w in network.weights.items() if "weight" in name)


def test_each_epoch_sees_each_row_once(monkeypatch):
    network, (windows, rows) = make_network(), make_task(10)
    trainer = CpuTrainer(
        network, windows, replace(still, batch_size=4), np.random.RandomState(0), OptimizerState(network)
    )
    seen, real = [], trainer.train_batch
    monkeypatch.setattr(trainer, "train_batch", lambda batch: seen.append(batch.copy()) or real(batch))
    found = trainer.run_epoch(rows)
    assert [len(batch) for batch in seen] == [4, 4, 2]
    starts = np.concatenate([batch[:, 0] for batch in seen])
    assert starts.tolist() != sorted(starts)
    assert sorted(starts) == list(range(10))
    np.testing.assert_allclose(found, gradient(network, windows, rows)[0], rtol=1e-13)
    trainer.run_epoch(rows)
    assert [batch[:, 0].tolist() for batch in seen[3:]] != [batch[:, 0].tolist() for batch in seen[:3]]


@pytest.mark.nojit
@losses
def test_missing_targets_are_left_out(loss):
    network, (windows, rows) = make_network(), make_task()
    windows.targets[5:8, 0] = np.nan
    x, lengths, y = cut(windows, rows)
    assert np.isnan(y[:, 0]).any()
    assert not np.isnan(y[:, 1]).any()
    per_target, found = gradient(network, windows, rows, replace(still, loss=loss))
    flat, prediction = network.flat.copy(), predict_naive(network, x, lengths)
    expected = [LOSSES[loss](y[:, k::CHANNELS], prediction[:, k::CHANNELS]) for k in range(CHANNELS)]
    np.testing.assert_allclose(per_target, expected, rtol=1e-12)
    np.testing.assert_allclose(
        validation_losses(network, windows, rows, replace(still, loss=loss)), expected, rtol=1e-12
    )
    assert_slopes(found, lambda: LOSSES[loss](y, predict_naive(network, x, lengths, flat)), flat)


def test_nothing_is_learnt_from_a_batch_without_targets():
    network, (windows, rows) = make_network(), make_task()
    windows.targets[:] = np.nan
    per_target, found = gradient(network, windows, rows)
    np.testing.assert_array_equal(per_target, 0)
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(validation_losses(network, windows, rows, still), 0)


@pytest.mark.nojit
def test_missing_inputs_are_zeros_with_a_flag_when_masked():
    masked, rows = make_task(masked=True)
    masked.values[[2, 3, 5], [0, 1, 1]] = np.nan
    observed = ~np.isnan(masked.values)
    by_hand = SampleSource(
        np.hstack([np.where(observed, masked.values, 0), observed]),
        masked.targets,
        Window(STEPS, 4, CHANNELS),
    )
    network = make_network(n_inputs=4)
    assert masked.window.input_size == 4
    np.testing.assert_array_equal(network.predict(masked, rows, 1), network.predict(by_hand, rows, 1))
    for one, other in zip(gradient(network, masked, rows), gradient(network, by_hand, rows), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.nojit
@pytest.mark.parametrize("missing", [False, True])
def test_normalizing_subtracts_the_last_observed_value(missing):
    """Offsets are subtracted from inputs and targets by hand, and added to forecasts."""
    normalized, rows = make_task(normalize=True, masked=missing)
    if missing:
        normalized.values[[3, 4, 4, 5, 6], [0, 0, 1, 0, 0]] = (
            np.nan
        )  # one window has nothing but NaN in channel 0
    rows[:, 1] = [4, 2, 4, 3, 4]
    offsets = np.zeros((len(rows), CHANNELS))
    by_hand, hand_rows = [], sample_table(np.arange(5) * STEPS, rows[:, 1], np.arange(5) * HORIZON * CHANNELS)
    targets = cut(normalized, rows)[2].reshape(5, HORIZON, CHANNELS)
    for k, (start, length, _, _) in enumerate(rows):
        window = normalized.values[start : start + length]
        for channel in range(CHANNELS):
            observed = window[~np.isnan(window[:, channel]), channel]
            offsets[k, channel] = observed[-1] if observed.size else 0
        by_hand.append(np.pad(window - offsets[k], ((0, STEPS - length), (0, 0))))
    assert (offsets[:, 0] == 0).any() == missing
    targets = (targets - offsets[:, None]).reshape(-1, CHANNELS)
    plain_window = Window(STEPS, CHANNELS, CHANNELS, masked=missing)
    subtracted = SampleSource(np.concatenate(by_hand), targets, plain_window)
    network = make_network(n_inputs=normalized.window.input_size)
    expected = network.predict(subtracted, hand_rows, 1).reshape(5, HORIZON, CHANNELS) + offsets[:, None]
    np.testing.assert_allclose(
        network.predict(normalized, rows, 1), expected.reshape(5, -1), rtol=0, atol=1e-13
    )
    for one, other in zip(
        gradient(network, normalized, rows), gradient(network, subtracted, hand_rows), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)
    found = validation_losses(network, normalized, rows, still)
    np.testing.assert_allclose(found, gradient(network, normalized, rows)[0], rtol=1e-12)


# -- segments: a step of the network reads several rows of the values

# Rows of a segment, and segments of the longest sample.
SEGMENT, LONG = 3, 4


def segment_task(n_rows=5, dtype="float64", holes=False, **window):
    """Return a task like `make_task`, but samples may begin anywhere, and lengths count segments."""
    rng = np.random.default_rng(1)
    n = n_rows + SEGMENT * LONG + HORIZON - 1
    values, targets = rng.normal(size=(n, CHANNELS)), 2 * rng.normal(size=(n, CHANNELS))
    if holes:
        values[rng.random(values.shape) < 0.4] = np.nan
        values[12:, 0] = np.nan  # the last values of channel 0 lie in an earlier segment, or nowhere
    starts, lengths = np.arange(n_rows), 1 + np.arange(n_rows)[::-1] % LONG
    rows = sample_table(starts, lengths, (starts + lengths * SEGMENT) * CHANNELS)
    reading = Window(LONG, CHANNELS, CHANNELS, segment=SEGMENT, **window)
    return SampleSource(values.astype(dtype), targets.astype(dtype), reading), rows


def cut_segments(windows, rows):
    """Return inputs, lengths, targets and offsets of the outputs, in loops over samples and channels."""
    reading, flat = windows.window, windows.targets.ravel()
    x, offsets = np.zeros((len(rows), LONG, reading.input_size)), np.zeros((len(rows), CHANNELS))
    for k, (start, length, _, _) in enumerate(rows):
        window = windows.values[start : start + length * SEGMENT]
        for channel, seen in enumerate(~np.isnan(window).T):
            if reading.normalize and seen.any():
                offsets[k, channel] = window[seen, channel][-1]
        inputs = np.nan_to_num(window - offsets[k])
        if reading.masked:
            inputs = np.hstack([inputs, ~np.isnan(window)])
        x[k, :length] = inputs.reshape(length, -1)
    y = np.stack([flat[first : first + HORIZON * CHANNELS] for first in rows[:, 2]])
    return x, rows[:, 1], y, np.tile(offsets, HORIZON)


@pytest.mark.nojit
@pytest.mark.parametrize("masked", [False, True])
def test_segments_are_channels_side_by_side(masked):
    """Results have the same bits as with values that were reshaped by hand."""
    windows, rows = segment_task(7, holes=masked, masked=masked)
    rows[:, 0] = np.arange(7) // 2 * SEGMENT
    values, observed = windows.values[:18], ~np.isnan(windows.values[:18])
    wide = np.hstack([np.where(observed, values, 0), observed]) if masked else values
    wide = wide.reshape(len(values) // SEGMENT, -1)
    reshaped = SampleSource(wide, windows.targets, Window(LONG, wide.shape[1], CHANNELS))
    assert windows.window.input_size == wide.shape[1] == SEGMENT * CHANNELS * (1 + masked)
    hand_rows = rows.copy()
    hand_rows[:, 0] //= SEGMENT
    network = make_network(n_inputs=wide.shape[1])
    np.testing.assert_array_equal(network.predict(windows, rows, 1), network.predict(reshaped, hand_rows, 1))
    for one, other in zip(
        gradient(network, windows, rows), gradient(network, reshaped, hand_rows), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.nojit
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("holes", [False, True])
@stacks
def test_segments_follow_the_equations(n_layers, bidirectional, holes, normalize):
    """Segments begin anywhere, and the last value is that of a channel in any position."""
    windows, rows = segment_task(holes=holes, masked=holes, normalize=normalize)
    x, lengths, y, offsets = cut_segments(windows, rows)
    assert (offsets != 0).any() == normalize
    network = make_network(n_layers=n_layers, bidirectional=bidirectional, n_inputs=x.shape[2])
    prediction = predict_naive(network, x, lengths) + offsets
    np.testing.assert_allclose(network.predict(windows, rows, 1), prediction, rtol=0, atol=1e-13)
    per_target, found = gradient(network, windows, rows)
    expected = [naive.squared(y[:, k::CHANNELS], prediction[:, k::CHANNELS]) for k in range(CHANNELS)]
    np.testing.assert_allclose(per_target, expected, rtol=1e-12)
    np.testing.assert_allclose(validation_losses(network, windows, rows, still), expected, rtol=1e-12)
    flat = network.flat.copy()
    assert_slopes(found, lambda: naive.squared(y, predict_naive(network, x, lengths, flat) + offsets), flat)


@pytest.mark.parametrize("bptt_steps", [1, 3])
def test_truncation_counts_segments(bptt_steps):
    windows, rows = segment_task(normalize=True)
    rows[:, 1] = LONG
    rows[:, 2] = (rows[:, 0] + LONG * SEGMENT) * CHANNELS
    x, lengths, y, offsets = cut_segments(windows, rows)
    network, begin = make_network(n_inputs=x.shape[2]), LONG - bptt_steps
    _, found = gradient(network, windows, rows, replace(still, bptt_steps=bptt_steps))
    _, state = naive.recurrent("gru", network.weights, x[:, :begin])
    flat, rest = network.flat.copy(), lengths - begin

    def total():
        return naive.squared(y, predict_naive(network, x[:, begin:], rest, flat, state) + offsets)

    assert_slopes(found, total, flat)


def test_forecasts_of_segments_do_not_depend_on_batches():
    windows, rows = segment_task(300, "float32", holes=True, masked=True, normalize=True)
    network = make_network("float32", hidden=9, n_inputs=windows.window.input_size)
    whole = network.predict(windows, rows, 2)
    for chosen in (np.arange(1), np.arange(300)[::-1], np.arange(7, 24), np.repeat(5, 3)):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])


@pytest.mark.nojit
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bptt_steps", [1, 3, 6])
def test_truncated_gradients_end_before_the_last_chunk(bptt_steps, n_layers):
    network, (windows, rows) = make_network(n_layers=n_layers), make_task(n_steps=7)
    rows[:, 1] = [7, 6, 7, 4, 2]
    x, lengths, y = cut(windows, rows)
    whole_loss, _ = gradient(network, windows, rows)
    found_loss, found = gradient(network, windows, rows, replace(still, bptt_steps=bptt_steps))
    np.testing.assert_allclose(found_loss, whole_loss, rtol=1e-14)  # the forward pass is the whole window's
    begin, weights = 7 - bptt_steps, network.weights
    _, state = naive.recurrent("gru", weights, x[:, :begin], None, np.minimum(lengths, begin), n_layers)
    flat, rest = network.flat.copy(), np.maximum(lengths - begin, 0)
    assert_slopes(
        found, lambda: naive.squared(y, predict_naive(network, x[:, begin:], rest, flat, state)), flat
    )


@pytest.mark.parametrize("bptt_steps", [4, 5, 100])
def test_windows_that_fit_one_chunk_are_not_truncated(bptt_steps):
    network, (windows, rows) = make_network(), make_task()
    for one, other in zip(
        gradient(network, windows, rows, replace(still, bptt_steps=bptt_steps)),
        gradient(network, windows, rows),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.nojit
@stacks
def test_gradient_passes_through_the_dropout_masks(n_layers, bidirectional):
    network, (windows, rows) = make_network(n_layers=n_layers, bidirectional=bidirectional), make_task()
    options = replace(still, dropout=0.4)
    dropped, found = gradient(network, windows, rows, options, seed=5)
    kept, _ = gradient(network, windows, rows)
    other, _ = gradient(network, windows, rows, options, seed=6)
    assert len({losses.sum() for losses in (dropped, kept, other)}) == 3
    assert_slopes(found, lambda: masked_loss(network, windows, rows, options), network.flat)


def masked_loss(network, windows, rows, options):
    losses, _ = gradient(network, windows, rows, options, seed=5)
    return losses.mean()


def test_dropout_acts_on_the_last_state_of_a_single_layer():
    """The last state is 1 and the readout copies it, so the loss of each target is its mask."""
    units, rate = 16, 0.25
    network = make_network(hidden=units, n_outputs=units)
    network.flat[:] = 0
    gates = network.weights["bias_ih_l0"].reshape(3, units)
    gates[1], gates[2] = -50, 50  # z = 0, n = 1
    network.weights["head_weight"][...] = np.eye(units)
    n = 400
    windows = SampleSource(np.zeros((n, CHANNELS)), np.zeros((n, units)), Window(1, CHANNELS, units))
    rows = sample_table(np.arange(n), np.ones(n), np.arange(n) * units)
    options = replace(still, dropout=rate, batch_size=1, loss="absolute")
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    masks, grads = [], []
    for row in rows:
        batch = row[None].copy()
        batch[:, 3] = 0
        masks.append(trainer.train_batch(batch)[0])
        grads.append(np.diag(network.architecture.views(trainer.gradient)["head_weight"]).copy())
    masks = np.array(masks)
    np.testing.assert_allclose(np.unique(masks), [0, 1 / (1 - rate)], rtol=1e-12)
    deviation = np.sqrt(rate * (1 - rate) / masks.size)
    assert (masks == 0).mean() == pytest.approx(rate, abs=5 * deviation)
    assert abs((masks == 0).mean(axis=0) - rate).max() < 5 * deviation * np.sqrt(units)
    np.testing.assert_allclose(
        np.array(grads), masks / units, rtol=1e-12
    )  # d |out| / d w = mask, over 16 targets
    np.testing.assert_allclose(network.predict(windows, rows, 1), 1, rtol=1e-12)  # no dropout in a forecast


def test_a_sample_of_the_rows_is_drawn_anew_for_each_epoch():
    network, (windows, rows) = make_network(), make_task(40)
    options = replace(plain, batch_size=4, max_samples=10)
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
    seen = []
    trainer.train_batch = lambda batch: seen.append(batch) or np.ones((2, CHANNELS))
    for _ in range(2):
        trainer.run_epoch(rows)
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = (set(np.concatenate(batches)[:, 0]) for batches in (seen[:3], seen[3:]))
    assert len(first) == len(second) == 10
    assert first != second
