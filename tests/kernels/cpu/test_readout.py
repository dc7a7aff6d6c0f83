"""Readouts of the last, mean or largest state and of every step, compared with NumPy and differences."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import naive
import numpy as np
import pytest
from layers import slopes
from naive import CELLS

from seqcast import Recurrent
from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import BLOCK_SAMPLES, MAX_SHARDS, SHARD_SAMPLES, Window
from seqcast.kernels.modes import POOLINGS
from seqcast.kernels.samples import sample_table
from seqcast.learning import network as network_module
from seqcast.learning.losses import validation_losses
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState

STEPS, CHANNELS, TARGETS, UNITS = 4, 2, 3, 3
still = TrainingOptions(optimizer="sgd", learning_rate_init=0.0, clip_norm=None, batch_size=10**6)
poolings = pytest.mark.parametrize("pooling", POOLINGS)
STACKS = [(1, False), (1, True), (2, False), (2, True)]
stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), STACKS)


def make_network(cell="gru", pooling="mean", n_layers=1, bidirectional=False, dtype="float64", **more):
    sizes = {"input_size": CHANNELS, "hidden_size": UNITS, "n_outputs": TARGETS} | more
    network = Network(
        compose(find_cell(cell), n_layers=n_layers, bidirectional=bidirectional, pooling=pooling, **sizes),
        dtype,
    )
    network.initialize(np.random.RandomState(0))
    return network


def make_task(n_rows=37, n_steps=STEPS, dtype="float64", seed=1):
    """Return samples of all lengths and their targets."""
    rng = np.random.default_rng(seed)
    values, targets = rng.normal(size=(n_rows * n_steps, CHANNELS)), rng.normal(size=(n_rows, TARGETS))
    lengths = rng.permutation(1 + np.arange(n_rows) % n_steps)
    rows = sample_table(np.arange(n_rows) * n_steps, lengths, np.arange(n_rows) * TARGETS)
    return SampleSource(values.astype(dtype), targets.astype(dtype), Window(n_steps, CHANNELS, TARGETS)), rows


def inputs_of(windows):
    return windows.values.reshape(-1, windows.window.n_steps, CHANNELS)


def run_naive(network, x, lengths, flat=None, state=None):
    """Return the states after each step and the last ones by the equations, for the parameters `flat`."""
    net = network.architecture
    weights = net.views(network.flat.astype(float) if flat is None else flat)
    stack = net.stack
    ways = {"n_layers": stack.n_layers, "bidirectional": stack.bidirectional} | CELLS[stack.cell.name]
    return naive.recurrent(weights=weights, x=x, state=state, lengths=lengths, **ways)


def apply_head(network, read, flat=None):
    weights = network.architecture.views(network.flat.astype(float) if flat is None else flat)
    return naive.head(read, weights["head_weight"], weights["head_bias"])


def reader(network, x, lengths, begin=0):
    """What the head reads, by the equations, as a function of the parameters; the states before step `begin`
    are taken as given."""
    net = network.architecture
    early, state = run_naive(network, x[:, :begin], np.minimum(lengths, begin))

    def read(flat):
        late, _ = run_naive(network, x[:, begin:], np.maximum(lengths - begin, 0), flat, state)
        states = np.concatenate([early, late], axis=1)
        return naive.pooled(states, lengths, net.readout.pooling, net.stack.bidirectional)

    return read


def predict_naive(network, x, lengths):
    return apply_head(network, reader(network, x, lengths)(network.flat.astype(float)))


def gradient(network, windows, rows, options=still, seed=0):
    """Return the mean loss of each target and the gradient of their mean for one batch of all samples."""
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(seed), OptimizerState(network))
    return trainer.run_epoch(rows), trainer.gradient.copy()


def assert_slopes(found, total, flat):
    """Check the gradient of `total()` with respect to `flat` along two random directions."""
    for directions, slope in slopes(total, {"flat": flat}):
        scale = abs(found).sum()
        assert scale > 0
        assert found @ directions["flat"] == pytest.approx(slope, rel=1e-6, abs=1e-8 * scale)


def losses_of(windows, prediction):
    return [naive.squared(windows.targets[:, k], prediction[:, k]) for k in range(TARGETS)]


def assert_naives(network, windows, rows):
    """Check forecasts, losses and gradient of all samples."""
    read, flat = reader(network, inputs_of(windows), rows[:, 1]), network.flat.copy()
    prediction = apply_head(network, read(flat))
    np.testing.assert_allclose(network.predict(windows, rows, 1), prediction, rtol=1e-10, atol=1e-12)
    losses, found = gradient(network, windows, rows)
    np.testing.assert_allclose(losses, losses_of(windows, prediction), rtol=1e-10)
    assert_slopes(found, lambda: naive.squared(windows.targets, apply_head(network, read(flat), flat)), flat)


@poolings
@stacks
@pytest.mark.parametrize("cell", CELLS)
def test_ragged_batches_have_naive_forecasts_and_gradients(cell, n_layers, bidirectional, pooling):
    assert_naives(make_network(cell, pooling, n_layers, bidirectional), *make_task())


@pytest.mark.nojit
@poolings
def test_uncompiled_pooling_equals_naive_pooling(pooling):
    assert_naives(make_network("lstm", pooling, 2, True, hidden_size=2), *make_task(5))


@poolings
@pytest.mark.parametrize("n_rows", [MAX_SHARDS * SHARD_SAMPLES + 50, MAX_SHARDS * BLOCK_SAMPLES + 20])
def test_blocks_and_shards_of_many_rows_equal_naive_ones(n_rows, pooling):
    """A block takes up to 64 rows; a share of 65 takes two, and the second must not go on with the first's
    sums and maxima."""
    assert_naives(make_network("gru", pooling, hidden_size=2), *make_task(n_rows, n_steps=3))


@poolings
@pytest.mark.parametrize("units", [1, 8, 9, 17])
def test_any_number_of_units_is_pooled(units, pooling):
    assert_naives(make_network("gru", pooling, bidirectional=True, hidden_size=units), *make_task(7))


@poolings
def test_float32_forecasts_differ_by_rounding_only(pooling):
    windows, rows = make_task(n_steps=70, dtype="float32")
    network = make_network("lstm", pooling, 2, dtype="float32", hidden_size=9)
    expected = predict_naive(network, inputs_of(windows).astype(float), rows[:, 1])
    np.testing.assert_allclose(network.predict(windows, rows, 1), expected, rtol=0, atol=2e-6)


# -- chunks of time


@poolings
def test_long_rows_are_pooled_across_chunks(pooling):
    """Forecasts take 16 steps at a time; most samples end within a chunk, some at its end."""
    windows, rows = make_task(40, n_steps=75)
    rows[:4, 1] = [27, 59, 28, 75]
    assert_naives(make_network("gru", pooling), windows, rows)


@pytest.mark.nojit
@poolings
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bptt_steps", [1, 3, 6])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_truncated_gradients_end_before_the_last_chunk(cell, bptt_steps, n_layers, pooling):
    network, (windows, rows) = make_network(cell, pooling, n_layers), make_task(6, n_steps=7)
    rows[:, 1] = [7, 6, 7, 4, 2, 5]
    whole, _ = gradient(network, windows, rows)
    losses, found = gradient(network, windows, rows, replace(still, bptt_steps=bptt_steps))
    np.testing.assert_allclose(losses, whole, rtol=1e-13)  # the value does not depend on the chunks
    read, flat = reader(network, inputs_of(windows), rows[:, 1], 7 - bptt_steps), network.flat.copy()
    assert_slopes(found, lambda: naive.squared(windows.targets, apply_head(network, read(flat), flat)), flat)


# -- maxima


@pytest.mark.nojit
def test_the_first_of_equal_states_gets_the_gradient_of_max():
    """rnn_relu without weights repeats its bias: every step has the same state, but the gradient is one
    step's."""
    network = make_network("rnn_relu", "max", hidden_size=1, n_outputs=1)
    network.flat[:] = 0
    for name in ("bias_ih_l0", "weight_ih_l0", "head_weight"):
        network.weights[name][...] = 1
    values = np.tile([[2.0, 3.0]], (5, 1))  # the state is 1 + 2 + 3 after each step
    windows = SampleSource(values, np.zeros((1, 1)), Window(5, CHANNELS, 1))
    losses, found = gradient(network, windows, sample_table(np.array([0]), np.array([4]), np.array([0])))
    assert losses.tolist() == [36]
    views = network.architecture.views(found)
    assert views["head_weight"].tolist() == [[72]]
    assert views["weight_ih_l0"].tolist() == [[24, 36]]
    assert views["bias_ih_l0"].tolist() == [12]
    assert views["weight_hh_l0"].tolist() == [[0]]  # before the first step there is no state


