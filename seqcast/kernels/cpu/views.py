"""Arrays of a kernel's arguments, made in compiled code from the addresses of the table."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numba as nb
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from ..arguments import ARGUMENTS, OTHER_ARRAYS
from .jit import JIT_DISABLED, kernel

INTEGERS = np.dtype(np.int64)


@cache
def compile_view(dtype: np.dtype) -> Callable:
    """Return ``view(address, size)``, which gives the array of `dtype` at an address in compiled code."""
    if JIT_DISABLED:
        return _python_view(dtype)
    array = types.Array(nb.from_dtype(dtype), 1, "C")

    @intrinsic
    def view(typingctx, address, size):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bytes_ = context.get_constant(types.intp, dtype.itemsize)
            return _make_array(context, builder, array, args[0], [args[1]], [bytes_])

        return array(types.intp, types.intp), codegen

    return view


@cache
def compile_rows_view(dtype: np.dtype) -> Callable:
    """Return ``view(address, size, n_columns)``, which gives an array of rows.

    Reshaping an array instead would bring code for exceptions into every kernel.
    """
    if JIT_DISABLED:
        flat = _python_view(dtype)
        return lambda address, size, n_columns: flat(address, size).reshape(-1, n_columns)
    array = types.Array(nb.from_dtype(dtype), 2, "C")

    @intrinsic
    def view(typingctx, address, size, n_columns):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address, size, n_columns = args
            bytes_ = context.get_constant(types.intp, dtype.itemsize)
            shape = [builder.sdiv(size, n_columns), n_columns]
            strides = [builder.mul(n_columns, bytes_), bytes_]
            return _make_array(context, builder, array, address, shape, strides)

        return array(types.intp, types.intp, types.intp), codegen

    return view


def _make_array(context: Any, builder: Any, array: Any, address: Any, shape: list, strides: list) -> Any:
    found = context.make_array(array)(context, builder)
    populate_array(
        found,
        data=builder.inttoptr(address, found.data.type),
        shape=cgutils.pack_array(builder, shape),
        strides=cgutils.pack_array(builder, strides),
        itemsize=strides[-1],
        meminfo=None,
    )
    return found._getvalue()


def _python_view(dtype: np.dtype) -> Callable:
    """Return the function of `compile_view` as plain Python."""

    def view(address, size):
        if size == 0:
            return np.empty(0, dtype)
        memory = (ctypes.c_char * (int(size) * dtype.itemsize)).from_address(int(address))
        array = np.frombuffer(memory, dtype)  # type: ignore[call-overload]
        return array.view(np.recarray) if dtype.names else array

    return view


def rows_getter(dtype: np.dtype, name: str) -> Callable:
    """Return ``get(arguments, n_rows)``, which gives an array of the table as rows."""
    view, size = compile_rows_view(dtype), f"{name}_size"

    @kernel
    def get(arguments, n_rows):
        return view(arguments[name], arguments[size], arguments[size] // n_rows)

    return get


def getters(dtype: np.dtype, *names: str) -> tuple[Callable, ...]:
    """Return a function for each name, which compiled code calls to get that array of a table."""
    return tuple(_compile_getter(OTHER_ARRAYS.get(name, dtype), name) for name in names)


@cache
def _compile_getter(dtype: np.dtype, name: str) -> Callable:
    view, size = compile_view(dtype), f"{name}_size"

    @kernel
    def get(arguments):
        return view(arguments[name], arguments[size])

    return get


arguments_at = compile_view(ARGUMENTS)
_integer_rows_at = compile_rows_view(OTHER_ARRAYS["samples"])
_doubles_at = compile_view(OTHER_ARRAYS["loss_sums"])
_double_rows_at = compile_rows_view(OTHER_ARRAYS["loss_sums"])


@kernel
def samples_of(arguments):
    """Return the table of samples, shape (n_samples, 4)."""
    return _integer_rows_at(arguments.samples, arguments.samples_size, 4)


@kernel
def sums_of(arguments, shard, n_targets):
    """Return the sums of one shard, shape (2, n_targets)."""
    sums = _double_rows_at(arguments.loss_sums, arguments.loss_sums_size, n_targets)
    return sums[2 * shard : 2 * shard + 2]


@kernel
def weights_of_shard(arguments, shard):
    """Return the sum of the weights of a shard's targets."""
    n_values = arguments.loss_sums_size // arguments.n_shards
    sums = _doubles_at(arguments.loss_sums, arguments.loss_sums_size)
    return sums[shard * n_values + n_values // 2 : (shard + 1) * n_values].sum()


@kernel
def part_of(array, number, n_parts):
    """Return one of `n_parts` parts of equal size."""
    size = array.size // n_parts
    return array[number * size : (number + 1) * size]
