"""Copies between the caller's arrays and the workspace: windows of series, and results.

A window is read from the series values step by step, inside the loop over time, so windows are never stored.
A step of the network reads `window.segment` rows of the values.
"""

import math

import numpy as np

from ..constants import LEAST_DEVIATION
from ..modes import SCALES
from ..samples import LENGTH, NUMBER, START, TARGET
from .distributions import to_parameters, to_values_unit
from .jit import kernel
from .row_ops import clear, copy_row
from .samples import natural_time

MEAN = SCALES.index("mean")


# -- from values to inputs


@kernel
def find_offsets(net, block, values, workspace):
    """Compute the offset and the scale of each channel of each window.

    The network reads (value - offset) / scale. With `normalize`, the offset is the last observed value; it is
    0 otherwise. Channels from `n_normalized` on have offset 0 and scale 1. The results lie in
    `window.offsets` and `window.scales`, shape (b, n_channels).
    """
    window = net.window
    C = window.n_channels
    for r in range(block.shape[0]):
        offsets, scales = workspace[window.offsets + r * C :], workspace[window.scales + r * C :]
        first = block[r, START] * C
        own_values = values[first : first + block[r, LENGTH] * window.segment * C]
        for c in range(C):
            offsets[c] = 0
            scales[c] = 1
            if (window.normalize or window.scale) and c < window.n_normalized:
                last = last_observed(own_values[c:], C)
                if window.normalize:
                    offsets[c] = last
                if window.scale:
                    scales[c] = find_scale(window.scale, own_values[c:], C, np.float64(last))


