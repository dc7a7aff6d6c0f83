"""The recurrent part of a layer in one launch over all its steps, with the weights in registers.

Samples of a batch are independent: a block of threads takes a few of them through all steps and waits for no
other block. Each thread owns one of the columns that h feeds (4 H for an LSTM). It keeps the weights of this
column from the first step to the last: as many as possible in registers (all of them up to 64 units or more),
and the others in shared memory. A step has two phases, with a barrier after each::

    forward    products   the thread's column, for every sample of the block; h is read from shared memory
               step       the thread's unit, for every sample or every n-th; the new h goes to shared memory
    backward   step       as before; gradients of columns go to z and to shared memory
               products   the contribution of the thread's gate to the gradient of h of its unit, for every
               sample

The gradients of the weights are one product over all steps afterwards, see `layer_unroll`.

Three findings from the machine code determine how these kernels are written. Registers hold only arrays that
are indexed by constants, so loops over samples are written out as text, as tuples with one item for each
sample. Indices are unsigned and 32 bits wide. Four neighbouring numbers are read at once if the compiler can
see that the first index is a multiple of four. The data of step s + 1 are read from the device's memory while
step s is computed.
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
from .compiler import ALIGNMENT, Example, cuda, cuda_kernel, device_function, real_type
from .device_cells import compile_cell, make_load_and_store
from .device_math import natural_time
from .kernel_shape import FOUR, GpuLimits, KernelShape, choose_shape
from .packed_layout import PackedLayout
from .queue import Queue
from .unroll_workspace import UnrollWorkspace


class RegisterUnroll:
    """The recurrent part of the layers of one network, by kernels of one shape.

    Parameters
    ----------
    queue : Queue
    layout : PackedLayout
    shape : KernelShape
        A result of `choose_shape`. It has no influence on the bits of the results.
    """

    def __init__(self, queue: Queue, layout: PackedLayout, shape: KernelShape):
        self._queue = queue
        self._layout = layout
        self.shape = shape

    def forward(self, workspace: UnrollWorkspace, batch_table: Any, packed: Any) -> None:
        """Compute all steps as `StepwiseUnroll.forward` does."""
        kernel = make_forward(self.shape, workspace.keep)
        arrays = self._list_arrays(workspace, batch_table, packed)
        self._launch(kernel, self.shape.shared_forward, workspace, *arrays, *self._list_sizes(workspace))

    def backward(
        self, workspace: UnrollWorkspace, batch_table: Any, packed: Any, grad_outputs: Any, begin: int
    ) -> None:
        """Compute the gradients as `StepwiseUnroll.backward` does."""
        kernel = make_backward(self.shape)
        outputs = workspace.z if grad_outputs is None else grad_outputs
        width = 0 if grad_outputs is None else self._layout.architecture.stack.output_size
        arrays = *self._list_arrays(workspace, batch_table, packed), outputs
        sizes = *self._list_sizes(workspace), width, begin, workspace.layout.direction
        self._launch(kernel, self.shape.shared_backward, workspace, *arrays, *sizes)

    def _launch(self, kernel: Any, shared: int, workspace: UnrollWorkspace, *arguments: Any) -> None:
        blocks = -(-workspace.n_samples // self.shape.n_samples)
        self._queue.launch(kernel, blocks, self.shape.threads, *arguments, shared=shared)

    def _list_arrays(self, workspace: UnrollWorkspace, batch_table: Any, packed: Any) -> tuple:
        return (
            batch_table,
            workspace.z,
            workspace.operands,
            workspace.aux_states,
            workspace.saved,
            workspace.state,
            packed,
        )

    def _list_sizes(self, workspace: UnrollWorkspace) -> tuple[int, int, int, int]:
        """Return the offset of the recurrent weights, and the sizes of the batch."""
        layout = workspace.layout
        offset = layout.matrix_offset + self._layout.n_input_columns
        return offset, workspace.n_samples, workspace.n_steps, layout.operand_width


# -- functions made from text, because only constants may index registers


def for_each(function: Callable, n: int, arguments: str) -> Callable:
    """Return ``f(arguments, items)``: the tuple of ``function(k, arguments, items[k])`` for all k < n."""
    calls = "".join(f"function(uint32({k}), {arguments}, items[{k}]), " for k in range(n))
    return compile_text(f"{arguments}, items", f"return ({calls})", function=function, uint32=uint32)


def compile_text(arguments: str, body: str, **names: Any) -> Callable:
    """Return a device function made from text.

    `names` are the names of its body. They are in a closure, where the cache of kernels finds them.
    """
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def make({', '.join(names)}):\n def made({arguments}): {body}\n return made", namespace)
    return device_function(namespace["make"](**names))


def make_convert(real: Any, n: int) -> Callable:
    """Return ``convert(items)``, which converts n items to the network's dtype.

    Cells may return the integer 0.
    """
    numbers = "".join(f"real(items[{k}]), " for k in range(n))
    return compile_text("items", f"return ({numbers})", real=real)


def make_load_gates(shape: KernelShape) -> Callable:
    """Return ``load_gates(memory, at, inputs)``, the pre-activations that a step reads.

    Those of gates that only x feeds come from the tuple `inputs`, the others from shared memory.
    """
    n_x = shape.columns.input_only
    H = shape.hidden
    numbers = (f"inputs[{k}]" if k < n_x else f"memory[{(k - n_x) * H} + at]" for k in shape.columns.step)
    return compile_text("memory, at, inputs", f"return ({', '.join(numbers)}, )")


def make_store_gates(shape: KernelShape) -> Callable:
    """Return ``store_gates(memory, at, d_gates)``, which stores the gradients of gates that h feeds.

    The gradients of each gate begin at a multiple of four.
    """
    n_x = shape.columns.input_only
    lines = (
        f"memory[{(gate - n_x) * shape.depth} + at] = d_gates[{k}]"
        for k, gate in enumerate(shape.columns.step)
        if gate >= n_x
    )
    return compile_text("memory, at, d_gates", "; ".join(lines))


# -- weights, and products with them


def make_load_weights(shape: KernelShape) -> Callable:
    """Return ``load_weights(packed, at, stride, thread, memory, own)``.

    It loads the weights of a thread, `stride` elements apart from `at` on, into its registers `own` and into
    its part of shared memory.
    """
    hidden, n_own, depth, threads = shape.hidden, shape.n_own, shape.depth, shape.threads
    real = real_type(shape.dtype)

    @device_function
    def load_weights(packed, at, stride, thread, memory, own):
        for k in range(n_own):
            own[k] = packed[at + uint32(k) * stride] if k < hidden else real(0)
        for k in range(n_own, depth):
            to = ((k - n_own) // FOUR * threads + thread) * FOUR + k % FOUR
            memory[to] = packed[at + uint32(k) * stride] if k < hidden else real(0)

    return load_weights


def make_products(shape: KernelShape, stride: int) -> Callable:
    """Return ``products(memory, at, own, thread, sums)``.

    It adds to the sum of each sample the product of the thread's weights and the numbers of that sample. The
    numbers of samples begin `stride` elements apart, from `at` on. The order of additions depends neither on
    the place of the weights nor on the number of samples of a block.
    """
    n_own, n_shared, threads = shape.n_own, shape.depth - shape.n_own, shape.threads
    n_samples = shape.n_samples
    add_own, add_four, add_both = _make_product_parts(shape, stride)
    add_own_to_each = for_each(add_own, n_samples, "memory, at, own")
    add_four_to_each = for_each(add_four, n_samples, "memory, at, weights")
    add_both_of_each = for_each(add_both, n_samples, "sums")

    @device_function
    def products(memory, at, own, thread, sums):
        pairs = add_own_to_each(memory, at, own, sums)
        for q in range(n_shared // FOUR):
            w = uint32(uint32(uint32(q * threads) + thread) * uint32(FOUR))
            weights = memory[w], memory[w + 1], memory[w + 2], memory[w + 3]
            pairs = add_four_to_each(memory, uint32(at + uint32(n_own + q * FOUR)), weights, pairs)
        return add_both_of_each(sums, pairs)

    return products


def _make_product_parts(shape: KernelShape, stride: int) -> tuple[Callable, Callable, Callable]:
    """Return the parts of a product: with weights in registers, with four weights, and the final sum.

    Each sample has two sums, because each addition waits four cycles for the one before.
    """
    n_own = shape.n_own
    real = real_type(shape.dtype)

    @device_function
    def add_own(r, memory, at, own, total):
        even, odd = total, real(0)
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

    return add_own, add_four, add_both


# -- arguments of device functions


class WorkspaceArrays(NamedTuple):
    """Arrays of an `UnrollWorkspace`, and the gradient of the outputs."""

    z: Any
    operands: Any
    aux_states: Any
    saved: Any
    state: Any
    grad_outputs: Any


class BatchSizes(NamedTuple):
    """Number of samples, widths of `operands` and `grad_outputs`, and the direction.

    The width of `grad_outputs` is 0 if there is no gradient of the outputs.
    """

    n_samples: Any
    width: Any
    grad_width: Any
    direction: Any


class ThreadPlace(NamedTuple):
    """First sample of a thread's block, and the gate and unit of the thread."""

    first: Any
    gate: Any
    unit: Any


