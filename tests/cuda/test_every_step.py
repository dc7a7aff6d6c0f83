"""A readout at every step on the GPU against the CPU: forecasts, losses and updates."""

import re
from dataclasses import replace

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.devices import make_network, make_trainer
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import OptimizerState

STEPS, CHANNELS, LENGTHS = 4, 2, [4, 1, 3, 4, 2]


def make_source(loss, weighted=True):
    """Samples one after the other, with targets of every step, some of them missing."""
    rng, n = np.random.default_rng(0), len(LENGTHS) * STEPS
    n_targets = 1 if loss == "cross_entropy" else CHANNELS
    targets = rng.integers(0, 3, (n, 1)).astype(float) if n_targets == 1 else rng.normal(size=(n, CHANNELS))
    targets[rng.random(targets.shape) < 0.2] = np.nan
    weights = rng.uniform(0.5, 2, n) if weighted else None
    return SampleSource(rng.normal(size=(n, CHANNELS)), targets, Window(STEPS, CHANNELS, n_targets), weights)


def run(ordinal, loss, options, **stack):
    """Forecasts, losses in training and validation, and weights after two epochs."""
    source, distribution = make_source(loss), loss if loss == "gaussian" else "none"
    n_outputs = {"cross_entropy": 3, "gaussian": 2 * CHANNELS}.get(loss, CHANNELS)
    architecture = compose(
        find_cell("gru"), CHANNELS, 3, n_outputs=n_outputs, pooling="none", distribution=distribution, **stack
    )
    network = make_network(architecture, "float64", ordinal)
    network.initialize(np.random.RandomState(0))
    starts = np.arange(len(LENGTHS)) * STEPS
    samples = sample_table(starts, np.array(LENGTHS), starts * source.window.n_targets)
    forecasts = network.predict(source, samples, 1)
    rng, state = np.random.RandomState(1), OptimizerState(network)
    trainer = make_trainer(network, source, replace(options, loss=loss), rng, state)
    losses = [trainer.run_epoch(samples) for _ in range(2)]
    return forecasts, np.array(losses), trainer.losses(samples), network.flat.copy()


@pytest.mark.parametrize("stack", [{}, {"n_layers": 2, "bidirectional": True}], ids=["one", "two both"])
@pytest.mark.parametrize("loss", ["squared", "cross_entropy", "gaussian"])
def test_training_at_every_step_matches_cpu(loss, stack):
    options = TrainingOptions(learning_rate_init=0.05, batch_size=3, dropout=0.3)
    for found, expected in zip(
        run(0, loss, options, **stack), run(None, loss, options, **stack), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_truncation_on_a_gpu_is_refused_with_ways_out():
    message = (
        "The 'bptt_steps' parameter must be None for a readout at every step on a GPU. Got 2 instead. "
        "Set device='cpu' to train on the CPU, or bptt_steps=None."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(0, "squared", TrainingOptions(bptt_steps=2))


def test_steps_longer_than_the_window_truncate_nothing():
    options = TrainingOptions(bptt_steps=STEPS, batch_size=3)
    for found, expected in zip(run(0, "squared", options), run(None, "squared", options), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
