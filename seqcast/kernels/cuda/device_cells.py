"""Scalar functions of a cell for kernels, with functions that load their arguments and store their results.

As in `kernels.cell_loops`, but a thread of a GPU computes one unit of one sample, so the launch replaces the
loop. Loads and stores are generated from the same text as the CPU's: ``load(array, width, at)`` reads
``array[group * width + at]`` for each group of units.

The activations are those of the CPU. Its float32 tanh takes as many instructions as an exponential and a
quotient would, and keeps its accuracy near zero, where 2 sigmoid(2 x) - 1 loses it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...cells.contract import Cell
from ..column_groups import ColumnGroups
from ..cpu.activations import activations
from ..cpu.jit import unrolled_load, unrolled_store
from .compiler import device_function


class DeviceCell(NamedTuple):
    """Functions of one unit of one sample; the functions of the reset are None in a cell without one.

    step, step_backward, reset and reset_backward are those of `Cell`. Arrays hold groups of units: z in the
    order of the columns, states and auxiliary states (all states but h) in the order of the states, saved
    first the results of step and then those of reset. `store_aux` takes a tuple of all states.
    """

    sigmoid: Callable
    tanh: Callable
    step: Callable
    step_backward: Callable
    load_z: Callable
    store_z: Callable
    load_aux: Callable
    store_aux: Callable
    load_states: Callable
    store_states: Callable
    load_saved: Callable
    store_saved: Callable
    reset: Any = None
    reset_backward: Any = None
    load_reset_z: Any = None
    store_reset_z: Any = None
    load_reset_saved: Any = None
    store_reset_saved: Any = None


@cache
def compile_cell(cell: Cell, dtype: np.dtype) -> DeviceCell:
    """Return the device functions of a cell."""
    columns = ColumnGroups.of(cell)
    n_states = len(cell.states)
    sigmoid, tanh = activations(cell.activation, dtype)
    functions = DeviceCell(
        device_function(sigmoid),
        device_function(tanh),
        device_function(cell.step),
        device_function(cell.step_backward),
        *make_load_and_store(columns.step),
        *make_load_and_store(tuple(range(n_states - 1)), first=1),
        *make_load_and_store(tuple(range(n_states))),
        *make_load_and_store(tuple(range(cell.n_saved))),
    )
    if cell.reset is None or cell.reset_backward is None:
        return functions
    load_reset_z, store_reset_z = make_load_and_store(columns.reset)
    reset_saved = tuple(range(cell.n_saved, cell.n_saved + cell.n_reset_saved))
    load_reset_saved, store_reset_saved = make_load_and_store(reset_saved)
    return functions._replace(
        reset=device_function(cell.reset),
        reset_backward=device_function(cell.reset_backward),
        load_reset_z=load_reset_z,
        store_reset_z=store_reset_z,
        load_reset_saved=load_reset_saved,
        store_reset_saved=store_reset_saved,
    )


def make_load_and_store(groups: tuple[int, ...], first: int = 0) -> tuple[Callable, Callable]:
    """Return ``load(array, width, at)`` and ``store(array, width, at, items)``.

    `store` begins with the item `first`.
    """
    return _compile_source(unrolled_load(groups)), _compile_source(unrolled_store(groups, first))


def _compile_source(function: Callable) -> Callable:
    """Compile the Python function behind a function of the CPU.

    The simulator would call the CPU's machine code otherwise.
    """
    return device_function(getattr(function, "py_func", function))
