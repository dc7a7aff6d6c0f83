"""Forward and backward walks over time: a layer and direction at a time, all rows of a batch together.

As in `kernels.recurrence`, but what needs no state is done for all steps at once: one product makes what the
inputs add to the pre-activations, and one the gradients of all weights. In between, step follows step, in the
way that the size of the layer allows: see `steps` and `registers`.

Buffers between layers, `sink` and `d_sink` (T, B, D * H), are in natural time, and zero past a row's end.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from numba import float32, int64

from ..samples import LENGTH
from .compiler import Example, cuda, cuda_kernel
from .layout import CudaLayout
from .products import Matrix, Products
from .queue import Queue
from .space import Space
from .steps import natural_time
from .sums import divided


class Steps(Protocol):
    """What walks from step to step: `StepByStep`, or `InRegisters`."""

    def forward(self, space: Space, block: Any, packed: Any) -> None: ...

    def backward(self, space: Space, block: Any, packed: Any, d_sink: Any, begin: int) -> None: ...


class Walks:
    """The walks of one network.

    Parameters
    ----------
    queue : Queue
    layout : CudaLayout
    products : Products
    steps : Steps
    """

    def __init__(self, queue: Queue, layout: CudaLayout, products: Products, steps: Steps):
        self._queue, self._layout, self._products, self._steps = queue, layout, products, steps
        self._n_of_x = (layout.columns.total - layout.columns.state_only) * layout.hidden

    def forward(self, space: Space, block: Any, packed: Any) -> None:
        """From the inputs in ``space.rows`` and the initial states to the states after every step.

        Parameters
        ----------
        space : Space
        block : array of int64, (B, 4), flat
            The rows' table, see `kernels.windows`.
        packed : array
            Weights, see `layout`.
        """
        C, F = self._layout.n_columns, space.walk.width
        shape = space.n_steps * space.n_rows, C, F + 1
        self._products.multiply(space.x(0), self._of_x(space, packed), space.columns(0), shape)
        self._steps.forward(space, block, packed)

    def backward(
        self,
        space: Space,
        block: Any,
        packed: Any,
        gradient: Any,
        d_sink: Any = None,
        begin: int = 0,
    ) -> None:
        """From the gradients of the final states, in ``space.state``, and of the outputs, to those of the
        weights and of the initial states.

        Parameters
        ----------
        space, block, packed
            As a forward walk left them.
        gradient : array, OUT
            Packed; the regions of this walk are overwritten.
        d_sink : array, optional
            None if only the final states were read.
        begin : int
            The gradient stops before this step.
        """
        self._steps.backward(space, block, packed, d_sink, begin)
        walk, n = space.walk, (space.n_steps - begin) * space.n_rows
        (width, C), (H, n_late) = walk.matrix_shape, walk.late_shape
        to, shape = Matrix(gradient, walk.matrix, C), (width, C, n)
        self._products.multiply(space.h(begin), space.columns(begin), to, shape, transposed="a")
        if n_late:
            d_late, to = space.columns(begin, self._layout.n_x - n_late), Matrix(gradient, walk.late, n_late)
            self._products.multiply(space.u(begin), d_late, to, (H, n_late, n), transposed="a")

    def find_input_gradient(
        self, space: Space, block: Any, packed: Any, d_source: Any, *, begin: int = 0, add: bool = False
    ) -> None:
        """After `backward`: the gradient of the inputs, to `d_source` (T, B, F), in natural time. The inputs
        in ``space.rows`` are lost."""
        F, n_rows = space.walk.width, space.n_rows
        shape = (space.n_steps - begin) * n_rows, F, self._n_of_x
        d_x = space.x(begin)
        weights = self._of_x(space, packed)
        self._products.multiply(space.columns(begin), weights, d_x, shape, transposed="b")
        n = space.n_steps * n_rows * F
        sizes = n, n_rows, space.hidden, F, begin, space.walk.reverse, int(add)
        self._queue.for_each(scatter_input_gradient, n, block, space.rows, d_source, *sizes)

    def place_input(self, space: Space, block: Any, sink: Any) -> None:
        """Copy what the layer below made (natural time) beside the states (walk time)."""
        F = space.walk.width
        n = space.n_steps * space.n_rows * (F + 1)
        sizes = n, space.n_rows, space.hidden, F, space.walk.reverse
        self._queue.for_each(place_input, n, block, sink, space.rows, *sizes)

    def collect_output(self, space: Space, block: Any, sink: Any) -> None:
        """Copy the states (walk time) to their columns of `sink` (natural time)."""
        H, width = space.hidden, self._layout.architecture.stack.output_size
        n = space.n_steps * space.n_rows * H
        sizes = n, space.n_rows, H, space.walk.row_width, width, space.walk.reverse
        self._queue.for_each(collect_output, n, block, space.rows, sink, *sizes)

    def _of_x(self, space: Space, packed: Any) -> Matrix:
        """The weights that x and 1 are multiplied with."""
        C = self._layout.n_columns
        return Matrix(packed, space.walk.matrix + space.hidden * C, C)


# -- kernels; n: how many numbers there are, one for each thread


@cuda_kernel
def place_input(block, sink, rows, n, n_rows, hidden, width, reverse):
    """And the 1 behind each row's inputs."""
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, width + 1)
        s, r = divided(place, n_rows)
        to = place * (hidden + width + 1) + hidden + j
        t = natural_time(reverse, s, block[4 * r + LENGTH])
        if j == width:
            rows[to] = 1
        elif t >= 0:
            rows[to] = sink[(t * n_rows + r) * width + j]
        else:
            rows[to] = 0


@cuda_kernel
def collect_output(block, rows, sink, n, n_rows, hidden, row_width, sink_width, reverse):
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, hidden)
        t, r = divided(place, n_rows)
        s = natural_time(reverse, t, block[4 * r + LENGTH])  # the step at time t: each is the other's mirror
        to = place * sink_width + reverse * hidden + j
        if s >= 0:
            sink[to] = rows[((s + 1) * n_rows + r) * row_width + j]
        else:
            sink[to] = 0


@cuda_kernel
def scatter_input_gradient(block, rows, d_source, n, n_rows, hidden, width, begin, reverse, add):
    """The gradient of the inputs stands where the inputs stood; none is known of steps before `begin`."""
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, width)
        t, r = divided(place, n_rows)
        s = natural_time(reverse, t, block[4 * r + LENGTH])
        if not add:
            d_source[i] = 0
        if s >= begin:
            d_source[i] += rows[(s * n_rows + r) * (hidden + width + 1) + hidden + j]


def ptx_examples() -> Iterator[Example]:
    arrays = int64[::1], float32[::1], float32[::1]
    for kernel, n_numbers in ((place_input, 5), (collect_output, 6), (scatter_input_gradient, 7)):
        yield Example(kernel.__name__, kernel, (*arrays, *[int64] * n_numbers))
