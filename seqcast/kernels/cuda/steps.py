"""The recurrent part of a walk, step by step: a product, then a kernel with a thread for each row and unit.

For any cell and any size; what `registers` can do, it does in one launch instead of two for each step. A cell
with late gates takes two products and two kernels a step.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import int64

from ...cells.contract import Cell
from ...cells.gru import GRU_RESET_BEFORE
from ...cells.lstm import LSTM
from .. import samples
from ..column_groups import ColumnGroups
from ..samples import LENGTH
from .cells import DeviceCell, compile_cell
from .compiler import Example, cuda, cuda_kernel, device_function, real_type
from .layout import CudaLayout
from .products import Matrix, Products
from .queue import Queue
from .space import Space
from .sums import divided

natural_time = device_function(samples.natural_time)


class StepByStep:
    """The steps of walks of one network."""

    def __init__(self, queue: Queue, layout: CudaLayout, products: Products):
        self._queue, self._layout, self._products = queue, layout, products
        self._kernels = compile_steps(layout.architecture.stack.cell, layout.layout.dtype)
        self._n_h, self._n_late = layout.n_columns - layout.n_x, layout.columns.after_reset * layout.hidden

    def forward(self, space: Space, block: Any, packed: Any) -> None:
        """From the initial states, and z as the inputs make it, to all that `space` keeps and the final
        states."""
        kernels, arrays = self._kernels, (block, space.z, space.rows, space.others, space.saved)
        states = space.state, space.rows, space.others
        self._each(kernels.start, space, states)
        for s in range(space.n_steps):
            place = s, space.kept(s), space.kept(s + 1), int(space.keep)
            self._add_recurrent(space, s, packed)
            if self._n_late:
                self._each(kernels.reset, space, (*arrays, space.late), place)
                self._add_late(space, s, packed)
            self._each(kernels.step, space, arrays, place)
        self._each(kernels.finish, space, states, (space.n_steps, space.kept(space.n_steps)))

    def backward(self, space: Space, block: Any, packed: Any, d_sink: Any, begin: int) -> None:
        """From the gradients of the final states and, unless None, of the outputs, to those of z and of the
        states before step `begin`."""
        kernels, arrays = self._kernels, (block, space.z, space.rows, space.others, space.saved, space.state)
        outputs = space.z if d_sink is None else d_sink
        width = 0 if d_sink is None else self._layout.architecture.stack.output_size
        for s in range(space.n_steps - 1, begin - 1, -1):
            self._each(kernels.step_backward, space, (*arrays, outputs), (width, s, space.walk.reverse))
            if self._n_late:
                self._make_d_u(space, s, packed)
                self._each(kernels.reset_backward, space, (*arrays, space.d_u), (s,))
            self._add_d_h(space, s, packed)

    def _each(self, kernel: Any, space: Space, arrays: tuple, place: tuple = ()) -> None:
        """Launch a kernel for each unit of each row."""
        n = space.n_rows * space.hidden
        self._queue.for_each(kernel, n, *arrays, space.n_rows, space.hidden, space.walk.row_width, *place)

    # -- products of one step

    def _add_recurrent(self, space: Space, s: int, packed: Any) -> None:
        if self._n_h:
            z, shape = space.columns(s, self._layout.n_x), (space.n_rows, self._n_h, space.hidden)
            self._products.multiply(space.h(s), self._of_h(space, packed), z, shape, add=True)

    def _add_late(self, space: Space, s: int, packed: Any) -> None:
        shape = space.n_rows, self._n_late, space.hidden
        self._products.multiply(space.u(s), self._of_u(space, packed), self._late(space, s), shape, add=True)

    def _make_d_u(self, space: Space, s: int, packed: Any) -> None:
        d_u, shape = Matrix(space.d_u, 0, space.hidden), (space.n_rows, space.hidden, self._n_late)
        self._products.multiply(self._late(space, s), self._of_u(space, packed), d_u, shape, transposed="b")

    def _add_d_h(self, space: Space, s: int, packed: Any) -> None:
        if self._n_h:
            d_z, d_h = space.columns(s, self._layout.n_x), Matrix(space.state, 0, space.hidden)
            shape = space.n_rows, space.hidden, self._n_h
            self._products.multiply(d_z, self._of_h(space, packed), d_h, shape, transposed="b", add=True)

    def _late(self, space: Space, s: int) -> Matrix:
        return space.columns(s, self._layout.n_x - self._n_late)

    def _of_h(self, space: Space, packed: Any) -> Matrix:
        """The weights that h is multiplied with."""
        return Matrix(packed, space.walk.matrix + self._layout.n_x, self._layout.n_columns)

    def _of_u(self, space: Space, packed: Any) -> Matrix:
        return Matrix(packed, space.walk.late, self._n_late)


class StepKernels(NamedTuple):
    """Each for one unit j of one row r to a thread. n_rows, H, width: sizes of the batch, and of a row.

    The functions of a reset are None in a cell without one.
    """

    start: Any
    finish: Any
    step: Any
    step_backward: Any
    reset: Any
    reset_backward: Any


@cache
def compile_steps(cell: Cell, dtype: np.dtype) -> StepKernels:
    of = compile_cell(cell, dtype)
    counts = ColumnGroups.of(cell).total, len(cell.states) - 1, cell.n_saved + cell.n_reset_saved
    reset = _reset_kernels(of, *counts) if cell.reset else (None, None)
    return StepKernels(*_state_kernels(of, counts[1]), *_step_kernels(of, *counts), *reset)


def _state_kernels(of: DeviceCell, n_others: int):
    load_states, store_states = of.load_states, of.store_states
    load_others, store_others = of.load_others, of.store_others

    @cuda_kernel
    def start(state, rows, others, n_rows, H, width):
        """Initial states to the first step."""
        i = cuda.grid(1)
        if i < n_rows * H:
            r, j = divided(i, H)
            initial = load_states(state, n_rows * H, i)
            rows[r * width + j] = initial[0]
            store_others(others, H, r * n_others * H + j, initial)

    @cuda_kernel
    def finish(state, rows, others, n_rows, H, width, n_steps, kept):
        """States after the last step to the final ones; kept: where others lie."""
        i = cuda.grid(1)
        if i < n_rows * H:
            r, j = divided(i, H)
            h = rows[(n_steps * n_rows + r) * width + j]
            final = (h,) + load_others(others, H, (kept * n_rows + r) * n_others * H + j)
            store_states(state, n_rows * H, i, final)

    return start, finish


def _step_kernels(of: DeviceCell, n_columns: int, n_others: int, n_saved: int):
    sigmoid, tanh, cell_step, cell_step_backward = of.sigmoid, of.tanh, of.step, of.step_backward
    load_z, store_z, load_others, store_others = of.load_z, of.store_z, of.load_others, of.store_others
    load_saved, store_saved, store_states = of.load_saved, of.store_saved, of.store_states

    @cuda_kernel
    def step(block, z, rows, others, saved, n_rows, H, width, s, kept, new_kept, keep):
        """z (IN), rows and others (IN: before step s, OUT: after it), saved (OUT).

        kept, new_kept: where others lie before the step and after it.
        """
        i = cuda.grid(1)
        if i < n_rows * H:
            r, j = divided(i, H)
            row = s * n_rows + r
            new_row, new_others = (row + n_rows) * width + j, (new_kept * n_rows + r) * n_others * H + j
            h = rows[row * width + j]
            state = (h,) + load_others(others, H, (kept * n_rows + r) * n_others * H + j)
            if s < block[4 * r + LENGTH]:
                new, back = cell_step(sigmoid, tanh, load_z(z, H, row * n_columns * H + j), state)
                rows[new_row] = new[0]
                store_others(others, H, new_others, new)
                if keep:
                    store_saved(saved, H, row * n_saved * H + j, back)
            else:
                rows[new_row] = h
                store_others(others, H, new_others, state)

    @cuda_kernel
    def step_backward(block, z, rows, others, saved, state, d_sink, n_rows, H, width, sink_width, s, reverse):
        """rows, others, saved (IN); state: gradient after the step (IN), before it, without products (OUT);
        z: its gradient (OUT). sink_width: 0 if there is no d_sink, the gradient of the outputs (IN)."""
        i = cuda.grid(1)
        if i >= n_rows * H:
            return
        r, j = divided(i, H)
        row = s * n_rows + r
        t = natural_time(reverse, s, block[4 * r + LENGTH])
        if t < 0:  # nothing of a row that had ended may reach the weights
            for k in range(n_columns):
                z[(row * n_columns + k) * H + j] = 0
            return
        d_h = state[i]
        if sink_width > 0:
            d_h += d_sink[(t * n_rows + r) * sink_width + reverse * H + j]
        d_new = (d_h,) + load_others(state, n_rows * H, n_rows * H + i)
        before = (rows[row * width + j],) + load_others(others, H, row * n_others * H + j)
        back = load_saved(saved, H, row * n_saved * H + j)
        d_gates, d_before = cell_step_backward(back, before, d_new)
        store_z(z, H, row * n_columns * H + j, d_gates)
        store_states(state, n_rows * H, i, d_before)

    return step, step_backward


def _reset_kernels(of: DeviceCell, n_columns: int, n_others: int, n_saved: int):
    sigmoid, tanh, cell_reset, cell_reset_backward = of.sigmoid, of.tanh, of.reset, of.reset_backward
    load_z, store_z, load_others = of.load_reset_z, of.store_reset_z, of.load_others
    load_saved, store_saved = of.load_reset_saved, of.store_reset_saved

    @cuda_kernel
    def reset(block, z, rows, others, saved, late, n_rows, H, width, s, kept, new_kept, keep):
        """z, rows, others (IN), late (OUT: the operand of the late product), saved (OUT)."""
        i = cuda.grid(1)
        if i < n_rows * H:
            r, j = divided(i, H)
            row, u = s * n_rows + r, (kept * n_rows + r) * H + j
            if s < block[4 * r + LENGTH]:
                h = rows[row * width + j]
                state = (h,) + load_others(others, H, (kept * n_rows + r) * n_others * H + j)
                late[u], back = cell_reset(sigmoid, tanh, load_z(z, H, row * n_columns * H + j), state)
                if keep:
                    store_saved(saved, H, row * n_saved * H + j, back)
            else:
                late[u] = 0

    @cuda_kernel
    def reset_backward(block, z, rows, others, saved, state, d_u, n_rows, H, width, s):
        """rows, others, saved, d_u (IN); state: the gradient of h is added to; z: its gradient (OUT)."""
        i = cuda.grid(1)
        if i < n_rows * H:
            r, j = divided(i, H)
            row = s * n_rows + r
            if s < block[4 * r + LENGTH]:
                before = (rows[row * width + j],) + load_others(others, H, row * n_others * H + j)
                back = load_saved(saved, H, row * n_saved * H + j)
                d_gates, d_h = cell_reset_backward(back, before, d_u[i])
                store_z(z, H, row * n_columns * H + j, d_gates)
                state[i] += d_h

    return reset, reset_backward


def ptx_examples() -> Iterator[Example]:
    dtype = np.dtype("float32")
    array, number = real_type(dtype)[::1], int64
    counts = {  # of arrays of numbers, and of numbers
        "start": (3, 3),
        "finish": (3, 5),
        "step": (4, 7),
        "step_backward": (6, 6),
        "reset": (5, 7),
        "reset_backward": (6, 4),
    }
    for cell in (LSTM, GRU_RESET_BEFORE):
        for name, (n_arrays, n_numbers) in counts.items():
            if kernel := getattr(compile_steps(cell, dtype), name):
                block = () if name in ("start", "finish") else (int64[::1],)
                signature = *block, *[array] * n_arrays, *[number] * n_numbers
                yield Example(f"{cell.name}, {name}", kernel, signature)
