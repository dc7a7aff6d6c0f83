"""What the rest of the library does on a GPU: train, evaluate and predict batches; the layers by themselves.

As in `kernels.cpu`, stage after stage, but each stage is a launch over the whole batch, and what it works on
stays on the device: series, weights, optimiser. A `Model` is a network there, `Series` are what its windows
are cut from; for each size of batch an object owns the buffers and knows the order of the stages.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch_plan import Window
from ..layout import Layout
from .head import Dropout, Head, Losses, Pooling
from .layout import CudaLayout
from .optimizers import Optimizer, Packing
from .products import Products, products_for
from .queue import Queue, limits_of
from .registers import InRegisters
from .shapes import choose_shape
from .space import Space, bytes_of_space, make_space, shapes_of_space
from .steps import StepByStep
from .walks import Steps, Walks
from .windows import Epoch, Exchange, Forecasts, Reader

MOST_NUMBERS = 2**32  # of an array


class Model:
    """A network on a GPU.

    Parameters
    ----------
    queue : Queue
    layout : Layout

    Attributes
    ----------
    flat : array, (n_parameters + 1,)
        The parameters, and the 0 that stays behind them.
    packed : array
        The same as kernels read them.
    """

    def __init__(self, queue: Queue, layout: Layout):
        self.queue, self.layout, self.dtype = queue, CudaLayout(layout), layout.dtype
        self.architecture = layout.architecture
        self.products: Products = products_for(queue, layout.dtype)
        self.packing = Packing(queue, self.layout)
        self.flat = queue.zeros(self.architecture.n_parameters + 1, layout.dtype)
        self.packed = queue.zeros(self.packing.size, layout.dtype)

    def load(self, flat: np.ndarray) -> None:
        """Take parameters from the host, or from an array of the device."""
        self.queue.copy(self.flat, flat)
        self.packing.pack(self.flat, self.packed)


class Series:
    """What windows are cut from: flat `values`, `targets`, and `weights`, which may be empty."""

    def __init__(self, queue: Queue, values: np.ndarray, targets: np.ndarray, weights: np.ndarray):
        self.values, self.targets, self.weights = (
            queue.upload(array.ravel() if array.size else np.zeros(0, values.dtype))
            for array in (values, targets, weights)
        )


@dataclass(frozen=True)
class Size:
    """Of the batches that buffers are made for.

    Parameters
    ----------
    window : Window
    n_rows : int
    keep : bool
        Whether there will be a way back.
    begin : int
        The step that the gradient stops before.
    dropout : float
    outputs : bool
        Whether the way back begins at the output of every step.
    d_input : bool
        Whether it ends at the gradient of the inputs.
    usual_rows : int
        Rows of the batches that most of the work is done with, if that is not `n_rows`: each choice of
        kernels takes seconds to compile, so the last batch of an epoch uses those of the others.
    """

    window: Window
    n_rows: int
    keep: bool = False
    begin: int = 0
    dropout: float = 0.0
    outputs: bool = False
    d_input: bool = False
    usual_rows: int | None = None


class Layers:
    """All walks of a network over batches of one size, and the buffers between its layers.

    Attributes
    ----------
    spaces : list of Space
        Of each walk, the lowest layer first.
    d_outputs : array or None
        Gradient of the top layer's outputs (T, B, D * H), in natural time.
    d_inputs : array or None
        Of the inputs (T, B, F).
    """

    def __init__(self, model: Model, size: Size):
        queue, layout, net = model.queue, model.layout, model.architecture.stack
        check_size(model, size)
        self._model, self._size = model, size
        self.spaces = [
            make_space(queue, layout, walk, size.n_rows, size.window.n_steps, keep=size.keep)
            for walk in layout.walks
        ]
        self._walks = Walks(queue, layout, model.products, steps_for(model, size.usual_rows or size.n_rows))
        self.reader = Reader(queue, layout, size.window, size.n_rows)
        self._dropout = Dropout(queue, layout, size.dropout, size.n_rows)
        n = size.n_rows * size.window.n_steps
        between = [n * net.output_size] * (net.n_layers - 1)
        self._sinks = [queue.zeros(width, model.dtype) for width in between]
        self._d_sinks = [queue.zeros(width, model.dtype) for width in between if size.keep]
        self.d_outputs = queue.zeros(n * net.output_size, model.dtype) if size.outputs else None
        self.d_inputs = queue.zeros(n * net.input_size, model.dtype) if size.d_input else None

    @property
    def top(self) -> list[Space]:
        """Of the highest layer."""
        return self.spaces[-self._model.architecture.stack.n_directions :]

    def clear_states(self) -> None:
        for space in self.spaces:
            self._model.queue.clear(space.state)

    def forward(self, block: Any, values: Any, seed: Any, packed: Any) -> None:
        """From windows and initial states to all states."""
        net, n_steps = self._model.architecture.stack, self._size.window.n_steps
        self.reader.find_offsets(block, values)
        for space in self.spaces:
            walk = space.walk
            if walk.level == 0:
                self.reader.gather(block, values, space)
            else:
                self._walks.place_input(space, block, self._sinks[walk.level - 1])
            self._walks.forward(space, block, packed)
            if walk.level < net.n_layers - 1:
                sink = self._sinks[walk.level]
                self._walks.collect_output(space, block, sink)
                if walk.reverse == net.n_directions - 1:
                    self._dropout.drop(block, seed, walk.level, n_steps, sink)

    def backward(self, block: Any, seed: Any, packed: Any, gradient: Any) -> None:
        """From gradients of final states (in each space's `state`) and of `d_outputs` to those of weights,
        initial states and, if wanted, inputs."""
        net, begin = self._model.architecture.stack, self._size.begin
        for space in reversed(self.spaces):
            walk = space.walk
            top, last = walk.level == net.n_layers - 1, walk.reverse == net.n_directions - 1
            d_sink = self.d_outputs if top else self._d_sinks[walk.level]
            if last and not top:
                self._dropout.drop(block, seed, walk.level, self._size.window.n_steps, d_sink)
            self._walks.backward(space, block, packed, gradient, d_sink, begin)
            d_source = self._d_sinks[walk.level - 1] if walk.level else self.d_inputs
            if d_source is not None:
                self._walks.find_input_gradient(space, block, packed, d_source, begin=begin, add=not last)


class Outputs:
    """Layers and head: from windows to the head's outputs.

    Attributes
    ----------
    layers, pooling, head
    """

    def __init__(self, model: Model, size: Size):
        self._model = model
        self.layers = Layers(model, size)
        self.pooling = Pooling(model.queue, model.layout, size.n_rows, size.window.n_steps)
        self.dropout = Dropout(model.queue, model.layout, size.dropout, size.n_rows)
        self.head = Head(model.queue, model.products, model.layout, size.n_rows)

    def find(self, block: Any, values: Any, seed: Any, packed: Any) -> None:
        """Leave them in ``head.out``."""
        self.layers.clear_states()
        self.layers.forward(block, values, seed, packed)
        for space in self.layers.top:
            self.pooling.pool(block, space)
        self.dropout.drop_pooled(block, seed, self.pooling.pooled)
        self.head.forward(self.pooling.pooled, packed)

    def go_back(self, block: Any, seed: Any, packed: Any, gradient: Any) -> None:
        """From the gradient in ``head.out`` to the packed gradient."""
        pooling = self.pooling
        self.head.backward(pooling.pooled, packed, pooling.d_pooled, gradient)
        self.dropout.drop_pooled(block, seed, pooling.d_pooled)
        self.layers.clear_states()
        for space in self.layers.top:
            pooling.unpool_states(space)
        pooling.unpool_outputs(block, self.layers.d_outputs)
        self.layers.backward(block, seed, packed, gradient)


class Evaluation:
    """The losses of batches of one size.

    Parameters
    ----------
    model : Model
    size : Size
    loss : str
    """

    def __init__(self, model: Model, size: Size, loss: str):
        self._model, self._size = model, size
        self.outputs = Outputs(model, size)
        self._losses = Losses(model.queue, model.layout, size.window, loss, size.n_rows)

    def evaluate(self, epoch: Epoch, series: Series, packed: Any, sums: Any) -> None:
        """Take the next batch; its losses go to `sums`, to its place; outputs become their gradient."""
        outputs = self.outputs
        epoch.take(self._size.n_rows)
        outputs.find(epoch.block, series.values, epoch.seed, packed)
        targets = series.targets, series.weights, epoch.counters, sums
        self._losses.backward(epoch.block, outputs.head.out, outputs.layers.reader, *targets)


class Training(Evaluation):
    """One update after the other, with batches of one size."""

    def __init__(self, model: Model, size: Size, loss: str):
        super().__init__(model, size, loss)
        self._gradient = model.queue.zeros(model.packing.size, model.dtype)

    def update(self, epoch: Epoch, series: Series, optimizer: Optimizer, sums: Any) -> None:
        """Take the next batch, and move the parameters by its gradient."""
        model = self._model
        self.evaluate(epoch, series, model.packed, sums)
        self.outputs.go_back(epoch.block, epoch.seed, model.packed, self._gradient)
        n_targets = self._size.window.n_targets
        optimizer.update(self._gradient, sums, epoch.counters, n_targets, epoch.corrections)
        model.packing.pack(model.flat, model.packed)


class Prediction:
    """Forecasts of batches of one size."""

    def __init__(self, model: Model, size: Size):
        self._model = model
        self._outputs = Outputs(model, size)
        self._forecasts = Forecasts(model.queue, model.layout, size.window, size.n_rows)
        self._no_seed = model.queue.zeros(1, np.uint32)

    def run(self, block: Any, values: Any, predictions: Any) -> None:
        """To each row's target offset in `predictions`, in the unit of the values."""
        outputs = self._outputs
        outputs.find(block, values, self._no_seed, self._model.packed)
        self._forecasts.place(block, outputs.head.out, outputs.layers.reader, predictions)


class Pass:
    """The layers by themselves: outputs at every step, final states, and the way back."""

    def __init__(self, model: Model, size: Size):
        self._model = model
        self._layers = Layers(model, size)
        self._exchange = Exchange(model.queue, model.layout, size.n_rows, size.window.n_steps)

    def forward(self, block: Any, seed: Any, values: Any, states: Any, outputs: Any) -> None:
        """values: (B, T, F). states (n_states, walks, B, H): initial (IN) and final ones (OUT). outputs
        (B, T, D * H): nothing is written past a row's end."""
        for space in self._layers.spaces:
            self._exchange.gather_states(block, states, space)
        self._layers.forward(block, values, seed, self._model.packed)
        for space in self._layers.spaces:
            self._exchange.scatter_states(block, space, states)
        for space in self._layers.top:
            self._exchange.scatter_outputs(block, space, outputs)

    def backward(
        self, block: Any, seed: Any, d_outputs: Any, d_states: Any, d_values: Any, gradient: Any
    ) -> None:
        """d_outputs: like outputs. d_states: of the final states (IN), of the initial ones (OUT). d_values:
        like values (OUT), nothing past a row's end. gradient: packed (OUT)."""
        layers = self._layers
        self._exchange.gather_output_gradient(block, d_outputs, layers.d_outputs)
        for space in layers.spaces:
            self._exchange.gather_states(block, d_states, space)
        layers.backward(block, seed, self._model.packed, gradient)
        for space in layers.spaces:
            self._exchange.scatter_states(block, space, d_states)
        self._exchange.scatter_input_gradient(block, layers.d_inputs, d_values)


def check_size(model: Model, size: Size) -> None:
    """That a batch is not too large for the GPU's memory, nor for kernels, which count with 32 bits."""
    net, n_steps = model.architecture.stack, size.window.n_steps
    ends = n_steps * (net.output_size * size.outputs + net.input_size * size.d_input)
    needed = size.n_rows * (bytes_of_row(model.layout, n_steps, size.keep) + ends * model.dtype.itemsize)
    free = model.queue.free_memory
    if needed > free:
        raise MemoryError(
            f"A batch of {size.n_rows} windows takes {needed / 1e9:.1f} GB of the GPU's memory, and "
            f"{free / 1e9:.1f} GB are free. Lower batch_size, or pass fewer rows at once."
        )
    shapes = [
        shape
        for walk in model.layout.walks
        for shape in shapes_of_space(model.layout, walk, size.n_rows, n_steps, keep=size.keep).values()
    ]
    outputs = size.n_rows, n_steps, net.output_size  # between layers, or those that a pass returns
    numbers = max(math.prod(shape) for shape in [*shapes, outputs])
    if numbers >= MOST_NUMBERS:
        raise MemoryError(
            f"A batch of {size.n_rows} windows takes an array of {numbers:,} numbers on the GPU, where there "
            f"can be {MOST_NUMBERS:,}. Lower batch_size, or pass fewer rows at once."
        )


def steps_for(model: Model, n_rows: int) -> Steps:
    """Return what walks batches of so many rows quickest."""
    layout, cell = model.layout, model.architecture.stack.cell
    shape = choose_shape(cell, model.dtype, layout.hidden, n_rows, limits_of(model.queue))
    if shape is None:
        return StepByStep(model.queue, layout, model.products)
    return InRegisters(model.queue, layout, shape)


def bytes_of_row(layout: CudaLayout, n_steps: int, keep: bool) -> int:
    """Memory that each row of a batch takes."""
    net = layout.architecture.stack
    between = n_steps * net.output_size * (net.n_layers - 1) * (2 if keep else 1)
    spaces = sum(bytes_of_space(layout, walk, 1, n_steps, keep=keep) for walk in layout.walks)
    return spaces + between * layout.layout.dtype.itemsize
