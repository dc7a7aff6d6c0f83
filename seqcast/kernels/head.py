"""The linear head on what was pooled of the top layer's states, and the losses.

Forward ``out = pooled W^T + b`` with ``pooled`` as `pooling` leaves it, both directions side by side;
backward ``d_W = d_out^T pooled``, ``d_b = sum d_out``, ``d_pooled = d_out W``.
"""

import math

import numpy as np

from .distributions import DISTRIBUTIONS, distribution_loss, sign, to_parameters
from .dropout import drop_row
from .jit import entry, inlined, kernel
from .matmul import add_outer_product, add_product
from .recurrence import ROW, TARGET, add_rows, clear, fill_rows
from .windows import target_unit

POINT_LOSSES = ("squared", "absolute", "huber")
LOSSES = (*POINT_LOSSES, "cross_entropy", *DISTRIBUTIONS[1:])  # their numbers in `net.loss`
CROSS_ENTROPY = LOSSES.index("cross_entropy")
HUBER_DELTA = np.float32(1)  # of a target's deviation; as float32 it leaves float32 slopes what they are


@kernel
def head_forward(net, block, weights, work):
    """What was pooled to `net.out`."""
    n_rows = block.shape[0]
    drop_pooled(net, block, work[net.pooled :])
    out = work[net.out :]
    fill_rows(out, net.out_stride, n_rows, weights[net.p_head_bias : net.p_head_bias + net.n_outputs])
    pooled, panels, depth = work[net.pooled :], weights[net.p_head :], net.n_directions * net.hidden
    add_product(pooled, net.pooled_stride, n_rows, panels, depth, out, net.out_stride, net.n_outputs)


