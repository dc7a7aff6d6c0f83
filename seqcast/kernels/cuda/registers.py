"""The recurrent part of a walk in one launch over all its steps, with the weights in registers.

Rows of a batch are independent: a block of threads takes a few of them through all steps, and waits for no
other block. Each thread owns one of the columns that h feeds (4 H for an LSTM) and keeps its weights from the
first step to the last, as many as there is room for in registers, all of them up to 64 units or more, and the
others in shared memory. A step has two phases, with a barrier behind each::

    forward    products   the thread's column, for every row of the block; h comes from shared memory
               step       the thread's unit, for every row or every n-th; the new h goes to shared memory
    backward   step       the same; gradients of columns go to z and to shared memory
               products   what the thread's group of columns sends back to h of its unit, for every row

The gradients of the weights are one product over all steps afterwards, see `walks`.

How such a kernel must be written (each was seen in the machine code): registers hold what is indexed by
constants only, so loops over rows are written out, as tuples with one item for each row; indices are unsigned
and 32 bits wide; four neighbours are read at once if the first one's index is a multiple of four for all to
see. What step s + 1 needs of the device's memory is read while step s is calculated.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint32

from ...cells.gru import GRU
from ...cells.lstm import LSTM
from ...cells.rnn import RNN
from ..samples import LENGTH
from .cells import compile_cell, load_and_store
from .compiler import ALIGNMENT, Example, cuda, cuda_kernel, device_function, real_type
from .layout import CudaLayout
from .queue import Queue
from .shapes import FOUR, Gpu, Shape, choose_shape
from .space import Space
from .steps import natural_time


class InRegisters:
    """The steps of the walks of one network, by kernels of one shape.

    Parameters
    ----------
    queue : Queue
    layout : CudaLayout
    shape : Shape
        As `choose_shape` returns it; the bits of a row do not depend on it.
    """

    def __init__(self, queue: Queue, layout: CudaLayout, shape: Shape):
        self._queue, self._layout, self._shape = queue, layout, shape

    def forward(self, space: Space, block: Any, packed: Any) -> None:
        """As `StepByStep.forward`."""
        kernel, shared = make_forward(self._shape, space.keep), self._shape.shared_forward
        self._launch(kernel, shared, space, *self._arrays(space, block, packed), *self._sizes(space))

    def backward(self, space: Space, block: Any, packed: Any, d_sink: Any, begin: int) -> None:
        """As `StepByStep.backward`."""
        kernel, shared = make_backward(self._shape), self._shape.shared_backward
        arrays = *self._arrays(space, block, packed), space.z if d_sink is None else d_sink
        width = 0 if d_sink is None else self._layout.architecture.stack.output_size
        sizes = *self._sizes(space), width, begin, space.walk.reverse
        self._launch(kernel, shared, space, *arrays, *sizes)

    def _launch(self, kernel: Any, shared: int, space: Space, *arguments: Any) -> None:
        blocks = -(-space.n_rows // self._shape.n_rows)
        self._queue.launch(kernel, blocks, self._shape.threads, *arguments, shared=shared)

    def _arrays(self, space: Space, block: Any, packed: Any) -> tuple:
        return block, space.z, space.rows, space.others, space.saved, space.state, packed

    def _sizes(self, space: Space) -> tuple[int, int, int, int]:
        """Where the weights begin that h is multiplied with, and sizes of the batch."""
        return space.walk.matrix + self._layout.n_x, space.n_rows, space.n_steps, space.walk.row_width


# -- text: what is written out, because only constants may index registers


def for_each(function: Callable, n: int, arguments: str) -> Callable:
    """Return ``f(arguments, items)``: the tuple of ``function(k, arguments, items[k])`` for each k."""
    calls = "".join(f"function(uint32({k}), {arguments}, items[{k}]), " for k in range(n))
    return from_text(f"{arguments}, items", f"return ({calls})", function=function, uint32=uint32)


def from_text(arguments: str, body: str, **names: Any) -> Callable:
    """A device function; `names` are those of its body, in a closure, where the cache of kernels looks."""
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def make({', '.join(names)}):\n def made({arguments}): {body}\n return made", namespace)
    return device_function(namespace["make"](**names))


def make_convert(real: Any, n: int) -> Callable:
    """Return ``convert(items)``: as numbers of the network, since cells may give the integer 0."""
    numbers = "".join(f"real(items[{k}]), " for k in range(n))
    return from_text("items", f"return ({numbers})", real=real)


def make_load_gates(shape: Shape) -> Callable:
    """Return ``load_gates(memory, at, of_x)``: what the step reads; what only x feeds comes from a tuple."""
    n_x, H = shape.columns.input_only, shape.hidden
    numbers = (f"of_x[{k}]" if k < n_x else f"memory[{(k - n_x) * H} + at]" for k in shape.columns.step)
    return from_text("memory, at, of_x", f"return ({', '.join(numbers)}, )")


def make_store_gates(shape: Shape) -> Callable:
    """Return ``store_gates(memory, at, d_gates)``, of columns that h feeds; each group begins at a multiple
    of four."""
    n_x, columns = shape.columns.input_only, shape.columns.step
    lines = (
        f"memory[{(block - n_x) * shape.depth} + at] = d_gates[{k}]"
        for k, block in enumerate(columns)
        if block >= n_x
    )
    return from_text("memory, at, d_gates", "; ".join(lines))


# -- weights, and products with them


def make_take_weights(shape: Shape) -> Callable:
    hidden, n_own, depth, threads = shape.hidden, shape.n_own, shape.depth, shape.threads
    real = real_type(shape.dtype)

    @device_function
    def take_weights(packed, at, stride, thread, memory, own):
        """The thread's weights, `stride` apart from `at` on, to its registers and its part of the memory."""
        for k in range(n_own):
            own[k] = packed[at + uint32(k) * stride] if k < hidden else real(0)
        for k in range(n_own, depth):
            to = ((k - n_own) // FOUR * threads + thread) * FOUR + k % FOUR
            memory[to] = packed[at + uint32(k) * stride] if k < hidden else real(0)

    return take_weights


def make_products(shape: Shape, stride: int) -> Callable:
    """Return ``products(memory, at, own, thread, sums)``: to each row's sum is added the product of the
    thread's weights and the numbers of that row, `stride` apart from `at` on.

    What is added to what depends neither on where weights lie nor on how many rows a block has.
    """
    n_own, n_shared, threads = shape.n_own, shape.depth - shape.n_own, shape.threads
    real = real_type(shape.dtype)

    @device_function
    def add_own(r, memory, at, own, total):
        even, odd = total, real(0)  # two sums: each addition waits four cycles for the one before
        for q in range(n_own // FOUR):
            x = at + (r * stride + q * FOUR)
            even += memory[x] * own[q * FOUR]
            odd += memory[x + 1] * own[q * FOUR + 1]
            even += memory[x + 2] * own[q * FOUR + 2]
            odd += memory[x + 3] * own[q * FOUR + 3]
        return even, odd

    @device_function
    def add_four(r, memory, at, weights, sums):
        x = at + r * stride
        even, odd = sums
        even += memory[x] * weights[0]
        odd += memory[x + 1] * weights[1]
        even += memory[x + 2] * weights[2]
        odd += memory[x + 3] * weights[3]
        return even, odd

    @device_function
    def add_both(r, sums, both):
        return both[0] + both[1]

    add_own_to_each = for_each(add_own, shape.n_rows, "memory, at, own")
    add_four_to_each = for_each(add_four, shape.n_rows, "memory, at, weights")
    add_both_of_each = for_each(add_both, shape.n_rows, "sums")

    @device_function
    def products(memory, at, own, thread, sums):
        pairs = add_own_to_each(memory, at, own, sums)
        for q in range(n_shared // FOUR):
            w = uint32(uint32(uint32(q * threads) + thread) * uint32(FOUR))
            weights = memory[w], memory[w + 1], memory[w + 2], memory[w + 3]
            pairs = add_four_to_each(memory, uint32(at + uint32(n_own + q * FOUR)), weights, pairs)
        return add_both_of_each(sums, pairs)

    return products


# -- forward


class Arrays(NamedTuple):
    """Of a `Space`, and the gradient of the outputs."""

    z: Any
    rows: Any
    others: Any
    saved: Any
    state: Any
    d_sink: Any


class Sizes(NamedTuple):
    """Rows of the batch, and widths of ``rows`` and ``d_sink``, of which the latter is 0 if there is none."""

    n_rows: Any
    width: Any
    sink_width: Any
    reverse: Any


class Place(NamedTuple):
    """A thread's: the first row of its block, and its own group of columns and unit."""

    first: Any
    lane: Any
    unit: Any


@device_function
def row_of(place, r, length):
    """Of the batch, the block's r-th row, or its first one; calculated anew in each step, since registers are
    dearer."""
    return uint32(place.first + r if length >= 0 else place.first)


@cache
def make_forward(shape: Shape, keep: bool) -> Any:
    """keep: others and saved for a way back, too; a forecast needs but the rows and the final states."""
    H, R, threads = shape.hidden, shape.n_rows, shape.threads
    n_columns, first_column = shape.columns.total * H, shape.columns.input_only * H
    h_at, end = shape.n_shared_weights, shape.n_shared_weights + shape.all_rows * shape.depth
    load_rows, store_rows = load_and_store(tuple(range(R)))
    take_weights, products = make_take_weights(shape), make_products(shape, shape.depth)
    real, n_own, nothing = real_type(shape.dtype), shape.n_own, (0,) * shape.n_pairs
    start, step_rows, finish = make_forward_rows(shape, keep)

    @cuda_kernel(threads=threads)
    def forward(block, z, rows, others, saved, state, packed, weights_at, n_rows, n_steps, width):
        memory = cuda.shared.array(0, real, alignment=ALIGNMENT)
        own = cuda.local.array(n_own, real)
        thread, first = uint32(cuda.threadIdx.x), uint32(cuda.blockIdx.x * R)
        place = Place(first, uint32(thread // uint32(H)), uint32(thread % uint32(H)))
        sizes = Sizes(uint32(n_rows), uint32(width), uint32(0), 0)
        arrays = Arrays(z, rows, others, saved, state, z)
        take_weights(packed, uint32(weights_at + thread), uint32(n_columns), thread, memory, own)
        for k in range(h_at + thread, end, threads):
            memory[k] = 0
        cuda.syncthreads()
        items = start(memory, arrays, sizes, place, block, nothing)
        longest = block[4 * first + LENGTH]
        z_at, z_step = uint32(first * n_columns + first_column + thread), uint32(n_rows * n_columns)
        ahead = load_rows(z, n_columns, z_at)
        cuda.syncthreads()
        for s in range(n_steps):
            step, following = uint32(s), uint32(min(s + 1, n_steps - 1))
            if s < longest:
                here = ahead
                ahead = load_rows(z, n_columns, uint32(following * z_step + z_at))
                sums = products(memory, uint32(h_at), own, thread, here)
                store_rows(memory, threads, uint32(end + thread), sums)
                cuda.syncthreads()
            items = step_rows(memory, arrays, sizes, place, (step, following), items)
            cuda.syncthreads()
        finish(memory, arrays, sizes, place, items)

    return forward


def make_forward_rows(shape: Shape, keep: bool) -> tuple[Callable, Callable, Callable]:
    """What a thread does for its unit of each of its rows: before the first step, in a step, after the last.

    Of a row it carries its length, states but the first, and pre-activations that only x feeds, of the next
    step. A length of -1 says that the batch has no such row: it reads the block's first one, and writes
    nothing.
    """
    H, R, threads, n_groups = shape.hidden, shape.n_rows, shape.threads, shape.n_groups
    n_columns, depth, h_at = shape.columns.total * H, shape.depth, shape.n_shared_weights
    z_at, cell, of = h_at + shape.all_rows * depth, shape.cell, compile_cell(shape.cell, shape.dtype)
    n_others, n_saved = len(cell.states) - 1, cell.n_saved
    sigmoid, tanh, cell_step = of.sigmoid, of.tanh, of.step
    load_states, store_states = of.load_states, of.store_states
    store_others, store_saved = of.store_others, of.store_saved
    load_x, _ = load_and_store(tuple(range(shape.columns.input_only)))
    load_gates, convert = make_load_gates(shape), make_convert(real_type(shape.dtype), n_others + 1)

    @device_function
    def start(p, memory, arrays, sizes, place, block, _):
        r = uint32(p * n_groups + place.lane)
        exists = r < R and place.first + r < sizes.n_rows
        length = int32(block[4 * (place.first + r) + LENGTH] if exists else -1)
        row = row_of(place, r, length)
        initial = load_states(arrays.state, sizes.n_rows * H, uint32(row * H + place.unit))
        memory[uint32(h_at + r * depth + place.unit)] = initial[0]
        if exists:
            arrays.rows[uint32(row * sizes.width + place.unit)] = initial[0]
            if keep:
                store_others(arrays.others, H, uint32(row * (n_others * H) + place.unit), initial)
        return length, initial[1:], load_x(arrays.z, H, uint32(row * n_columns + place.unit))

    @device_function
    def step(p, memory, arrays, sizes, place, steps, item):
        length, before, x = item
        r = uint32(p * n_groups + place.lane)
        row = row_of(place, r, length)
        at = uint32(steps[0] * sizes.n_rows + row)
        ahead = load_x(arrays.z, H, uint32((steps[1] * sizes.n_rows + row) * n_columns + place.unit))
        h = uint32(h_at + r * depth + place.unit)
        new = (memory[h],) + before
        if int32(steps[0]) < length:
            gates = load_gates(memory, uint32(z_at + r * threads + place.unit), x)
            found, back = cell_step(sigmoid, tanh, gates, new)
            new = convert(found)
            memory[h] = new[0]
            if keep:
                store_saved(arrays.saved, H, uint32(at * (n_saved * H) + place.unit), back)
        if length >= 0:
            after = at + sizes.n_rows
            arrays.rows[uint32(after * sizes.width + place.unit)] = new[0]
            if keep:
                store_others(arrays.others, H, uint32(after * (n_others * H) + place.unit), new)
        return length, new[1:], ahead

    @device_function
    def finish(p, memory, arrays, sizes, place, item):
        length, before, _ = item
        if length >= 0:
            r = uint32(p * n_groups + place.lane)
            row, h = row_of(place, r, length), memory[uint32(h_at + r * depth + place.unit)]
            store_states(arrays.state, sizes.n_rows * H, uint32(row * H + place.unit), (h,) + before)
        return length

    n = shape.n_pairs
    return (
        for_each(start, n, "memory, arrays, sizes, place, block"),
        for_each(step, n, "memory, arrays, sizes, place, steps"),
        for_each(finish, n, "memory, arrays, sizes, place"),
    )


# -- backward


@cache
def make_backward(shape: Shape) -> Any:
    H, R, threads = shape.hidden, shape.n_rows, shape.threads
    n_columns, depth, d_row = shape.columns.total * H, shape.depth, shape.n_groups * shape.depth
    d_z_at = shape.n_shared_weights
    d_h_at, group = d_z_at + shape.all_rows * d_row, shape.all_rows * H
    _, store_rows = load_and_store(tuple(range(R)))
    take_weights, products = make_take_weights(shape), make_products(shape, d_row)
    real, n_own, end = real_type(shape.dtype), shape.n_own, d_h_at + shape.all_rows * threads
    as_reals, nothing, no_sums = make_convert(real, R), (0,) * shape.n_pairs, (0,) * R
    start, step_rows, finish = make_backward_rows(shape)

    @cuda_kernel(threads=threads)
    def backward(
        block, z, rows, others, saved, state, packed, d_sink,
        weights_at, n_rows, n_steps, width, sink_width, begin, reverse,
    ):  # fmt: skip
        memory = cuda.shared.array(0, real, alignment=ALIGNMENT)
        own = cuda.local.array(n_own, real)
        thread, first = uint32(cuda.threadIdx.x), uint32(cuda.blockIdx.x * R)
        place = Place(first, uint32(thread // uint32(H)), uint32(thread % uint32(H)))
        sizes = Sizes(uint32(n_rows), uint32(width), uint32(sink_width), reverse)
        arrays = Arrays(z, rows, others, saved, state, d_sink)
        weights_at = uint32(weights_at + place.unit * n_columns + place.lane * H)
        take_weights(packed, weights_at, uint32(1), thread, memory, own)
        for k in range(d_z_at + thread, end, threads):
            memory[k] = 0
        items = start(memory, arrays, sizes, place, block, uint32(n_steps - 1), nothing)
        longest = block[4 * first + LENGTH]
        cuda.syncthreads()
        for s in range(n_steps - 1, begin - 1, -1):
            step, following = uint32(s), uint32(max(s - 1, 0))
            items = step_rows(memory, arrays, sizes, place, (step, following), items)
            if s < longest:
                cuda.syncthreads()
                d_z = uint32(d_z_at + place.lane * depth)
                sums = products(memory, d_z, own, thread, as_reals(no_sums))
                store_rows(memory, H, uint32(d_h_at + place.lane * group + place.unit), sums)
            cuda.syncthreads()
        finish(memory, arrays, sizes, place, items)

    return backward


def make_backward_rows(shape: Shape) -> tuple[Callable, Callable, Callable]:
    """The same on the way back. Of a row is carried its length, the gradients of its states, less what comes
    back through products, and all of the next step that is read from the device's memory."""
    H, R, n_groups, depth = shape.hidden, shape.n_rows, shape.n_groups, shape.depth
    n_columns, n_others, n_saved = shape.columns.total, len(shape.cell.states) - 1, shape.cell.n_saved
    d_z_at, d_row = shape.n_shared_weights, n_groups * depth
    d_h_at, group = d_z_at + shape.all_rows * d_row, shape.all_rows * H
    real, of = real_type(shape.dtype), compile_cell(shape.cell, shape.dtype)
    cell_step_backward, store_z, load_others = of.step_backward, of.store_z, of.load_others
    load_saved, load_states, store_states = of.load_saved, of.load_states, of.store_states
    store_gates, convert = make_store_gates(shape), make_convert(real, n_others + 1)

    @device_function
    def read(arrays, sizes, unit, step, row, length):
        """The gradient of the output, the states before the step, and what was saved."""
        at, d_out = uint32(step * sizes.n_rows + row), real(0)
        t = natural_time(sizes.reverse, int32(step), length)
        if sizes.sink_width > 0 and t >= 0:
            column = sizes.reverse * H + unit
            d_out = arrays.d_sink[uint32((t * sizes.n_rows + row) * sizes.sink_width + column)]
        h = arrays.rows[uint32(at * sizes.width + unit)]
        states = (h,) + load_others(arrays.others, H, uint32(at * (n_others * H) + unit))
        return d_out, states, load_saved(arrays.saved, H, uint32(at * (n_saved * H) + unit))

    @device_function
    def add_d_h(r, memory, unit, d):
        """What each group of columns sent back to h, too."""
        total = d[0]
        for q in range(n_groups):
            total += memory[uint32(d_h_at + q * group + r * H + unit)]
        return (total,) + d[1:]

    @device_function
    def start(p, memory, arrays, sizes, place, block, step, _):
        r = uint32(p * n_groups + place.lane)
        exists = r < R and place.first + r < sizes.n_rows
        length = int32(block[4 * (place.first + r) + LENGTH] if exists else -1)
        row = row_of(place, r, length)
        d = load_states(arrays.state, sizes.n_rows * H, uint32(row * H + place.unit))
        return length, d, read(arrays, sizes, place.unit, step, row, length)

    @device_function
    def step(p, memory, arrays, sizes, place, steps, item):
        length, d, (d_out, states, back) = item
        r = uint32(p * n_groups + place.lane)
        row = row_of(place, r, length)
        at = uint32(steps[0] * sizes.n_rows + row)
        ahead = read(arrays, sizes, place.unit, steps[1], row, length)
        d = add_d_h(r, memory, place.unit, d)
        if int32(steps[0]) < length:
            d_gates, d_before = cell_step_backward(back, states, (d[0] + d_out,) + d[1:])
            store_z(arrays.z, H, uint32(at * (n_columns * H) + place.unit), d_gates)
            store_gates(memory, uint32(d_z_at + r * d_row + place.unit), d_gates)
            d = convert(d_before)
        elif length >= 0:  # nothing of a row that had ended may reach the weights
            for k in range(n_columns):
                arrays.z[uint32((at * n_columns + k) * H + place.unit)] = 0
        return length, d, ahead

    @device_function
    def finish(p, memory, arrays, sizes, place, item):
        length, d, _ = item
        if length >= 0:
            r = uint32(p * n_groups + place.lane)
            row, d = row_of(place, r, length), add_d_h(r, memory, place.unit, d)
            store_states(arrays.state, sizes.n_rows * H, uint32(row * H + place.unit), d)
        return length

    n = shape.n_pairs
    return (
        for_each(start, n, "memory, arrays, sizes, place, block, step"),
        for_each(step, n, "memory, arrays, sizes, place, steps"),
        for_each(finish, n, "memory, arrays, sizes, place"),
    )


def ptx_examples() -> Iterator[Example]:
    dtype = np.dtype("float32")
    array, block, number = real_type(dtype)[::1], int64[::1], int64
    forward, backward = (block, *[array] * 6, *[number] * 4), (block, *[array] * 7, *[number] * 7)
    h100 = Gpu(processors=132, shared=227 * 1024)
    sizes = product((LSTM, GRU, RNN), (32, 64, 96, 128), (1, 1000))
    chosen = (choose_shape(cell, dtype, hidden, n_rows, h100) for cell, hidden, n_rows in sizes)
    for shape in dict.fromkeys(shape for shape in chosen if shape is not None):
        name = f"{shape.cell.name}, {shape.hidden} units, {shape.n_rows} rows"
        for title, kernel, signature, shared in (
            ("forward", make_forward(shape, True), forward, shape.shared_forward),
            ("backward", make_backward(shape), backward, shape.shared_backward),
        ):
            yield Example(f"{name}, {title}", kernel, signature, shape.threads, shared, stationary=True)
