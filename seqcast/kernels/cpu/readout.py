"""The readout: a linear map from states of the top layer to outputs.

It has two modes. With a pooling, it reads one vector of each sample: the last state, or the mean or the
maximum of all states. Without one (pooling "none"), it reads the state after every step, and there are
outputs at every step. In both modes the vector that is read, with both directions side by side, lies in
`readout.pooled`, and::

    out = pooled W^T + b,    d_W = d_out^T pooled,    d_b = sum d_out,    d_pooled = d_out W

A schedule over chunks of steps calls `start_pooling` before the first chunk and `pool_states` after each. It
then calls, for each of the `count_readings` readings of the chunk, `read_states`, `forward`, and for the
gradient `backward` and `unread_states`.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from ..cpu_target import CpuTarget
from ..modes import EVERY_STEP, LAST, MAX, MEAN
from ..samples import LENGTH, NUMBER
from .dropout import drop_row
from .jit import kernel
from .matmul import compile_products
from .recurrence import clear_states
from .row_ops import add_row, add_rows, clear, copy_row, scale_row, skew
from .samples import count_running, natural_time


class LinearMap(NamedTuple):
    """The linear map and its gradient: see `compile_linear_map`."""

    forward: Callable
    backward: Callable


@cache
def compile_linear_map(target: CpuTarget) -> LinearMap:
    """Return the linear map of the readout for one target."""
    add_product, set_product, add_outer_product = compile_products(target)

    @kernel
    def forward(net, block, time, weights, workspace):
        """Compute `readout.out` from `readout.pooled`; time: the counter of the dropout masks."""
        readout = net.readout
        n, depth = block.shape[0], net.stack.n_directions * net.stack.hidden
        pooled, out = workspace[readout.pooled :], workspace[readout.out :]
        drop_pooled(net, block, time, pooled)
        bias, panels = weights[readout.w_bias :], weights[readout.w :]
        set_product(
            pooled, readout.pooled_stride, n, panels, depth, bias, out, readout.out_stride, readout.n_outputs
        )

    @kernel
    def backward(net, block, time, weights, workspace, gradients):
        """Compute `readout.d_pooled` and the gradients of the weights from the gradient in `readout.out`."""
        readout = net.readout
        n, depth = block.shape[0], net.stack.n_directions * net.stack.hidden
        stride, out_stride, n_outputs = readout.pooled_stride, readout.out_stride, readout.n_outputs
        d_out, pooled = workspace[readout.out :], workspace[readout.pooled :]
        d_pooled, width = workspace[readout.d_pooled :], skew(n_outputs, net.stack.lanes)
        add_outer_product(
            pooled, stride, depth, d_out, out_stride, n, gradients[readout.grad_w :], width, n_outputs
        )
        grad_bias = gradients[readout.grad_bias : readout.grad_bias + n_outputs]
        add_rows(d_out, out_stride, n, grad_bias)
        clear(d_pooled, n * stride)
        add_product(d_out, out_stride, n, weights[readout.wT :], n_outputs, d_pooled, stride, depth)
        drop_pooled(net, block, time, d_pooled)

    return LinearMap(forward, backward)


@kernel
def drop_pooled(net, block, time, pooled):
    """Apply dropout to the vectors that are read, as to the outputs of one more layer."""
    if net.batch.dropout > 0:
        width = net.stack.n_directions * net.stack.hidden
        for r in range(block.shape[0]):
            row = pooled[r * net.readout.pooled_stride :]
            number = block[r, NUMBER]
            drop_row(row, width, net.batch.seed, net.stack.n_layers, number, time, net.batch.dropout)


# -- pooling, chunk by chunk


@kernel
def start_pooling(net, n_samples, workspace):
    """Prepare sums and maxima before the first chunk."""
    readout = net.readout
    if readout.pooling == MEAN or readout.pooling == MAX:
        start = workspace.dtype.type(-np.inf if readout.pooling == MAX else 0)
        for k in range(readout.pooled, readout.pooled + n_samples * readout.pooled_stride):
            workspace[k] = start


@kernel
def pool_states(net, layers, block, begin, steps, workspace):
    """Add the states after each step of a chunk to the sums, or compare them with the maxima."""
    readout, n, H, D = net.readout, block.shape[0], net.stack.hidden, net.stack.n_directions
    if readout.pooling == LAST or readout.pooling == EVERY_STEP:
        return
    for d in range(D):
        layer = layers[layers.size - D + d]
        for r in range(n):
            at = r * readout.pooled_stride + d * H
            pooled, argmax_step = workspace[readout.pooled + at :][:H], workspace[readout.argmax_step + at :]
            for s in range(min(steps, block[r, LENGTH] - begin)):
                state = workspace[layer.hx + ((s + 1) * n + r) * layer.hx_stride :]
                if readout.pooling == MEAN:
                    add_row(pooled, state)
                else:
                    keep_larger(pooled, argmax_step, state, workspace.dtype.type(begin + s))


@kernel
def keep_larger(largest, argmax_step, state, step):
    """Update maxima (IN and OUT) and their steps, which are exact in float32 up to 16 million steps."""
    for j in range(largest.size):
        larger = state[j] > largest[j]
        largest[j] = state[j] if larger else largest[j]
        argmax_step[j] = step if larger else argmax_step[j]


# -- readings: one for each step, or one after the last chunk


@kernel
def count_readings(net, begin, steps):
    """Return how many times the readout is applied after the chunk of steps begin to begin + steps."""
    if net.readout.pooling == EVERY_STEP:
        return steps
    return 1 if begin + steps == net.batch.n_steps else 0


@kernel
def reading_step(net, begin, k):
    """Return the step of reading k of a chunk; 0 if one vector is read of each sample."""
    return begin + k if net.readout.pooling == EVERY_STEP else 0


@kernel
def read_states(net, layers, block, begin, k, workspace):
    """Copy what is read to `readout.pooled`; return the number m of samples read, which are the first m."""
    if net.readout.pooling == EVERY_STEP:
        return read_step(net, layers, block, begin, k, workspace)
    finish_pooling(net, layers, block, workspace)
    return block.shape[0]


@kernel
def read_step(net, layers, block, begin, t, workspace):
    """Copy the states at time t of a chunk; return how many samples still run then."""
    readout, n, H, D = net.readout, block.shape[0], net.stack.hidden, net.stack.n_directions
    m = count_running(block, begin + t, n)
    for d in range(D):
        layer = layers[layers.size - D + d]
        for r in range(m):
            s = natural_time(layer.reverse, t, block[r, LENGTH] - begin)
            to = readout.pooled + r * readout.pooled_stride + d * H
            copy_row(workspace[to : to + H], workspace[layer.hx + ((s + 1) * n + r) * layer.hx_stride :])
    return m


@kernel
def finish_pooling(net, layers, block, workspace):
    """Divide sums by lengths, or copy the last states."""
    readout, H, D = net.readout, net.stack.hidden, net.stack.n_directions
    for r in range(block.shape[0]):
        row = readout.pooled + r * readout.pooled_stride
        if readout.pooling == MEAN:
            factor = workspace.dtype.type(1) / workspace.dtype.type(block[r, LENGTH])
            scale_row(workspace[row : row + D * H], factor)
        elif readout.pooling == LAST:
            for d in range(D):
                to = row + d * H
                copy_row(workspace[to : to + H], workspace[layers[layers.size - D + d].state + r * H :])


@kernel
def unread_states(net, layers, block, m, begin, steps, k, workspace):
    """Turn the gradient in `readout.d_pooled` into gradients of final states and of outputs.

    m, k: samples and number of the reading. The gradients of final states lie in `layer.state`, those of the
    top layer's outputs at steps begin to begin + steps in `stack.d_outputs`.
    """
    if k == 0:
        clear_states(net, layers, workspace)
    if net.readout.pooling == EVERY_STEP:
        unread_step(net, block, m, k, workspace)
    else:
        unpool_states(net, layers, block, begin, steps, workspace)


@kernel
def unread_step(net, block, m, t, workspace):
    """Copy the gradients of the first m samples to those of the outputs at time t of a chunk."""
    readout, n, width = net.readout, block.shape[0], net.stack.output_width
    for r in range(m):
        to = net.stack.d_outputs + (t * n + r) * width
        copy_row(workspace[to : to + width], workspace[readout.d_pooled + r * readout.pooled_stride :])


@kernel
def unpool_states(net, layers, block, begin, steps, workspace):
    """Compute the gradients of final states (last), or of outputs (mean and max)."""
    readout, n, H, D = net.readout, block.shape[0], net.stack.hidden, net.stack.n_directions
    for d in range(D):
        layer = layers[layers.size - D + d]
        for r in range(n):
            at, length = r * readout.pooled_stride + d * H, block[r, LENGTH]
            d_pooled = workspace[readout.d_pooled + at :][:H]
            if readout.pooling == LAST:
                copy_row(workspace[layer.state + r * H :][:H], d_pooled)
                continue
            argmax_step = workspace[readout.argmax_step + at :]
            if readout.pooling == MEAN:
                scale_row(d_pooled, workspace.dtype.type(1) / workspace.dtype.type(length))
            for s in range(min(steps, length - begin)):
                t = natural_time(layer.reverse, s, length - begin)
                to = net.stack.d_outputs + (t * n + r) * net.stack.output_width + d * H
                if readout.pooling == MEAN:
                    copy_row(workspace[to : to + H], d_pooled)
                else:
                    step = workspace.dtype.type(begin + s)
                    copy_maxima(workspace[to : to + H], argmax_step, d_pooled, step)


@kernel
def copy_maxima(to, argmax_step, source, step):
    """Copy the numbers whose maximum was at this step, and set the others to 0."""
    for j in range(to.size):
        to[j] = source[j] if argmax_step[j] == step else 0
