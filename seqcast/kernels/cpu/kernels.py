"""The kernels that the rest of the library calls: train, predict, and the layers' forward and backward pass.

Each takes the number of a shard of the batch and the address of the table that all kernels share, see
`arguments`. It handles the samples of the shard block by block, and each block chunk of steps by chunk of
steps. `parallel.run` calls a kernel for every shard. Kernels allocate no memory.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ...cells import BUILT_IN
from ...cells.contract import Cell
from ..cpu_target import HOST, CpuTarget
from .compiling import compile_function
from .jit import kernel
from .losses import distribution_loss_backward, loss_backward, make_measure_losses
from .optimizers import make_pack, make_unpack_gradient, make_update
from .readout import (
    LinearMap,
    compile_linear_map,
    count_readings,
    pool_states,
    read_states,
    reading_step,
    start_pooling,
    unread_states,
)
from .recurrence import Recurrence, clear_states, compile_recurrence, keep_states
from .views import arguments_at, getters, part_of, samples_of, sums_of
from .windows import (
    add_offsets,
    find_offsets,
    gather,
    gather_output_gradient,
    gather_states,
    place_distributions,
    scatter_input_gradient,
    scatter_outputs,
    scatter_predictions,
    scatter_states,
)
from .workers import worker_of


class Stages(NamedTuple):
    """Parts of the kernels of one cell, dtype and target."""

    recurrence: Recurrence
    linear: LinearMap
    dtype: np.dtype


@cache
def compile_kernel(name: str, cell: Cell | None, dtype: np.dtype, target: CpuTarget = HOST) -> Any:
    """Compile a kernel, or load it from the cache on disk.

    cell: None for a kernel of `COMMON_KERNELS`.
    """
    function = make_function(name, cell, dtype, target)
    variant = f"{name}-{cell.name if cell else 'any'}-{dtype.name}-{8 * target.vector_bytes}"
    return compile_function(function, variant, cached=cell is None or cell in BUILT_IN)


def make_function(name: str, cell: Cell | None, dtype: np.dtype, target: CpuTarget) -> Callable:
    """Return the function ``(shard, table)`` of a kernel, to be compiled."""
    if cell is None:
        return _COMMON_MAKERS[name](dtype)
    return _MAKERS[name](_compile_stages(cell, dtype, target))


@cache
def _compile_stages(cell: Cell, dtype: np.dtype, target: CpuTarget) -> Stages:
    return Stages(compile_recurrence(cell, dtype, target), compile_linear_map(target), dtype)


@kernel
def shard_bounds(batch, shard):
    """Return the first sample of a shard, and the first of the next one."""
    return shard * batch.shard_samples, min(batch.n_samples, (shard + 1) * batch.shard_samples)


@kernel
def count_chunks(batch):
    """Return the number of chunks of the longest sample."""
    return (batch.n_steps + batch.chunk_steps - 1) // batch.chunk_steps


@kernel
def chunk_begin(batch, k):
    """Return the first step of chunk k. The last chunk ends with the window, so the first may be short."""
    return max(0, batch.n_steps - (count_chunks(batch) - k) * batch.chunk_steps)


def _compile_getters(dtype: np.dtype) -> tuple[Callable, ...]:
    """Return the functions that give the arrays that every kernel reads."""
    network_of, layers_of, workspaces_of = getters(dtype, "network", "layers", "workspaces")

    @kernel
    def workspace_of(arguments, shard):
        """Return the workspace of the worker that takes a shard."""
        n = arguments.n_workspaces
        return part_of(workspaces_of(arguments), worker_of(shard, n), n)

    return network_of, layers_of, workspace_of


def _compile_start(stages: Stages) -> tuple[Callable, Callable]:
    """Return the functions that begin a block of windows, and that compute the states of one chunk."""
    forward = stages.recurrence.forward

    @kernel
    def start_block(net, layers, block, values, workspace):
        find_offsets(net, block, values, workspace)
        clear_states(net, layers, workspace)
        start_pooling(net, block.shape[0], workspace)

    @kernel
    def run_chunk(net, layers, block, begin, steps, values, weights, workspace):
        gather(net, layers, block, begin, steps, values, workspace)
        forward(net, layers, block, begin, steps, weights, workspace)
        pool_states(net, layers, block, begin, steps, workspace)

    return start_block, run_chunk


def _make_train(stages: Stages, loss_backward: Callable = loss_backward) -> Callable:
    start_block, run_chunk = _compile_start(stages)
    backward = stages.recurrence.backward
    linear_forward, linear_backward = stages.linear
    network_of, layers_of, workspace_of = _compile_getters(stages.dtype)
    weights_of, values_of, targets_of, target_weights_of, gradients_of = getters(
        stages.dtype, "weights", "values", "targets", "target_weights", "gradients"
    )

    @kernel
    def read_chunk(
        net, layers, block, begin, steps, weights, targets, target_weights, workspace, gradient, sums
    ):
        """Add the losses after one chunk; return how many readings there were.

        The gradient of what was read is left where the backward pass begins.
        """
        n_readings = count_readings(net, begin, steps)
        for k in range(n_readings):
            step = reading_step(net, begin, k)
            m = read_states(net, layers, block, begin, k, workspace)
            linear_forward(net, block[:m], step, weights, workspace)
            loss_backward(net, block[:m], step, targets, target_weights, workspace, sums)
            linear_backward(net, block[:m], step, weights, workspace, gradient)
            unread_states(net, layers, block, m, begin, steps, k, workspace)
        return n_readings

    def train(shard, table):
        """Compute the losses and the gradient of one shard.

        Reads values, targets, target_weights and weights; writes the shard's part of gradients and loss_sums.
        The gradient stops where the chunk begins whose states were read.
        """
        arguments = arguments_at(table, 1)[0]
        net, layers = network_of(arguments)[0], layers_of(arguments)
        samples = samples_of(arguments)
        weights = weights_of(arguments)
        values = values_of(arguments)
        targets = targets_of(arguments)
        target_weights = target_weights_of(arguments)
        workspace = workspace_of(arguments, shard)
        gradient = part_of(gradients_of(arguments), shard, arguments.n_shards)
        sums = sums_of(arguments, shard, net.window.n_targets)
        gradient[:] = 0
        sums[:] = 0
        first, last = shard_bounds(net.batch, shard)
        for sample in range(first, last, net.batch.block_samples):
            block = samples[sample : min(sample + net.batch.block_samples, last)]
            start_block(net, layers, block, values, workspace)
            for k in range(count_chunks(net.batch)):
                begin = chunk_begin(net.batch, k)
                steps = chunk_begin(net.batch, k + 1) - begin
                run_chunk(net, layers, block, begin, steps, values, weights, workspace)
                if read_chunk(
                    net, layers, block, begin, steps, weights, targets, target_weights, workspace, gradient,
                    sums,
                ):  # fmt: skip
                    backward(net, layers, block, begin, steps, weights, workspace, gradient)
                    # The backward pass left gradients in place of the states.
                    keep_states(net, layers, block.shape[0], steps, workspace)
        return 0

    return train


def _make_predict(stages: Stages, place: Callable = add_offsets) -> Callable:
    start_block, run_chunk = _compile_start(stages)
    linear_forward = stages.linear.forward
    network_of, layers_of, workspace_of = _compile_getters(stages.dtype)
    weights_of, values_of, predictions_of = getters(stages.dtype, "weights", "values", "predictions")

    def predict(shard, table):
        """Forecast the samples of one shard.

        Reads values and weights; writes predictions, those of each sample at its TARGET.
        """
        arguments = arguments_at(table, 1)[0]
        net, layers = network_of(arguments)[0], layers_of(arguments)
        samples = samples_of(arguments)
        weights = weights_of(arguments)
        values = values_of(arguments)
        predictions = predictions_of(arguments)
        workspace = workspace_of(arguments, shard)
        first, last = shard_bounds(net.batch, shard)
        for sample in range(first, last, net.batch.block_samples):
            block = samples[sample : min(sample + net.batch.block_samples, last)]
            start_block(net, layers, block, values, workspace)
            for chunk in range(count_chunks(net.batch)):
                begin = chunk_begin(net.batch, chunk)
                steps = chunk_begin(net.batch, chunk + 1) - begin
                run_chunk(net, layers, block, begin, steps, values, weights, workspace)
                for k in range(count_readings(net, begin, steps)):
                    step = reading_step(net, begin, k)
                    m = read_states(net, layers, block, begin, k, workspace)
                    linear_forward(net, block[:m], step, weights, workspace)
                    place(net, m, workspace)
                    scatter_predictions(net, block[:m], step, workspace, predictions)
        return 0

    return predict


def _make_forward(stages: Stages) -> Callable:
    forward = stages.recurrence.forward
    network_of, layers_of, workspace_of = _compile_getters(stages.dtype)
    weights_of, values_of, outputs_of, states_of = getters(
        stages.dtype, "weights", "values", "outputs", "states"
    )

    def layer_forward(shard, table):
        """Run the layers over one shard.

        Reads values and weights; writes outputs; states: initial ones (IN), final ones (OUT).
        """
        arguments = arguments_at(table, 1)[0]
        net, layers = network_of(arguments)[0], layers_of(arguments)
        samples = samples_of(arguments)
        weights = weights_of(arguments)
        values = values_of(arguments)
        outputs = outputs_of(arguments)
        states = states_of(arguments)
        workspace = workspace_of(arguments, shard)
        first, last = shard_bounds(net.batch, shard)
        for sample in range(first, last, net.batch.block_samples):
            block = samples[sample : min(sample + net.batch.block_samples, last)]
            find_offsets(net, block, values, workspace)
            gather_states(net, layers, block, states, workspace)
            for k in range(count_chunks(net.batch)):
                begin = chunk_begin(net.batch, k)
                steps = chunk_begin(net.batch, k + 1) - begin
                gather(net, layers, block, begin, steps, values, workspace)
                forward(net, layers, block, begin, steps, weights, workspace)
                scatter_outputs(net, layers, block, begin, steps, workspace, outputs)
            scatter_states(net, layers, block, workspace, states)
        return 0

    return layer_forward


def _make_backward(stages: Stages) -> Callable:
    backward = stages.recurrence.backward
    network_of, layers_of, workspace_of = _compile_getters(stages.dtype)
    weights_of, d_outputs_of, d_values_of, d_states_of, gradients_of = getters(
        stages.dtype, "weights", "d_outputs", "d_values", "d_states", "gradients"
    )

    def layer_backward(shard, table):
        """Compute the gradients of the layers over one shard, which is one block.

        The workspaces are those that the forward pass left. Reads weights and d_outputs; writes the shard's
        part of gradients, and d_values; d_states: gradient of the final states (IN) and of the initial ones
        (OUT).
        """
        arguments = arguments_at(table, 1)[0]
        net, layers = network_of(arguments)[0], layers_of(arguments)
        samples = samples_of(arguments)
        weights = weights_of(arguments)
        d_outputs = d_outputs_of(arguments)
        d_values = d_values_of(arguments)
        d_states = d_states_of(arguments)
        workspace = workspace_of(arguments, shard)
        gradient = part_of(gradients_of(arguments), shard, arguments.n_shards)
        gradient[:] = 0
        first, last = shard_bounds(net.batch, shard)
        block, n_steps = samples[first:last], net.batch.n_steps
        gather_states(net, layers, block, d_states, workspace)
        gather_output_gradient(net, block, n_steps, d_outputs, workspace)
        backward(net, layers, block, chunk_begin(net.batch, 0), n_steps, weights, workspace, gradient)
        scatter_input_gradient(net, layers[0], block, n_steps, workspace, d_values)
        scatter_states(net, layers, block, workspace, d_states)
        return 0

    return layer_backward


_MAKERS: dict[str, Callable[[Stages], Callable]] = {
    "train": _make_train,
    "predict": _make_predict,
    "forward": _make_forward,
    "backward": _make_backward,
    "train_distribution": partial(_make_train, loss_backward=distribution_loss_backward),
    "predict_distribution": partial(_make_predict, place=place_distributions),
}
_COMMON_MAKERS: dict[str, Callable[[np.dtype], Callable]] = {
    "pack": make_pack,
    "unpack_gradient": make_unpack_gradient,
    "update": make_update,
    "measure_losses": make_measure_losses,
}
