"""One step of an optimiser on the flat parameter vector: sum the shares, add L2, clip, update."""

import math

import numpy as np

from .jit import entry, inlined, kernel
from .recurrence import add_row

OPTIMIZERS = ("sgd", "rmsprop", "adam")  # their numbers in `update`
ONE = np.float32(1)  # of float32, it leaves what float32 it is taken from


@entry
def pack(flat, index, second, packed):
    """The packed weights of a flat parameter vector: see `layout`."""
    for k in range(index.size):
        packed[k] = flat[index[k]]
    for k in range(second.size):
        packed[k] += flat[second[k]]


@kernel
def sum_shares(shares, back, gradient):
    """Add the shares' packed gradients in order, into the first, and bring them into the order of the
    parameters."""
    total = shares[0]
    for k in range(1, shares.shape[0]):
        add_row(total, shares[k])
    for i in range(back.size):
        gradient[i] = total[back[i]]


@entry
def unpack_gradient(shares, back, gradient):
    """`sum_shares` for Python to call."""
    sum_shares(shares, back, gradient)


@kernel
def regularize(flat, gradient, decay, alpha, count):
    """From the gradient of a sum over targets of weight `count` to that of their mean plus
    ``alpha / 2 * |w|^2``; returns its norm."""
    scale, square = 1.0 / count if count > 0.0 else 0.0, 0.0
    for i in range(gradient.size):
        g = gradient[i] * scale + alpha * decay[i] * flat[i]
        gradient[i] = g
        square += g * g
    return math.sqrt(square)


@kernel
def update(kind, flat, gradient, moments, settings, n_updates):
    """Move `flat` (IN and OUT) by one step; moments (2, n) IN and OUT; settings: see `train_update`."""
    if kind == 0:
        sgd(flat, gradient, moments[0], settings)
    elif kind == 1:
        rmsprop(flat, gradient, moments[1], settings)
    else:
        adam(flat, gradient, moments, settings, n_updates)


@kernel
def sgd(flat, gradient, velocity, settings):
    rate, momentum = settings[0], settings[1]
    for i in range(gradient.size):
        flat[i], velocity[i] = sgd_step(gradient[i], flat[i], velocity[i], rate, momentum)


@inlined
def sgd_step(g, w, velocity, rate, momentum):
    """v <- momentum v + g;  w <- w - rate v (Sutskever et al., 2013, in PyTorch's form)."""
    velocity = momentum * velocity + g
    return w - rate * velocity, velocity


@kernel
def rmsprop(flat, gradient, square, settings):
    rate, beta, eps = settings[0], settings[2], settings[3]
    for i in range(gradient.size):
        flat[i], square[i] = rmsprop_step(gradient[i], flat[i], square[i], rate, beta, eps)


@inlined
def rmsprop_step(g, w, square, rate, beta, eps):
    """s <- beta s + (1 - beta) g^2;  w <- w - rate g / (sqrt(s) + eps) (Hinton's lecture 6e, 2012)."""
    square = beta * square + (ONE - beta) * g * g
    return w - rate * g / (math.sqrt(square) + eps), square


@kernel
def adam(flat, gradient, moments, settings, n_updates):
    rate, beta1, beta2, eps = settings[0], settings[1], settings[2], settings[3]
    correction1, correction2 = adam_corrections(settings, n_updates)
    first, second = moments[0], moments[1]
    for i in range(gradient.size):
        flat[i], first[i], second[i] = adam_step(
            gradient[i], flat[i], first[i], second[i], rate, beta1, beta2, eps, correction1, correction2
        )


@inlined
def adam_corrections(settings, n_updates):
    """What the first moment is divided by, and the root of the second."""
    real, beta1, beta2 = settings.dtype.type, float(settings[1]), float(settings[2])
    return real(1.0 - math.pow(beta1, n_updates)), real(math.sqrt(1.0 - math.pow(beta2, n_updates)))


@inlined
def adam_step(g, w, first, second, rate, beta1, beta2, eps, correction1, correction2):
    """Kingma and Ba (2015), algorithm 1, with the bias corrections folded into the rate and eps."""
    first = beta1 * first + (ONE - beta1) * g
    second = beta2 * second + (ONE - beta2) * g * g
    w -= rate / correction1 * first / (math.sqrt(second) / correction2 + eps)
    return w, first, second


@entry
def train_update(kind, flat, shares, back, sums, decay, moments, settings, n_updates, gradient):
    """Everything between two batches; returns the gradient's norm before clipping.

    settings: (rate, momentum or beta1, beta2, eps, alpha, clip norm or 0), in the parameters' dtype.
    """
    sum_shares(shares, back, gradient)
    count = 0.0
    for k in range(sums.shape[0]):
        count += sums[k, 1].sum()
    norm = regularize(flat, gradient, decay, settings[4], count)
    if settings[5] > 0 and norm > settings[5]:
        scale = flat.dtype.type(settings[5] / norm)
        for i in range(gradient.size):
            gradient[i] *= scale
    if math.isfinite(norm):
        update(kind, flat, gradient, moments, settings, n_updates)
    return norm
