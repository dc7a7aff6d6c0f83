"""Losses, weights of steps and gradients, compared with plain NumPy."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from kernel_calls import add_losses
from layers import slopes

from seqcast.cells import find_cell
from seqcast.exceptions import TrainingDivergedError
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.losses import CROSS_ENTROPY, POINT_LOSSES
from seqcast.kernels.samples import sample_table
from seqcast.learning.losses import validation_losses
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState
from seqcast.learning.training import train_epoch

STEPS, HORIZON, CHANNELS, CLASSES = 4, 2, 2, 3
still = TrainingOptions(
    optimizer="sgd", learning_rate_init=0.0, clip_norm=None, batch_size=10**6, loss="cross_entropy"
)
losses = pytest.mark.parametrize("loss", [*POINT_LOSSES, "cross_entropy"])
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def make_network(n_outputs, dtype="float64"):
    network = Network(compose(find_cell("gru"), CHANNELS, 3, n_outputs=n_outputs), dtype)
    network.initialize(np.random.RandomState(0))
    network.flat *= 2  # far enough from equal probabilities to tell classes apart
    return network


def make_task(loss, n_rows=37, weighted=False, dtype="float64"):
    """Return a network and overlapping windows, each followed by a class or two steps of two targets."""
    rng, classes = np.random.default_rng(1), loss == "cross_entropy"
    n = n_rows + STEPS + HORIZON - 1
    n_targets = 1 if classes else CHANNELS
    values = rng.normal(size=(n, CHANNELS))
    targets = rng.integers(0, CLASSES, (n, 1)) if classes else 2 * rng.normal(size=(n, CHANNELS))
    weights = rng.choice([0.0, 1.0, 2.5], n) if weighted else None
    starts = np.arange(n_rows)
    rows = sample_table(starts, np.full(n_rows, STEPS), (starts + STEPS) * n_targets)
    window = Window(STEPS, CHANNELS, n_targets)
    network = make_network(CLASSES if classes else HORIZON * CHANNELS, dtype)
    return network, SampleSource(values.astype(dtype), targets.astype(dtype), window, weights), rows


def predict_naive(network, windows, rows, flat):
    weights = network.architecture.views(flat)
    x = np.stack([windows.values[start : start + STEPS] for start in rows[:, 0]])
    _, state = naive.recurrent("gru", weights, x)
    return naive.head(state[0], weights["head_weight"], weights["head_bias"])


def steps_of(windows, rows, array):
    """Select from `array`, which has a row for each step of the targets, the targets of each sample."""
    firsts = rows[:, 2] // windows.window.n_targets
    n_steps = 1 if windows.window.n_targets == 1 else HORIZON
    return np.stack([array[first : first + n_steps] for first in firsts])


def losses_naive(loss, windows, rows, prediction):
    """Return the mean loss of each target, and that of all targets."""
    n, weights = len(rows), windows.weights
    weights = np.ones(len(windows.targets)) if weights is None else weights
    y, w = (steps_of(windows, rows, array) for array in (windows.targets, weights))
    if loss == "cross_entropy":
        whole = naive.cross_entropy(y[:, 0, 0].astype(int), prediction, w[:, 0])
        return [whole], whole
    measure, p = getattr(naive, loss), prediction.reshape(n, HORIZON, CHANNELS)
    return [measure(y[..., k], p[..., k], w) for k in range(CHANNELS)], measure(y, p, w[..., None])


def gradient(network, windows, rows, options=still, seed=0):
    """Return the mean loss of each target, and the gradient of their mean, for one batch of all samples."""
    trainer = CpuTrainer(network, windows, options, np.random.RandomState(seed), OptimizerState(network))
    return trainer.run_epoch(rows), trainer.gradient.copy()


def assert_naives(loss, network, windows, rows):
    """Check the losses in training and validation, and the gradient."""
    options, flat = replace(still, loss=loss), network.flat.copy()
    expected, _ = losses_naive(loss, windows, rows, predict_naive(network, windows, rows, flat))
    found, slope = gradient(network, windows, rows, options)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_allclose(validation_losses(network, windows, rows, options), expected, rtol=1e-10)

    def total():
        return losses_naive(loss, windows, rows, predict_naive(network, windows, rows, flat))[1]

    for directions, derivative in slopes(total, {"flat": flat}, n_directions=3):
        scale = abs(slope).sum()
        assert scale > 0
        assert slope @ directions["flat"] == pytest.approx(derivative, rel=1e-6, abs=1e-8 * scale)


def sums_of(logits, labels, weights=(), dtype="float64"):
    """Return the weighted loss and the weight of rows of logits."""
    sums = np.zeros((2, 1))
    targets, weights = np.array(labels, dtype), np.array(weights, dtype)
    add_losses(CROSS_ENTROPY, np.array(logits, dtype), targets, weights, np.arange(len(labels)), sums)
    return sums[:, 0]


# -- cross-entropy


@pytest.mark.nojit
@pytest.mark.parametrize("n_rows", [1, 5, 37, 300])
def test_cross_entropy_and_its_gradient_equal_naive_ones(n_rows):
    assert_naives("cross_entropy", *make_task("cross_entropy", n_rows))


@pytest.mark.parametrize("n_classes", [2, 5, 8, 9, 33])
def test_any_number_of_classes(n_classes):
    _, windows, rows = make_task("cross_entropy")
    windows.targets[:, 0] = np.arange(len(windows.targets)) % n_classes
    assert_naives("cross_entropy", make_network(n_classes), windows, rows)


@both
@pytest.mark.parametrize(
    ("logits", "label", "loss"),
    [
        ([1.0, 2.0, 3.0], 2, 0.40760596444438),  # torch.nn.functional.cross_entropy
        ([1.0, 2.0, 3.0], 0, 2.40760596444438),
        (np.log([0.05, 0.95, 1e-30]), 1, -np.log(0.95)),  # softmax of logarithms gives the probabilities back
        (np.log([0.1, 0.8, 0.1]), 2, -np.log(0.1)),
        ([0.0] * 4, 3, np.log(4)),
        ([7.0], 0, 0.0),
    ],
)
def test_cross_entropy_of_known_numbers(logits, label, loss, dtype):
    rtol = 1e-6 if dtype == "float32" else 1e-13
    assert sums_of([logits], [label], dtype=dtype)[0] == pytest.approx(loss, rel=rtol)


def test_cross_entropy_is_the_published_one():
    """The examples are those of log_loss in scikit-learn and SparseCategoricalCrossentropy in Keras."""
    spam = np.log([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])
    assert np.divide(*sums_of(spam, [1, 0, 0, 1])) == pytest.approx(0.21616, abs=5e-6)
    digits = np.log([[0.05, 0.95, 1e-300], [0.1, 0.8, 0.1]])
    assert np.divide(*sums_of(digits, [1, 2])) == pytest.approx(1.177, abs=5e-4)
    loss, weight = sums_of(digits, [1, 2], [0.3, 0.7])
    assert loss / 2 == pytest.approx(0.814, abs=5e-4)  # Keras divides by the rows, not by their weights
    assert weight == pytest.approx(1, rel=1e-15)


@pytest.mark.nojit
@both
def test_extreme_logits_do_not_overflow(dtype):
    """The largest logit has probability 1; the loss of another class is its distance from that logit."""
    network, windows, rows = make_task("cross_entropy", 3, dtype=dtype)
    network.flat[:] = 0
    network.weights["head_bias"][:] = [1e4, 0, -1e4]
    windows.targets[STEPS : STEPS + 3, 0] = [0, 1, 2]
    found, slope = gradient(network, windows, rows)
    assert found == [1e4]
    assert validation_losses(network, windows, rows, still) == [1e4]
    of_bias = network.architecture.views(slope)["head_bias"]
    np.testing.assert_allclose(of_bias, [2 / 3, -1 / 3, -1 / 3], rtol=1e-6)
    assert np.isfinite(slope).all()
    assert sums_of([[-1e4, -1e4 - 1]], [1], dtype=dtype)[0] == pytest.approx(
        1 + np.log1p(np.exp(-1)), rel=1e-6
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_a_loss_of_nan(bad):
    network, windows, rows = make_task("cross_entropy")
    network.weights["head_bias"][1] = bad
    assert np.isnan(validation_losses(network, windows, rows, still)).all()
    assert np.isnan(gradient(network, windows, rows)[0]).all()


# -- weights


@pytest.mark.nojit
@losses
def test_loss_and_gradient_are_weighted_by_step(loss):
    """Weights are 0, 1 and 2.5; each step is a target of several windows."""
    network, windows, rows = make_task(loss, weighted=True)
    assert set(windows.weights) == {0, 1, 2.5}
    if loss != "cross_entropy":
        windows.targets[[9, 20], [0, 1]] = np.nan  # what is not observed has no weight either
    assert_naives(loss, network, windows, rows)


@losses
def test_weights_of_one_equal_no_weights(loss):
    network, windows, rows = make_task(loss)
    options = replace(still, loss=loss)
    weighted = replace(windows, weights=np.ones(len(windows.targets)))
    for one, other in zip(
        gradient(network, windows, rows, options), gradient(network, weighted, rows, options), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        validation_losses(network, windows, rows, options),
        validation_losses(network, weighted, rows, options),
    )


@losses
def test_a_common_factor_of_weights_changes_nothing(loss):
    network, windows, rows = make_task(loss, weighted=True)
    options = replace(still, loss=loss)
    small = replace(windows, weights=windows.weights * 2.0**-40)  # their sum is far below 1
    for one, other in zip(
        gradient(network, windows, rows, options), gradient(network, small, rows, options), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@losses
def test_integer_weights_equal_repeated_rows(loss):
    """Samples do not share targets here."""
    network, windows, rows = make_task(loss)
    n_steps = 1 if loss == "cross_entropy" else HORIZON
    rows = rows[: len(rows) // n_steps]
    rows[:, 2] = np.arange(len(rows)) * n_steps * windows.window.n_targets
    counts = np.arange(len(rows)) % 4
    weights = np.resize(np.repeat(counts, n_steps), len(windows.targets)).astype(float)
    weighted = replace(windows, weights=weights)
    repeated = np.repeat(rows, counts, axis=0)
    repeated[:, 3] = np.arange(len(repeated))
    options = replace(still, loss=loss)
    for one, other in zip(
        gradient(network, weighted, rows, options), gradient(network, windows, repeated, options), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)


@losses
def test_an_epochs_loss_is_averaged_by_weight_over_its_batches(loss):
    """The mean is not that of batches, which have different weights and sizes."""
    network, windows, rows = make_task(loss, weighted=True)
    options = replace(still, loss=loss)
    whole, _ = gradient(network, windows, rows, options)
    in_batches, _ = gradient(network, windows, rows, replace(options, batch_size=8))
    np.testing.assert_allclose(in_batches, whole, rtol=1e-12)


@losses
def test_weights_of_zero_change_nothing(loss):
    network, windows, rows = make_task(loss)
    options = replace(still, loss=loss)
    nothing = replace(windows, weights=np.zeros(len(windows.targets)))
    found, slope = gradient(network, nothing, rows, options)
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(slope, 0)
    np.testing.assert_array_equal(validation_losses(network, nothing, rows, options), 0)


# -- one pass


@pytest.mark.parametrize("loss", POINT_LOSSES)
def test_one_pass_returns_its_loss_in_units(loss):
    network, windows, rows = make_task(loss, weighted=True)
    units, options = np.array([3.0, 10.0]), replace(still, loss=loss)
    expected, _ = losses_naive(loss, windows, rows, predict_naive(network, windows, rows, network.flat))
    found = run_pass(network, windows, rows, options, units)
    assert found == pytest.approx(np.mean(expected * units ** (1 if loss == "absolute" else 2)), rel=1e-10)


def run_pass(network, windows, rows, options, units):
    rng, state = np.random.RandomState(0), OptimizerState(network)
    return train_epoch(network, windows, rows, options, rng=rng, units=units, state=state)


def test_one_pass_that_leaves_infinite_weights_raises():
    """The loss of the only batch is computed before its update, and finite."""
    network, windows, rows = make_task("squared")
    options = replace(still, loss="squared", learning_rate_init=1e308)
    windows.targets[:] *= 1e10
    with np.errstate(over="ignore"), pytest.raises(TrainingDivergedError, match="in this pass over the rows"):
        run_pass(network, windows, rows, options, np.ones(CHANNELS))
