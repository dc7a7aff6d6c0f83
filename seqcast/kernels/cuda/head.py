"""What the head reads, the linear head, dropout, and the losses, forward and backward.

Stages are those of `kernels.pooling`, `kernels.head` and `kernels.dropout`. Flat buffers of B rows::

    pooled, d_pooled  (B, P)          P = D * H + 1: both directions side by side; of pooled, the last is 1
    peaks             (B, D * H)      the step of each largest state
    out               (B, n_outputs)  losses replace outputs by their gradient

The head's weights are a matrix (P, n_outputs) whose last row is the bias.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, float64, int32, int64, uint32

from .. import distributions, dropout
from .. import losses as cpu_losses
from ..batch_plan import Window
from ..distributions import DISTRIBUTIONS, output_levels
from ..losses import LOSSES, POINT_LOSSES
from ..readout import LAST, MAX, MEAN, READOUT_MODES
from ..samples import LENGTH, NUMBER, TARGET
from .compiler import Example, cuda, cuda_kernel, device_function, real_type
from .layout import CudaLayout
from .products import Matrix, Products
from .queue import THREADS, Queue
from .space import Space
from .steps import natural_time
from .sums import divided, make_block_sum
from .windows import Reader

GROUPS = 64  # of blocks that sum the losses of one target, so many at most: each sum is added by one thread

mask_key = device_function(dropout.mask_key)
is_kept = device_function(dropout.is_kept)
weight_of = device_function(cpu_losses.weight_of)


class Pooling:
    """What the head reads of the top layer's walks, and the way back, for a batch of so many rows.

    Attributes
    ----------
    pooled, d_pooled : arrays, (n_rows, P), flat
    """

    def __init__(self, queue: Queue, layout: CudaLayout, n_rows: int, n_steps: int):
        net, dtype = layout.architecture.stack, layout.layout.dtype
        self._queue, self._n_rows, self._n_steps, self._hidden = queue, n_rows, n_steps, layout.hidden
        self._kind = READOUT_MODES.index(layout.architecture.readout.pooling)
        self._real, self._width = real_type(dtype), net.output_size
        n = n_rows * (self._width + 1)
        self.pooled, self.d_pooled = queue.upload(np.ones(n, dtype)), queue.zeros(n, dtype)
        self._peaks = queue.zeros(n if self._kind == MAX else 1, np.int32)

    def pool(self, block, space: Space) -> None:
        """What a walk of the top layer left in its `space` to its columns of `pooled`."""
        walk, n = space.walk, space.n_rows * space.hidden
        place = space.hidden, self._width, walk.reverse
        if self._kind == LAST:
            self._queue.for_each(pool_last, n, space.state, self.pooled, n, *place)
        else:
            kernel, arrays = make_pool_steps(self._real, self._kind), (block, space.rows)
            sizes = n, space.n_rows, walk.row_width
            self._queue.for_each(kernel, n, *arrays, self.pooled, self._peaks, *sizes, *place)

    def unpool_states(self, space: Space) -> None:
        """The gradient of what was pooled to that of the final states of a walk of the top layer: zero where
        every step's state was pooled, see `unpool_outputs`."""
        if self._kind != LAST:
            self._queue.clear(space.state)
            return
        n = space.state.size
        sizes = n, space.n_rows, space.hidden, self._width, space.walk.reverse
        self._queue.for_each(unpool_last, n, self.d_pooled, space.state, *sizes)

    def unpool_outputs(self, block, d_sink) -> None:
        """The same to the gradient of the top layer's outputs, which is not written where only the last state
        was pooled."""
        if self._kind != LAST:
            n = self._n_steps * self._n_rows * self._width
            sizes = n, self._n_rows, self._hidden, self._width
            kernel = make_unpool_steps(self._real, self._kind)
            self._queue.for_each(kernel, n, block, self.d_pooled, self._peaks, d_sink, *sizes)


@cuda_kernel
def pool_last(state, pooled, n, hidden, width, direction):
    i = cuda.grid(1)
    if i < n:
        r, u = divided(i, hidden)
        pooled[r * (width + 1) + direction * hidden + u] = state[i]


