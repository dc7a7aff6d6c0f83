"""The training loop against one in plain NumPy: windows, head, losses, optimisers, stopping, divergence."""

import contextlib
import pickle
import warnings
from dataclasses import replace

import naive
import numpy as np
import pytest
from goldens import GOLDEN
from layers import slopes
from sklearn.exceptions import ConvergenceWarning

from seqcast.cells import find_cell
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.optimizers import OPTIMIZERS, train_update
from seqcast.kernels.samples import sample_table
from seqcast.learning.losses import validation_losses
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleIndex, SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState, decay_mask
from seqcast.learning.training import fit_network

STEPS, HORIZON, CHANNELS = 4, 2, 2
LOSSES = {"squared": naive.squared, "absolute": naive.absolute, "huber": naive.huber}
plain = TrainingOptions(learning_rate_init=0.05, clip_norm=None, tol=0.0, n_iter_no_change=1000)
still = replace(plain, optimizer="sgd", learning_rate_init=0.0)  # to look at gradients
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True)])
losses = pytest.mark.parametrize("loss", LOSSES)


def make_network(
    dtype="float64",
    hidden=3,
    n_layers=1,
    bidirectional=False,
    n_inputs=CHANNELS,
    n_outputs=HORIZON * CHANNELS,
):
    network = Network(compose(find_cell("gru"), n_inputs, hidden, n_layers, bidirectional, n_outputs), dtype)
    network.initialize(np.random.RandomState(0))
    return network


def make_task(n_rows=5, dtype="float64", n_steps=STEPS, **window):
    """Values and targets of two channels, and the rows of all windows; the targets are data of their own."""
    rng = np.random.default_rng(1)
    n = n_rows + n_steps + HORIZON - 1
    values, targets = rng.normal(size=(n, CHANNELS)), 2 * rng.normal(size=(n, CHANNELS))
    starts = np.arange(n_rows)
    rows = sample_table(starts, np.full(n_rows, n_steps), (starts + n_steps) * CHANNELS)
    return SampleSource(
        values.astype(dtype), targets.astype(dtype), Window(n_steps, CHANNELS, CHANNELS, **window)
    ), rows


def cut(windows, rows):
    """Inputs (B, T, C), lengths and targets (B, outputs) of the rows."""
    n_steps, flat = windows.window.n_steps, windows.targets.ravel()
    x = np.zeros((len(rows), n_steps, windows.values.shape[1]))
    for row, (start, length, _, _) in zip(x, rows, strict=True):
        row[:length] = windows.values[start : start + length]
    return x, rows[:, 1], np.stack([flat[first : first + HORIZON * CHANNELS] for first in rows[:, 2]])


def predict_naive(network, x, lengths, flat=None, state=None):
    """Recurrent layers and head, with the parameters in `flat`; `state` as naive.recurrent gives it."""
    net = network.architecture
    weights = net.views(network.flat.astype(float) if flat is None else flat)
    _, final = naive.recurrent("gru", weights, x, state, lengths, net.stack.n_layers, net.stack.bidirectional)
    last = np.concatenate(list(final[-net.stack.n_directions :]), axis=-1)
    return naive.head(last, weights["head_weight"], weights["head_bias"])


def gradient(network, windows, rows, options=still, seed=0):
    """Mean loss of each target, and the gradient of the loss over one batch of all rows."""
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(seed), OptimizerState(network))
    before = network.flat.copy()
    found = trainer.run_epoch(rows)
    np.testing.assert_array_equal(network.flat, before)
    return found, trainer.gradient.copy()


def assert_slopes(found, total, flat):
    """`found` is the gradient of `total()` by `flat`, which `total` reads, along some random directions."""
    for directions, slope in slopes(total, {"flat": flat}, n_directions=3):
        scale = abs(found).sum()
        assert scale > 0
        assert found @ directions["flat"] == pytest.approx(slope, rel=1e-6, abs=1e-8 * scale)


