"""Cutting a batch of windows out of the values, inside the loop: no window is ever stored.

Row r of a batch is described by four integers: where its first step lies in the values (a row number), its
length in steps of the network, where its first target lies in the flat targets, and its number in the batch
(the counter of its dropout mask, and its place in the outputs). A step of the network reads `net.segment`
rows of the values.
"""

import math

import numpy as np

from .constants import LEAST_DEVIATION
from .distributions import to_parameters, to_values_unit
from .jit import kernel
from .recurrence import LENGTH, ROW, START, TARGET, clear, copy_row, natural_time

SCALES = ("none", "deviation", "mean")  # their numbers in `net.scale`
MEAN = SCALES.index("mean")


@kernel
def find_offsets(net, block, values, work):
    """How each channel is read in each window, to `net.offsets` and `net.scales` (b, channels): less its last
    observed value, divided by its scale; less 0 and divided by 1 if it is read as it is."""
    C = net.n_channels
    for r in range(block.shape[0]):
        offsets, scales = work[net.offsets + r * C :], work[net.scales + r * C :]
        first = block[r, START] * C
        window = values[first : first + block[r, LENGTH] * net.segment * C]
        for c in range(C):
            offsets[c], scales[c] = 0, 1
            if (net.normalize or net.scale) and c < net.n_normalized:
                last = last_observed(window[c:], C)
                if net.normalize:
                    offsets[c] = last
                if net.scale:
                    scales[c] = scale_of(net.scale, window[c:], C, np.float64(last))


@kernel
def last_observed(values, stride):
    """The last of every stride-th value that is not missing; 0 if there is none."""
    for k in range((values.size - 1) // stride * stride, -1, -stride):
        if not np.isnan(values[k]):
            return values[k]
    return values.dtype.type(0)


@kernel
def scale_of(kind, values, stride, near):
    """Of every stride-th value; 1 if none was observed. Sums are of differences from `near`, one of the
    values: squares of large numbers would cancel."""
    n, total, square = 0, 0.0, 0.0
    for k in range(0, values.size, stride):
        if not np.isnan(values[k]):
            d = values[k] - near
            n, total, square = n + 1, total + d, square + d * d
    if n == 0:
        return 1.0
    if kind == MEAN:  # Salinas et al., "DeepAR", International Journal of Forecasting 36 (2020), section 3.3
        return 1.0 + abs(near + total / n)
    return max(math.sqrt(max(square - total * total / n, 0.0) / n), LEAST_DEVIATION)


@kernel
def gather(net, layers, block, begin, steps, values, work):
    """Write steps begin .. begin + steps of each window beside the states of the lowest layer's walks, zero
    past its end."""
    C, n_rows = net.n_channels, block.shape[0]
    for k in range(net.n_directions):
        layer = layers[k]
        for r in range(n_rows):
            offsets, scales = work[net.offsets + r * C :], work[net.scales + r * C :]
            length = block[r, LENGTH] - begin
            for s in range(steps):
                row = work[layer.rows + (s * n_rows + r) * layer.row_stride + net.hidden :]
                t = natural_time(layer.reverse, s, length)
                if t >= 0:
                    first = block[r, START] + (begin + t) * net.segment
                    read_segment(row, values[first * C :], offsets, scales, C, net.segment, net.masked)
                else:
                    clear(row, layer.width)


@kernel
def read_segment(row, x, offsets, scales, n_channels, segment, masked):
    """One step's inputs: its rows of the values, one after the other."""
    width = 2 * n_channels if masked else n_channels
    for k in range(segment):
        read_step(row[k * width :], x[k * n_channels :], offsets, scales, n_channels, masked)


@kernel
def read_step(row, x, offsets, scales, n_channels, masked):
    """One row's inputs: value less offset, over scale, 0 where missing; then, if masked, 1 where observed."""
    for c in range(n_channels):
        missing = np.isnan(x[c])
        row[c] = 0 if missing else (x[c] - offsets[c]) / scales[c]
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
    """Bring the head's outputs back to the values' own level and scale: target k stands at columns k, k +
    n_targets, ..."""
    if net.normalize or net.scale:
        for r in range(n_rows):
            out = work[net.out + r * net.out_stride :]
            for j in range(net.n_outputs):
                offset, scale = target_unit(net, r, j, work)
                out[j] = out[j] * scale + offset


@kernel
def place_distributions(net, n_rows, work):
    """The same for outputs that are turned into the parameters of distributions."""
    for r in range(n_rows):
        out = work[net.out + r * net.out_stride :][: net.n_outputs]
        for j in range(net.n_points):
            p, (offset, scale) = out[j :: net.n_points], target_unit(net, r, j, work)
            to_parameters(net.distribution, net.levels, p)
            to_values_unit(net.distribution, p, offset, scale)


@kernel
def target_unit(net, r, j, work):
    """Offset and scale of the target of output j in row r's window."""
    if net.normalize or net.scale:
        k = r * net.n_channels + j % net.n_targets
        return work[net.offsets + k], work[net.scales + k]
    return work.dtype.type(0), work.dtype.type(1)


@kernel
def scatter_predictions(net, block, work, predictions):
    n = net.n_outputs
    for r in range(block.shape[0]):
        to = block[r, TARGET]
        copy_row(predictions[to : to + n], work[net.out + r * net.out_stride :])
