"""Run a training step, and the forward and backward pass of a layer, in seqcast."""

from collections.abc import Callable

import numpy as np

from seqcast import Recurrent
from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.network import Network
from seqcast.learning.options import TrainingOptions
from seqcast.learning.samples import SampleSource
from seqcast.learning.trainer import CpuTrainer, OptimizerState

from .comparisons import Size


def training_step(
    cell: str, size: Size, n_threads: int, *, dtype: str = "float32", dropout: float = 0.0, **architecture
) -> Callable[[], object]:
    """Return a training step as in `fit`, with Adam, squared loss and a linear head on the last state."""
    rng = np.random.RandomState(0)
    network = Network(compose(find_cell(cell), size.inputs, size.hidden, n_outputs=1, **architecture), dtype)
    network.initialize(rng)
    values = rng.normal(size=(size.batch * size.steps, size.inputs)).astype(dtype)
    targets = rng.normal(size=(size.batch, 1)).astype(dtype)
    windows = SampleSource(values, targets, Window(size.steps, size.inputs))
    starts = np.arange(size.batch) * size.steps
    rows = sample_table(starts, np.full(size.batch, size.steps), np.arange(size.batch))
    options = TrainingOptions(clip_norm=None, n_threads=n_threads, dropout=dropout)
    trainer = CpuTrainer(network, windows, options, rng, OptimizerState(network))
    return lambda: trainer.train_batch(rows)


def layer(cell: str, size: Size) -> tuple[Recurrent, np.ndarray]:
    """Return a layer and a batch for it, which are the same in every call."""
    x = np.random.RandomState(1).normal(size=(size.batch, size.steps, size.inputs)).astype(np.float32)
    return Recurrent(cell, size.inputs, size.hidden, random_state=0), x


def layer_pass(cell: str, size: Size, lengths: np.ndarray | None = None) -> Callable[[], object]:
    """Return a forward and backward pass of a layer, with a gradient of ones."""
    recurrent, x = layer(cell, size)
    ones = np.ones((size.batch, size.steps, size.hidden), np.float32)

    def run():
        recurrent.forward(x, lengths=lengths, training=True)
        return recurrent.backward(ones)

    return run
