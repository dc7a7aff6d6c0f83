"""Networks on a GPU: training, evaluation and prediction of batches, and passes of the layers alone.

The stages are those of `kernels.cpu`, but each stage is a launch over the whole batch, and series, weights
and optimizer stay on the device. A `DeviceModel` is a network there, and a `DeviceSeries` holds the values
from which windows are cut. For each batch size an object owns the buffers and runs the stages in order.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..batch_plan import Window
from ..layout import Layout
from .cublas import make_products
from .dropout import Dropout
from .epoch_batches import EpochBatches
from .forecast_writer import ForecastWriter
from .kernel_shape import choose_shape
from .layer_exchange import LayerExchange
from .layer_unroll import LayerUnroll, RecurrentUnroll
from .losses import Losses
from .optimizers import Optimizer, WeightPacker
from .packed_layout import PackedLayout
from .products import Products
from .queue import Queue, read_gpu_limits
from .readout import Readout
from .register_unroll import RegisterUnroll
from .stepwise_unroll import StepwiseUnroll
from .unroll_workspace import UnrollWorkspace, count_workspace_bytes, list_workspace_shapes, make_workspace
from .window_reader import WindowReader

# Largest number of elements of an array, as kernels use indices of 32 bits.
MAX_ELEMENTS = 2**32


class DeviceModel:
    """A network on a GPU.

    Parameters
    ----------
    queue : Queue
    layout : Layout

    Attributes
    ----------
    flat : array, (n_parameters + 1,)
        The parameters, followed by a constant 0.
    packed : array
        The parameters in the order in which kernels read them.
    """

    def __init__(self, queue: Queue, layout: Layout):
        self.queue = queue
        self.layout = PackedLayout(layout)
        self.dtype = layout.dtype
        self.architecture = layout.architecture
        self.products: Products = make_products(queue, layout.dtype)
        self.packer = WeightPacker(queue, self.layout)
        self.flat = queue.zeros(self.architecture.n_parameters + 1, layout.dtype)
        self.packed = queue.zeros(self.packer.size, layout.dtype)

    def load(self, flat: np.ndarray) -> None:
        """Copy parameters from an array of the host or of the device."""
        self.queue.copy(self.flat, flat)
        self.packer.pack(self.flat, self.packed)


class DeviceSeries:
    """Series on a GPU, from which windows are cut: flat `values`, `targets`, and possibly empty `weights`."""

    def __init__(self, queue: Queue, values: np.ndarray, targets: np.ndarray, weights: np.ndarray):
        self.values, self.targets, self.weights = (
            queue.upload(array.ravel() if array.size else np.zeros(0, values.dtype))
            for array in (values, targets, weights)
        )


@dataclass(frozen=True)
class BatchSpec:
    """Size and options of the batches for which buffers are allocated.

    Parameters
    ----------
    window : Window
    n_samples : int
    keep : bool
        Whether a backward pass follows.
    begin : int
        First step of the truncated backward pass; gradients are not passed to earlier steps.
    dropout : float
    outputs : bool
        Whether the backward pass begins with gradients of the outputs of all steps.
    grad_inputs : bool
        Whether the backward pass computes the gradient of the inputs.
    usual_samples : int, optional
        Number of samples of most batches, if it differs from `n_samples`. The last batch of an epoch then
        uses the kernels of the others, since each choice of kernels takes seconds to compile.
    """

    window: Window
    n_samples: int
    keep: bool = False
    begin: int = 0
    dropout: float = 0.0
    outputs: bool = False
    grad_inputs: bool = False
    usual_samples: int | None = None


class LayerStack:
    """All layers and directions of a network for batches of one size, with the buffers between layers.

    Attributes
    ----------
    workspaces : list of UnrollWorkspace
        One for each layer and direction, the lowest layer first.
    reader : WindowReader
    grad_outputs : array or None
        Gradient of the outputs of the top layer (T, B, D * H), in the order of time.
    grad_inputs : array or None
        Gradient of the inputs (T, B, F).
    """

    def __init__(self, model: DeviceModel, spec: BatchSpec):
        check_memory(model, spec)
        queue = model.queue
        layout = model.layout
        net = model.architecture.stack
        n_samples = spec.n_samples
        n_steps = spec.window.n_steps
        self._model = model
        self._spec = spec
        self.workspaces = [
            make_workspace(queue, layout, direction, n_samples, n_steps, keep=spec.keep)
            for direction in layout.directions
        ]
        recurrent = make_recurrent_unroll(model, spec.usual_samples or n_samples)
        self._unroll = LayerUnroll(queue, layout, model.products, recurrent)
        self.reader = WindowReader(queue, layout, spec.window, n_samples)
        self._dropout = Dropout(queue, layout, spec.dropout, n_samples)
        n = n_samples * n_steps
        sizes = [n * net.output_size] * (net.n_layers - 1)
        self._outputs = [queue.zeros(size, model.dtype) for size in sizes]
        self._grad_outputs = [queue.zeros(size, model.dtype) for size in sizes if spec.keep]
        self.grad_outputs = queue.zeros(n * net.output_size, model.dtype) if spec.outputs else None
        self.grad_inputs = queue.zeros(n * net.input_size, model.dtype) if spec.grad_inputs else None

    @property
    def top(self) -> list[UnrollWorkspace]:
        """Workspaces of the top layer."""
        return self.workspaces[-self._model.architecture.stack.n_directions :]

    def clear_states(self) -> None:
        """Set the states, or their gradients, to zero."""
        for workspace in self.workspaces:
            self._model.queue.clear(workspace.state)

    def forward(self, batch_table: Any, values: Any, seed: Any, packed: Any) -> None:
        """Compute the states of all layers from windows and initial states."""
        self.reader.find_offsets(batch_table, values)
        for workspace in self.workspaces:
            layer = workspace.layout.layer
            if layer == 0:
                self.reader.gather(batch_table, values, workspace)
            else:
                self._unroll.copy_input(workspace, batch_table, self._outputs[layer - 1])
            self._unroll.forward(workspace, batch_table, packed)
            if layer < self._model.architecture.stack.n_layers - 1:
                self._unroll.copy_output(workspace, batch_table, self._outputs[layer])
                if self._is_last_direction(workspace):
                    self._drop(batch_table, seed, layer, self._outputs[layer])

    def backward(self, batch_table: Any, seed: Any, packed: Any, gradient: Any) -> None:
        """Compute the gradients of weights, initial states and, if asked for, inputs.

        The gradients of the final states (in ``state`` of each workspace) and `grad_outputs` are given.
        """
        begin = self._spec.begin
        for workspace in reversed(self.workspaces):
            layer = workspace.layout.layer
            is_last = self._is_last_direction(workspace)
            is_top = layer == self._model.architecture.stack.n_layers - 1
            grad_outputs = self.grad_outputs if is_top else self._grad_outputs[layer]
            if is_last and not is_top:
                self._drop(batch_table, seed, layer, grad_outputs)
            self._unroll.backward(workspace, batch_table, packed, gradient, grad_outputs, begin)
            grad_inputs = self._grad_outputs[layer - 1] if layer else self.grad_inputs
            if grad_inputs is not None:
                self._unroll.find_input_gradient(
                    workspace, batch_table, packed, grad_inputs, begin=begin, add=not is_last
                )

    def _is_last_direction(self, workspace: UnrollWorkspace) -> bool:
        """Return whether both directions of the layer are complete after a forward pass of this one."""
        return workspace.layout.direction == self._model.architecture.stack.n_directions - 1

    def _drop(self, batch_table: Any, seed: Any, layer: int, values: Any) -> None:
        self._dropout.drop(batch_table, seed, layer, self._spec.window.n_steps, values)


class NetworkPass:
    """Layers and readout: from windows to the outputs of a network, and back.

    Attributes
    ----------
    layers : LayerStack
    readout : Readout
    """

    def __init__(self, model: DeviceModel, spec: BatchSpec):
        queue = model.queue
        layout = model.layout
        n_samples = spec.n_samples
        self.layers = LayerStack(model, spec)
        dropout = Dropout(queue, layout, spec.dropout, n_samples)
        self.readout = Readout(queue, layout, model.products, dropout, n_samples, spec.window.n_steps)

    def forward(self, batch_table: Any, values: Any, seed: Any, packed: Any) -> None:
        """Compute the outputs, ``readout.out``."""
        self.layers.clear_states()
        self.layers.forward(batch_table, values, seed, packed)
        self.readout.forward(batch_table, seed, self.layers.top, packed)

    def backward(self, batch_table: Any, seed: Any, packed: Any, gradient: Any) -> None:
        """Compute the packed gradient from the gradient in ``readout.out``."""
        layers = self.layers
        layers.clear_states()
        self.readout.backward(batch_table, seed, layers.top, packed, gradient, layers.grad_outputs)
        layers.backward(batch_table, seed, packed, gradient)


class Evaluation:
    """Losses of batches of one size.

    Parameters
    ----------
    model : DeviceModel
    spec : BatchSpec
    loss : str
    """

    def __init__(self, model: DeviceModel, spec: BatchSpec, loss: str):
        self._model = model
        self._spec = spec
        self.network = NetworkPass(model, spec)
        self._losses = Losses(model.queue, model.layout, spec.window, loss, spec.n_samples)

    def evaluate(self, epoch: EpochBatches, series: DeviceSeries, packed: Any, sums: Any) -> None:
        """Compute the losses of the next batch in `sums`, and replace the outputs by their gradient."""
        epoch.take(self._spec.n_samples)
        self.network.forward(epoch.batch_table, series.values, epoch.seed, packed)
        self._losses.backward(
            epoch.batch_table,
            self.network.readout.out,
            self.network.layers.reader,
            series.targets,
            series.weights,
            epoch.counters,
            sums,
        )


class Training(Evaluation):
    """Updates of a network by batches of one size."""

    def __init__(self, model: DeviceModel, spec: BatchSpec, loss: str):
        super().__init__(model, spec, loss)
        self._gradient = model.queue.zeros(model.packer.size, model.dtype)

    def update(self, epoch: EpochBatches, series: DeviceSeries, optimizer: Optimizer, sums: Any) -> None:
        """Update the parameters with the gradient of the next batch."""
        model = self._model
        self.evaluate(epoch, series, model.packed, sums)
        self.network.backward(epoch.batch_table, epoch.seed, model.packed, self._gradient)
        n_targets = self._spec.window.n_targets
        optimizer.update(self._gradient, sums, epoch.counters, n_targets, epoch.corrections)
        model.packer.pack(model.flat, model.packed)


class Prediction:
    """Forecasts of batches of one size.

    Parameters
    ----------
    model : DeviceModel
    spec : BatchSpec
    """

    def __init__(self, model: DeviceModel, spec: BatchSpec):
        self._model = model
        self._network = NetworkPass(model, spec)
        self._writer = ForecastWriter(model.queue, model.layout, spec.window, spec.n_samples)
        # Not read, because nothing is dropped.
        self._seed = model.queue.zeros(1, np.uint32)

    def run(self, batch_table: Any, values: Any, forecasts: Any) -> None:
        """Write each sample's forecast, in the unit of the values, to its target offset in `forecasts`."""
        self._network.forward(batch_table, values, self._seed, self._model.packed)
        reader = self._network.layers.reader
        self._writer.write(batch_table, self._network.readout.out, reader, forecasts)