@device_function
def sample_index(place, r, length):
    """Return the index in the batch of sample r of the block, or of the block's first sample if length is -1.

    It is computed again in each step, because registers are scarce.
    """
    return uint32(place.first + r if length >= 0 else place.first)


# -- forward


@cache
def make_forward(shape: KernelShape, keep: bool) -> Any:
    """Return the forward kernel; `keep` says whether it stores aux_states and saved for a backward pass."""
    H, R, threads = shape.hidden, shape.n_samples, shape.threads
    n_columns = shape.columns.total * H
    first_column = shape.columns.input_only * H
    h_at = shape.n_shared_weights
    end = h_at + shape.padded_samples * shape.depth
    load_columns, store_columns = make_load_and_store(tuple(range(R)))
    load_weights = make_load_weights(shape)
    products = make_products(shape, shape.depth)
    real = real_type(shape.dtype)
    n_own = shape.n_own
    nothing = (0,) * shape.samples_per_thread
    start, step_samples, finish = make_forward_parts(shape, keep)

    @cuda_kernel(threads=threads)
    def forward(
        batch_table, z, operands, aux_states, saved, state, packed, weights_at, n_samples, n_steps, width
    ):
        memory = cuda.shared.array(0, real, alignment=ALIGNMENT)
        own = cuda.local.array(n_own, real)
        thread = uint32(cuda.threadIdx.x)
        first = uint32(cuda.blockIdx.x * R)
        place = ThreadPlace(first, uint32(thread // uint32(H)), uint32(thread % uint32(H)))
        sizes = BatchSizes(uint32(n_samples), uint32(width), uint32(0), 0)
        arrays = WorkspaceArrays(z, operands, aux_states, saved, state, z)
        load_weights(packed, uint32(weights_at + thread), uint32(n_columns), thread, memory, own)
        for k in range(h_at + thread, end, threads):
            memory[k] = 0
        cuda.syncthreads()
        items = start(memory, arrays, sizes, place, batch_table, nothing)
        longest = batch_table[4 * first + LENGTH]
        z_at = uint32(first * n_columns + first_column + thread)
        z_step = uint32(n_samples * n_columns)
        ahead = load_columns(z, n_columns, z_at)
        cuda.syncthreads()
        for s in range(n_steps):
            step = uint32(s)
            following = uint32(min(s + 1, n_steps - 1))
            if s < longest:
                here = ahead
                ahead = load_columns(z, n_columns, uint32(following * z_step + z_at))
                sums = products(memory, uint32(h_at), own, thread, here)
                store_columns(memory, threads, uint32(end + thread), sums)
                cuda.syncthreads()
            items = step_samples(memory, arrays, sizes, place, (step, following), items)
            cuda.syncthreads()
        finish(memory, arrays, sizes, place, items)

    return forward


def make_forward_parts(shape: KernelShape, keep: bool) -> tuple[Callable, Callable, Callable]:
    """Return the work of a thread for each of its samples: before the first step, in a step, after the last.

    From step to step it carries for each sample its length, its states but h, and the pre-activations of the
    next step that only x feeds. A length of -1 says that the batch has no such sample: the thread then reads
    the block's first sample and writes nothing.
    """
    H, R, threads, n_gates = shape.hidden, shape.n_samples, shape.threads, shape.n_gates
    n_columns, depth, h_at = shape.columns.total * H, shape.depth, shape.n_shared_weights
    z_at = h_at + shape.padded_samples * depth
    cell = shape.cell
    n_aux, n_saved = len(cell.states) - 1, cell.n_saved
    functions = compile_cell(cell, shape.dtype)
    sigmoid, tanh, cell_step = functions.sigmoid, functions.tanh, functions.step
    load_states, store_states = functions.load_states, functions.store_states
    store_aux, store_saved = functions.store_aux, functions.store_saved
    load_x, _ = make_load_and_store(tuple(range(shape.columns.input_only)))
    load_gates = make_load_gates(shape)
    convert = make_convert(real_type(shape.dtype), n_aux + 1)

    @device_function
    def start(p, memory, arrays, sizes, place, batch_table, _):
        r = uint32(p * n_gates + place.gate)
        exists = r < R and place.first + r < sizes.n_samples
        length = int32(batch_table[4 * (place.first + r) + LENGTH] if exists else -1)
        row = sample_index(place, r, length)
        initial = load_states(arrays.state, sizes.n_samples * H, uint32(row * H + place.unit))
        memory[uint32(h_at + r * depth + place.unit)] = initial[0]
        if exists:
            arrays.operands[uint32(row * sizes.width + place.unit)] = initial[0]
            if keep:
                store_aux(arrays.aux_states, H, uint32(row * (n_aux * H) + place.unit), initial)
        return length, initial[1:], load_x(arrays.z, H, uint32(row * n_columns + place.unit))

    @device_function
    def step(p, memory, arrays, sizes, place, steps, item):
        length, before, x = item
        r = uint32(p * n_gates + place.gate)
        row = sample_index(place, r, length)
        at = uint32(steps[0] * sizes.n_samples + row)
        ahead = load_x(arrays.z, H, uint32((steps[1] * sizes.n_samples + row) * n_columns + place.unit))
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
            after = at + sizes.n_samples
            arrays.operands[uint32(after * sizes.width + place.unit)] = new[0]
            if keep:
                store_aux(arrays.aux_states, H, uint32(after * (n_aux * H) + place.unit), new)
        return length, new[1:], ahead

    @device_function
    def finish(p, memory, arrays, sizes, place, item):
        length, before, _ = item
        if length >= 0:
            r = uint32(p * n_gates + place.gate)
            row = sample_index(place, r, length)
            h = memory[uint32(h_at + r * depth + place.unit)]
            store_states(arrays.state, sizes.n_samples * H, uint32(row * H + place.unit), (h,) + before)
        return length

    n = shape.samples_per_thread
    return (
        for_each(start, n, "memory, arrays, sizes, place, batch_table"),
        for_each(step, n, "memory, arrays, sizes, place, steps"),
        for_each(finish, n, "memory, arrays, sizes, place"),
    )


# -- backward


@cache
def make_backward(shape: KernelShape) -> Any:
    """Return the backward kernel."""
    H, R, threads = shape.hidden, shape.n_samples, shape.threads
    n_columns = shape.columns.total * H
    depth = shape.depth
    d_z_at = shape.n_shared_weights
    d_z_stride = shape.n_gates * depth
    d_h_at = d_z_at + shape.padded_samples * d_z_stride
    d_h_stride = shape.padded_samples * H
    end = d_h_at + shape.padded_samples * threads
    _, store_columns = make_load_and_store(tuple(range(R)))
    load_weights = make_load_weights(shape)
    products = make_products(shape, d_z_stride)
    real = real_type(shape.dtype)
    n_own = shape.n_own
    as_reals = make_convert(real, R)
    nothing = (0,) * shape.samples_per_thread
    no_sums = (0,) * R
    start, step_samples, finish = make_backward_parts(shape)

    @cuda_kernel(threads=threads)
    def backward(
        batch_table, z, operands, aux_states, saved, state, packed, grad_outputs,
        weights_at, n_samples, n_steps, width, grad_width, begin, direction,
    ):  # fmt: skip
        memory = cuda.shared.array(0, real, alignment=ALIGNMENT)
        own = cuda.local.array(n_own, real)
        thread = uint32(cuda.threadIdx.x)
        first = uint32(cuda.blockIdx.x * R)
        place = ThreadPlace(first, uint32(thread // uint32(H)), uint32(thread % uint32(H)))
        sizes = BatchSizes(uint32(n_samples), uint32(width), uint32(grad_width), direction)
        arrays = WorkspaceArrays(z, operands, aux_states, saved, state, grad_outputs)
        weights_at = uint32(weights_at + place.unit * n_columns + place.gate * H)
        load_weights(packed, weights_at, uint32(1), thread, memory, own)
        for k in range(d_z_at + thread, end, threads):
            memory[k] = 0
        items = start(memory, arrays, sizes, place, batch_table, uint32(n_steps - 1), nothing)
        longest = batch_table[4 * first + LENGTH]
        cuda.syncthreads()
        for s in range(n_steps - 1, begin - 1, -1):
            step = uint32(s)
            following = uint32(max(s - 1, 0))
            items = step_samples(memory, arrays, sizes, place, (step, following), items)
            if s < longest:
                cuda.syncthreads()
                d_z = uint32(d_z_at + place.gate * depth)
                sums = products(memory, d_z, own, thread, as_reals(no_sums))
                store_columns(memory, H, uint32(d_h_at + place.gate * d_h_stride + place.unit), sums)
            cuda.syncthreads()
        finish(memory, arrays, sizes, place, items)

    return backward


def make_backward_parts(shape: KernelShape) -> tuple[Callable, Callable, Callable]:
    """Return the work of a thread for each of its samples in the backward pass, as `make_forward_parts` does.

    From step to step it carries for each sample its length, the gradients of its states without the part that
    comes through products, and all data of the next step that are read from the device's memory.
    """
    H, R, n_gates, depth = shape.hidden, shape.n_samples, shape.n_gates, shape.depth
    n_columns, n_aux = shape.columns.total, len(shape.cell.states) - 1
    d_z_at, d_z_stride = shape.n_shared_weights, n_gates * depth
    functions = compile_cell(shape.cell, shape.dtype)
    cell_step_backward, store_z = functions.step_backward, functions.store_z
    load_states, store_states = functions.load_states, functions.store_states
    store_gates = make_store_gates(shape)
    convert = make_convert(real_type(shape.dtype), n_aux + 1)
    load_step = _make_load_step(shape)
    add_d_h = _make_add_d_h(shape)

    @device_function
    def start(p, memory, arrays, sizes, place, batch_table, step, _):
        r = uint32(p * n_gates + place.gate)
        exists = r < R and place.first + r < sizes.n_samples
        length = int32(batch_table[4 * (place.first + r) + LENGTH] if exists else -1)
        row = sample_index(place, r, length)
        d = load_states(arrays.state, sizes.n_samples * H, uint32(row * H + place.unit))
        return length, d, load_step(arrays, sizes, place.unit, step, row, length)

    @device_function
    def step(p, memory, arrays, sizes, place, steps, item):
        length, d, (d_out, states, back) = item
        r = uint32(p * n_gates + place.gate)
        row = sample_index(place, r, length)
        at = uint32(steps[0] * sizes.n_samples + row)
        ahead = load_step(arrays, sizes, place.unit, steps[1], row, length)
        d = add_d_h(r, memory, place.unit, d)
        if int32(steps[0]) < length:
            d_gates, d_before = cell_step_backward(back, states, (d[0] + d_out,) + d[1:])
            store_z(arrays.z, H, uint32(at * (n_columns * H) + place.unit), d_gates)
            store_gates(memory, uint32(d_z_at + r * d_z_stride + place.unit), d_gates)
            d = convert(d_before)
        elif length >= 0:
            # Steps past the end of a sample must not contribute to the gradients of weights.
            for k in range(n_columns):
                arrays.z[uint32((at * n_columns + k) * H + place.unit)] = 0
        return length, d, ahead

    @device_function
    def finish(p, memory, arrays, sizes, place, item):
        length, d, _ = item
        if length >= 0:
            r = uint32(p * n_gates + place.gate)
            row = sample_index(place, r, length)
            d = add_d_h(r, memory, place.unit, d)
            store_states(arrays.state, sizes.n_samples * H, uint32(row * H + place.unit), d)
        return length

    n = shape.samples_per_thread
    return (
        for_each(start, n, "memory, arrays, sizes, place, batch_table, step"),
        for_each(step, n, "memory, arrays, sizes, place, steps"),
        for_each(finish, n, "memory, arrays, sizes, place"),
    )


def _make_load_step(shape: KernelShape) -> Callable:
    """Return the function that reads the data of one step of one sample from the device's memory.

    They are the gradient of the output, the states before the step, and what the forward pass saved.
    """
    H = shape.hidden
    n_aux, n_saved = len(shape.cell.states) - 1, shape.cell.n_saved
    real = real_type(shape.dtype)
    functions = compile_cell(shape.cell, shape.dtype)
    load_aux, load_saved = functions.load_aux, functions.load_saved

    @device_function
    def load_step(arrays, sizes, unit, step, row, length):
        at = uint32(step * sizes.n_samples + row)
        d_out = real(0)
        t = natural_time(sizes.direction, int32(step), length)
        if sizes.grad_width > 0 and t >= 0:
            column = sizes.direction * H + unit
            d_out = arrays.grad_outputs[uint32((t * sizes.n_samples + row) * sizes.grad_width + column)]
        h = arrays.operands[uint32(at * sizes.width + unit)]
        states = (h,) + load_aux(arrays.aux_states, H, uint32(at * (n_aux * H) + unit))
        return d_out, states, load_saved(arrays.saved, H, uint32(at * (n_saved * H) + unit))

    return load_step


def _make_add_d_h(shape: KernelShape) -> Callable:
    """Return the function that adds to the gradient of h what the products of each gate contribute."""
    H, n_gates = shape.hidden, shape.n_gates
    d_h_at = shape.n_shared_weights + shape.padded_samples * n_gates * shape.depth
    d_h_stride = shape.padded_samples * H

    @device_function
    def add_d_h(r, memory, unit, d):
        total = d[0]
        for q in range(n_gates):
            total += memory[uint32(d_h_at + q * d_h_stride + r * H + unit)]
        return (total,) + d[1:]

    return add_d_h


def ptx_examples() -> Iterator[Example]:
    """Yield the kernels of this module for the check of their machine code."""
    dtype = np.dtype("float32")
    array, integers, number = real_type(dtype)[::1], int64[::1], int64
    forward = integers, *[array] * 6, *[number] * 4
    backward = integers, *[array] * 7, *[number] * 7
    h100 = GpuLimits(processors=132, shared=227 * 1024)
    sizes = product((LSTM, GRU, RNN), (32, 64, 96, 128), (1, 1000))
    chosen = (choose_shape(cell, dtype, hidden, n_samples, h100) for cell, hidden, n_samples in sizes)
    for shape in dict.fromkeys(shape for shape in chosen if shape is not None):
        name = f"{shape.cell.name}, {shape.hidden} units, {shape.n_samples} samples"
        for title, kernel, signature, shared in (
            ("forward", make_forward(shape, True), forward, shape.shared_forward),
            ("backward", make_backward(shape), backward, shape.shared_backward),
        ):
            yield Example(f"{name}, {title}", kernel, signature, shape.threads, shared, stationary=True)