def quietly(call):
    """A fit that ends at max_iter, without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call()


def fit(network, windows, rows, options=plain, validation=None, seed=0, **more):
    more = {"rng": np.random.RandomState(seed), "units": np.ones(CHANNELS)} | more
    return fit_network(network, windows, rows, validation, options, **more)


# -- updates


def make_optimizer(name, rate):
    return {"sgd": naive.SGD, "rmsprop": naive.RMSprop, "adam": naive.Adam}[name](rate)


@pytest.mark.nojit
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@losses
def test_updates_are_those_of_a_naive_loop(loss, optimizer):
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
def test_gradient_of_a_ragged_batch_is_naives(n_layers, bidirectional, loss):
    """Over several shares of the batch and more outputs than one vector holds."""
    network, (windows, rows) = make_network(n_layers=n_layers, bidirectional=bidirectional), make_task(37)
    rows[:, 1] = np.random.default_rng(2).integers(1, STEPS + 1, len(rows))
    x, lengths, y = cut(windows, rows)
    per_target, found = gradient(network, windows, rows, replace(still, loss=loss))
    flat = network.flat.copy()
    prediction = predict_naive(network, x, lengths)
    expected = [LOSSES[loss](y[:, k::CHANNELS], prediction[:, k::CHANNELS]) for k in range(CHANNELS)]
    np.testing.assert_allclose(per_target, expected, rtol=1e-12)
    assert_slopes(found, lambda: LOSSES[loss](y, predict_naive(network, x, lengths, flat)), flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_follow_pytorchs_path(optimizer, dtype):
    with np.load(GOLDEN / "optimizers.npz") as golden:
        rate = float(golden[f"{optimizer}/lr"])
        start, grads, expected = (
            golden[name].astype(dtype) for name in ("start", "grads", f"{optimizer}/params")
        )
    options = TrainingOptions(optimizer=optimizer, learning_rate_init=rate, clip_norm=None)
    path, _ = descend(options, start, grads)
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-14 if dtype == "float64" else 2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_is_pytorchs(dtype):
    with np.load(GOLDEN / "optimizers.npz") as golden:
        grads, expected, norm = (
            golden["grads"].astype(dtype),
            golden["clip/grads"],
            float(golden["clip/max_norm"]),
        )
    options = TrainingOptions(optimizer="sgd", learning_rate_init=0.0, clip_norm=norm)
    _, used = descend(options, np.zeros_like(grads[0]), grads)
    np.testing.assert_allclose(used, expected, rtol=2e-6, atol=0)  # PyTorch adds 1e-6 to the norm


def descend(options, start, grads):
    """Parameters after, and gradients used in, each update by given gradients of one target."""
    flat, n = start.copy(), start.size
    moments, used, decay = np.zeros((2, n), flat.dtype), np.empty(n, flat.dtype), np.zeros(n, flat.dtype)
    settings, sums, path = options.settings(flat.dtype), np.ones((1, 2, 1)), []
    for k, given in enumerate(grads, start=1):
        kind, back = OPTIMIZERS.index(options.optimizer), np.arange(n, dtype=np.int32)
        norm = train_update(kind, flat, given[None].copy(), back, sums, decay, moments, settings, k, used)
        assert norm == pytest.approx(np.linalg.norm(given.astype(float)), rel=1e-6)
        path.append((flat.copy(), used.copy()))
    return map(np.array, zip(*path, strict=True))


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


def test_training_goes_on_where_it_stopped():
    """With the optimiser's state and the random numbers kept, 2 + 3 epochs are 5, bit for bit."""
    whole, parts, (windows, rows) = make_network(), make_network(), make_task(10)
    options, rng, state = replace(plain, batch_size=4), np.random.RandomState(0), OptimizerState(parts)
    quietly(lambda: fit(whole, windows, rows, replace(options, max_iter=5)))
    for n in (2, 3):
        quietly(lambda n=n: fit(parts, windows, rows, replace(options, max_iter=n), rng=rng, state=state))
    assert state.n_updates == 15
    np.testing.assert_array_equal(parts.flat, whole.flat)


