"""Compilation of all kernels before the first use, for example in container images."""

import time
from collections.abc import Callable, Iterable

import numpy as np

from ..cells import find_cell
from ..cells.contract import Cell
from ..kernels import cpu, parallel
from ..kernels.architecture import compose
from ..kernels.batch_plan import Window
from ..kernels.optimizers import unpack_gradient
from .network import Network
from .options import TrainingOptions
from .samples import SampleIndex, SampleSource
from .trainer import CpuTrainer, OptimizerState


def warm_up(cells: Iterable[str], dtypes: Iterable[str], report: Callable[[str, str, float], None]) -> None:
    """Compile everything that estimators and layers of these cells call, or load it from the cache.

    Parameters
    ----------
    cells, dtypes : iterable of str
    report : callable
        Called with cell, dtype and seconds after each pair.
    """
    pairs = [(cell, dtype) for dtype in dtypes for cell in cells]
    for cell, dtype in pairs:
        started = time.perf_counter()
        compile_all(find_cell(cell), np.dtype(dtype))
        report(cell, dtype, time.perf_counter() - started)


def compile_all(cell: Cell, dtype: np.dtype) -> None:
    """Compile the kernels of one cell, both drivers, and the functions that run between batches.

    The latter are compiled by one update of a small network.
    """
    for name in cpu.KERNELS:
        cpu.compiled(name, cell, dtype)
    parallel.compile_drivers()
    network = Network(compose(cell, 1, 1, n_outputs=1), dtype)
    source = SampleSource(np.zeros((4, 1), dtype), np.zeros((4, 1), dtype), Window(2, 1))
    samples = SampleIndex(np.arange(2), 2, lambda starts, lengths: starts + lengths)
    options, rng = TrainingOptions(), np.random.RandomState(0)
    trainer = CpuTrainer(network, source, options, rng, OptimizerState(network))
    trainer.train_batch(samples[:])
    trainer.losses(samples)
    unpack_gradient(np.zeros((1, network.layout.n_gradients), dtype), network.layout.back, network.flat)
