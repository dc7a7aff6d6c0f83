"""The readout: pooling of the states of the top layer, dropout, and a linear head, forward and backward.

The stages are those of `kernels.readout`, with a reading for each sample, or, with pooling "none", for each
step and sample. Flat arrays for R readings, which are B samples or (T, B) steps and samples::

    pooled, grad_pooled  (R, P)          P = D * H + 1: the directions side by side; the last element of
                                         pooled is 1
    argmax_step          (B, D * H)      the step of each largest state
    out                  (R, n_outputs)  the loss replaces outputs by their gradient

The weights of the head are a matrix (P, n_outputs) whose last row is the bias.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, int32, int64

from ..modes import EVERY_STEP, LAST, MAX, MEAN, READOUT_MODES
from ..samples import LENGTH
from .compiler import Example, cuda, cuda_kernel, real_type
from .device_math import divide, natural_time
from .dropout import Dropout
from .packed_layout import PackedLayout
from .products import Matrix, Products
from .queue import Queue
from .unroll_workspace import UnrollWorkspace


class Readout:
    """Readout of the states of the top layer, with outputs for each sample, or for each step and sample.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    products : Products
    dropout : Dropout
    n_samples, n_steps : int

    Attributes
    ----------
    out : array, (n_readings, n_outputs), flat
        Outputs; after the loss, their gradient.
    """

    def __init__(
        self,
        queue: Queue,
        layout: PackedLayout,
        products: Products,
        dropout: Dropout,
        n_samples: int,
        n_steps: int,
    ):
        self._pooling = Pooling(queue, layout, n_samples, n_steps)
        self._dropout = dropout
        self._n_times = n_steps if layout.architecture.readout.reads_every_step else 1
        self._head = Head(queue, products, layout, n_samples * self._n_times)
        self.out = self._head.out

    def forward(self, batch_table: Any, seed: Any, workspaces: list[UnrollWorkspace], packed: Any) -> None:
        """Compute `out` from the workspaces of the top layer."""
        for workspace in workspaces:
            self._pooling.pool(batch_table, workspace)
        self._dropout.drop_pooled(batch_table, seed, self._n_times, self._pooling.pooled)
        self._head.forward(self._pooling.pooled, packed)

    def backward(
        self,
        batch_table: Any,
        seed: Any,
        workspaces: list[UnrollWorkspace],
        packed: Any,
        gradient: Any,
        grad_outputs: Any,
    ) -> None:
        """Compute gradients from the gradient in `out`.

        The results are the head's part of the packed `gradient`, the gradients of the final states in the
        workspaces of the top layer, and `grad_outputs`, the gradient of the outputs of the top layer, which
        is written only if all steps are read.
        """
        pooling = self._pooling
        self._head.backward(pooling.pooled, packed, pooling.grad_pooled, gradient)
        self._dropout.drop_pooled(batch_table, seed, self._n_times, pooling.grad_pooled)
        for workspace in workspaces:
            pooling.unpool_states(workspace)
        pooling.unpool_outputs(batch_table, grad_outputs)


# -- pooling


class Pooling:
    """The vectors that are read of the states of the top layer, and the backward pass.

    Attributes
    ----------
    pooled, grad_pooled : arrays, (n_readings, P), flat
    """

    def __init__(self, queue: Queue, layout: PackedLayout, n_samples: int, n_steps: int):
        net = layout.architecture.stack
        dtype = layout.layout.dtype
        self._queue = queue
        self._n_samples = n_samples
        self._n_steps = n_steps
        self._hidden = layout.hidden
        self._kind = READOUT_MODES.index(layout.architecture.readout.pooling)
        self._real = real_type(dtype)
        self._width = net.output_size
        n = n_samples * (n_steps if self._kind == EVERY_STEP else 1) * (self._width + 1)
        self.pooled = queue.upload(np.ones(n, dtype))
        self.grad_pooled = queue.zeros(n, dtype)
        self._argmax_step = queue.zeros(n if self._kind == MAX else 1, np.int32)

    def pool(self, batch_table: Any, workspace: UnrollWorkspace) -> None:
        """Pool the states of one direction of the top layer into its columns of `pooled`."""
        n = workspace.n_samples * workspace.hidden
        columns = workspace.hidden, self._width, workspace.layout.direction
        if self._kind == LAST:
            self._queue.for_each(pool_last, n, workspace.state, self.pooled, n, *columns)
            return
        sizes = n, workspace.n_samples, workspace.layout.operand_width
        if self._kind == EVERY_STEP:
            n *= self._n_steps
            states = batch_table, workspace.operands, self.pooled
            self._queue.for_each(read_steps, n, *states, n, *sizes[1:], *columns)
            return
        kernel = make_pool_steps(self._real, self._kind)
        arrays = batch_table, workspace.operands, self.pooled, self._argmax_step
        self._queue.for_each(kernel, n, *arrays, *sizes, *columns)

    def unpool_states(self, workspace: UnrollWorkspace) -> None:
        """Compute the gradients of the final states of one direction of the top layer.

        They are stored in ``workspace.state``. They are zero if all steps are read, see `unpool_outputs`.
        """
        if self._kind != LAST:
            self._queue.clear(workspace.state)
            return
        n = workspace.state.size
        sizes = n, workspace.n_samples, workspace.hidden, self._width, workspace.layout.direction
        self._queue.for_each(unpool_last, n, self.grad_pooled, workspace.state, *sizes)

    def unpool_outputs(self, batch_table: Any, grad_outputs: Any) -> None:
        """Compute the gradient of the outputs of the top layer.

        It is not written if only the last state is pooled.
        """
        n = self._n_steps * self._n_samples * self._width
        if self._kind == EVERY_STEP:
            self._queue.for_each(unread_steps, n, self.grad_pooled, grad_outputs, n, self._width)
        elif self._kind != LAST:
            sizes = n, self._n_samples, self._hidden, self._width
            kernel = make_unpool_steps(self._real, self._kind)
            arrays = batch_table, self.grad_pooled, self._argmax_step, grad_outputs
            self._queue.for_each(kernel, n, *arrays, *sizes)


@cuda_kernel
def pool_last(state, pooled, n, hidden, width, direction):
    """Copy h of one unit of one sample."""
    i = cuda.grid(1)
    if i < n:
        r, u = divide(i, hidden)
        pooled[r * (width + 1) + direction * hidden + u] = state[i]


@cache
def make_pool_steps(real, kind: int) -> Any:
    """Return the kernel that pools all steps of a sample."""
    start = -math.inf if kind == MAX else 0.0

    @cuda_kernel
    def pool_steps(
        batch_table, operands, pooled, argmax_step, n, n_samples, operand_width, hidden, width, direction
    ):
        """Compute the mean of one unit of one sample, or its largest state and the step of that state."""
        i = cuda.grid(1)
        if i >= n:
            return
        r, u = divide(i, hidden)
        j = direction * hidden + u
        length = batch_table[4 * r + LENGTH]
        result = real(start)
        largest_step = int32(0)
        for s in range(length):
            state = operands[((s + 1) * n_samples + r) * operand_width + u]
            if kind == MEAN:
                result += state
            elif state > result:
                result = state
                largest_step = int32(s)
        if kind == MEAN:
            result *= real(1) / real(length)
        else:
            argmax_step[r * width + j] = largest_step
        pooled[r * (width + 1) + j] = result

    return pool_steps


@cuda_kernel
def read_steps(batch_table, operands, pooled, n, n_samples, operand_width, hidden, width, direction):
    """Copy h of one unit of one sample after one step; 0 past the end of the sample."""
    i = cuda.grid(1)
    if i < n:
        row, u = divide(i, hidden)
        t, r = divide(row, n_samples)
        s = natural_time(direction, t, batch_table[4 * r + LENGTH])
        to = row * (width + 1) + direction * hidden + u
        if s >= 0:
            pooled[to] = operands[((s + 1) * n_samples + r) * operand_width + u]
        else:
            pooled[to] = 0


@cuda_kernel
def unread_steps(grad_pooled, grad_outputs, n, width):
    """Copy one element of the gradient of what was read at one step to grad_outputs (T, B, D * H)."""
    i = cuda.grid(1)
    if i < n:
        row, j = divide(i, width)
        grad_outputs[i] = grad_pooled[row * (width + 1) + j]


@cuda_kernel
def unpool_last(grad_pooled, state, n, n_samples, hidden, width, direction):
    """Set one gradient of the state (n_states, B, H); only h, the first state, was pooled."""
    i = cuda.grid(1)
    if i < n:
        row, u = divide(i, hidden)
        k, r = divide(row, n_samples)
        state[i] = 0
        if k == 0:
            state[i] = grad_pooled[r * (width + 1) + direction * hidden + u]


@cache
def make_unpool_steps(real, kind: int) -> Any:
    """Return the kernel that distributes the gradient of pooled states over the steps."""

    @cuda_kernel
    def unpool_steps(batch_table, grad_pooled, argmax_step, grad_outputs, n, n_samples, hidden, width):
        """Set one element of grad_outputs (T, B, D * H).

        It is an equal part of the mean's gradient, or the whole gradient at the step of the largest state,
        and 0 past the end of the sample.
        """
        i = cuda.grid(1)
        if i >= n:
            return
        row, j = divide(i, width)
        t, r = divide(row, n_samples)
        direction, _ = divide(j, hidden)
        length = batch_table[4 * r + LENGTH]
        grad_outputs[i] = 0
        if t < length:
            d = grad_pooled[r * (width + 1) + j]
            if kind == MEAN:
                grad_outputs[i] = d * (real(1) / real(length))
            elif argmax_step[r * width + j] == natural_time(direction, t, length):
                grad_outputs[i] = d

    return unpool_steps


# -- the linear head


class Head:
    """Linear head ``out = pooled @ weights``, whose last row of weights is the bias, and the backward pass.

    Attributes
    ----------
    out : array, (n_readings, n_outputs), flat
        Outputs; after the loss, their gradient.
    """

    def __init__(self, queue: Queue, products: Products, layout: PackedLayout, n_readings: int):
        net = layout.architecture
        self._products = products
        self._offset = layout.head
        self._n_readings = n_readings
        self._width = net.stack.output_size
        self._n_outputs = net.readout.n_outputs
        self.out = queue.zeros(n_readings * net.readout.n_outputs, layout.layout.dtype)

    def forward(self, pooled: Any, packed: Any) -> None:
        """Compute `out`."""
        shape = self._n_readings, self._n_outputs, self._width + 1
        pooled_matrix = Matrix(pooled, 0, self._width + 1)
        weights = Matrix(packed, self._offset, self._n_outputs)
        self._products.multiply(pooled_matrix, weights, self._out_matrix, shape)

    def backward(self, pooled: Any, packed: Any, grad_pooled: Any, gradient: Any) -> None:
        """Compute `grad_pooled` and the head's part of the packed `gradient` from the gradient in `out`."""
        n = self._n_readings
        P = self._width + 1
        pooled_matrix = Matrix(pooled, 0, P)
        head_gradient = Matrix(gradient, self._offset, self._n_outputs)
        shape = P, self._n_outputs, n
        self._products.multiply(pooled_matrix, self._out_matrix, head_gradient, shape, transposed="a")
        weights = Matrix(packed, self._offset, self._n_outputs)
        shape = n, self._width, self._n_outputs
        self._products.multiply(self._out_matrix, weights, Matrix(grad_pooled, 0, P), shape, transposed="b")

    @property
    def _out_matrix(self) -> Matrix:
        return Matrix(self.out, 0, self._n_outputs)


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    real, batch_table = float32[::1], int64[::1]
    yield Example("pool_last", pool_last, (real, real, *[int64] * 4))
    yield Example("unpool_last", unpool_last, (real, real, *[int64] * 5))
    yield Example("read_steps", read_steps, (batch_table, real, real, *[int64] * 6))
    yield Example("unread_steps", unread_steps, (real, real, int64, int64))
    for kind in (MEAN, MAX):
        name = READOUT_MODES[kind]
        arrays = batch_table, real, real, int32[::1]
        yield Example(f"pool_steps, {name}", make_pool_steps(float32, kind), (*arrays, *[int64] * 6))
        arrays = batch_table, real, int32[::1], real
        yield Example(f"unpool_steps, {name}", make_unpool_steps(float32, kind), (*arrays, *[int64] * 4))