def test_the_largest_of_negative_states_is_negative():
    """Padding and zeros after the end of a sample would be larger."""
    network, (windows, rows) = make_network("rnn", "max", bidirectional=True), make_task()
    network.weights["bias_ih_l0"][:] = -5
    network.weights["bias_ih_l0_reverse"][:] = -5
    output, _ = run_naive(network, inputs_of(windows), rows[:, 1])
    read = naive.pooled(output, rows[:, 1], "max")
    assert read.max() < -0.5
    np.testing.assert_allclose(network.predict(windows, rows, 1), apply_head(network, read), rtol=1e-12)


# -- dropout


def masks_of(network, n_rows, options, seed):
    """What dropout multiplies into what the head reads of each row of a batch, (n_rows, D*H).

    The states of this network are all 1, its head copies what it reads, and its losses are their absolute
    values: the mask.
    """
    net = network.architecture
    width = net.stack.output_size
    probe = make_network("gru", net.readout.pooling, 1, net.stack.bidirectional, n_outputs=width)
    probe.flat[:] = 0
    for name in ("bias_ih_l0", "bias_ih_l0_reverse")[: net.stack.n_directions]:
        gates = probe.weights[name].reshape(3, UNITS)
        gates[1], gates[2] = -50, 50  # z = 0, n = 1
    probe.weights["head_weight"][...] = np.eye(width)
    windows = SampleSource(np.zeros((STEPS, CHANNELS)), np.zeros((1, width)), Window(STEPS, CHANNELS, width))
    options, masks = replace(options, loss="absolute"), []
    for number in range(n_rows):
        trainer = CpuTrainer(probe, windows, options, np.random.RandomState(seed), OptimizerState(probe))
        row = sample_table(np.array([0]), np.array([STEPS]), np.array([0]))
        row[:, 3] = number
        masks.append(trainer.train_batch(row)[0])
    return np.array(masks)