class StackPass:
    """Layers without a readout: outputs of every step and final states, and the backward pass.

    Parameters
    ----------
    model : DeviceModel
    spec : BatchSpec
    """

    def __init__(self, model: DeviceModel, spec: BatchSpec):
        self._model = model
        self._layers = LayerStack(model, spec)
        self._exchange = LayerExchange(model.queue, model.layout, spec.n_samples, spec.window.n_steps)

    def forward(self, batch_table: Any, seed: Any, values: Any, states: Any, outputs: Any) -> None:
        """Compute outputs and final states.

        Parameters
        ----------
        batch_table : array of int64, (B, 4), flat
        seed : array of uint32, (1,)
        values : array, (B, T, F), flat
        states : array, (n_states, directions of all layers, B, H), flat
            Initial states (IN) and final states (OUT).
        outputs : array, (B, T, D * H), flat, OUT
            Nothing is written past the end of a sample.
        """
        for workspace in self._layers.workspaces:
            self._exchange.gather_states(batch_table, states, workspace)
        self._layers.forward(batch_table, values, seed, self._model.packed)
        for workspace in self._layers.workspaces:
            self._exchange.scatter_states(batch_table, workspace, states)
        for workspace in self._layers.top:
            self._exchange.scatter_outputs(batch_table, workspace, outputs)

    def backward(
        self,
        batch_table: Any,
        seed: Any,
        grad_outputs: Any,
        grad_states: Any,
        grad_values: Any,
        gradient: Any,
    ) -> None:
        """Compute the gradients of inputs, initial states and weights.

        Parameters
        ----------
        batch_table, seed
            As in `forward`.
        grad_outputs : array
            Gradient of the outputs, in their shape.
        grad_states : array
            Gradients of the final states (IN) and of the initial states (OUT), in the shape of the states.
        grad_values : array, OUT
            Gradient of the values, in their shape. Nothing is written past the end of a sample.
        gradient : array, OUT
            Gradient of the packed weights.
        """
        layers = self._layers
        self._exchange.gather_output_gradient(batch_table, grad_outputs, layers.grad_outputs)
        for workspace in layers.workspaces:
            self._exchange.gather_states(batch_table, grad_states, workspace)
        layers.backward(batch_table, seed, self._model.packed, gradient)
        for workspace in layers.workspaces:
            self._exchange.scatter_states(batch_table, workspace, grad_states)
        self._exchange.scatter_input_gradient(batch_table, layers.grad_inputs, grad_values)


