"""Batches and their windows out of the series that lie on the device; and what goes back there.

An epoch's table of rows is uploaded once. One launch takes the next batch out of it, so that the same
recorded launches train every batch of that size. Stages are those of `kernels.windows`; what a walk keeps is
in `space`, and between walks lie, in natural time::

    block     (B, 4)          the current batch's rows: start, length, target, number
    d_sink    (T, B, D * H)   gradient of the top layer's outputs
    d_source  (T, B, F)       gradient of the inputs
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import float32, float64, int64, uint32

from .. import windows
from ..batch_plan import Window
from ..distributions import DISTRIBUTIONS, output_levels, to_parameters, to_values_unit
from ..samples import LENGTH, NUMBER, START, TARGET
from ..windows import SCALES
from .compiler import SIMULATED, Example, cuda, cuda_kernel, device_function
from .layout import CudaLayout
from .queue import Queue
from .space import Space
from .steps import natural_time
from .sums import divided

TAKE_THREADS = 32 if SIMULATED else 1024  # one block takes a batch, since it also moves the cursor

last_observed = device_function(windows.last_observed)
scale_of = device_function(windows.find_scale)


class Epoch:
    """The batches of an epoch on the device, and the one that is the current one.

    Parameters
    ----------
    queue : Queue
    dtype : dtype
        Of the network.
    n_rows, n_batches : int
        The most that an epoch has.
    batch_size : int
        Rows of its largest batch.

    Attributes
    ----------
    block : array of int64, (batch_size, 4), flat
        Rows of the current batch.
    seed : array of uint32, (1,)
        Of its dropout masks.
    corrections : array, (2,)
        See `optimizers.adam_corrections`.
    counters : array of int64, (2,)
        The first row behind the current batch, and its number, which is -1 before the first one.
    """

    def __init__(self, queue: Queue, dtype, n_rows: int, n_batches: int, batch_size: int):
        self._queue = queue
        self._rows, self.block = (queue.zeros(4 * n, np.int64) for n in (n_rows, batch_size))
        self._seeds, self.seed = (queue.zeros(n, np.uint32) for n in (n_batches, 1))
        self._corrections, self.corrections = (queue.zeros(2 * n, dtype) for n in (n_batches, 1))
        self.counters = queue.zeros(2, np.int64)

    def begin(self, rows: np.ndarray, seeds: np.ndarray, corrections: np.ndarray) -> None:
        """Upload the tables of all batches below each other, and what each of them has of its own.

        Parameters
        ----------
        rows : ndarray of int64, shape (n_rows, 4)
            In each batch the longest first.
        seeds : ndarray of uint32, shape (n_batches,)
        corrections : ndarray, shape (n_batches, 2)
        """
        for to, source in ((self._rows, rows), (self._seeds, seeds), (self._corrections, corrections)):
            self._queue.copy(to, np.ascontiguousarray(source.ravel(), to.dtype))
        self._queue.copy(self.counters, np.array([0, -1], np.int64))

    def take(self, n_rows: int) -> None:
        """Make the next `n_rows` rows the current batch."""
        mine = self.block, self.seed, self.corrections
        uploaded = self._rows, self._seeds, self._corrections
        self._queue.launch(take_batch, 1, TAKE_THREADS, *uploaded, self.counters, *mine, n_rows)


@cuda_kernel(threads=TAKE_THREADS)
def take_batch(all_rows, seeds, all_corrections, counters, block, seed, corrections, n_rows):
    """The next batch's rows to `block`, its own numbers to `seed` and `corrections`; the counters move on."""
    i = cuda.threadIdx.x
    first, number = counters[0], counters[1] + 1
    cuda.syncthreads()  # all have read the counters
    if i == 0:
        counters[0], counters[1] = first + n_rows, number
        seed[0] = seeds[number]
        corrections[0], corrections[1] = all_corrections[2 * number], all_corrections[2 * number + 1]
    for k in range(i, 4 * n_rows, cuda.blockDim.x):
        block[k] = all_rows[4 * first + k]


# -- inputs


class Reader:
    """How the windows of a batch of so many rows are read: offsets, scales, and inputs of the lowest layer.

    Attributes
    ----------
    offsets, scales : arrays, (n_rows, n_channels), flat
        0 and 1 for what is read as it is, so for targets that are more than channels: there is room for them.
    """

    def __init__(self, queue: Queue, layout: CudaLayout, window: Window, n_rows: int):
        self._queue, self._window, self._n_rows = queue, window, n_rows
        n, dtype = n_rows * max(window.n_channels, window.n_targets), layout.layout.dtype
        self.offsets, self.scales = queue.zeros(n, dtype), queue.upload(np.ones(n, dtype))

    def find_offsets(self, block, values) -> None:
        """Of the current batch, to `offsets` and `scales`; `values` (n, n_channels), flat."""
        window = self._window
        if not window.normalize and window.scale == "none":
            return
        kernel = make_find_offsets(window.normalize, SCALES.index(window.scale))
        C = window.n_channels
        n_normalized = C if window.n_normalized is None else window.n_normalized
        n = self._n_rows * n_normalized
        sizes = n, C, n_normalized, window.segment
        self._queue.for_each(kernel, n, values, block, self.offsets, self.scales, *sizes)

    def gather(self, block, values, space: Space) -> None:
        """Every step of each window, in the time of a walk of the lowest layer, beside its states, and the 1
        behind it."""
        window, F = self._window, space.walk.width
        n = space.n_steps * space.n_rows * (F + 1)
        sizes = n, space.n_rows, space.hidden, F, window.n_channels, window.segment, int(window.masked)
        arrays = values, block, self.offsets, self.scales, space.rows
        self._queue.for_each(gather, n, *arrays, *sizes, space.walk.reverse)


