"""Small training tasks, and what fits of them should give, in plain NumPy."""

import warnings
from dataclasses import replace

import naive
import numpy as np
import pytest
from layers import slopes
from sklearn.exceptions import ConvergenceWarning

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState
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
