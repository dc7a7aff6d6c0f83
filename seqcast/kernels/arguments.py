"""The arguments of a kernel: one table of addresses and sizes.

A kernel is a function of two integers, ``(shard, table)``. `table` is the address of a record that holds the
address and the size of each array. Such a function has a plain C signature, which depends neither on the
dtype of the arrays nor on the versions of Python and numba. All kernels share the table, and each reads the
arrays that it needs::

    network         tables of all parts, see `tables`
    layers          table of each layer and direction
    samples         (n_samples, 4), see `samples`
    weights         packed weights, see `layout`
    values          series values that windows are cut from, or inputs (n_samples, n_steps, n_inputs)
    targets         values to be forecast, or labels
    target_weights  weight of each step of the targets in the loss; empty if all weigh 1
    predictions     forecasts
    outputs         top layer's states (n_samples, n_steps, output_size)
    states          initial states (IN) and final states (OUT): (n_states, n_unrolls, n_samples, hidden_size)
    d_values        gradients of the last three arrays
    d_outputs
    d_states
    workspaces      (n_workspaces, size): one for each worker, or one for each shard
    gradients       (n_shards, n_gradients): packed gradient of each shard
    loss_sums       (n_shards, 2, n_targets): loss of each target, and weight of its observed values
"""

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

from .batch_plan import BatchPlan
from .jit import JIT_DISABLED, kernel
from .tables import LAYER, NETWORK

_REAL_ARRAYS = (
    "weights", "values", "targets", "target_weights", "predictions", "outputs", "states", "d_values",
    "d_outputs", "d_states", "workspaces", "gradients",
)  # fmt: skip
_OTHER_ARRAYS = {
    "network": NETWORK,
    "layers": LAYER,
    "samples": np.dtype(np.int64),
    "loss_sums": np.dtype(np.float64),
}
_FIELDS = [field for name in (*_OTHER_ARRAYS, *_REAL_ARRAYS) for field in (name, f"{name}_size")] + [
    "n_shards",
    "n_workspaces",
]
ARGUMENTS = np.dtype([(name, "i8") for name in _FIELDS], align=True)
_POSITIONS = {name: position for position, name in enumerate(_FIELDS)}


class Arguments:
    """The table of one kernel call, and the arrays that it points to.

    Parameters
    ----------
    dtype : dtype
        float32 or float64, of all arrays but the tables, the samples and the sums of losses.
    plan : BatchPlan
        Its tables are the arrays "network" and "layers".
    **arrays : ndarray
        See `set`.
    """

    def __init__(self, dtype: np.dtype, plan: BatchPlan, **arrays: np.ndarray) -> None:
        self._dtype = dtype
        self._plan = plan
        self._numbers = np.zeros(len(_FIELDS), np.int64)
        self._arrays: dict[str, np.ndarray] = {}
        self.n_shards = plan.n_shards
        self.n_workspaces = 0
        self.address = self._numbers.ctypes.data
        for name, table in plan.addresses.items():
            self._point_to(name, *table)
        self._numbers[_POSITIONS["n_shards"]] = plan.n_shards
        self.set(**arrays)

    def set(self, **arrays: np.ndarray) -> None:
        """Set the arrays that the table points to, by the names in the module's docstring.

        The arrays must be C-contiguous and of the right dtype, since compiled code reads memory at their
        addresses. They are kept alive as long as the table.
        """
        for name, array in arrays.items():
            assert array.dtype == _OTHER_ARRAYS.get(name, self._dtype), name
            assert array.flags.c_contiguous, name
            self._point_to(name, array.ctypes.data, array.size)
        if "workspaces" in arrays:
            self.n_workspaces = len(arrays["workspaces"])
            self._numbers[_POSITIONS["n_workspaces"]] = self.n_workspaces
        self._arrays |= arrays

    def _point_to(self, name: str, address: int, size: int) -> None:
        position = _POSITIONS[name]
        self._numbers[position] = address
        self._numbers[position + 1] = size


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


def getters(dtype: np.dtype, *names: str) -> tuple[Callable, ...]:
    """Return a function for each name, which compiled code calls to get that array of a table."""
    return tuple(_compile_getter(_OTHER_ARRAYS.get(name, dtype), name) for name in names)


@cache
def _compile_getter(dtype: np.dtype, name: str) -> Callable:
    view, size = compile_view(dtype), f"{name}_size"

    @kernel
    def get(arguments):
        return view(arguments[name], arguments[size])

    return get


arguments_at = compile_view(ARGUMENTS)
_integer_rows_at = compile_rows_view(_OTHER_ARRAYS["samples"])
_double_rows_at = compile_rows_view(_OTHER_ARRAYS["loss_sums"])


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
def part_of(array, number, n_parts):
    """Return one of `n_parts` parts of equal size."""
    size = array.size // n_parts
    return array[number * size : (number + 1) * size]