@cache
def make_pool_steps(real, kind: int) -> Any:
    start = -math.inf if kind == MAX else 0.0

    @cuda_kernel
    def pool_steps(block, rows, pooled, peaks, n, n_rows, row_width, hidden, width, direction):
        """A thread for each row and unit: the mean, or the largest of its states and the step it came at."""
        i = cuda.grid(1)
        if i >= n:
            return
        r, u = divided(i, hidden)
        j, length, taken, peak = direction * hidden + u, block[4 * r + LENGTH], real(start), int32(0)
        for s in range(length):
            state = rows[((s + 1) * n_rows + r) * row_width + u]
            if kind == MEAN:
                taken += state
            elif state > taken:
                taken, peak = state, int32(s)
        if kind == MEAN:
            taken *= real(1) / real(length)
        else:
            peaks[r * width + j] = peak
        pooled[r * (width + 1) + j] = taken

    return pool_steps


@cuda_kernel
def unpool_last(d_pooled, state, n, n_rows, hidden, width, direction):
    """A thread for each number of a walk's state (n_states, B, H): the first part alone was pooled."""
    i = cuda.grid(1)
    if i < n:
        place, u = divided(i, hidden)
        k, r = divided(place, n_rows)
        state[i] = 0
        if k == 0:
            state[i] = d_pooled[r * (width + 1) + direction * hidden + u]


@cache
def make_unpool_steps(real, kind: int) -> Any:
    @cuda_kernel
    def unpool_steps(block, d_pooled, peaks, d_sink, n, n_rows, hidden, width):
        """A thread for each number of d_sink (T, B, D * H): its share of the mean, or all if it was the
        largest, at step `peaks` of its walk; 0 past the row's end."""
        i = cuda.grid(1)
        if i >= n:
            return
        place, j = divided(i, width)
        t, r = divided(place, n_rows)
        direction, _ = divided(j, hidden)
        length = block[4 * r + LENGTH]
        d_sink[i] = 0
        if t < length:
            d = d_pooled[r * (width + 1) + j]
            if kind == MEAN:
                d_sink[i] = d * (real(1) / real(length))
            elif peaks[r * width + j] == natural_time(direction, t, length):
                d_sink[i] = d

    return unpool_steps


# -- dropout


class Dropout:
    """The masks of one rate, for a batch of so many rows: the same as on the CPU, forward and backward."""

    def __init__(self, queue: Queue, layout: CudaLayout, rate: float, n_rows: int):
        self._queue, self._net, self._rate, self._n_rows = queue, layout.architecture.stack, rate, n_rows
        self._padded = layout.layout.stack.hidden  # the CPU's masks count padded units
        self._limit = np.uint32(dropout.mask_limit(rate))
        self._scale = layout.layout.dtype.type(1 / (1 - rate))

    def drop(self, block, seed, level: int, n_steps: int, values) -> None:
        """In place, in `values` (n_steps, B, D * H): outputs of layer `level`, or their gradient."""
        self._drop(block, seed, level, n_steps, self._net.output_size, values)

    def drop_pooled(self, block, seed, pooled) -> None:
        """In place, in `pooled` (B, P): one more level, at time 0; the 1 is never dropped."""
        self._drop(block, seed, self._net.n_layers, 1, self._net.output_size + 1, pooled)

    def _drop(self, block, seed, level: int, n_steps: int, stride: int, values) -> None:
        if self._rate > 0:
            width, H = self._net.output_size, self._net.hidden_size
            n = n_steps * self._n_rows * width
            sizes = n, self._n_rows, width, stride, H, self._padded, level
            self._queue.for_each(drop, n, block, seed, values, *sizes, self._limit, self._scale)


@cuda_kernel
def drop(block, seed, values, n, n_rows, width, stride, hidden, padded, level, limit, scale):
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, width)
        t, r = divided(place, n_rows)
        direction, u = divided(j, hidden)
        key, to = mask_key(seed[0], level, block[4 * r + NUMBER], t), place * stride + j
        if is_kept(key, direction * padded + u, limit):
            values[to] *= scale
        else:
            values[to] = 0