@cache
def make_find_offsets(normalize: bool, scale: int) -> Any:
    """`scale`: its number in SCALES. Where there is one, sums are in float64, by the CPU's function: in
    float32, those of a window that ends far from its mean would cancel to nothing."""

    @cuda_kernel
    def find_offsets(values, block, offsets, scales, n, n_channels, n_normalized, segment):
        i = cuda.grid(1)
        if i < n:
            r, c = divided(i, n_normalized)
            first, length = block[4 * r + START] * n_channels, block[4 * r + LENGTH] * n_channels * segment
            window, to = values[first + c : first + length], r * n_channels + c
            last = last_observed(window, n_channels)
            if normalize:
                offsets[to] = last
            if scale:
                scales[to] = scale_of(scale, window, n_channels, float64(last))

    return find_offsets


@cuda_kernel
def gather(
    values, block, offsets, scales, rows, n, n_rows, hidden, width, n_channels, segment, masked, reverse
):
    """A thread for each input: value less offset, over scale, 0 where missing; then, if masked, 1 where
    observed; and 0 past the row's end. And one for the 1."""
    i = cuda.grid(1)
    if i >= n:
        return
    place, j = divided(i, width + 1)
    s, r = divided(place, n_rows)
    to = place * (hidden + width + 1) + hidden + j
    if j == width:
        rows[to] = 1
        return
    rows[to] = 0
    t = natural_time(reverse, s, block[4 * r + LENGTH])
    if t >= 0:
        k, column = divided(j, 2 * n_channels if masked else n_channels)
        _, c = divided(column, n_channels)
        x = values[(block[4 * r + START] + t * segment + k) * n_channels + c]
        if math.isnan(x):
            return
        if column == c:
            rows[to] = (x - offsets[r * n_channels + c]) / scales[r * n_channels + c]
        else:
            rows[to] = 1


# -- the layer by itself: states and outputs of a call, and their gradients


class Exchange:
    """Between the arrays of a call, row after row, and the buffers of walks over a batch of so many rows.

    A call has states (n_states, walks, B, H), outputs (B, T, D * H) and inputs (B, T, F), all flat.
    """

    def __init__(self, queue: Queue, layout: CudaLayout, n_rows: int, n_steps: int):
        self._queue, self._net, self._n_rows, self._n_steps = (
            queue,
            layout.architecture.stack,
            n_rows,
            n_steps,
        )

    def gather_states(self, block, states, space: Space) -> None:
        """Those of one walk to its ``space.state``."""
        self._exchange_states(gather_states, block, states, space)

    def scatter_states(self, block, space: Space, states) -> None:
        """The state of one walk to its place among all."""
        self._exchange_states(scatter_states, block, states, space)

    def _exchange_states(self, kernel, block, states, space: Space) -> None:
        net, walk = self._net, space.walk
        number = walk.level * net.n_directions + walk.reverse
        sizes = space.state.size, space.n_rows, space.hidden, net.n_unrolls, number
        self._queue.for_each(kernel, space.state.size, block, states, space.state, *sizes)

    def scatter_outputs(self, block, space: Space, outputs) -> None:
        """The states after each step of a walk of the top layer, to their columns; nothing past the end."""
        walk, n = space.walk, space.n_steps * space.n_rows * space.hidden
        sizes = n, space.n_rows, space.n_steps, space.hidden, walk.row_width, self._net.n_directions
        self._queue.for_each(scatter_outputs, n, block, space.rows, outputs, *sizes, walk.reverse)

    def gather_output_gradient(self, block, d_outputs, d_sink) -> None:
        """To the order of time, zero past a row's end."""
        n = self._n_steps * self._n_rows * self._net.output_size
        sizes = n, self._n_rows, self._n_steps, self._net.output_size
        self._queue.for_each(gather_output_gradient, n, block, d_outputs, d_sink, *sizes)

    def scatter_input_gradient(self, block, d_source, d_values) -> None:
        """To where the inputs of each row stand; nothing past its end."""
        n = self._n_steps * self._n_rows * self._net.input_size
        sizes = n, self._n_rows, self._net.input_size
        self._queue.for_each(scatter_input_gradient, n, block, d_source, d_values, *sizes)


