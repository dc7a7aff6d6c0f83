"""All kernels for the CPU by name, wherever their code comes from.

The code of a kernel is shipped with the package, compiled on this machine, or plain Python:

- shipped: built-in cells in float32, see `shipped`;
- compiled on first use and kept on disk: everything else, see `cpu.compiling`;
- Python: with ``NUMBA_DISABLE_JIT=1``.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..cells import BUILT_IN
from ..cells.contract import Cell
from .cpu_target import HOST, CpuTarget
from .shipped import WORKER_SYMBOL, load_shipped, symbol_of

# Kernels of one cell.
KERNELS = ("train", "predict", "forward", "backward")
# Distributions have kernels of their own. A kernel for both kinds would take 1 s longer to compile.
DISTRIBUTION_KERNELS = ("train_distribution", "predict_distribution")
# Kernels that do not depend on the cell.
COMMON_KERNELS = ("pack", "unpack_gradient", "update", "measure_losses")

_Call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True)
class Kernel:
    """A function ``(shard, table)``.

    Attributes
    ----------
    call : callable
        The function. Python's global lock is released while compiled code runs.
    address : int
        The address of the code; 0 for a Python function.
    origin : {"shipped", "compiled", "python"}
    """

    call: Callable[[int, int], Any]
    address: int
    origin: str
    # What keeps the code in memory.
    owner: Any = None


def is_jit_disabled() -> bool:
    """Return whether numba does not compile, without importing it."""
    config = sys.modules.get("numba.core.config")
    if config is not None:
        return bool(config.DISABLE_JIT)
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def list_shipped() -> Iterator[tuple[str, Cell | None]]:
    """Yield the names and cells of the kernels that are shipped."""
    for cell in BUILT_IN:
        for name in (*KERNELS, *DISTRIBUTION_KERNELS):
            yield name, cell
    for name in COMMON_KERNELS:
        yield name, None


@cache
def get_kernel(name: str, cell: Cell | None, dtype: np.dtype, target: CpuTarget = HOST) -> Kernel:
    """Return a kernel by name, for one cell (None for `COMMON_KERNELS`), dtype and target."""
    if (
        not is_jit_disabled()
        and dtype == np.float32
        and target == HOST
        and (cell is None or cell in BUILT_IN)
    ):
        address = load_shipped().find_address(symbol_of(name, cell.name if cell else None))
        if address is not None:
            return Kernel(_Call(address), address, "shipped")
    # numba takes 0.3 s to import, and shipped kernels do not need it.
    from .cpu.kernels import compile_kernel

    compiled = compile_kernel(name, cell, dtype, target)
    if is_jit_disabled():
        return Kernel(compiled, 0, "python")
    return Kernel(_Call(compiled.address), compiled.address, "compiled", compiled)


@cache
def get_worker_address() -> int:
    """Return the address of the loop of one worker, see `cpu.workers`."""
    address = load_shipped().find_address(WORKER_SYMBOL)
    if address is not None:
        return address
    from .cpu.workers import compile_worker

    return compile_worker().address