def test_a_pickled_network_is_whole_and_apart():
    network, (windows, rows) = make_network(), make_task()
    twin = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(twin.predict(windows, rows, 1), network.predict(windows, rows, 1))
    twin.weights["head_bias"][:] += 1
    np.testing.assert_allclose(
        twin.predict(windows, rows, 1), network.predict(windows, rows, 1) + 1, rtol=1e-12
    )


# -- what is not there


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
    """Window by window, by hand: from its inputs and targets; added to its forecast."""
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


# -- segments: a step of the network reads several rows of the values, one after the other

SEGMENT, LONG = 3, 4  # rows of a segment, segments of the longest row


def segment_task(n_rows=5, dtype="float64", holes=False, **window):
    """As `make_task`; rows may begin anywhere, and their lengths count segments."""
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
    """As `cut`, and the offsets of the outputs, by loops over rows and channels."""
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
    """Bit for bit what the values, reshaped by hand, give with a step a row."""
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
    """Wherever they begin; the last value is that of a channel, not of its place in the segment."""
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


def test_forecasts_of_segments_have_the_same_bits_in_any_batch_and_number_of_threads():
    windows, rows = segment_task(300, "float32", holes=True, masked=True, normalize=True)
    network = make_network("float32", hidden=9, n_inputs=windows.window.input_size)
    whole = network.predict(windows, rows, 2)
    for chosen in (np.arange(1), np.arange(300)[::-1], np.arange(7, 24), np.repeat(5, 3)):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])


# -- truncated backpropagation, dropout


@pytest.mark.nojit
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bptt_steps", [1, 3, 6])
def test_truncated_gradient_takes_the_state_before_the_last_chunk_as_given(bptt_steps, n_layers):
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
    """The last state is all ones and the head copies it: the loss of each target is its mask."""
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


# -- when to stop, and what to keep


class Recorder:
    """Keeps what each epoch left behind."""

    def __init__(self, network, interrupt_at=None):
        self.network, self.epochs, self.flats, self.interrupt_at = network, [], [], interrupt_at

    def __call__(self, epoch):
        self.epochs.append(epoch)
        self.flats.append(self.network.flat.copy())
        if epoch.number == self.interrupt_at:
            raise KeyboardInterrupt


def overshooting_task():
    """Targets are 1, those of the validation rows 0.4: the validation loss falls, then rises again."""
    windows, rows = make_task(20)
    windows.targets[:] = 1
    windows.targets[18:] = 0.4
    return windows, rows[:12], rows[16:]


def test_the_weights_of_the_best_epoch_are_restored():
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network)
    options = replace(plain, n_iter_no_change=7, max_iter=200)
    history = fit(network, windows, rows, options, validation=later, report=recorder)
    best = int(np.argmin(history.validation_loss))
    assert 1 < best < 50
    assert history.best_epoch == best + 1
    assert len(history.validation_loss) == len(history.loss) == best + 1 + 7
    assert not history.interrupted
    np.testing.assert_array_equal(network.flat, recorder.flats[best])
    assert validation_losses(network, windows, later, options).mean() == history.validation_loss[best]
    assert [epoch.loss for epoch in recorder.epochs] == history.loss
    assert [epoch.validation_loss for epoch in recorder.epochs] == history.validation_loss
    assert [epoch.number for epoch in recorder.epochs] == list(range(1, len(history.loss) + 1))


def test_gains_below_tol_end_a_fit_but_are_kept():
    network, (windows, rows, later) = make_network(), overshooting_task()
    options = replace(plain, n_iter_no_change=3, tol=1e9, max_iter=50)
    history = fit(network, windows, rows, options, validation=later)
    assert len(history.loss) == 4  # the first epoch is better than none by any tol
    assert history.best_epoch == 4
    assert validation_losses(network, windows, later, options).mean() == min(history.validation_loss)


def test_without_validation_the_training_loss_decides_and_the_last_weights_stay():
    network, (windows, rows) = make_network(), make_task()
    recorder = Recorder(network)
    history = fit(
        network, windows, rows, replace(plain, tol=0.05, n_iter_no_change=5, max_iter=500), report=recorder
    )
    assert 10 < len(history.loss) < 500
    assert history.validation_loss == []
    assert history.best_epoch == len(history.loss)
    assert recorder.epochs[-1].validation_loss is None
    np.testing.assert_array_equal(network.flat, recorder.flats[-1])


