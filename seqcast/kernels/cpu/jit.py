"""Decorators that compile kernels, with one set of numba flags for the whole package.

With ``NUMBA_DISABLE_JIT=1`` every decorator returns the plain Python function, so that the same source can be
traced and checked without a compiler.
"""

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from numba.core import config

from .linking import InterleavedCompiler, LinkedCompiler, NoAliasCompiler

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model: Python's check for a zero divisor is a branch, and LLVM vectorizes no loop with a branch (tanh
# would be 8 times slower). fastmath: with "nnan" and "ninf", LLVM would remove isnan() and isfinite(), and
# diverging fits would not be noticed.
FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"}}

# For functions that only other kernels call. Wrappers for calls from Python and C would add a sixth of the
# compile time.
kernel = nb.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=LinkedCompiler, **FLAGS)
# For loops over arrays that do not overlap. Otherwise, LLVM inserts a comparison of the bounds of all arrays
# before each loop (3.4 instead of 0.1 us for an LSTM's backward step with 16 samples and 16 units).
noalias_kernel = nb.njit(
    no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=NoAliasCompiler, **FLAGS
)
# For such loops over a multiple of two vectors, which are computed side by side.
interleaved_kernel = nb.njit(
    no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=InterleavedCompiler, **FLAGS
)
# For scalar functions. Loops around them are vectorized only if the functions are inlined.
inlined = nb.njit(inline="always", **FLAGS)


def silent(function: Callable) -> Callable:
    """Return the plain Python `function` without warnings of overflow, as machine code gives none."""
    return np.errstate(all="ignore")(function)


def unrolled_load(blocks: tuple[int, ...]) -> Callable:
    """Return ``load(row, width, j)``, which gives the tuple of ``row[block * width + j]`` over `blocks`.

    numba cannot build a tuple of a given length in a loop, so the expression is generated as text.
    """
    items = "".join(f"row[{block} * width + j], " for block in blocks)
    return _compile("load", "row, width, j", f"return ({items})")


def unrolled_store(blocks: tuple[int, ...], first: int = 0) -> Callable:
    """Return ``store(row, width, j, items)``, the counterpart of `unrolled_load`.

    It sets ``row[block * width + j]`` to ``items[first]``, ``items[first + 1]``, ...
    """
    lines = [f"row[{block} * width + j] = items[{k}]" for k, block in enumerate(blocks, start=first)]
    return _compile("store", "row, width, j, items", "; ".join(lines) or "pass")


def _compile(name: str, arguments: str, body: str) -> Callable:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def {name}({arguments}): {body}", namespace)
    return inlined(namespace[name])
