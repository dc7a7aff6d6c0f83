"""The kernels that the rest of the library calls: train, predict, and the layer's forward and backward.

Each handles one share of a batch, block of rows by block; `parallel.run` calls it for every share. They all
take the same arguments, whatever their use of them::

    share                   which share of the batch
    network, layers         tables of sizes and offsets, see `layout`
    rows (B, 4)             start, length, target, number of each row, see `windows`
    weights                 packed weights, see `layout`
    inputs, outputs, states flat; what they hold is said at each kernel
    work (workers, size)    work space of each worker, see `parallel.worker_of`
    gradients (shares, n)   packed gradients of each share
    sums (shares, 2, k)     loss of each target, and weight of its observed values, in each share
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from ..cells import BUILT_IN
from ..cells.contract import Cell
from . import parallel
from .head import distribution_loss_backward, head_backward, head_forward, loss_backward
from .jit import kernel
from .parallel import worker_of
from .pooling import finish_pooling, pool_states, start_pooling, unpool
from .recurrence import compile_recurrence
from .windows import (
    add_offsets,
    clear_states,
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


@cache
def compiled(name: str, cell: Cell, dtype: np.dtype) -> Callable:
    """Return the kernel `name`, one of `KERNELS` or `DISTRIBUTION_KERNELS`, for one cell and dtype."""
    recurrence = _recurrence(cell, dtype)
    function = _MAKERS[name](*recurrence)
    return parallel.compile_kernel(
        function, dtype, f"{name}-{cell.name}-{dtype.name}", cached=cell in BUILT_IN
    )


@cache
def _recurrence(cell: Cell, dtype: np.dtype):
    return compile_recurrence(cell, dtype)


@kernel
def share_rows(net, share):
    """First and last row of a share."""
    return share * net.shard_rows, min(net.n_rows, (share + 1) * net.shard_rows)


@kernel
def chunk_count(net):
    return (net.n_steps + net.chunk - 1) // net.chunk


@kernel
def chunk_begin(net, k):
    """First step of chunk k; chunks end with the window, so the first may be a short one."""
    return max(0, net.n_steps - (chunk_count(net) - k) * net.chunk)


def _make_evaluate(forward):
    @kernel
    def evaluate(net, layers, block, values, weights, space):
        """Read the windows of one block chunk by chunk, and leave the head's outputs in `net.out`."""
        find_offsets(net, block, values, space)
        clear_states(net, layers, space)
        start_pooling(net, block.shape[0], space)
        for k in range(chunk_count(net)):
            begin, end = chunk_begin(net, k), chunk_begin(net, k + 1)
            gather(net, layers, block, begin, end - begin, values, space)
            forward(net, layers, block, begin, end - begin, weights, space)
            pool_states(net, layers, block, begin, end - begin, space)
        finish_pooling(net, layers, block, space)
        head_forward(net, block, weights, space)

    return evaluate


def _make_train(forward, backward, loss_backward=loss_backward):
    evaluate = _make_evaluate(forward)

    def train(share, network, layers, rows, weights, inputs, outputs, states, work, gradients, sums):
        """inputs: values. outputs: targets (IN). states: weights of the targets' steps, or empty (IN). Adds
        nothing to gradients and sums: overwrites this share's."""
        net, space, gradient, total = (
            network[0],
            work[worker_of(share, work.shape[0])],
            gradients[share],
            sums[share],
        )
        gradient[:] = 0
        total[:] = 0
        first, last = share_rows(net, share)
        for row in range(first, last, net.block_rows):
            block = rows[row : min(row + net.block_rows, last)]
            evaluate(net, layers, block, inputs, weights, space)
            loss_backward(net, block, outputs, states, space, total)
            head_backward(net, block, weights, space, gradient)
            begin = chunk_begin(net, chunk_count(net) - 1)  # the gradient stops where the last chunk begins
            unpool(net, layers, block, begin, net.n_steps - begin, space)
            backward(net, layers, block, begin, net.n_steps - begin, weights, space, gradient)
        return 0

    return train


def _make_predict(forward, backward, place=add_offsets):
    evaluate = _make_evaluate(forward)

    def predict(share, network, layers, rows, weights, inputs, outputs, states, work, gradients, sums):
        """inputs: values. outputs: predictions (OUT), each row's at its target offset."""
        net, space = network[0], work[worker_of(share, work.shape[0])]
        first, last = share_rows(net, share)
        for row in range(first, last, net.block_rows):
            block = rows[row : min(row + net.block_rows, last)]
            evaluate(net, layers, block, inputs, weights, space)
            place(net, block.shape[0], space)
            scatter_predictions(net, block, space, outputs)
        return 0

    return predict


def _make_forward(forward, backward):
    def layer_forward(share, network, layers, rows, weights, inputs, outputs, states, work, gradients, sums):
        """inputs: x (B, T, F). outputs: (B, T, D * H) (OUT). states: initial (IN), final (OUT)."""
        net, space = network[0], work[worker_of(share, work.shape[0])]
        first, last = share_rows(net, share)
        for row in range(first, last, net.block_rows):
            block = rows[row : min(row + net.block_rows, last)]
            find_offsets(net, block, inputs, space)
            gather_states(net, layers, block, states, space)
            for k in range(chunk_count(net)):
                begin, end = chunk_begin(net, k), chunk_begin(net, k + 1)
                gather(net, layers, block, begin, end - begin, inputs, space)
                forward(net, layers, block, begin, end - begin, weights, space)
                scatter_outputs(net, layers, block, begin, end - begin, space, outputs)
            scatter_states(net, layers, block, space, states)
        return 0

    return layer_forward


def _make_backward(forward, backward):
    def layer_backward(share, network, layers, rows, weights, inputs, outputs, states, work, gradients, sums):
        """inputs: gradient of the outputs (B, T, D * H). outputs: gradient of x (OUT). states: gradient of
        the final (IN) and of the initial states (OUT). The work space is the forward pass's, one block to a
        share."""
        net, space = network[0], work[worker_of(share, work.shape[0])]
        gradient = gradients[share]
        gradient[:] = 0
        first, last = share_rows(net, share)
        block = rows[first:last]
        gather_states(net, layers, block, states, space)
        gather_output_gradient(net, block, net.n_steps, inputs, space)
        backward(net, layers, block, chunk_begin(net, 0), net.n_steps, weights, space, gradient)
        scatter_input_gradient(net, layers[0], block, net.n_steps, space, outputs)
        scatter_states(net, layers, block, space, states)
        return 0

    return layer_backward


KERNELS = ("train", "predict", "forward", "backward")
# Apart from those of point forecasts: one kernel for both would take 1 s longer to compile for everybody.
DISTRIBUTION_KERNELS = ("train_distribution", "predict_distribution")
_MAKERS: dict[str, Callable] = {
    "train": _make_train,
    "predict": _make_predict,
    "forward": _make_forward,
    "backward": _make_backward,
    "train_distribution": partial(_make_train, loss_backward=distribution_loss_backward),
    "predict_distribution": partial(_make_predict, place=place_distributions),
}