@device_function
def place_of_state(i, block, n_rows, hidden, n_walks, walk):
    """Where number i of one walk's state stands among the states of all."""
    place, u = divided(i, hidden)
    k, r = divided(place, n_rows)
    return ((k * n_walks + walk) * n_rows + block[4 * r + NUMBER]) * hidden + u


@cuda_kernel
def gather_states(block, states, state, n, n_rows, hidden, n_walks, walk):
    i = cuda.grid(1)
    if i < n:
        state[i] = states[place_of_state(i, block, n_rows, hidden, n_walks, walk)]


@cuda_kernel
def scatter_states(block, states, state, n, n_rows, hidden, n_walks, walk):
    i = cuda.grid(1)
    if i < n:
        states[place_of_state(i, block, n_rows, hidden, n_walks, walk)] = state[i]


@cuda_kernel
def scatter_outputs(block, rows, outputs, n, n_rows, n_steps, hidden, width, n_directions, direction):
    i = cuda.grid(1)
    if i < n:
        place, u = divided(i, hidden)
        s, r = divided(place, n_rows)
        t = natural_time(direction, s, block[4 * r + LENGTH])
        if t >= 0:
            to = (block[4 * r + NUMBER] * n_steps + t) * n_directions + direction
            outputs[to * hidden + u] = rows[(place + n_rows) * width + u]


@cuda_kernel
def gather_output_gradient(block, d_outputs, d_sink, n, n_rows, n_steps, width):
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, width)
        t, r = divided(place, n_rows)
        d_sink[i] = 0
        if t < block[4 * r + LENGTH]:
            d_sink[i] = d_outputs[(block[4 * r + NUMBER] * n_steps + t) * width + j]


@cuda_kernel
def scatter_input_gradient(block, d_source, d_values, n, n_rows, width):
    i = cuda.grid(1)
    if i < n:
        place, j = divided(i, width)
        t, r = divided(place, n_rows)
        if t < block[4 * r + LENGTH]:
            d_values[(block[4 * r + START] + t) * width + j] = d_source[i]


# -- forecasts


class Forecasts:
    """From the head's outputs (n_rows, n_outputs) to forecasts in the unit of the values."""

    def __init__(self, queue: Queue, layout: CudaLayout, window: Window, n_rows: int):
        self._queue, self._net, self._window, self._n_rows = (
            queue,
            layout.architecture.readout,
            window,
            n_rows,
        )
        self._levels = queue.upload(output_levels(self._net.levels).astype(layout.layout.dtype))

    def place(self, block, out, reader: Reader, predictions) -> None:
        """Bring `out` (IN and OUT) to the values' unit, and each row of it to its place in `predictions`."""
        net, window = self._net, self._window
        n = self._n_rows * net.n_points
        sizes = n, net.n_points, net.n_outputs, window.n_channels, window.n_targets
        kernel = make_place(DISTRIBUTIONS.index(net.distribution))
        arrays = block, out, reader.offsets, reader.scales, self._levels, predictions
        self._queue.for_each(kernel, n, *arrays, *sizes)


@cache
def make_place(distribution: int) -> Any:
    parameters_of, bring_to_unit = device_function(to_parameters), device_function(to_values_unit)

    @cuda_kernel
    def place(
        block, out, offsets, scales, levels, predictions, n, n_points, n_outputs, n_channels, n_targets
    ):
        """A thread for each step and target: its forecast, or the parameters of its distribution."""
        i = cuda.grid(1)
        if i >= n:
            return
        r, j = divided(i, n_points)
        _, k = divided(j, n_targets)
        offset, scale = offsets[r * n_channels + k], scales[r * n_channels + k]
        p = out[r * n_outputs + j : (r + 1) * n_outputs : n_points]
        if distribution:
            parameters_of(distribution, levels, p)
            bring_to_unit(distribution, p, offset, scale)
        else:
            p[0] = p[0] * scale + offset
        to = block[4 * r + TARGET] + j
        for m in range(p.size):
            predictions[to + m * n_points] = p[m]

    return place


def ptx_examples() -> Iterator[Example]:
    real, block, seeds = float32[::1], int64[::1], uint32[::1]
    signature = block, seeds, real, block, block, seeds, real, int64
    yield Example("take_batch", take_batch, signature, TAKE_THREADS)
    for scale, name in enumerate(SCALES):
        signature = real, block, real, real, *[int64] * 4
        kernel, in_float64 = make_find_offsets(True, scale), scale > 0  # see there
        yield Example(f"find_offsets, {name}", kernel, signature, distributions=in_float64)
    yield Example("gather", gather, (real, block, real, real, real, *[int64] * 8))
    for kernel, n_numbers in (
        (gather_states, 5),
        (scatter_states, 5),
        (scatter_outputs, 7),
        (gather_output_gradient, 4),
        (scatter_input_gradient, 3),
    ):
        yield Example(kernel.__name__, kernel, (block, real, real, *[int64] * n_numbers))
    for distribution, name in enumerate(DISTRIBUTIONS):
        signature = block, *[real] * 5, *[int64] * 5
        yield Example(f"place, {name}", make_place(distribution), signature, distributions=distribution > 0)
