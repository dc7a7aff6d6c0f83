"""How kernels are compiled: one set of numba flags for the whole package, each with its reason.

With ``NUMBA_DISABLE_JIT=1`` every decorator here returns the plain Python function, so that the same source
can be read, traced and checked without a compiler.
"""

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from numba.core import config

from .cache import KernelCache
from .linking import ApartCompiler, LinkedCompiler

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model: Python's check for a zero divisor is a branch, and a loop with a branch does not vectorise (8x
# on tanh). fastmath without "nnan" and "ninf": with them isnan() and isfinite() would be compiled away, and
# diverging fits missed.
FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"}}

# Called by other kernels only: without the wrappers that Python or C would call them through (a sixth of the
# compile time).
kernel = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=LinkedCompiler, **FLAGS)
# The same for loops over arrays of which none reads what another writes. Without that word, each row's loop
# begins with a comparison of all their ends: 3.4 instead of 0.1 us for an LSTM's way back through one step of
# 16 rows and 16 units.
kernel_apart = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=ApartCompiler, **FLAGS)
inlined = nb.njit(
    inline="always", **FLAGS
)  # scalar functions: only inlined do the loops around them vectorise


def entry(function: Callable) -> Callable:
    """Compile a kernel that Python calls, when it is first called; kept on disk."""
    if JIT_DISABLED:
        return silent(function)
    dispatcher = nb.njit(nogil=True, **FLAGS)(function)
    dispatcher._cache = KernelCache(function.__name__)
    return dispatcher


def silent(function: Callable) -> Callable:
    """The plain Python `function`, which overflows without a warning, as machine code does."""
    return np.errstate(all="ignore")(function)


def unrolled_load(blocks: tuple[int, ...]) -> Callable:
    """Return ``load(row, width, j)``: the tuple of ``row[block * width + j]`` over `blocks`.

    numba can not build a tuple of a given length in a loop, so the expression is written out as text.
    """
    items = "".join(f"row[{block} * width + j], " for block in blocks)
    return _compile("load", "row, width, j", f"return ({items})")


def unrolled_store(blocks: tuple[int, ...], first: int = 0) -> Callable:
    """Return ``store(row, width, j, items)``: sets ``row[block * width + j]`` to ``items[first]``,
    ``items[first + 1]``, ..."""
    lines = [f"row[{block} * width + j] = items[{k}]" for k, block in enumerate(blocks, start=first)]
    return _compile("store", "row, width, j, items", "; ".join(lines) or "pass")


def _compile(name: str, arguments: str, body: str) -> Callable:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def {name}({arguments}): {body}", namespace)
    return inlined(namespace[name])
