"""Compiling ahead, for container images and for the first user of a machine."""

import time
from collections.abc import Callable, Iterable

import numpy as np

from ..cells import find_cell
from ..cells.contract import Cell
from ..kernels import cpu, parallel
from ..kernels.layout import Architecture
from ..kernels.optimizers import unpack_gradient
from ..kernels.workspace import Window
from .network import Network, Rows, Windows
from .training import CpuTrainer, OptimizerState, TrainingOptions


def warm_up(cells: Iterable[str], dtypes: Iterable[str], report: Callable[[str, str, float], None]) -> None:
    """Compile everything that estimators and layers of these cells call, or find it in the cache.

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
    """Compile the kernels of one cell, both drivers, and, by one update, what runs between batches."""
    for name in cpu.KERNELS:
        cpu.compiled(name, cell, dtype)
    parallel.compile_drivers(dtype)
    network = Network(Architecture(cell, 1, 1, n_outputs=1), dtype)
    windows = Windows(np.zeros((4, 1), dtype), np.zeros((4, 1), dtype), Window(2, 1))
    rows = Rows(np.arange(2), 2, lambda starts, lengths: starts + lengths)
    options, rng = TrainingOptions(), np.random.RandomState(0)
    trainer = CpuTrainer(network, windows, options, rng, OptimizerState(network))
    trainer.train_batch(rows[:])
    trainer.losses(rows)
    unpack_gradient(np.zeros((1, network.layout.n_gradients), dtype), network.layout.back, network.flat)
