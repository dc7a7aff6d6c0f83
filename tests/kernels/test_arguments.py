"""The table of addresses and sizes that kernels read."""

import numba as nb
import numpy as np
import pytest
from numba import types
from numba.core.ccallback import CFunc

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.arguments import ARGUMENTS, Arguments
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.cpu import kernels as cpu
from seqcast.kernels.cpu.jit import FLAGS, JIT_DISABLED
from seqcast.kernels.cpu.views import compile_view, part_of
from seqcast.kernels.cpu_target import HOST
from seqcast.learning.network import Network

real = np.dtype("float32")


def make_arguments(**arrays):
    network = Network(compose(find_cell("rnn"), 1, 2, n_outputs=1), real)
    return Arguments(real, network.plan(Window(3, 1), 5, keep=False), **arrays)


@pytest.mark.nojit
def test_a_view_is_the_memory_at_an_address():
    view, array = compile_view(real), np.arange(4, dtype=real)

    def double(address, size):
        found = view(address, size)
        for k in range(found.size):
            found[k] *= 2

    call = double if JIT_DISABLED else nb.njit(double)
    call(array.ctypes.data, 3)
    assert array.tolist() == [0, 2, 4, 3]


def test_the_table_holds_addresses_and_sizes():
    values = np.ones((4, 2), real)
    arguments = make_arguments(values=values, workspaces=np.zeros((2, 8), real))
    table = np.frombuffer(arguments._numbers, ARGUMENTS)[0]
    assert (table["values"], table["values_size"]) == (values.ctypes.data, 8)
    assert (table["targets"], table["targets_size"]) == (0, 0)
    assert (arguments.n_workspaces, table["n_workspaces"]) == (2, 2)
    assert (arguments.n_shards, table["layers_size"]) == (1, 1)


@pytest.mark.parametrize("values", [np.ones(4), np.ones((4, 4), real)[:, ::2]], ids=["dtype", "strides"])
def test_arrays_that_kernels_cannot_read_are_refused(values):
    with pytest.raises(AssertionError, match="values"):
        make_arguments(values=values)


@pytest.mark.nojit
def test_parts_are_of_equal_size():
    part = getattr(part_of, "py_func", part_of)
    assert [part(np.arange(6), k, 3).tolist() for k in range(3)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.slow
def test_kernels_allocate_nothing():
    function = cpu._make_train(cpu._compile_stages(find_cell("gru_reset_before"), real, HOST))
    kernel = CFunc(function, ((types.intp, types.intp), types.int64), {}, dict(nopython=True, **FLAGS))
    kernel.compile()
    declared = [line for line in kernel._library.get_llvm_str().splitlines() if line.startswith("declare")]
    assert not [line for line in declared if "alloc" in line.lower() or "reshape" in line]
