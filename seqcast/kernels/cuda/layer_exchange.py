"""States, outputs and gradients between the arrays of a caller, ordered by sample, and those of layers.

A caller passes states (n_states, directions of all layers, B, H), outputs (B, T, D * H) and inputs (B, T, F),
all flat.
"""

from collections.abc import Iterator
from typing import Any

from numba import float32, int64

from ..samples import LENGTH, NUMBER, START
from .compiler import Example, cuda, cuda_kernel, device_function
from .device_math import divide, natural_time
from .packed_layout import PackedLayout
from .queue import Queue
from .unroll_workspace import UnrollWorkspace


class LayerExchange:
    """Copies between the arrays of a caller and the workspaces of layers, for batches of one size.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    n_samples, n_steps : int
    """

    def __init__(self, queue: Queue, layout: PackedLayout, n_samples: int, n_steps: int):
        self._queue = queue
        self._net = layout.architecture.stack
        self._n_samples = n_samples
        self._n_steps = n_steps

    def gather_states(self, batch_table: Any, states: Any, workspace: UnrollWorkspace) -> None:
        """Copy the states of one layer and direction to ``workspace.state``."""
        self._exchange_states(gather_states, batch_table, states, workspace)

    def scatter_states(self, batch_table: Any, workspace: UnrollWorkspace, states: Any) -> None:
        """Copy ``workspace.state`` to its place in the states of all layers and directions."""
        self._exchange_states(scatter_states, batch_table, states, workspace)

    def _exchange_states(
        self, kernel: Any, batch_table: Any, states: Any, workspace: UnrollWorkspace
    ) -> None:
        net = self._net
        n = workspace.state.size
        number = workspace.layout.layer * net.n_directions + workspace.layout.direction
        sizes = n, workspace.n_samples, workspace.hidden, net.n_unrolls, number
        self._queue.for_each(kernel, n, batch_table, states, workspace.state, *sizes)

    def scatter_outputs(self, batch_table: Any, workspace: UnrollWorkspace, outputs: Any) -> None:
        """Copy the states after each step of one direction of the top layer to `outputs`.

        Nothing is written past the end of a sample.
        """
        layout = workspace.layout
        n = workspace.n_steps * workspace.n_samples * workspace.hidden
        sizes = n, workspace.n_samples, workspace.n_steps, workspace.hidden, layout.operand_width
        arrays = batch_table, workspace.operands, outputs
        self._queue.for_each(scatter_outputs, n, *arrays, *sizes, self._net.n_directions, layout.direction)

    def gather_output_gradient(self, batch_table: Any, by_sample: Any, by_step: Any) -> None:
        """Copy a gradient of outputs (B, T, D * H) to (T, B, D * H), with zeros past the end of a sample."""
        width = self._net.output_size
        n = self._n_steps * self._n_samples * width
        sizes = n, self._n_samples, self._n_steps, width
        self._queue.for_each(gather_output_gradient, n, batch_table, by_sample, by_step, *sizes)

    def scatter_input_gradient(self, batch_table: Any, by_step: Any, grad_values: Any) -> None:
        """Copy a gradient of inputs (T, B, F) to the places of the inputs in the values of the caller.

        Nothing is written past the end of a sample.
        """
        n = self._n_steps * self._n_samples * self._net.input_size
        sizes = n, self._n_samples, self._net.input_size
        self._queue.for_each(scatter_input_gradient, n, batch_table, by_step, grad_values, *sizes)


# -- kernels with a thread for each of n elements


@device_function
def state_index(i, batch_table, n_samples, hidden, n_directions, number):
    """Return the index of element i of one state among the states of all layers and directions."""
    row, u = divide(i, hidden)
    k, r = divide(row, n_samples)
    return ((k * n_directions + number) * n_samples + batch_table[4 * r + NUMBER]) * hidden + u


@cuda_kernel
def gather_states(batch_table, states, state, n, n_samples, hidden, n_directions, number):
    i = cuda.grid(1)
    if i < n:
        state[i] = states[state_index(i, batch_table, n_samples, hidden, n_directions, number)]


@cuda_kernel
def scatter_states(batch_table, states, state, n, n_samples, hidden, n_directions, number):
    i = cuda.grid(1)
    if i < n:
        states[state_index(i, batch_table, n_samples, hidden, n_directions, number)] = state[i]


@cuda_kernel
def scatter_outputs(
    batch_table, operands, outputs, n, n_samples, n_steps, hidden, width, n_directions, direction
):
    i = cuda.grid(1)
    if i < n:
        row, u = divide(i, hidden)
        s, r = divide(row, n_samples)
        t = natural_time(direction, s, batch_table[4 * r + LENGTH])
        if t >= 0:
            to = (batch_table[4 * r + NUMBER] * n_steps + t) * n_directions + direction
            outputs[to * hidden + u] = operands[(row + n_samples) * width + u]


@cuda_kernel
def gather_output_gradient(batch_table, by_sample, by_step, n, n_samples, n_steps, width):
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width)
        t, r = divide(row, n_samples)
        by_step[i] = 0
        if t < batch_table[4 * r + LENGTH]:
            by_step[i] = by_sample[(batch_table[4 * r + NUMBER] * n_steps + t) * width + j]


@cuda_kernel
def scatter_input_gradient(batch_table, by_step, grad_values, n, n_samples, width):
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width)
        t, r = divide(row, n_samples)
        if t < batch_table[4 * r + LENGTH]:
            grad_values[(batch_table[4 * r + START] + t) * width + j] = by_step[i]


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    for kernel, n_numbers in (
        (gather_states, 5),
        (scatter_states, 5),
        (scatter_outputs, 7),
        (gather_output_gradient, 4),
        (scatter_input_gradient, 3),
    ):
        signature = int64[::1], float32[::1], float32[::1], *[int64] * n_numbers
        yield Example(kernel.__name__, kernel, signature)