def test_a_fit_that_could_go_on_says_so():
    network, (windows, rows) = make_network(), make_task()
    with pytest.warns(ConvergenceWarning, match="Stopped at max_iter=3, before"):
        history = fit(network, windows, rows, replace(plain, max_iter=3))
    assert len(history.loss) == 3


@losses
def test_losses_are_told_in_the_targets_units(loss):
    network, (windows, rows) = make_network(), make_task()
    options = replace(still, loss=loss, max_iter=1)
    one = quietly(lambda: fit(network, windows, rows, options, validation=rows))
    per_target = gradient(network, windows, rows, options)[0]
    assert one.loss[0] == pytest.approx(per_target.mean(), rel=1e-12)
    assert one.validation_loss[0] == pytest.approx(one.loss[0], rel=1e-12)
    units = np.array([3.0, 10.0])
    scaled = quietly(lambda: fit(network, windows, rows, options, units=units))
    power = 1 if loss == "absolute" else 2
    assert scaled.loss[0] == pytest.approx((per_target * units**power).mean(), rel=1e-12)


@pytest.mark.parametrize("validated", [False, True])
def test_ctrl_c_keeps_the_best_weights(validated):
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network, interrupt_at=40)
    history = fit(network, windows, rows, validation=later if validated else None, report=recorder)
    watched = history.validation_loss if validated else history.loss
    assert history.interrupted
    assert len(history.loss) == 40
    assert history.best_epoch == np.argmin(watched) + 1
    np.testing.assert_array_equal(network.flat, recorder.flats[history.best_epoch - 1])


def test_ctrl_c_within_the_first_epoch_keeps_the_initial_weights():
    class Interrupting(np.random.RandomState):
        def permutation(self, *arguments):
            raise KeyboardInterrupt

    network, (windows, rows) = make_network(), make_task()
    before = network.flat.copy()
    history = fit(network, windows, rows, rng=Interrupting(0))
    assert (history.interrupted, history.best_epoch, history.loss) == (True, 0, [])
    np.testing.assert_array_equal(network.flat, before)


# -- the moving average of the weights

DECAY = 0.8


@pytest.fixture
def path(monkeypatch):
    """The weights after each update of the fits that follow."""
    flats, real = [], CpuTrainer.train_batch

    def train_batch(self, batch):
        sums = real(self, batch)
        flats.append(self.network.flat.copy())
        return sums

    monkeypatch.setattr(CpuTrainer, "train_batch", train_batch)
    return flats


