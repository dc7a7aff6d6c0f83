"""Cutting a batch of windows out of the values, inside the loop: no window is ever stored.

Row r of a batch is described by four integers: where its first step lies in the values (a row number), its
length in steps of the network, where its first target lies in the flat targets, and its number in the batch
(the counter of its dropout mask, and its place in the outputs). A step of the network reads `net.segment`
rows of the values.
"""

import numpy as np

from .jit import kernel
from .recurrence import LENGTH, ROW, START, TARGET, add_row, clear, copy_row, natural_time


@kernel
def find_offsets(net, block, values, work):
    """Each channel's last observed value in each window (0 without normalization), to `net.offsets` (b,
    channels)."""
    C = net.n_channels
    for r in range(block.shape[0]):
        offsets = work[net.offsets + r * C :]
        for c in range(C):
            offsets[c] = 0
            if net.normalize:
                first, row = block[r, START], block[r, START] + block[r, LENGTH] * net.segment - 1
                while row > first and np.isnan(values[row * C + c]):
                    row -= 1
                offsets[c] = values[row * C + c] if not np.isnan(values[row * C + c]) else 0


@kernel
def gather(net, layers, block, begin, steps, values, work):
    """Write steps begin .. begin + steps of each window beside the states of the lowest layer's walks, zero
    past its end."""
    C, n_rows = net.n_channels, block.shape[0]
    for k in range(net.n_directions):
        layer = layers[k]
        for r in range(n_rows):
            offsets, length = work[net.offsets + r * C :], block[r, LENGTH] - begin
            for s in range(steps):
                row = work[layer.rows + (s * n_rows + r) * layer.row_stride + net.hidden :]
                t = natural_time(layer.reverse, s, length)
                if t >= 0:
                    first = block[r, START] + (begin + t) * net.segment
                    read_segment(row, values[first * C :], offsets, C, net.segment, net.masked)
                else:
                    clear(row, layer.width)


@kernel
def read_segment(row, x, offsets, n_channels, segment, masked):
    """One step's inputs: its rows of the values, one after the other."""
    width = 2 * n_channels if masked else n_channels
    for k in range(segment):
        read_step(row[k * width :], x[k * n_channels :], offsets, n_channels, masked)


@kernel
def read_step(row, x, offsets, n_channels, masked):
    """One row's inputs: value minus offset, 0 where missing; then, if masked, 1 where observed."""
    for c in range(n_channels):
        missing = np.isnan(x[c])
        row[c] = 0 if missing else x[c] - offsets[c]
        if masked:
            row[n_channels + c] = 0 if missing else 1


@kernel
def scatter_input_gradient(net, layer, block, steps, work, d_values):
    """Write the gradient of the inputs to `d_values`, laid out as the values were."""
    C, n_rows = net.n_channels, block.shape[0]
    for s in range(steps):
        for r in range(n_rows):
            if s < block[r, LENGTH]:
                to = (block[r, START] + s) * C
                copy_row(d_values[to : to + C], work[layer.d_source + (s * n_rows + r) * layer.width :])


@kernel
def scatter_outputs(net, layers, block, begin, steps, work, outputs):
    """Write the states of the top layer's walks to `outputs` (B, T, D * hidden), flat; nothing past a row's
    end."""
    n_rows, D, H = block.shape[0], net.n_directions, net.hidden_size
    for k in range(layers.size - D, layers.size):
        layer = layers[k]
        for r in range(n_rows):
            first, length = block[r, ROW] * net.n_steps + begin, block[r, LENGTH] - begin
            for s in range(steps):
                t = natural_time(layer.reverse, s, length)
                if t >= 0:
                    to = ((first + t) * D + layer.reverse) * H
                    copy_row(
                        outputs[to : to + H], work[layer.rows + ((s + 1) * n_rows + r) * layer.row_stride :]
                    )


@kernel
def gather_output_gradient(net, block, steps, d_outputs, work):
    """The gradient of the outputs, into that of the top layer (padded, time major)."""
    n_rows, D, H = block.shape[0], net.n_directions, net.hidden_size
    for s in range(steps):
        for r in range(n_rows):
            for d in range(D):
                source = ((block[r, ROW] * net.n_steps + s) * D + d) * H
                to = net.d_sink + (s * n_rows + r) * net.sink_width + d * net.hidden
                clear(work[to:], net.hidden)
                copy_row(work[to : to + H], d_outputs[source:])


@kernel
def gather_states(net, layers, block, states, work):
    """Copy states (n_states, walks, B, hidden), flat, to each layer's padded `state`."""
    H = net.hidden_size
    for k in range(layers.size):
        for n in range(net.n_states):
            for r in range(block.shape[0]):
                source = ((n * layers.size + k) * net.n_rows + block[r, ROW]) * H
                to = layers[k].state + (n * net.block_rows + r) * net.hidden
                clear(work[to:], net.hidden)
                copy_row(work[to : to + H], states[source:])


@kernel
def scatter_states(net, layers, block, work, states):
    H = net.hidden_size
    for k in range(layers.size):
        for n in range(net.n_states):
            for r in range(block.shape[0]):
                to = ((n * layers.size + k) * net.n_rows + block[r, ROW]) * H
                copy_row(states[to : to + H], work[layers[k].state + (n * net.block_rows + r) * net.hidden :])


@kernel
def clear_states(net, layers, work):
    for k in range(layers.size):
        clear(work[layers[k].state :], net.n_states * net.block_rows * net.hidden)


@kernel
def add_offsets(net, n_rows, work):
    """Bring the head's outputs back to the values' own level: target k stands at columns k, k + n_targets,
    ..."""
    if net.normalize:
        for r in range(n_rows):
            out, offsets = work[net.out + r * net.out_stride :], work[net.offsets + r * net.n_channels :]
            for first in range(0, net.n_outputs, net.n_targets):
                add_row(out[first : first + net.n_targets], offsets)


@kernel
def scatter_predictions(net, block, work, predictions):
    n = net.n_outputs
    for r in range(block.shape[0]):
        to = block[r, TARGET]
        copy_row(predictions[to : to + n], work[net.out + r * net.out_stride :])
