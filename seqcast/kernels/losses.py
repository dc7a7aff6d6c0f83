"""Losses of forecasts and their gradients with respect to the outputs of the readout."""

import math

import numpy as np

from .distributions import DISTRIBUTIONS, GAUSSIAN, distribution_loss, sign, to_parameters
from .jit import entry, inlined, kernel
from .samples import TARGET
from .windows import target_unit

# In the place of a power: the loss is minus the log of a density.
LOG_DENSITY = None
# Each loss, and the power of the targets' unit that it is measured in. The other lists of losses are derived
# from this one: those before the cross-entropy are point losses, those after it belong to distributions.
LOSS_UNITS = {
    "squared": 2,
    "absolute": 1,
    "huber": 2,
    "cross_entropy": 0,
    "quantile": 1,
    **dict.fromkeys(DISTRIBUTIONS[GAUSSIAN:], LOG_DENSITY),
}
# The position of a name is its number in `readout.loss`.
LOSSES = tuple(LOSS_UNITS)
CROSS_ENTROPY = LOSSES.index("cross_entropy")
# The losses of one error, see `point_loss`.
POINT_LOSSES = LOSSES[:CROSS_ENTROPY]
# In units of a target's standard deviation; float32, so that float32 slopes are not promoted to float64.
HUBER_DELTA = np.float32(1)


@inlined
def point_loss(kind, d, half):
    """Return the loss of one error `d`, and its derivative.

    The loss is the square, the absolute value, or Huber's, which is half the square up to HUBER_DELTA and
    linear beyond. half: the number 0.5 in the dtype of the loss.
    """
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
    """Return minus the log of the probability that softmax gives to class `label`.

    The logits (IN) become its derivatives (OUT): the probabilities, less 1 at the label.
    """
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
    """Return the weight of one step of the targets; 1 if there are no weights."""
    return weights[step] if weights.size > 0 else weights.dtype.type(1)


@entry
def add_losses(kind, forecasts, targets, weights, first, sums):
    """Add the losses and weights of forecasts to `sums` (2, n_targets), as `loss_backward` does.

    forecasts (n, k): overwritten. first (n,): positions where the targets of each forecast begin.
    """
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
def add_distribution_losses(kind, probabilities, parameters, targets, weights, first, sums):
    """Add the losses and weights of forecast distributions to `sums`, as `add_losses` does.

    parameters (n, n_parameters, n_points): in the unit of the targets, overwritten.
    """
    n_targets = sums.shape[1]
    for r in range(parameters.shape[0]):
        for j in range(parameters.shape[2]):
            y = np.float64(targets[first[r] + j])
            if not np.isnan(y):
                weight = weight_of(weights, (first[r] + j) // n_targets)
                sums[0, j % n_targets] += weight * distribution_loss(
                    kind, probabilities, parameters[r, :, j], 1.0, y
                )
                sums[1, j % n_targets] += weight


@kernel
def loss_backward(net, block, step, targets, target_weights, workspace, sums):
    """Replace the outputs of one reading by the gradient of the loss.

    The losses and weights of observed targets are added to `sums` (2, n_targets). The gradient is that of the
    *sum* of losses: the optimizer divides by the weights, since it knows the whole batch. step: the step that
    was read, 0 if one vector is read of each sample. target_weights: weights of the steps of the targets, or
    empty.
    """
    readout = net.readout
    for r in range(block.shape[0]):
        out = workspace[readout.out + r * readout.out_stride :][: readout.n_outputs]
        first = block[r, TARGET] + step * readout.target_stride
        if readout.loss == CROSS_ENTROPY:
            class_loss_backward(out, targets[first], weight_of(target_weights, first), sums)
        else:
            point_loss_backward(net, r, out, targets, first, target_weights, workspace, sums)


@kernel
def class_loss_backward(out, label, weight, sums):
    """Replace the logits of one reading by the gradient of the cross-entropy; a NaN label has none."""
    if np.isnan(label):
        out[:] = 0
        return
    sums[0, 0] += weight * cross_entropy(out, int(label))
    sums[1, 0] += weight
    for j in range(out.size):
        out[j] *= weight


@kernel
def point_loss_backward(net, r, out, targets, first, target_weights, workspace, sums):
    """Replace the outputs of one reading by the gradient of a point loss."""
    n_targets, y = net.window.n_targets, targets[first:]
    for j in range(out.size):
        offset, scale = target_unit(net, r, j, workspace)
        d = out[j] * scale - (y[j] - offset)
        out[j] = 0
        if not np.isnan(y[j]):
            weight = weight_of(target_weights, (first + j) // n_targets)
            loss, slope = point_loss(net.readout.loss, d, 0.5)
            out[j] = weight * slope * scale
            sums[0, j % n_targets] += weight * loss
            sums[1, j % n_targets] += weight


@kernel
def distribution_loss_backward(net, block, step, targets, target_weights, workspace, sums):
    """Replace the outputs of one reading by the gradient of a distribution's loss: see `loss_backward`."""
    readout, n_targets = net.readout, net.window.n_targets
    for r in range(block.shape[0]):
        out = workspace[readout.out + r * readout.out_stride :][: readout.n_outputs]
        first = block[r, TARGET] + step * readout.target_stride
        for j in range(readout.n_points):
            offset, scale = target_unit(net, r, j, workspace)
            p, y = out[j :: readout.n_points], np.float64(targets[first + j])
            if np.isnan(y):
                p[:] = 0
                continue
            weight = weight_of(target_weights, (first + j) // n_targets)
            to_parameters(readout.distribution, readout.probabilities, p)
            loss = distribution_loss(
                readout.distribution, readout.probabilities, p, np.float64(scale), y - offset
            )
            for k in range(p.size):
                p[k] *= weight
            sums[0, j % n_targets] += weight * loss
            sums[1, j % n_targets] += weight
