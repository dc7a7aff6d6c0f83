"""The linear head on the last states of the top layer, and the losses.

Forward ``out = last W^T + b`` with ``last`` the final states of the top layer, both directions side by side;
backward ``d_W = d_out^T last``, ``d_b = sum d_out``, ``d_last = d_out W``.
"""

import numpy as np

from .dropout import drop_row
from .jit import entry, inlined, kernel
from .matmul import add_outer_product, add_product
from .recurrence import ROW, TARGET, add_rows, clear, copy_row, fill_rows

LOSSES = ("squared", "absolute", "huber")  # their numbers in `net.loss`
HUBER_DELTA = np.float32(1)  # of a target's deviation; as float32 it leaves float32 losses what they are


@kernel
def head_forward(net, layers, block, weights, work):
    """Final states (in `layer.state`) to `net.out`."""
    n_rows, H, D = block.shape[0], net.hidden, net.n_directions
    for d in range(D):
        state = layers[layers.size - D + d].state
        for r in range(n_rows):
            to = net.last + r * net.last_stride + d * H
            copy_row(work[to : to + H], work[state + r * H :])
    drop_last(net, block, work[net.last :])
    out = work[net.out :]
    fill_rows(out, net.out_stride, n_rows, weights[net.p_head_bias : net.p_head_bias + net.n_outputs])
    last, panels = work[net.last :], weights[net.p_head :]
    add_product(last, net.last_stride, n_rows, panels, D * H, out, net.out_stride, net.n_outputs)


@kernel
def head_backward(net, layers, block, weights, work, gradients):
    """The gradient of the outputs (in `net.out`) to the head's gradients and, as final states' gradients,
    `layer.state`."""
    n_rows, H, D, n = block.shape[0], net.hidden, net.n_directions, net.n_outputs
    d_out, last, d_last = work[net.out :], work[net.last :], work[net.d_last :]
    width = -(-n // net.vector) * net.vector
    add_outer_product(
        last, net.last_stride, D * H, d_out, net.out_stride, n_rows, gradients[net.g_head :], width, n
    )
    add_rows(d_out, net.out_stride, n_rows, gradients[net.g_head_bias : net.g_head_bias + n])
    clear(d_last, n_rows * net.last_stride)
    add_product(d_out, net.out_stride, n_rows, weights[net.q_head :], n, d_last, net.last_stride, D * H)
    drop_last(net, block, d_last)
    for k in range(layers.size):
        clear(work[layers[k].state :], net.n_states * net.block_rows * H)
    for d in range(D):
        state = layers[layers.size - D + d].state
        for r in range(n_rows):
            copy_row(work[state + r * H : state + (r + 1) * H], d_last[r * net.last_stride + d * H :])


@kernel
def drop_last(net, block, rows):
    """Dropout on the last states: one more level, at time 0."""
    if net.dropout > 0:
        for r in range(block.shape[0]):
            row = rows[r * net.last_stride :]
            drop_row(
                row,
                net.n_directions * net.hidden,
                net.seed,
                net.n_layers,
                block[r, ROW],
                np.int64(0),
                net.dropout,
            )


@inlined
def point_loss(kind, d):
    """Loss of one error `d` and its derivative: the square, the absolute value, or Huber's, which is half the
    square up to HUBER_DELTA and linear beyond."""
    if kind == 0:
        loss, slope = d * d, d + d
    elif kind == 1:
        loss, slope = abs(d), np.sign(d)
    else:
        slope = min(max(d, -HUBER_DELTA), HUBER_DELTA)
        loss = slope * (d - slope / 2)
    return loss, slope


@entry
def add_losses(kind, forecasts, targets, first, sums):
    """Add the losses of `forecasts` (n, k) to `sums`, as `loss_backward` does; first (n,): where each row's
    targets begin."""
    for r in range(forecasts.shape[0]):
        y = targets[first[r] :]
        for j in range(forecasts.shape[1]):
            if not np.isnan(y[j]):
                loss, _ = point_loss(kind, np.float64(forecasts[r, j]) - y[j])
                sums[0, j % sums.shape[1]] += loss
                sums[1, j % sums.shape[1]] += 1


@kernel
def loss_backward(net, block, targets, work, sums):
    """Replace the outputs by the loss's gradient with respect to them; add each target's loss and count to
    `sums`.

    sums (2, n_targets): losses, and numbers of observed values. The gradient is that of the *sum*; dividing
    by the count is left to the optimiser, which knows the whole batch.
    """
    for r in range(block.shape[0]):
        out, y = work[net.out + r * net.out_stride :], targets[block[r, TARGET] :]
        for j in range(net.n_outputs):
            d = out[j] - (y[j] - target_offset(net, r, j, work))
            out[j] = 0
            if not np.isnan(y[j]):
                loss, out[j] = point_loss(net.loss, d)
                sums[0, j % net.n_targets] += loss
                sums[1, j % net.n_targets] += 1


@kernel
def target_offset(net, r, j, work):
    return work[net.offsets + r * net.n_channels + j % net.n_targets] if net.normalize else work.dtype.type(0)
