"""The recurrent part of a layer, step by step: a matrix product, then a kernel with a thread for each unit.

It works for any cell and any size. Where `register_unroll` applies, one launch replaces two launches for each
step. A cell with a reset before its candidate takes two products and two kernels for each step.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import int64

from ...cells.contract import Cell
from ...cells.gru import GRU_RESET_BEFORE
from ...cells.lstm import LSTM
from ..column_groups import ColumnGroups
from ..samples import LENGTH
from .compiler import Example, cuda, cuda_kernel, real_type
from .device_cells import DeviceCell, compile_cell
from .device_math import divide, natural_time
from .packed_layout import PackedLayout
from .products import Matrix, Products
from .queue import Queue
from .unroll_workspace import UnrollWorkspace


class StepwiseUnroll:
    """The recurrent part of the layers of one network, step by step.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    products : Products
    """

    def __init__(self, queue: Queue, layout: PackedLayout, products: Products):
        self._queue = queue
        self._layout = layout
        self._products = products
        self._kernels = compile_steps(layout.architecture.stack.cell, layout.layout.dtype)
        self._n_recurrent = layout.n_columns - layout.n_input_columns
        self._n_candidate = layout.columns.after_reset * layout.hidden

    def forward(self, workspace: UnrollWorkspace, batch_table: Any, packed: Any) -> None:
        """Compute all steps from the initial states and the part of z that the inputs contribute.

        The results are the final states and all that the workspace keeps.
        """
        kernels = self._kernels
        arrays = batch_table, workspace.z, workspace.operands, workspace.aux_states, workspace.saved
        states = workspace.state, workspace.operands, workspace.aux_states
        n_steps = workspace.n_steps
        self._launch_for_units(kernels.start, workspace, states)
        for s in range(n_steps):
            sizes = s, workspace.kept_step(s), workspace.kept_step(s + 1), int(workspace.keep)
            self._add_recurrent(workspace, s, packed)
            if self._n_candidate:
                self._launch_for_units(kernels.reset, workspace, (*arrays, workspace.reset_h), sizes)
                self._add_candidate(workspace, s, packed)
            self._launch_for_units(kernels.step, workspace, arrays, sizes)
        self._launch_for_units(kernels.finish, workspace, states, (n_steps, workspace.kept_step(n_steps)))

    def backward(
        self, workspace: UnrollWorkspace, batch_table: Any, packed: Any, grad_outputs: Any, begin: int
    ) -> None:
        """Compute the gradients of z and of the states before step `begin`.

        Parameters
        ----------
        workspace : UnrollWorkspace
            Its `state` holds the gradients of the final states.
        batch_table : array of int64, (B, 4), flat
        packed : array
        grad_outputs : array, (T, B, D * H), flat, or None
            Gradient of the outputs; None if only the final states are read.
        begin : int
        """
        kernels = self._kernels
        arrays = (
            batch_table,
            workspace.z,
            workspace.operands,
            workspace.aux_states,
            workspace.saved,
            workspace.state,
        )
        outputs = workspace.z if grad_outputs is None else grad_outputs
        width = 0 if grad_outputs is None else self._layout.architecture.stack.output_size
        for s in range(workspace.n_steps - 1, begin - 1, -1):
            sizes = width, s, workspace.layout.direction
            self._launch_for_units(kernels.step_backward, workspace, (*arrays, outputs), sizes)
            if self._n_candidate:
                self._find_grad_reset_h(workspace, s, packed)
                self._launch_for_units(
                    kernels.reset_backward, workspace, (*arrays, workspace.grad_reset_h), (s,)
                )
            self._add_grad_h(workspace, s, packed)

    def _launch_for_units(
        self, kernel: Any, workspace: UnrollWorkspace, arrays: tuple, sizes: tuple = ()
    ) -> None:
        """Launch a kernel with a thread for each unit of each sample."""
        n_samples = workspace.n_samples
        hidden = workspace.hidden
        width = workspace.layout.operand_width
        self._queue.for_each(kernel, n_samples * hidden, *arrays, n_samples, hidden, width, *sizes)

    # -- products of one step

    def _add_recurrent(self, workspace: UnrollWorkspace, s: int, packed: Any) -> None:
        if self._n_recurrent:
            h = workspace.h_matrix(s)
            z = workspace.z_matrix(s, self._layout.n_input_columns)
            shape = workspace.n_samples, self._n_recurrent, workspace.hidden
            self._products.multiply(h, self._recurrent_weights(workspace, packed), z, shape, add=True)

    def _add_candidate(self, workspace: UnrollWorkspace, s: int, packed: Any) -> None:
        reset_h = workspace.reset_h_matrix(s)
        z = self._candidate_matrix(workspace, s)
        shape = workspace.n_samples, self._n_candidate, workspace.hidden
        self._products.multiply(reset_h, self._candidate_weights(workspace, packed), z, shape, add=True)

    def _find_grad_reset_h(self, workspace: UnrollWorkspace, s: int, packed: Any) -> None:
        grad_z = self._candidate_matrix(workspace, s)
        grad_reset_h = Matrix(workspace.grad_reset_h, 0, workspace.hidden)
        weights = self._candidate_weights(workspace, packed)
        shape = workspace.n_samples, workspace.hidden, self._n_candidate
        self._products.multiply(grad_z, weights, grad_reset_h, shape, transposed="b")

    def _add_grad_h(self, workspace: UnrollWorkspace, s: int, packed: Any) -> None:
        if self._n_recurrent:
            grad_z = workspace.z_matrix(s, self._layout.n_input_columns)
            grad_h = Matrix(workspace.state, 0, workspace.hidden)
            weights = self._recurrent_weights(workspace, packed)
            shape = workspace.n_samples, workspace.hidden, self._n_recurrent
            self._products.multiply(grad_z, weights, grad_h, shape, transposed="b", add=True)

    def _candidate_matrix(self, workspace: UnrollWorkspace, s: int) -> Matrix:
        return workspace.z_matrix(s, self._layout.n_input_columns - self._n_candidate)

    def _recurrent_weights(self, workspace: UnrollWorkspace, packed: Any) -> Matrix:
        offset = workspace.layout.matrix_offset + self._layout.n_input_columns
        return Matrix(packed, offset, self._layout.n_columns)

    def _candidate_weights(self, workspace: UnrollWorkspace, packed: Any) -> Matrix:
        return Matrix(packed, workspace.layout.candidate_offset, self._n_candidate)


class StepKernels(NamedTuple):
    """Kernels of one cell, each with a thread for unit j of sample r.

    n_samples, H, width: sizes of the batch, and the width of the operands. The kernels of the reset are None
    in a cell without one.
    """

    start: Any
    finish: Any
    step: Any
    step_backward: Any
    reset: Any
    reset_backward: Any


@cache
def compile_steps(cell: Cell, dtype: np.dtype) -> StepKernels:
    """Return the kernels of a cell."""
    functions = compile_cell(cell, dtype)
    n_aux = len(cell.states) - 1
    counts = ColumnGroups.of(cell).total, n_aux, cell.n_saved + cell.n_reset_saved
    reset = _make_reset_kernels(functions, *counts) if cell.reset else (None, None)
    return StepKernels(
        *_make_state_kernels(functions, n_aux), *_make_step_kernels(functions, *counts), *reset
    )


def _make_state_kernels(functions: DeviceCell, n_aux: int):
    load_states, store_states = functions.load_states, functions.store_states
    load_aux, store_aux = functions.load_aux, functions.store_aux

    @cuda_kernel
    def start(state, operands, aux_states, n_samples, H, width):
        """Copy the initial states to the first step."""
        i = cuda.grid(1)
        if i < n_samples * H:
            r, j = divide(i, H)
            initial = load_states(state, n_samples * H, i)
            operands[r * width + j] = initial[0]
            store_aux(aux_states, H, r * n_aux * H + j, initial)

    @cuda_kernel
    def finish(state, operands, aux_states, n_samples, H, width, n_steps, kept):
        """Copy the states after the last step to the final states; kept: index of this step in aux_states."""
        i = cuda.grid(1)
        if i < n_samples * H:
            r, j = divide(i, H)
            h = operands[(n_steps * n_samples + r) * width + j]
            final = (h,) + load_aux(aux_states, H, (kept * n_samples + r) * n_aux * H + j)
            store_states(state, n_samples * H, i, final)

    return start, finish


def _make_step_kernels(functions: DeviceCell, n_columns: int, n_aux: int, n_saved: int):
    sigmoid, tanh = functions.sigmoid, functions.tanh
    cell_step, cell_step_backward = functions.step, functions.step_backward
    load_z, store_z = functions.load_z, functions.store_z
    load_aux, store_aux = functions.load_aux, functions.store_aux
    load_saved, store_saved = functions.load_saved, functions.store_saved
    store_states = functions.store_states

    @cuda_kernel
    def step(batch_table, z, operands, aux_states, saved, n_samples, H, width, s, kept, new_kept, keep):
        """Compute one step: z (IN), operands and aux_states (IN: before step s, OUT: after it), saved (OUT).

        kept, new_kept: indices in aux_states of the states before the step and after it.
        """
        i = cuda.grid(1)
        if i < n_samples * H:
            r, j = divide(i, H)
            row = s * n_samples + r
            new_row = (row + n_samples) * width + j
            new_aux = (new_kept * n_samples + r) * n_aux * H + j
            h = operands[row * width + j]
            state = (h,) + load_aux(aux_states, H, (kept * n_samples + r) * n_aux * H + j)
            if s < batch_table[4 * r + LENGTH]:
                new, back = cell_step(sigmoid, tanh, load_z(z, H, row * n_columns * H + j), state)
                operands[new_row] = new[0]
                store_aux(aux_states, H, new_aux, new)
                if keep:
                    store_saved(saved, H, row * n_saved * H + j, back)
            else:
                operands[new_row] = h
                store_aux(aux_states, H, new_aux, state)

    @cuda_kernel
    def step_backward(
        batch_table, z, operands, aux_states, saved, state, grad_outputs,
        n_samples, H, width, grad_width, s, direction,
    ):  # fmt: skip
        """Compute the gradients of one step.

        operands, aux_states, saved (IN). state: gradient after the step (IN), and before it without the part
        that comes through products (OUT). z: its gradient (OUT). grad_width: width of grad_outputs (IN), or 0
        if there is no gradient of the outputs.
        """
        i = cuda.grid(1)
        if i >= n_samples * H:
            return
        r, j = divide(i, H)
        row = s * n_samples + r
        t = natural_time(direction, s, batch_table[4 * r + LENGTH])
        # Steps past the end of a sample must not contribute to the gradients of weights.
        if t < 0:
            for k in range(n_columns):
                z[(row * n_columns + k) * H + j] = 0
            return
        d_h = state[i]
        if grad_width > 0:
            d_h += grad_outputs[(t * n_samples + r) * grad_width + direction * H + j]
        d_new = (d_h,) + load_aux(state, n_samples * H, n_samples * H + i)
        before = (operands[row * width + j],) + load_aux(aux_states, H, row * n_aux * H + j)
        back = load_saved(saved, H, row * n_saved * H + j)
        d_gates, d_before = cell_step_backward(back, before, d_new)
        store_z(z, H, row * n_columns * H + j, d_gates)
        store_states(state, n_samples * H, i, d_before)

    return step, step_backward


def _make_reset_kernels(functions: DeviceCell, n_columns: int, n_aux: int, n_saved: int):
    sigmoid, tanh = functions.sigmoid, functions.tanh
    cell_reset, cell_reset_backward = functions.reset, functions.reset_backward
    load_z, store_z, load_aux = functions.load_reset_z, functions.store_reset_z, functions.load_aux
    load_saved, store_saved = functions.load_reset_saved, functions.store_reset_saved

    @cuda_kernel
    def reset(
        batch_table, z, operands, aux_states, saved, reset_h, n_samples, H, width, s, kept, new_kept, keep
    ):
        """Apply the reset of one step: z, operands, aux_states (IN), reset_h (OUT), saved (OUT)."""
        i = cuda.grid(1)
        if i < n_samples * H:
            r, j = divide(i, H)
            row = s * n_samples + r
            to = (kept * n_samples + r) * H + j
            if s < batch_table[4 * r + LENGTH]:
                h = operands[row * width + j]
                state = (h,) + load_aux(aux_states, H, (kept * n_samples + r) * n_aux * H + j)
                reset_h[to], back = cell_reset(sigmoid, tanh, load_z(z, H, row * n_columns * H + j), state)
                if keep:
                    store_saved(saved, H, row * n_saved * H + j, back)
            else:
                reset_h[to] = 0

    @cuda_kernel
    def reset_backward(
        batch_table, z, operands, aux_states, saved, state, grad_reset_h, n_samples, H, width, s
    ):
        """Compute the gradients of the reset of one step.

        operands, aux_states, saved, grad_reset_h (IN). state: the gradient of h is added to it. z: its
        gradient (OUT).
        """
        i = cuda.grid(1)
        if i < n_samples * H:
            r, j = divide(i, H)
            row = s * n_samples + r
            if s < batch_table[4 * r + LENGTH]:
                before = (operands[row * width + j],) + load_aux(aux_states, H, row * n_aux * H + j)
                back = load_saved(saved, H, row * n_saved * H + j)
                d_gates, d_h = cell_reset_backward(back, before, grad_reset_h[i])
                store_z(z, H, row * n_columns * H + j, d_gates)
                state[i] += d_h

    return reset, reset_backward


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    dtype = np.dtype("float32")
    array = real_type(dtype)[::1]
    # Numbers of array arguments, without the batch table, and of integer arguments.
    counts = {
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
                batch_table = () if name in ("start", "finish") else (int64[::1],)
                signature = *batch_table, *[array] * n_arrays, *[int64] * n_numbers
                yield Example(f"{cell.name}, {name}", kernel, signature)