@kernel
def head_backward(net, block, weights, work, gradients):
    """The gradient of the outputs (in `net.out`) to the head's gradients and to `net.d_pooled`."""
    n_rows, depth, stride, n = block.shape[0], net.n_directions * net.hidden, net.pooled_stride, net.n_outputs
    d_out, pooled, d_pooled = work[net.out :], work[net.pooled :], work[net.d_pooled :]
    width = -(-n // net.vector) * net.vector
    add_outer_product(pooled, stride, depth, d_out, net.out_stride, n_rows, gradients[net.g_head :], width, n)
    add_rows(d_out, net.out_stride, n_rows, gradients[net.g_head_bias : net.g_head_bias + n])
    clear(d_pooled, n_rows * stride)
    add_product(d_out, net.out_stride, n_rows, weights[net.q_head :], n, d_pooled, stride, depth)
    drop_pooled(net, block, d_pooled)


@kernel
def drop_pooled(net, block, rows):
    """Dropout on what the head reads: one more level, at time 0."""
    if net.dropout > 0:
        width = net.n_directions * net.hidden
        for r in range(block.shape[0]):
            row = rows[r * net.pooled_stride :]
            drop_row(row, width, net.seed, net.n_layers, block[r, ROW], np.int64(0), net.dropout)


@inlined
def point_loss(kind, d, half):
    """Loss of one error `d` and its derivative: the square, the absolute value, or Huber's, which is `half`
    the square up to HUBER_DELTA and linear beyond; the number is given in the dtype that the loss is to
    have."""
    if kind == 0:
        loss, slope = d * d, d + d
    elif kind == 1:
        loss, slope = abs(d), sign(d)
    else:
        slope = min(max(d, -HUBER_DELTA), HUBER_DELTA)
        loss = slope * (d - slope * half)
    return loss, slope


@inlined
def cross_entropy(logits, label):
    """Minus the log of the probability that softmax gives to class `label`; the logits (IN) become its
    derivatives (OUT): the probabilities, less 1 at the label."""
    largest, total = logits[0], logits.dtype.type(0)
    for j in range(1, logits.size):
        largest = max(largest, logits[j])
    chosen = logits[label] - largest
    for j in range(logits.size):
        logits[j] = math.exp(logits[j] - largest)
        total += logits[j]
    for j in range(logits.size):
        logits[j] /= total
    logits[label] -= logits.dtype.type(1)
    return math.log(total) - chosen


@kernel
def weight_of(weights, step):
    """Of one step of the targets; 1 where no weights are given."""
    return weights[step] if weights.size > 0 else weights.dtype.type(1)


@entry
def add_losses(kind, forecasts, targets, weights, first, sums):
    """Add the losses of `forecasts` (n, k; overwritten) to `sums`, as `loss_backward` does; first (n,): where
    each row's targets begin."""
    n_targets = sums.shape[1]
    for r in range(forecasts.shape[0]):
        out, y = forecasts[r], targets[first[r] :]
        for j in range(1 if kind == CROSS_ENTROPY else out.size):
            if not np.isnan(y[j]):
                weight = weight_of(weights, (first[r] + j) // n_targets)
                if kind == CROSS_ENTROPY:
                    loss = cross_entropy(out, int(y[j]))
                else:
                    loss, _ = point_loss(kind, np.float64(out[j]) - y[j], 0.5)
                sums[0, j % n_targets] += weight * loss
                sums[1, j % n_targets] += weight


@entry
def add_distribution_losses(kind, levels, parameters, targets, weights, first, sums):
    """The same for distributions, in the unit of the targets: parameters (n, n_parameters, n_points;
    overwritten)."""
    n_targets = sums.shape[1]
    for r in range(parameters.shape[0]):
        for j in range(parameters.shape[2]):
            y = np.float64(targets[first[r] + j])
            if not np.isnan(y):
                weight = weight_of(weights, (first[r] + j) // n_targets)
                sums[0, j % n_targets] += weight * distribution_loss(
                    kind, levels, parameters[r, :, j], 1.0, y
                )
                sums[1, j % n_targets] += weight


@kernel
def loss_backward(net, block, targets, weights, work, sums):
    """Replace the outputs by the loss's gradient with respect to them; add each target's loss and weight to
    `sums`.

    weights: of the steps of the targets, or empty. sums (2, n_targets): losses, and weights of observed
    values. The gradient is that of the *sum*; dividing by the weights is left to the optimiser, which knows
    the whole batch.
    """
    for r in range(block.shape[0]):
        out, first = work[net.out + r * net.out_stride :][: net.n_outputs], block[r, TARGET]
        if net.loss == CROSS_ENTROPY:
            class_loss_backward(out, targets[first], weight_of(weights, first), sums)
        else:
            point_loss_backward(net, r, out, targets, first, weights, work, sums)


@kernel
def class_loss_backward(out, label, weight, sums):
    sums[0, 0] += weight * cross_entropy(out, int(label))
    sums[1, 0] += weight
    for j in range(out.size):
        out[j] *= weight


@kernel
def point_loss_backward(net, r, out, targets, first, weights, work, sums):
    n_targets, y = net.n_targets, targets[first:]
    for j in range(out.size):
        offset, scale = target_unit(net, r, j, work)
        d = out[j] * scale - (y[j] - offset)
        out[j] = 0
        if not np.isnan(y[j]):
            weight = weight_of(weights, (first + j) // n_targets)
            loss, slope = point_loss(net.loss, d, 0.5)
            out[j] = weight * slope * scale
            sums[0, j % n_targets] += weight * loss
            sums[1, j % n_targets] += weight


@kernel
def distribution_loss_backward(net, block, targets, weights, work, sums):
    """As `loss_backward`."""
    for r in range(block.shape[0]):
        out, first = work[net.out + r * net.out_stride :][: net.n_outputs], block[r, TARGET]
        for j in range(net.n_points):
            offset, scale = target_unit(net, r, j, work)
            p, y = out[j :: net.n_points], np.float64(targets[first + j])
            if np.isnan(y):
                p[:] = 0
            else:
                weight = weight_of(weights, (first + j) // net.n_targets)
                to_parameters(net.distribution, net.levels, p)
                loss = distribution_loss(net.distribution, net.levels, p, np.float64(scale), y - offset)
                for k in range(p.size):
                    p[k] *= weight
                sums[0, j % net.n_targets] += weight * loss
                sums[1, j % net.n_targets] += weight