def averaged(flats, decay=DECAY):
    """(1 - d) (w_n + d w_n-1 + d^2 w_n-2 + ...), freed of the missing start: over 1 - d^n."""
    shares = (1 - decay) * decay ** np.arange(len(flats))[::-1]
    return shares @ np.array(flats, float) / (1 - decay ** len(flats))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_leaves_the_average_of_its_weights(path, dtype):
    windows, rows = make_task(10, dtype)
    network, options = make_network(dtype), replace(plain, batch_size=4, max_iter=5, ema=DECAY)
    quietly(lambda: fit(network, windows, rows, options))
    assert len(path) == 15  # three batches an epoch
    tolerance = {"float32": 1e-6, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(network.flat, averaged(path), rtol=tolerance, atol=tolerance)
    assert abs(network.flat - path[-1]).max() > 1e-3
    with_average = [flat.copy() for flat in path]
    path.clear()
    quietly(lambda: fit(make_network(dtype), windows, rows, replace(options, ema=None)))
    np.testing.assert_array_equal(path, with_average)  # updates know nothing of it


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_the_average_of_one_update_is_the_weights(path, decay):
    network, (windows, rows) = make_network(), make_task()
    quietly(lambda: fit(network, windows, rows, replace(plain, max_iter=1, ema=decay)))
    np.testing.assert_allclose(network.flat, path[0], rtol=1e-15)


def test_a_decay_of_0_is_no_average(path):
    network, (windows, rows) = make_network(), make_task()
    quietly(lambda: fit(network, windows, rows, replace(plain, max_iter=6, ema=0.0)))
    np.testing.assert_array_equal(network.flat, path[-1])


def test_the_average_is_what_early_stopping_judges_and_keeps(path):
    network, (windows, rows, later) = make_network(), overshooting_task()
    options = replace(plain, n_iter_no_change=7, max_iter=200, ema=DECAY)
    history = fit(network, windows, rows, options, validation=later)
    judged, expected = make_network(), []
    for n in range(1, len(path) + 1):
        judged.flat[:] = averaged(path[:n])
        expected.append(validation_losses(judged, windows, later, options).mean())
    np.testing.assert_allclose(history.validation_loss, expected, rtol=1e-9)
    best = int(np.argmin(expected))
    assert 1 < best < len(path) - 1
    assert history.best_epoch == best + 1
    np.testing.assert_allclose(network.flat, averaged(path[: best + 1]), rtol=1e-12, atol=1e-13)
    without = fit(make_network(), windows, rows, replace(options, ema=None), validation=later)
    assert without.best_epoch < history.best_epoch  # the average comes later, and is not the same
    assert without.loss[: best + 1] == history.loss[: len(without.loss)][: best + 1]


@pytest.mark.parametrize("validated", [False, True])
def test_callbacks_are_given_the_average(path, validated):
    windows, rows, later = overshooting_task()
    kept = []

    def report(epoch):
        kept.append(epoch.kept()[0])

    options = replace(plain, max_iter=6, ema=DECAY)
    network = make_network()
    quietly(lambda: fit(network, windows, rows, options, later if validated else None, report=report))
    for n, flat in enumerate(kept, 1):
        np.testing.assert_allclose(flat, averaged(path[:n]), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(network.flat, kept[-1])


@pytest.mark.parametrize("validated", [False, True])
def test_ctrl_c_keeps_the_best_average(path, validated):
    network, (windows, rows, later) = make_network(), overshooting_task()
    options, recorder = replace(plain, ema=DECAY), Recorder(network, interrupt_at=40)
    history = fit(network, windows, rows, options, validation=later if validated else None, report=recorder)
    watched = history.validation_loss if validated else history.loss
    assert history.interrupted
    assert history.best_epoch == np.argmin(watched) + 1
    expected = averaged(path[: history.best_epoch])
    np.testing.assert_allclose(network.flat, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("validated", [False, True])
def test_divergence_after_a_good_epoch_keeps_the_average_of_that_epoch(path, validated):
    """The average of later ones holds the weights that diverged."""
    network, (windows, rows) = make_network(), make_task()

    def report(epoch):
        if epoch.number == 3:
            windows.targets[:] = 1e200

    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch 4; the weights of epoch"):
        history = fit(
            network, windows, rows, replace(plain, ema=DECAY), rows if validated else None, report=report
        )
    expected = averaged(path[: history.best_epoch])
    np.testing.assert_allclose(network.flat, expected, rtol=1e-12, atol=1e-13)


# -- divergence


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_leaves_weights_that_can_forecast(optimizer):
    """The loss of the first epoch is finite, but it is that of the weights before its only update."""
    network, (windows, rows) = make_network(), make_task()
    options = replace(plain, optimizer=optimizer, learning_rate_init=1e200)
    with warnings.catch_warnings(), contextlib.suppress(TrainingDivergedError):
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit(network, windows, rows, options)
    assert np.isfinite(network.flat).all()
    assert np.isfinite(validation_losses(network, windows, rows, options)).all()


def test_divergence_after_a_good_epoch_keeps_that_epoch():
    """Two calm epochs, then the targets of the third are out of reach."""
    network, (windows, rows) = make_network(), make_task()
    recorder = Recorder(network)

    def report(epoch):
        recorder(epoch)
        if epoch.number == 2:
            windows.targets[:] = 1e200

    with pytest.warns(
        ConvergenceWarning, match="Training diverged in epoch 3; the weights of epoch 2 are kept"
    ):
        history = fit(network, windows, rows, report=report)
    assert history.best_epoch == 2
    np.testing.assert_array_equal(network.flat, recorder.flats[1])


def test_divergence_with_validation_restores_the_best_epoch():
    network, (windows, rows, later) = make_network(), overshooting_task()
    recorder = Recorder(network)

    def report(epoch):
        recorder(epoch)
        if epoch.number == 20:
            windows.values[:] = np.nan_to_num(np.inf)
            windows.targets[18:] = -1e300

    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch 21; the weights of epoch"):
        history = fit(network, windows, rows, validation=later, report=report)
    assert history.best_epoch == np.argmin(history.validation_loss[:20]) + 1
    np.testing.assert_array_equal(network.flat, recorder.flats[history.best_epoch - 1])


@losses
def test_a_forecast_of_nan_is_a_loss_of_nan(loss):
    """It must not pass for a missing target, of which there is one too."""
    network, (windows, rows) = make_network(), make_task()
    windows.targets[5, 0] = np.nan
    network.weights["head_weight"][0] = np.nan  # output 0 is a step of target 0
    found = validation_losses(network, windows, rows, replace(plain, loss=loss))
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


@pytest.mark.parametrize("validated", [False, True])
def test_no_finite_epoch_is_an_error(validated):
    network, (windows, rows) = make_network(), make_task()
    windows.targets[:] = 1e200
    message = "Training diverged in epoch 1, before any epoch had a finite loss. Lower learning_rate_init or "
    with pytest.raises(TrainingDivergedError, match=message):
        fit(network, windows, rows, validation=rows if validated else None)
    assert isinstance(TrainingDivergedError(), ValueError)


# -- the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_seed_gives_the_same_bits_for_any_number_of_threads(dtype):
    windows, rows = make_task(300, dtype)
    options = replace(plain, max_iter=2, dropout=0.3, batch_size=140)
    found = {}
    for name, n_threads, seed in (("one", 1, 3), ("two", 2, 3), ("again", 2, 3), ("other seed", 1, 4)):
        network = make_network(dtype, hidden=9, n_layers=2)
        history = quietly(
            lambda n=network, t=n_threads, s=seed: fit(
                n, windows, rows, replace(options, n_threads=t), rows[:50], seed=s
            )
        )
        found[name] = np.concatenate([network.flat, history.loss, history.validation_loss])
    for name in ("two", "again"):
        np.testing.assert_array_equal(found[name], found["one"])
    assert not np.array_equal(found["other seed"], found["one"])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_forecast_has_the_same_bits_in_any_batch(bidirectional):
    windows, rows = make_task(
        4200, "float32", n_steps=35
    )  # longer than the 32 steps, and more than the 4096 rows, of one call
    rng = np.random.default_rng(0)
    rows[:, 1] = rng.integers(1, 36, len(rows))
    network = make_network("float32", hidden=9, n_layers=2, bidirectional=bidirectional)
    whole = network.predict(windows, rows, 2)
    for chosen in (
        np.arange(1),
        rng.permutation(4200)[:100],
        np.arange(4200)[::-1],
        np.arange(7, 24),
        np.repeat(5, 3),
    ):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])
    x, lengths, _ = cut(windows, rows[:40])
    np.testing.assert_allclose(whole[:40], predict_naive(network, x, lengths), rtol=0, atol=1e-5)


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


def test_rows_made_part_by_part_are_those_of_the_whole_table():
    starts = np.array([7, 0, 3])
    rows = SampleIndex(starts, 5, lambda starts, lengths: 2 * (starts + lengths))
    table = sample_table(starts, np.full(3, 5), 2 * (starts + 5))
    np.testing.assert_array_equal(rows[:], table)
    np.testing.assert_array_equal(rows[1:][:, :3], table[1:, :3])
    np.testing.assert_array_equal(rows[np.array([2, 0])][:, :3], table[[2, 0], :3])
    assert len(rows) == 3
