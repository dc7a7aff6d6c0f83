"""Vectorisation of the loops of a cell, without which they take three times as long."""

import platform
import re

import numba as nb
import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.cpu.cell_loops import compile_cell
from seqcast.kernels.cpu.jit import FLAGS
from seqcast.kernels.cpu_target import HOST

array, size = nb.float32[::1], nb.intp


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for instructions of x86-64")
@pytest.mark.skipif(nb.version_info.short < (0, 68), reason="the LLVM of numba 0.61 was seen to give up")
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_activations_are_computed_for_many_units_at_once(cell):
    """Each tanh and sigmoid has one division, so loops without packed divisions are not vectorised."""
    step = compile_cell(find_cell(cell), np.dtype("float32"), HOST).step

    @nb.njit((size, size, array, size, array, size, array, array, array, array), **FLAGS)
    def gates(n_rows, width, z, z_stride, h, h_stride, others, new_h, new_others, saved):
        step(n_rows, width, z, z_stride, h, h_stride, others, new_h, new_others, saved)

    (assembly,) = gates.inspect_asm().values()
    packed, single = (len(re.findall(rf"\bv?div{kind}\b", assembly)) for kind in ("ps", "ss"))
    assert packed >= single > 0
