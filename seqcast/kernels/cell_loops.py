"""A cell's scalar functions, compiled into loops over the rows and units of one step.

Each row is handed to the inner loop as one-dimensional slices: indexed in three dimensions, numba's handling
of negative indices keeps the loop from vectorising (40 instead of 9 cycles a unit).
"""

from collections.abc import Callable
from typing import NamedTuple

from ..cells.contract import Cell
from .activations import activations
from .jit import inlined, kernel, kernel_apart, unrolled_load, unrolled_store
from .layout import Columns


class CellLoops(NamedTuple):
    """Loops over the first `rows` rows of one step; see the functions below for their arguments."""

    step: Callable
    step_backward: Callable
    reset: Callable
    reset_backward: Callable


def compile_cell(cell: Cell, dtype) -> CellLoops:
    columns = Columns.of(cell)
    sigmoid, tanh = activations(cell.activation, dtype)
    return CellLoops(
        *_step_loops(cell, columns, sigmoid, tanh),
        *(_reset_loops(cell, columns, sigmoid, tanh) if cell.reset else (_nothing, _nothing_backward)),
    )


def _step_loops(cell: Cell, columns: Columns, sigmoid, tanh):
    n_others, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    step, step_backward = inlined(cell.step), inlined(cell.step_backward)
    load_z, store_z = unrolled_load(columns.step), unrolled_store(columns.step)
    load_others, store_others = (
        unrolled_load(tuple(range(n_others))),
        unrolled_store(tuple(range(n_others)), first=1),
    )
    saved_blocks = tuple(range(cell.n_saved))
    load_saved, store_saved = unrolled_load(saved_blocks), unrolled_store(saved_blocks)

    @kernel_apart
    def step_rows(n_rows, width, z, z_stride, h, h_stride, others, new_h, new_others, saved):
        """z (IN), h and others (IN, before the step), new_h and new_others (OUT), saved (OUT)."""
        for r in range(n_rows):
            z_row, h_row, new_row = z[r * z_stride :], h[r * h_stride :], new_h[r * h_stride :]
            others_row, new_others_row = others[r * n_others * width :], new_others[r * n_others * width :]
            saved_row = saved[r * n_saved * width :]
            for j in range(width):
                state = (h_row[j],) + load_others(others_row, width, j)
                new, keep = step(sigmoid, tanh, load_z(z_row, width, j), state)
                new_row[j] = new[0]
                store_others(new_others_row, width, j, new)
                store_saved(saved_row, width, j, keep)

    @kernel_apart
    def step_backward_rows(
        n_rows, width, saved, h, h_stride, others, d_state, d_stride, d_block, d_z, z_stride
    ):
        """saved, h, others (IN), d_state (IN: after the step, OUT: before it, without products), d_z
        (OUT)."""
        for r in range(n_rows):
            h_row, others_row = h[r * h_stride :], others[r * n_others * width :]
            saved_row, d_z_row = saved[r * n_saved * width :], d_z[r * z_stride :]
            d_row, d_others_row = d_state[r * d_stride :], d_state[d_block + r * d_stride :]
            for j in range(width):
                state = (h_row[j],) + load_others(others_row, width, j)
                d_new = (d_row[j],) + load_others(d_others_row, d_block, j)
                d_gates, d_before = step_backward(load_saved(saved_row, width, j), state, d_new)
                store_z(d_z_row, width, j, d_gates)
                d_row[j] = d_before[0]
                store_others(d_others_row, d_block, j, d_before)

    return step_rows, step_backward_rows


def _reset_loops(cell: Cell, columns: Columns, sigmoid, tanh):
    n_others, n_saved = len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    reset, reset_backward = inlined(cell.reset), inlined(cell.reset_backward)
    load_z, store_z = unrolled_load(columns.reset), unrolled_store(columns.reset)
    load_others = unrolled_load(tuple(range(n_others)))
    saved_blocks = tuple(range(cell.n_saved, n_saved))
    load_saved, store_saved = unrolled_load(saved_blocks), unrolled_store(saved_blocks)

    @kernel_apart
    def reset_rows(n_rows, width, z, z_stride, h, h_stride, others, u, saved):
        """z, h, others (IN), u (OUT: the operand of the late product), saved (OUT)."""
        for r in range(n_rows):
            z_row, h_row, others_row = z[r * z_stride :], h[r * h_stride :], others[r * n_others * width :]
            saved_row, u_row = saved[r * n_saved * width :], u[r * width :]
            for j in range(width):
                state = (h_row[j],) + load_others(others_row, width, j)
                u_row[j], keep = reset(sigmoid, tanh, load_z(z_row, width, j), state)
                store_saved(saved_row, width, j, keep)

    @kernel_apart
    def reset_backward_rows(n_rows, width, saved, h, h_stride, others, d_u, d_h, d_stride, d_z, z_stride):
        """saved, h, others, d_u (IN), d_h (IN and OUT: added to), d_z (OUT)."""
        for r in range(n_rows):
            h_row, others_row = h[r * h_stride :], others[r * n_others * width :]
            saved_row, d_z_row = saved[r * n_saved * width :], d_z[r * z_stride :]
            d_u_row, d_h_row = d_u[r * d_stride :], d_h[r * d_stride :]
            for j in range(width):
                state = (h_row[j],) + load_others(others_row, width, j)
                d_gates, d_before = reset_backward(load_saved(saved_row, width, j), state, d_u_row[j])
                store_z(d_z_row, width, j, d_gates)
                d_h_row[j] += d_before

    return reset_rows, reset_backward_rows


@kernel
def _nothing(n_rows, width, z, z_stride, h, h_stride, others, u, saved):
    """The reset of a cell without one."""


@kernel
def _nothing_backward(n_rows, width, saved, h, h_stride, others, d_u, d_h, d_stride, d_z, z_stride):
    """The reset's way back in a cell without one."""
