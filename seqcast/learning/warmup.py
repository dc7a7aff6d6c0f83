"""Compilation of all kernels before the first use, for example in container images."""

import time
from collections.abc import Callable, Iterable

import numpy as np

from ..cells import find_cell
from ..cells.contract import Cell
from ..kernels.registry import COMMON_KERNELS, KERNELS, get_kernel, get_worker_address


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
    """Load or compile the kernels of one cell, those for all cells, and the loop that threads run."""
    for name in KERNELS:
        get_kernel(name, cell, dtype)
    for name in COMMON_KERNELS:
        get_kernel(name, None, dtype)
    get_worker_address()
