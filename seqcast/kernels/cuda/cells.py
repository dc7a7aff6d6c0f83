"""A cell's scalar functions for kernels, with what loads their arguments and stores their results.

As in `kernels.cell_loops`, but a thread of a GPU takes one unit of one row, and the loop over them is the
launch. Loads and stores are the CPU's text too: ``load(array, width, at)`` reads
``array[block * width + at]`` for each block.

The activations are the CPU's: its float32 tanh takes as many instructions as exp and a quotient would, and
keeps its digits near zero, where 2 sigmoid(2 x) - 1 cancels them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...cells.contract import Cell
from ..activations import activations
from ..column_groups import ColumnGroups
from ..jit import unrolled_load, unrolled_store
from .compiler import device_function


class DeviceCell(NamedTuple):
    """Functions of one unit of one row; those of the reset are None in a cell without one.

    step, step_backward, reset and reset_backward are as `Cell` says. Arrays hold blocks of units: of z in the
    order of the columns, of states and others (states but the first) in the order of the states, of saved
    first what step keeps and then what reset keeps.
    """

    sigmoid: Callable
    tanh: Callable
    step: Callable
    step_backward: Callable
    load_z: Callable
    store_z: Callable
    load_others: Callable
    store_others: Callable  # of a tuple of all states
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
    columns, n_states = ColumnGroups.of(cell), len(cell.states)
    sigmoid, tanh = activations(cell.activation, dtype)
    saved = tuple(range(cell.n_saved))
    functions = DeviceCell(
        device_function(sigmoid),
        device_function(tanh),
        device_function(cell.step),
        device_function(cell.step_backward),
        *load_and_store(columns.step),
        *load_and_store(tuple(range(n_states - 1)), first=1),
        *load_and_store(tuple(range(n_states))),
        *load_and_store(saved),
    )
    if cell.reset is None or cell.reset_backward is None:
        return functions
    reset_saved = tuple(range(cell.n_saved, cell.n_saved + cell.n_reset_saved))
    load_reset_z, store_reset_z = load_and_store(columns.reset)
    load_reset_saved, store_reset_saved = load_and_store(reset_saved)
    return functions._replace(
        reset=device_function(cell.reset),
        reset_backward=device_function(cell.reset_backward),
        load_reset_z=load_reset_z,
        store_reset_z=store_reset_z,
        load_reset_saved=load_reset_saved,
        store_reset_saved=store_reset_saved,
    )


def load_and_store(blocks: tuple[int, ...], first: int = 0) -> tuple[Callable, Callable]:
    """Return ``load(array, width, at)`` and ``store(array, width, at, items)``, which begins with the item
    `first`."""
    return _plain(unrolled_load(blocks)), _plain(unrolled_store(blocks, first))


def _plain(function: Callable) -> Callable:
    """Compile what the CPU's decorator holds: the simulator would call the CPU's machine code."""
    return device_function(getattr(function, "py_func", function))