# -- the linear head


class Head:
    """``out = pooled @ weights``, with the bias as the last row of the weights, and the way back.

    Attributes
    ----------
    out : array, (n_rows, n_outputs), flat
        Outputs; then, of a loss, their gradient.
    """

    def __init__(self, queue: Queue, products: Products, layout: CudaLayout, n_rows: int):
        net = layout.architecture
        self._products, self._offset, self._n_rows = products, layout.head, n_rows
        self._width, self._n_outputs = net.stack.output_size, net.readout.n_outputs
        self.out = queue.zeros(n_rows * net.readout.n_outputs, layout.layout.dtype)

    def forward(self, pooled, packed) -> None:
        shape = self._n_rows, self._n_outputs, self._width + 1
        self._products.multiply(self._rows(pooled), self._matrix(packed), self._columns(self.out), shape)

    def backward(self, pooled, packed, d_pooled, gradient) -> None:
        """From the gradient in `out` to that of what was pooled, and to the head's part of the packed
        gradient (both OUT)."""
        n, P, d_out = self._n_rows, self._width + 1, self._columns(self.out)
        shape = P, self._n_outputs, n
        self._products.multiply(self._rows(pooled), d_out, self._matrix(gradient), shape, transposed="a")
        shape = n, self._width, self._n_outputs
        self._products.multiply(d_out, self._matrix(packed), self._rows(d_pooled), shape, transposed="b")

    def _rows(self, array) -> Matrix:
        return Matrix(array, 0, self._width + 1)

    def _columns(self, array) -> Matrix:
        return Matrix(array, 0, self._n_outputs)

    def _matrix(self, packed) -> Matrix:
        return Matrix(packed, self._offset, self._n_outputs)


# -- losses


