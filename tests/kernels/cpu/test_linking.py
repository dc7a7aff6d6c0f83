"""Kernels that only other kernels call."""

import re

import numba as nb
import numpy as np
import pytest

from seqcast.kernels.cpu.jit import FLAGS, interleaved_kernel, kernel, noalias_kernel
from seqcast.kernels.cpu.linking import LinkedLibrary


@kernel
def square(x):
    return x * x


def add_squares_of(values, sums):
    for i in range(len(values)):
        sums[i] += square(values[i])


add_squares, add_squares_side_by_side = noalias_kernel(add_squares_of), interleaved_kernel(add_squares_of)


@nb.njit(**FLAGS)
def add_twice(values, sums):
    add_squares(values, sums)
    add_squares_side_by_side(values, sums)


@pytest.mark.nojit
def test_compiled_code_calls_kernels_that_call_kernels():
    sums = np.ones(3)
    add_twice(np.array([1.0, 2.0, 3.0]), sums)
    assert sums.tolist() == [3.0, 9.0, 19.0]


def test_a_kernel_is_linked_and_has_no_address():
    add_twice(np.ones(1), np.ones(1))
    (compiled,) = square.overloads.values()
    assert isinstance(compiled.library, LinkedLibrary)
    assert compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name) == 0


@pytest.mark.parametrize(("function", "n_hints"), [(add_squares_side_by_side, 1), (add_squares, 0)])
def test_loops_compute_two_vectors_side_by_side_if_asked(function, n_hints):
    add_twice(np.ones(1), np.ones(1))
    (compiled,) = function.overloads.values()
    code = compiled.library.get_llvm_str()
    assert code.count('!"llvm.loop.interleave.count", i32 2') == n_hints
    assert len(re.findall(r"br .*!llvm\.loop", code)) == n_hints


def test_python_can_call_only_the_source_of_a_kernel():
    assert square.py_func(3.0) == 9.0
