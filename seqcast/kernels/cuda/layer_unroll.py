"""Forward and backward passes of layers over time, one layer and direction at a time, for a whole batch.

As in `kernels.recurrence`, but work that needs no state is done for all steps at once: one product computes
the contribution of the inputs to the pre-activations, and one product computes the gradients of all weights.
Between them the steps run one after another, by `stepwise_unroll` or `register_unroll`, depending on the
size.

Arrays between layers, `outputs` and `grad_outputs` (T, B, D * H), are in the order of time and zero past the
end of a sample.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from numba import float32, int64

from ..samples import LENGTH
from .compiler import Example, cuda, cuda_kernel
from .device_math import divide, natural_time
from .packed_layout import PackedLayout
from .products import Matrix, Products
from .queue import Queue
from .unroll_workspace import UnrollWorkspace


class RecurrentUnroll(Protocol):
    """The recurrent part of a layer: `StepwiseUnroll` or `RegisterUnroll`."""

    def forward(self, workspace: UnrollWorkspace, batch_table: Any, packed: Any) -> None: ...

    def backward(
        self, workspace: UnrollWorkspace, batch_table: Any, packed: Any, grad_outputs: Any, begin: int
    ) -> None: ...


class LayerUnroll:
    """Passes of the layers of one network over time.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    products : Products
    recurrent : RecurrentUnroll
    """

    def __init__(self, queue: Queue, layout: PackedLayout, products: Products, recurrent: RecurrentUnroll):
        self._queue = queue
        self._layout = layout
        self._products = products
        self._recurrent = recurrent
        self._n_fed_by_input = (layout.columns.total - layout.columns.state_only) * layout.hidden

    def forward(self, workspace: UnrollWorkspace, batch_table: Any, packed: Any) -> None:
        """Compute the states after every step from the inputs in the operands and the initial states.

        Parameters
        ----------
        workspace : UnrollWorkspace
        batch_table : array of int64, (B, 4), flat
            Start, length, target and number of each sample, see `kernels.cpu.windows`.
        packed : array
            Weights, see `packed_layout`.
        """
        shape = (
            workspace.n_steps * workspace.n_samples,
            self._layout.n_columns,
            workspace.layout.input_size + 1,
        )
        weights = self._input_weights(workspace, packed)
        self._products.multiply(workspace.x_matrix(0), weights, workspace.z_matrix(0), shape)
        self._recurrent.forward(workspace, batch_table, packed)

    def backward(
        self,
        workspace: UnrollWorkspace,
        batch_table: Any,
        packed: Any,
        gradient: Any,
        grad_outputs: Any = None,
        begin: int = 0,
    ) -> None:
        """Compute the gradients of the weights and of the initial states.

        Parameters
        ----------
        workspace, batch_table, packed
            As a forward pass left them. ``workspace.state`` holds the gradients of the final states (IN) and
            then those of the initial states (OUT).
        gradient : array, OUT
            Gradients of the packed weights. The regions of this layer and direction are overwritten.
        grad_outputs : array, optional
            Gradient of the outputs; None if only the final states are read.
        begin : int
            First step of the truncated backward pass; gradients are not passed to earlier steps.
        """
        self._recurrent.backward(workspace, batch_table, packed, grad_outputs, begin)
        layout = workspace.layout
        n = (workspace.n_steps - begin) * workspace.n_samples
        (width, C), (H, n_candidate) = layout.matrix_shape, layout.candidate_shape
        h = workspace.h_matrix(begin)
        matrix = Matrix(gradient, layout.matrix_offset, C)
        self._products.multiply(h, workspace.z_matrix(begin), matrix, (width, C, n), transposed="a")
        if n_candidate:
            reset_h = workspace.reset_h_matrix(begin)
            grad_z = workspace.z_matrix(begin, self._layout.n_input_columns - n_candidate)
            matrix = Matrix(gradient, layout.candidate_offset, n_candidate)
            self._products.multiply(reset_h, grad_z, matrix, (H, n_candidate, n), transposed="a")

    def find_input_gradient(
        self,
        workspace: UnrollWorkspace,
        batch_table: Any,
        packed: Any,
        grad_inputs: Any,
        *,
        begin: int = 0,
        add: bool = False,
    ) -> None:
        """Compute the gradient of the inputs, after `backward`.

        It is stored in `grad_inputs` (T, B, F), in the order of time. The inputs in ``workspace.operands``
        are overwritten.
        """
        F = workspace.layout.input_size
        n_samples = workspace.n_samples
        shape = (workspace.n_steps - begin) * n_samples, F, self._n_fed_by_input
        x = workspace.x_matrix(begin)
        weights = self._input_weights(workspace, packed)
        self._products.multiply(workspace.z_matrix(begin), weights, x, shape, transposed="b")
        n = workspace.n_steps * n_samples * F
        arrays = batch_table, workspace.operands, grad_inputs
        sizes = n, n_samples, workspace.hidden, F, begin, workspace.layout.direction, int(add)
        self._queue.for_each(scatter_input_gradient, n, *arrays, *sizes)

    def copy_input(self, workspace: UnrollWorkspace, batch_table: Any, outputs: Any) -> None:
        """Copy the outputs of the layer below to the operands, in the order of this direction."""
        F = workspace.layout.input_size
        n = workspace.n_steps * workspace.n_samples * (F + 1)
        sizes = n, workspace.n_samples, workspace.hidden, F, workspace.layout.direction
        self._queue.for_each(copy_input, n, batch_table, outputs, workspace.operands, *sizes)

    def copy_output(self, workspace: UnrollWorkspace, batch_table: Any, outputs: Any) -> None:
        """Copy the states to the columns of this direction in `outputs`, in the order of time."""
        H = workspace.hidden
        layout = workspace.layout
        n = workspace.n_steps * workspace.n_samples * H
        output_size = self._layout.architecture.stack.output_size
        sizes = n, workspace.n_samples, H, layout.operand_width, output_size, layout.direction
        self._queue.for_each(copy_output, n, batch_table, workspace.operands, outputs, *sizes)

    def _input_weights(self, workspace: UnrollWorkspace, packed: Any) -> Matrix:
        """Return the weights of x and of the constant 1."""
        C = self._layout.n_columns
        return Matrix(packed, workspace.layout.matrix_offset + workspace.hidden * C, C)


# -- kernels with a thread for each of n elements


@cuda_kernel
def copy_input(batch_table, outputs, operands, n, n_samples, hidden, width, direction):
    """Copy one input of one step, or set the constant 1 behind the inputs."""
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width + 1)
        s, r = divide(row, n_samples)
        to = row * (hidden + width + 1) + hidden + j
        t = natural_time(direction, s, batch_table[4 * r + LENGTH])
        if j == width:
            operands[to] = 1
        elif t >= 0:
            operands[to] = outputs[(t * n_samples + r) * width + j]
        else:
            operands[to] = 0


@cuda_kernel
def copy_output(batch_table, operands, outputs, n, n_samples, hidden, operand_width, output_width, direction):
    """Copy one state of one step, or set 0 past the end of a sample."""
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, hidden)
        t, r = divide(row, n_samples)
        # The step at time t: the mapping between steps and times is its own inverse.
        s = natural_time(direction, t, batch_table[4 * r + LENGTH])
        to = row * output_width + direction * hidden + j
        if s >= 0:
            outputs[to] = operands[((s + 1) * n_samples + r) * operand_width + j]
        else:
            outputs[to] = 0


@cuda_kernel
def scatter_input_gradient(
    batch_table, operands, grad_inputs, n, n_samples, hidden, width, begin, direction, add
):
    """Copy one gradient from the place of its input in the operands; steps before `begin` have none."""
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width)
        t, r = divide(row, n_samples)
        s = natural_time(direction, t, batch_table[4 * r + LENGTH])
        if not add:
            grad_inputs[i] = 0
        if s >= begin:
            grad_inputs[i] += operands[(s * n_samples + r) * (hidden + width + 1) + hidden + j]


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    arrays = int64[::1], float32[::1], float32[::1]
    for kernel, n_numbers in ((copy_input, 5), (copy_output, 6), (scatter_input_gradient, 7)):
        yield Example(kernel.__name__, kernel, (*arrays, *[int64] * n_numbers))