class Losses:
    """The loss of a batch of so many rows and its gradient, by the name of the loss.

    Partial sums of blocks are added in order: the same bits every run.
    """

    def __init__(self, queue: Queue, layout: CudaLayout, window: Window, loss: str, n_rows: int):
        net, dtype = layout.architecture.readout, layout.layout.dtype
        self._queue, self._n_targets, self._n_outputs = queue, window.n_targets, net.n_outputs
        self._n_channels, self._n_rows = window.n_channels, n_rows
        self._n_points = 1 if loss == "cross_entropy" else net.n_points
        self._kernel = make_losses(real_type(dtype), loss, THREADS)
        self._levels = queue.upload(output_levels(net.levels).astype(dtype))
        self._groups = min(GROUPS, -(-n_rows * self._n_points // (self._n_targets * THREADS)))
        self._partials = queue.zeros(self._groups * self._n_targets * 2, dtype)

    def backward(self, block, out, reader: Reader, targets, weights, counters, sums) -> None:
        """Replace outputs by the gradient of the *sum* of losses, which the optimiser divides by the weights.

        Parameters
        ----------
        block : array of int64, (n_rows, 4), flat
        out : array, (n_rows, n_outputs), flat (IN and OUT)
        reader : Reader
            Its offsets and scales are the unit of the outputs.
        targets : array, flat
            NaN where missing.
        weights : array
            Of the steps of the targets, or empty.
        counters : array of int64
            The second is the number of the batch, see `Epoch`.
        sums : array, (n_batches, 2, n_targets), flat (OUT)
            At that number: each target's loss, and weight of its observed values.
        """
        arrays = block, out, targets, weights, reader.offsets, reader.scales, self._levels, self._partials
        sizes = self._n_rows, self._n_outputs, self._n_points, self._n_channels, self._n_targets
        blocks, n = self._groups * self._n_targets, 2 * self._n_targets
        self._queue.launch(self._kernel, blocks, THREADS, *arrays, *sizes)
        add = make_add_partials(real_type(sums.dtype))
        self._queue.for_each(add, n, self._partials, counters, sums, n, self._groups)


@cache
def make_losses(real, loss: str, threads: int) -> Any:
    block_sum, loss_backward = make_block_sum(real, threads), _make_loss_backward(real, loss)

    @cuda_kernel(threads=threads)
    def losses(
        block,
        out,
        targets,
        weights,
        offsets,
        scales,
        levels,
        partials,
        n_rows,
        n_outputs,
        n_points,
        n_channels,
        n_targets,
    ):
        """Each block sums a share of the rows and steps of one target.

        Outputs of row r for point j (a step and target): every n_points-th one, from the j-th on.
        """
        group, k = divided(cuda.blockIdx.x, n_targets)
        n_steps, n_groups = n_points // n_targets, cuda.gridDim.x // n_targets
        total, count = real(0), real(0)
        for i in range(group * threads + cuda.threadIdx.x, n_rows * n_steps, n_groups * threads):
            r, step = divided(i, n_steps)
            j = step * n_targets + k
            p, first = out[r * n_outputs + j : (r + 1) * n_outputs : n_points], block[4 * r + TARGET]
            y = targets[first + j]
            if math.isnan(y):
                for m in range(p.size):
                    p[m] = 0
                continue
            weight = weight_of(weights, (first + j) // n_targets)
            unit = r * n_channels + k
            one = loss_backward(levels, p, y, offsets[unit], scales[unit])
            for m in range(p.size):
                p[m] *= weight
            total += weight * one
            count += weight
        total, count = block_sum(total), block_sum(count)
        if cuda.threadIdx.x == 0:
            to = 2 * (group * n_targets + k)
            partials[to], partials[to + 1] = total, count

    return losses


def _make_loss_backward(real, loss: str) -> Callable:
    """Return ``loss_backward(levels, p, y, offset, scale)``: the loss of the outputs p for one value y;
    they become its derivatives."""
    if loss == "cross_entropy":
        cross_entropy = device_function(cpu_losses.cross_entropy)

        @device_function
        def loss_backward(levels, p, y, offset, scale):
            return cross_entropy(p, int64(y))

    elif loss in POINT_LOSSES:
        kind, point_loss = LOSSES.index(loss), device_function(cpu_losses.point_loss)

        @device_function
        def loss_backward(levels, p, y, offset, scale):
            one, slope = point_loss(kind, p[0] * scale - (y - offset), real(0.5))
            p[0] = slope * scale
            return one

    else:
        kind = DISTRIBUTIONS.index(loss)
        parameters_of = device_function(distributions.to_parameters)
        distribution_loss = device_function(distributions.distribution_loss)

        @device_function
        def loss_backward(levels, p, y, offset, scale):
            parameters_of(kind, levels, p)
            return real(distribution_loss(kind, levels, p, float64(scale), float64(y) - offset))

    return loss_backward


@cache
def make_add_partials(real) -> Any:
    @cuda_kernel
    def add_partials(partials, counters, sums, n, n_groups):
        """A thread for each of the 2 * n_targets sums of the batch."""
        i = cuda.grid(1)
        if i < n:
            total = real(0)
            which, k = divided(i, n // 2)
            for group in range(n_groups):
                total += partials[group * n + 2 * k + which]
            sums[counters[1] * n + i] = total

    return add_partials


def ptx_examples() -> Iterator[Example]:
    real, block, seed = float32[::1], int64[::1], uint32[::1]
    yield Example("pool_last", pool_last, (real, real, *[int64] * 4))
    yield Example("unpool_last", unpool_last, (real, real, *[int64] * 5))
    for kind in (MEAN, MAX):
        name = READOUT_MODES[kind]
        arrays = block, real, real, int32[::1]
        yield Example(f"pool_steps, {name}", make_pool_steps(float32, kind), (*arrays, *[int64] * 6))
        arrays = block, real, int32[::1], real
        yield Example(f"unpool_steps, {name}", make_unpool_steps(float32, kind), (*arrays, *[int64] * 4))
    yield Example("drop", drop, (block, seed, real, *[int64] * 7, uint32, float32))
    for loss in LOSSES:
        signature = block, *[real] * 7, *[int64] * 5
        yield Example(
            f"losses, {loss}", make_losses(float32, loss, 256), signature, distributions=loss in DISTRIBUTIONS
        )
    yield Example("add_partials", make_add_partials(float32), (real, block, real, int64, int64))
