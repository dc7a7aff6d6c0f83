"""What the head reads of a row: the top layer's last state, or the mean or the largest of its states.

The states of a chunk stand in the rows of the top layer's walks; a chunk is taken in before the next one
overwrites them. Both directions stand side by side in `net.pooled`.
"""

import numpy as np

from .jit import kernel
from .recurrence import LENGTH, add_row, clear, copy_row, natural_time

POOLINGS = ("last", "mean", "max")  # their numbers in `net.pooling`
LAST, MEAN, MAX = range(3)


@kernel
def start_pooling(net, n_rows, work):
    if net.pooling != LAST:
        start = work.dtype.type(-np.inf if net.pooling == MAX else 0)
        for k in range(net.pooled, net.pooled + n_rows * net.pooled_stride):
            work[k] = start


@kernel
def pool_states(net, layers, block, begin, steps, work):
    """Take in the states after steps begin .. begin + steps."""
    if net.pooling == LAST:
        return
    n_rows, H, D = block.shape[0], net.hidden, net.n_directions
    for d in range(D):
        layer = layers[layers.size - D + d]
        for r in range(n_rows):
            place = r * net.pooled_stride + d * H
            pooled, peaks = work[net.pooled + place :][:H], work[net.peaks + place :]
            for s in range(min(steps, block[r, LENGTH] - begin)):
                state = work[layer.rows + ((s + 1) * n_rows + r) * layer.row_stride :]
                if net.pooling == MEAN:
                    add_row(pooled, state)
                else:
                    keep_larger(pooled, peaks, state, work.dtype.type(begin + s))


@kernel
def keep_larger(largest, peaks, state, step):
    """largest (IN and OUT); peaks: the step of each one, exact in float32 up to 16 million steps."""
    for j in range(largest.size):
        larger = state[j] > largest[j]
        largest[j] = state[j] if larger else largest[j]
        peaks[j] = step if larger else peaks[j]


@kernel
def finish_pooling(net, layers, block, work):
    """After the last chunk: what the head reads, in `net.pooled`."""
    n_rows, H, D = block.shape[0], net.hidden, net.n_directions
    for r in range(n_rows):
        row = net.pooled + r * net.pooled_stride
        if net.pooling == MEAN:
            scale_row(work[row : row + D * H], work.dtype.type(1) / work.dtype.type(block[r, LENGTH]))
        elif net.pooling == LAST:
            for d in range(D):
                to = row + d * H
                copy_row(work[to : to + H], work[layers[layers.size - D + d].state + r * H :])


@kernel
def scale_row(row, factor):
    for j in range(row.size):
        row[j] *= factor


@kernel
def unpool(net, layers, block, begin, steps, work):
    """The gradient of what the head read, in `net.d_pooled`, to those of the final states, in `layer.state`,
    or, for mean and maximum, of the top layer's outputs at steps begin .. begin + steps, in `net.d_sink`."""
    n_rows, H, D = block.shape[0], net.hidden, net.n_directions
    for k in range(layers.size):
        clear(work[layers[k].state :], net.n_states * net.block_rows * H)
    for d in range(D):
        layer = layers[layers.size - D + d]
        for r in range(n_rows):
            place = r * net.pooled_stride + d * H
            d_pooled = work[net.d_pooled + place :][:H]
            if net.pooling == LAST:
                copy_row(work[layer.state + r * H :][:H], d_pooled)
                continue
            length, peaks = block[r, LENGTH], work[net.peaks + place :]
            if net.pooling == MEAN:
                scale_row(d_pooled, work.dtype.type(1) / work.dtype.type(length))
            for s in range(min(steps, length - begin)):
                t = natural_time(layer.reverse, s, length - begin)
                to = work[net.d_sink + (t * n_rows + r) * net.sink_width + d * H :][:H]
                if net.pooling == MEAN:
                    copy_row(to, d_pooled)
                else:
                    copy_peaks(to, peaks, d_pooled, work.dtype.type(begin + s))


@kernel
def copy_peaks(to, peaks, source, step):
    """Where the largest state was that of this step."""
    for j in range(to.size):
        to[j] = source[j] if peaks[j] == step else 0