@pytest.mark.nojit
@poolings
@pytest.mark.parametrize(("bidirectional", "bptt_steps"), [(False, None), (True, None), (False, 2)])
def test_dropout_acts_once_on_pooled_states(bidirectional, bptt_steps, pooling):
    network, (windows, rows) = make_network("lstm", pooling, bidirectional=bidirectional), make_task(20)
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    rows[:, 3] = np.arange(20)
    options, seed = replace(still, dropout=0.4, bptt_steps=bptt_steps), 5
    masks = masks_of(network, 20, options, seed)
    np.testing.assert_allclose(np.unique(masks), [0, 1 / 0.6], rtol=1e-12)
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(seed), OptimizerState(network))
    losses, weights = trainer.train_batch(rows)
    targets, flat = windows.targets[rows[:, 2] // TARGETS], network.flat.copy()
    begin = STEPS - (bptt_steps or STEPS)
    read = reader(network, inputs_of(windows)[rows[:, 0] // STEPS], rows[:, 1], begin)

    def prediction():
        return apply_head(network, masks * read(flat), flat)

    expected = [naive.squared(targets[:, k], prediction()[:, k]) for k in range(TARGETS)]
    np.testing.assert_allclose(losses / weights, expected, rtol=1e-10)
    assert_slopes(trainer.gradient, lambda: naive.squared(targets, prediction()), flat)


@poolings
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradient_passes_through_the_masks_between_layers(bidirectional, pooling):
    network, (windows, rows) = make_network("gru", pooling, 2, bidirectional), make_task(20)
    options = replace(still, dropout=0.4)
    losses, found = gradient(network, windows, rows, options, seed=5)
    assert not np.allclose(losses, gradient(network, windows, rows)[0])
    total = partial(gradient, network, windows, rows, options, seed=5)
    assert_slopes(found, lambda: total()[0].mean(), network.flat)


@poolings
def test_masks_do_not_depend_on_chunks(pooling):
    network, (windows, rows) = make_network("gru", pooling, 2), make_task(20)
    options = replace(still, dropout=0.4)
    whole, _ = gradient(network, windows, rows, options, seed=5)
    cut, _ = gradient(network, windows, rows, replace(options, bptt_steps=2), seed=5)
    np.testing.assert_allclose(cut, whole, rtol=1e-13)


# -- the same bits


@poolings
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_forecast_has_the_same_bits_in_any_batch(bidirectional, pooling):
    windows, rows = make_task(300, n_steps=35, dtype="float32")
    network = make_network("gru", pooling, 2, bidirectional, "float32", hidden_size=9)
    whole, rng = network.predict(windows, rows, 2), np.random.default_rng(0)
    for chosen in (np.array([7]), rng.permutation(300), np.arange(300)[::-1], np.arange(7, 24), [5, 5, 5]):
        np.testing.assert_array_equal(network.predict(windows, rows[chosen], 1), whole[chosen])


@poolings
def test_training_has_the_same_bits_for_any_number_of_threads(pooling):
    windows, rows = make_task(300, dtype="float32")
    found = []
    for n_threads in (1, 2):
        network = make_network("gru", pooling, 2, dtype="float32", hidden_size=9)
        options = replace(still, dropout=0.3, batch_size=140, n_threads=n_threads, learning_rate_init=0.1)
        gradient(network, windows, rows, options)
        found.append(network.flat.copy())
    np.testing.assert_array_equal(*found)


# -- all states


@stacks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_outputs_are_those_of_the_recurrent_layers(cell, dtype, n_layers, bidirectional):
    """Results have the same bits in one or many calls, and are zero after the end of a sample."""
    windows, rows = make_task(50, n_steps=35, dtype=dtype)
    network = make_network(cell, "max", n_layers, bidirectional, dtype)
    ways = {"n_layers": n_layers, "bidirectional": bidirectional, "dtype": dtype}
    layer = Recurrent(cell, CHANNELS, UNITS, **ways)
    layer.weights.update(
        {name: weight for name, weight in network.weights.items() if not name.startswith("head")}
    )
    expected, _ = layer.forward(inputs_of(windows), lengths=rows[:, 1])
    found = network.outputs(windows, rows, 1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(network.outputs(windows, rows[::-3], 2), expected[::-3])


def test_outputs_of_many_rows_come_in_many_calls(monkeypatch):
    windows, rows = make_task(700)
    network = make_network("gru")
    whole = network.outputs(windows, rows, 1)
    monkeypatch.setattr(network_module, "PREDICT_WORK", 1)
    np.testing.assert_array_equal(network.outputs(windows, rows, 1), whole)
    np.testing.assert_allclose(whole, run_naive(network, inputs_of(windows), rows[:, 1])[0], rtol=1e-10)


# -- a readout at every step


def make_every_step(cell="gru", n_layers=1, bidirectional=False, dtype="float64", **more):
    return make_network(cell, "none", n_layers, bidirectional, dtype, **more)


def make_step_task(n_samples=11, n_steps=STEPS, dtype="float64", segment=1, seed=3):
    """Return samples of all lengths, targets, some of them missing, and weights of every step."""
    rng, n_values = np.random.default_rng(seed), n_samples * n_steps * segment
    values, targets = rng.normal(size=(n_values, CHANNELS)), rng.normal(size=(n_values, TARGETS))
    targets[rng.random(targets.shape) < 0.2] = np.nan
    weights = rng.uniform(0.5, 2, n_values)
    lengths = rng.permutation(1 + np.arange(n_samples) % n_steps)
    starts = np.arange(n_samples) * n_steps * segment
    samples = sample_table(starts, lengths, starts * TARGETS)
    window = Window(n_steps, CHANNELS, TARGETS, segment=segment)
    return SampleSource(values.astype(dtype), targets.astype(dtype), window, weights), samples


def step_outputs(network, source, samples, flat=None):
    """Return outputs at every step by the equations, shape (n_samples, n_steps, TARGETS)."""
    window = source.window
    x = source.values.reshape(len(samples), window.n_steps, -1)
    states, _ = run_naive(network, x, samples[:, 1], flat)
    return apply_head(network, states, flat)


def step_losses(source, samples, outputs):
    """Return the mean loss of each target over all steps of the samples, and their mean."""
    window = source.window
    shape = len(samples), window.n_steps
    stride = window.segment
    targets = source.targets[::stride].reshape(*shape, TARGETS)
    weights = source.weights[::stride].reshape(shape)
    running = np.arange(window.n_steps) < samples[:, 1, None]
    measured = [
        naive.squared(targets[running][:, k], outputs[running][:, k], weights[running])
        for k in range(TARGETS)
    ]
    return measured, naive.squared(targets[running], outputs[running], weights[running][:, None])


def assert_step_losses(network, source, samples):
    outputs, flat = step_outputs(network, source, samples), network.flat.copy()
    running = np.arange(source.window.n_steps) < samples[:, 1, None]
    found = network.predict(source, samples, 1)
    assert found.shape == outputs.shape
    np.testing.assert_allclose(found[running], outputs[running], rtol=1e-10, atol=1e-12)
    assert (found[~running] == 0).all()
    expected, _ = step_losses(source, samples, outputs)
    losses, slope = gradient(network, source, samples)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    np.testing.assert_allclose(validation_losses(network, source, samples, still), expected, rtol=1e-10)
    assert_slopes(
        slope, lambda: step_losses(source, samples, step_outputs(network, source, samples, flat))[1], flat
    )


@stacks
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_readout_at_every_step_follows_the_equations(cell, n_layers, bidirectional):
    assert_step_losses(make_every_step(cell, n_layers, bidirectional), *make_step_task(37))


@pytest.mark.nojit
def test_uncompiled_readout_at_every_step_follows_the_equations():
    assert_step_losses(make_every_step("lstm", 2, True, hidden_size=2), *make_step_task(5))


@pytest.mark.nojit
def test_steps_of_several_values_have_targets_as_far_apart():
    source, samples = make_step_task(5, segment=2)
    assert source.window.target_stride == 2 * TARGETS
    assert_step_losses(make_every_step(input_size=2 * CHANNELS), source, samples)


@pytest.mark.parametrize("n_samples", [MAX_SHARDS * SHARD_SAMPLES + 50, MAX_SHARDS * BLOCK_SAMPLES + 20])
def test_blocks_and_shards_of_a_readout_at_every_step(n_samples):
    assert_step_losses(make_every_step(hidden_size=2), *make_step_task(n_samples, n_steps=3))


def test_a_readout_at_every_step_reads_every_prefix():
    """A readout at every step gives the forecasts of a readout of the last state for each beginning."""
    source, samples = make_step_task(6)
    every, last = make_every_step("lstm", 2), make_network("lstm", "last", 2)
    last.flat[:] = every.flat
    found = every.predict(source, samples, 1)
    for length in range(1, STEPS + 1):
        rows = np.flatnonzero(samples[:, 1] >= length)
        beginnings = samples[rows]
        beginnings[:, 1] = length
        np.testing.assert_array_equal(found[rows, length - 1], last.predict(source, beginnings, 1))


@pytest.mark.nojit
@pytest.mark.parametrize("bptt_steps", [1, 3, 4])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_truncated_gradients_of_chunks_end_at_their_beginning(bptt_steps, n_layers):
    """All chunks have a gradient; the states before each are constants."""
    network, (source, samples) = make_every_step("lstm", n_layers), make_step_task(6, n_steps=7)
    samples[:, 1] = [7, 6, 7, 4, 2, 5]
    whole, _ = gradient(network, source, samples)
    losses, found = gradient(network, source, samples, replace(still, bptt_steps=bptt_steps))
    np.testing.assert_allclose(losses, whole, rtol=1e-13)
    x, lengths, flat = inputs_of(source), samples[:, 1], network.flat.copy()
    begins = range(7 % bptt_steps, 7, bptt_steps)
    ends = [0, *begins, 7] if 7 % bptt_steps else [*begins, 7]
    chunks = []
    for begin, end in pairwise(ends):
        _, state = run_naive(network, x[:, :begin], np.minimum(lengths, begin))
        chunks.append((begin, end, state))

    def total():
        outputs = []
        for begin, end, state in chunks:
            inside = np.clip(lengths - begin, 0, end - begin)
            states, _ = run_naive(network, x[:, begin:end], inside, flat, state)
            outputs.append(apply_head(network, states, flat))
        return step_losses(source, samples, np.concatenate(outputs, axis=1))[1]

    assert_slopes(found, total, flat)


def test_dropout_masks_differ_from_step_to_step():
    network, (source, samples) = make_every_step("gru", 2), make_step_task(20)
    source = replace(source, targets=np.nan_to_num(source.targets), weights=None)
    options = replace(still, dropout=0.4)
    losses, found = gradient(network, source, samples, options, seed=5)
    assert not np.allclose(losses, gradient(network, source, samples)[0])
    total = partial(gradient, network, source, samples, options, seed=5)
    assert_slopes(found, lambda: total()[0].mean(), network.flat)


def test_a_distribution_is_read_at_every_step():
    """The distribution is Gaussian, with a mean and a deviation of each target at every step."""
    source, samples = make_step_task(6)
    network = make_every_step(n_outputs=2 * TARGETS, distribution="gaussian")
    options = replace(still, loss="gaussian")
    found = network.predict(source, samples, 1).reshape(6, STEPS, 2, TARGETS)
    running = np.arange(STEPS) < samples[:, 1, None]
    targets, weights = (
        source.targets.reshape(6, STEPS, TARGETS)[running],
        source.weights.reshape(6, STEPS)[running],
    )
    mean, deviation = found[running][:, 0], found[running][:, 1]
    measured = 0.5 * np.log(2 * np.pi) + np.log(deviation) + 0.5 * ((targets - mean) / deviation) ** 2
    seen = ~np.isnan(targets) * weights[:, None]
    expected = np.nansum(measured * weights[:, None], axis=0) / seen.sum(axis=0)
    np.testing.assert_allclose(gradient(network, source, samples, options)[0], expected, rtol=1e-9)
    np.testing.assert_allclose(validation_losses(network, source, samples, options), expected, rtol=1e-9)


@pytest.mark.nojit
def test_labels_of_every_step_may_be_missing():
    """The loss is the cross-entropy; steps whose label is NaN do not count."""
    source, samples = make_step_task(5)
    labels = np.random.default_rng(0).integers(0, 3, (len(source.values), 1)).astype(float)
    labels[::4] = np.nan
    source = replace(source, targets=labels, window=Window(STEPS, CHANNELS, 1))
    samples[:, 2] = samples[:, 0]
    network, options = make_every_step(n_outputs=3), replace(still, loss="cross_entropy")
    outputs = step_outputs(network, source, samples)
    counted = (np.arange(STEPS) < samples[:, 1, None]) & ~np.isnan(labels.reshape(5, STEPS))
    weights = source.weights.reshape(5, STEPS)[counted]
    expected = naive.cross_entropy(labels.reshape(5, STEPS)[counted].astype(int), outputs[counted], weights)
    np.testing.assert_allclose(gradient(network, source, samples, options)[0], [expected], rtol=1e-10)
    np.testing.assert_allclose(validation_losses(network, source, samples, options), [expected], rtol=1e-10)


def test_training_at_every_step_does_not_depend_on_threads():
    source, samples = make_step_task(300, dtype="float32")
    found = []
    for n_threads in (1, 2):
        network = make_every_step("gru", 2, dtype="float32", hidden_size=9)
        options = replace(still, dropout=0.3, batch_size=140, n_threads=n_threads, learning_rate_init=0.1)
        gradient(network, source, samples, options)
        found.append(network.flat.copy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("reading", [{"normalize": True}, {"scale": "deviation"}])
def test_windows_are_not_normalized_for_a_readout_at_every_step(reading):
    source, samples = make_step_task(3)
    source = replace(source, window=replace(source.window, **reading))
    with pytest.raises(ValueError, match="must not be normalized or scaled for a readout at every step"):
        gradient(make_every_step(), source, samples)
