"""Losses of forecasts and their gradients with respect to the outputs of the readout."""

import math
from collections.abc import Callable

import numpy as np

from ..losses import CROSS_ENTROPY
from ..samples import TARGET
from .distributions import distribution_loss, sign, to_parameters
from .jit import inlined, kernel
from .views import arguments_at, getters, sums_of
from .windows import target_unit

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


@kernel
def add_point_losses(readout, out, targets, first, weights, sums):
    """Add the losses and weights of one forecast to `sums` (2, n_targets), as `loss_backward` does.

    out (n_outputs,): overwritten. first: position of the first target.
    """
    n_targets = sums.shape[1]
    kind = readout.loss
    for j in range(1 if kind == CROSS_ENTROPY else out.size):
        y = targets[first + j]
        if not np.isnan(y):
            weight = weight_of(weights, (first + j) // n_targets)
            if kind == CROSS_ENTROPY:
                loss = cross_entropy(out, int(y))
            else:
                loss, _ = point_loss(kind, np.float64(out[j]) - y, 0.5)
            sums[0, j % n_targets] += weight * loss
            sums[1, j % n_targets] += weight


@kernel
def add_distribution_losses(readout, parameters, targets, first, weights, sums):
    """Add the losses and weights of one forecast distribution to `sums`, as `add_point_losses` does.

    parameters (n_parameters * n_points,): in the unit of the targets, overwritten.
    """
    n_targets, n_points = sums.shape[1], readout.n_points
    for j in range(n_points):
        y = np.float64(targets[first + j])
        if not np.isnan(y):
            weight = weight_of(weights, (first + j) // n_targets)
            own = parameters[j::n_points]
            loss = distribution_loss(readout.distribution, readout.probabilities, own, 1.0, y)
            sums[0, j % n_targets] += weight * loss
            sums[1, j % n_targets] += weight


def make_measure_losses(dtype: np.dtype) -> Callable:
    """Return the kernel that adds the losses of forecasts to the first of the sums."""
    network_of, predictions_of, targets_of, target_weights_of, first_targets_of = getters(
        dtype, "network", "predictions", "targets", "target_weights", "first_targets"
    )

    def measure_losses(shard, table):
        """Read predictions (overwritten), first_targets, targets and target_weights; add to loss_sums."""
        arguments = arguments_at(table, 1)[0]
        net, targets, weights = network_of(arguments)[0], targets_of(arguments), target_weights_of(arguments)
        predictions, first_targets = predictions_of(arguments), first_targets_of(arguments)
        sums, n_outputs = sums_of(arguments, 0, net.window.n_targets), net.readout.n_outputs
        for r in range(first_targets.size):
            out, first = predictions[r * n_outputs : (r + 1) * n_outputs], first_targets[r]
            if net.readout.distribution == 0:
                add_point_losses(net.readout, out, targets, first, weights, sums)
            else:
                add_distribution_losses(net.readout, out, targets, first, weights, sums)
        return 0

    return measure_losses


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