def check_memory(model: DeviceModel, spec: BatchSpec) -> None:
    """Check that a batch fits into the GPU's memory and that kernels can index its arrays.

    Raises
    ------
    MemoryError
    """
    net = model.architecture.stack
    n_samples = spec.n_samples
    n_steps = spec.window.n_steps
    gradients = n_steps * (net.output_size * spec.outputs + net.input_size * spec.grad_inputs)
    sample_bytes = count_sample_bytes(model.layout, n_steps, spec.keep)
    needed = n_samples * (sample_bytes + gradients * model.dtype.itemsize)
    free = model.queue.free_memory
    if needed > free:
        raise MemoryError(
            f"A batch of {n_samples} windows takes {needed / 1e9:.1f} GB of the GPU's memory, but only "
            f"{free / 1e9:.1f} GB are free. Lower batch_size, or pass fewer rows at once."
        )
    n_elements = max(math.prod(shape) for shape in _list_shapes(model, spec))
    if n_elements >= MAX_ELEMENTS:
        raise MemoryError(
            f"A batch of {n_samples} windows takes an array of {n_elements:,} numbers on the GPU, where an "
            f"array can have at most {MAX_ELEMENTS:,}. Lower batch_size, or pass fewer rows at once."
        )


def _list_shapes(model: DeviceModel, spec: BatchSpec) -> list[tuple[int, ...]]:
    """Return the shapes of all workspaces and of the outputs of a layer."""
    sizes = spec.n_samples, spec.window.n_steps
    shapes = [
        shape
        for direction in model.layout.directions
        for shape in list_workspace_shapes(model.layout, direction, *sizes, keep=spec.keep).values()
    ]
    return [*shapes, (*sizes, model.architecture.stack.output_size)]


def make_recurrent_unroll(model: DeviceModel, n_samples: int) -> RecurrentUnroll:
    """Return the fastest recurrent part for batches of `n_samples` samples."""
    queue = model.queue
    layout = model.layout
    cell = model.architecture.stack.cell
    shape = choose_shape(cell, model.dtype, layout.hidden, n_samples, read_gpu_limits(queue))
    if shape is None:
        return StepwiseUnroll(queue, layout, model.products)
    return RegisterUnroll(queue, layout, shape)


def count_sample_bytes(layout: PackedLayout, n_steps: int, keep: bool) -> int:
    """Return the number of bytes that each sample of a batch takes."""
    net = layout.architecture.stack
    between = n_steps * net.output_size * (net.n_layers - 1) * (2 if keep else 1)
    workspaces = sum(
        count_workspace_bytes(layout, direction, 1, n_steps, keep=keep) for direction in layout.directions
    )
    readout = layout.architecture.readout
    readings = 2 * (net.output_size + 1) + readout.n_outputs
    every_step = n_steps * readings if readout.reads_every_step else 0
    return workspaces + (between + every_step) * layout.layout.dtype.itemsize