@kernel
def last_observed(values, stride):
    """Return the last of every stride-th value that is not missing; 0 if there is none."""
    for k in range((values.size - 1) // stride * stride, -1, -stride):
        if not np.isnan(values[k]):
            return values[k]
    return values.dtype.type(0)


@kernel
def find_scale(kind, values, stride, near):
    """Return the scale of every stride-th value; 1 if none was observed.

    near: one of the values. Differences from it are summed, since squares of large numbers would lose digits.
    """
    n, total, square = 0, 0.0, 0.0
    for k in range(0, values.size, stride):
        if not np.isnan(values[k]):
            d = values[k] - near
            n, total, square = n + 1, total + d, square + d * d
    if n == 0:
        return 1.0
    if kind == MEAN:
        # Salinas et al., "DeepAR", International Journal of Forecasting 36 (2020), section 3.3.
        return 1.0 + abs(near + total / n)
    return max(math.sqrt(max(square - total * total / n, 0.0) / n), LEAST_DEVIATION)


@kernel
def gather(net, layers, block, begin, steps, values, workspace):
    """Write the inputs of steps begin to begin + steps beside the states of the lowest layer.

    Inputs after the end of a sample are 0.
    """
    window, n = net.window, block.shape[0]
    C = window.n_channels
    for k in range(net.stack.n_directions):
        layer = layers[k]
        for r in range(n):
            offsets, scales = workspace[window.offsets + r * C :], workspace[window.scales + r * C :]
            length = block[r, LENGTH] - begin
            for s in range(steps):
                row = workspace[layer.hx + (s * n + r) * layer.hx_stride + net.stack.hidden :]
                t = natural_time(layer.reverse, s, length)
                if t >= 0:
                    first = block[r, START] + (begin + t) * window.segment
                    x = values[first * C :]
                    read_segment(row, x, offsets, scales, C, window.segment, window.masked)
                else:
                    clear(row, layer.width)


@kernel
def read_segment(row, x, offsets, scales, n_channels, segment, masked):
    """Write the inputs of one step of the network: `segment` rows of the values, one after the other."""
    width = 2 * n_channels if masked else n_channels
    for k in range(segment):
        read_step(row[k * width :], x[k * n_channels :], offsets, scales, n_channels, masked)


@kernel
def read_step(row, x, offsets, scales, n_channels, masked):
    """Write the inputs of one row of the values, 0 where missing, and, if masked, the mask after them.

    The mask is 1 where a value was observed, and 0 where it is missing.
    """
    for c in range(n_channels):
        missing = np.isnan(x[c])
        row[c] = 0 if missing else (x[c] - offsets[c]) / scales[c]
        if masked:
            row[n_channels + c] = 0 if missing else 1


# -- from outputs to forecasts


@kernel
def target_unit(net, r, j, workspace):
    """Return offset and scale of the target of output j in the window of sample r.

    Target k stands at outputs k, k + n_targets, ...
    """
    window = net.window
    if window.normalize or window.scale:
        k = r * window.n_channels + j % window.n_targets
        return workspace[window.offsets + k], workspace[window.scales + k]
    return workspace.dtype.type(0), workspace.dtype.type(1)


@kernel
def add_offsets(net, n_samples, workspace):
    """Convert the outputs to the unit of the values."""
    if net.window.normalize or net.window.scale:
        for r in range(n_samples):
            out = workspace[net.readout.out + r * net.readout.out_stride :]
            for j in range(net.readout.n_outputs):
                offset, scale = target_unit(net, r, j, workspace)
                out[j] = out[j] * scale + offset


@kernel
def place_distributions(net, n_samples, workspace):
    """Turn the outputs into parameters of distributions in the unit of the values."""
    readout = net.readout
    for r in range(n_samples):
        out = workspace[readout.out + r * readout.out_stride :][: readout.n_outputs]
        for j in range(readout.n_points):
            p, (offset, scale) = out[j :: readout.n_points], target_unit(net, r, j, workspace)
            to_parameters(readout.distribution, readout.probabilities, p)
            to_values_unit(readout.distribution, p, offset, scale)


@kernel
def scatter_predictions(net, block, step, workspace, predictions):
    """Copy the outputs of one reading to `predictions`, in which the outputs of steps follow each other."""
    readout = net.readout
    n = readout.n_outputs
    for r in range(block.shape[0]):
        to = block[r, TARGET] + step * n
        copy_row(predictions[to : to + n], workspace[readout.out + r * readout.out_stride :])


# -- layers without a readout


@kernel
def scatter_outputs(net, layers, block, begin, steps, workspace, outputs):
    """Copy the top layer's states to `outputs` (B, T, D * hidden_size), nothing after a sample's end."""
    n, D, H = block.shape[0], net.stack.n_directions, net.stack.hidden_size
    for k in range(layers.size - D, layers.size):
        layer = layers[k]
        for r in range(n):
            first, length = block[r, NUMBER] * net.batch.n_steps + begin, block[r, LENGTH] - begin
            for s in range(steps):
                t = natural_time(layer.reverse, s, length)
                if t >= 0:
                    to = ((first + t) * D + layer.reverse) * H
                    source = layer.hx + ((s + 1) * n + r) * layer.hx_stride
                    copy_row(outputs[to : to + H], workspace[source:])


@kernel
def gather_output_gradient(net, block, steps, d_outputs, workspace):
    """Copy the gradient of the outputs to `stack.d_outputs` (time first, units padded)."""
    stack, n = net.stack, block.shape[0]
    D, H = stack.n_directions, stack.hidden_size
    for s in range(steps):
        for r in range(n):
            for d in range(D):
                source = ((block[r, NUMBER] * net.batch.n_steps + s) * D + d) * H
                to = stack.d_outputs + (s * n + r) * stack.output_width + d * stack.hidden
                clear(workspace[to:], stack.hidden)
                copy_row(workspace[to : to + H], d_outputs[source:])


@kernel
def scatter_input_gradient(net, layer, block, steps, workspace, d_values):
    """Copy the gradient of the inputs to `d_values`, which is laid out as the values."""
    C, n = net.window.n_channels, block.shape[0]
    for s in range(steps):
        for r in range(n):
            if s < block[r, LENGTH]:
                to = (block[r, START] + s) * C
                copy_row(d_values[to : to + C], workspace[layer.d_inputs + (s * n + r) * layer.width :])


@kernel
def gather_states(net, layers, block, states, workspace):
    """Copy states (n_states, n_unrolls, B, hidden_size) to the padded `state` of each layer."""
    stack, H = net.stack, net.stack.hidden_size
    for k in range(layers.size):
        for n in range(stack.n_states):
            for r in range(block.shape[0]):
                source = ((n * layers.size + k) * net.batch.n_samples + block[r, NUMBER]) * H
                to = layers[k].state + (n * net.batch.block_samples + r) * stack.hidden
                clear(workspace[to:], stack.hidden)
                copy_row(workspace[to : to + H], states[source:])


@kernel
def scatter_states(net, layers, block, workspace, states):
    """Copy the padded `state` of each layer to states (n_states, n_unrolls, B, hidden_size)."""
    stack, H = net.stack, net.stack.hidden_size
    for k in range(layers.size):
        for n in range(stack.n_states):
            for r in range(block.shape[0]):
                to = ((n * layers.size + k) * net.batch.n_samples + block[r, NUMBER]) * H
                source = layers[k].state + (n * net.batch.block_samples + r) * stack.hidden
                copy_row(states[to : to + H], workspace[source:])
