"""One step of an optimizer on the flat parameter vector: sum the shards' gradients, add L2, clip, update."""

import math
from collections.abc import Callable

import numpy as np

from .jit import inlined, kernel
from .row_ops import add_row
from .views import arguments_at, getters, rows_getter, weights_of_shard

# In float32, so that float32 numbers are not promoted to float64.
ONE = np.float32(1)


@kernel
def sum_gradients(gradients, back, gradient):
    """Add the packed gradients of all shards, and write the sum in the order of the parameters.

    gradients (n_shards, n_gradients): added in order, into the first.
    """
    total = gradients[0]
    for k in range(1, gradients.shape[0]):
        add_row(total, gradients[k])
    for i in range(back.size):
        gradient[i] = total[back[i]]


@kernel
def regularize(flat, gradient, decay, alpha, count):
    """Replace the gradient of a sum of losses by that of their mean plus ``alpha / 2 * |w|^2``.

    count: sum of the weights of the targets. Returns the norm of the gradient.
    """
    scale, square = 1.0 / count if count > 0.0 else 0.0, 0.0
    for i in range(gradient.size):
        g = gradient[i] * scale + alpha * decay[i] * flat[i]
        gradient[i] = g
        square += g * g
    return math.sqrt(square)


@kernel
def update(kind, flat, gradient, moments, settings, n_updates):
    """Change the parameters by one step.

    flat (IN and OUT), moments (2, n) (IN and OUT), settings: see `arguments`.
    """
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
    """Return the new weight and velocity (Sutskever et al., 2013, in PyTorch's form).

    v <- momentum v + g;  w <- w - rate v
    """
    velocity = momentum * velocity + g
    return w - rate * velocity, velocity


@kernel
def rmsprop(flat, gradient, square, settings):
    rate, beta, eps = settings[0], settings[2], settings[3]
    for i in range(gradient.size):
        flat[i], square[i] = rmsprop_step(gradient[i], flat[i], square[i], rate, beta, eps)


@inlined
def rmsprop_step(g, w, square, rate, beta, eps):
    """Return the new weight and mean square (Hinton's lecture 6e, 2012).

    s <- beta s + (1 - beta) g^2;  w <- w - rate g / (sqrt(s) + eps)
    """
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
    """Return the numbers that the first moment, and the root of the second, are divided by."""
    real, beta1, beta2 = settings.dtype.type, float(settings[1]), float(settings[2])
    return real(1.0 - math.pow(beta1, n_updates)), real(math.sqrt(1.0 - math.pow(beta2, n_updates)))


@inlined
def adam_step(g, w, first, second, rate, beta1, beta2, eps, correction1, correction2):
    """Return the new weight and moments (Kingma and Ba, 2015, algorithm 1).

    The bias corrections are folded into the rate and eps.
    """
    first = beta1 * first + (ONE - beta1) * g
    second = beta2 * second + (ONE - beta2) * g * g
    w -= rate / correction1 * first / (math.sqrt(second) / correction2 + eps)
    return w, first, second


@kernel
def clip(gradient, norm, limit):
    """Scale the gradient so that its norm is at most `limit`, if that is above 0."""
    if limit > 0 and norm > limit:
        scale = gradient.dtype.type(limit / norm)
        for i in range(gradient.size):
            gradient[i] *= scale


def make_pack(dtype: np.dtype) -> Callable:
    """Return the kernel that computes the packed weights, see `layout`."""
    flat_of, index_of, second_of, weights_of = getters(dtype, "flat", "index", "second", "weights")

    def pack(shard, table):
        """Read flat, index and second; write weights."""
        arguments = arguments_at(table, 1)[0]
        flat, packed = flat_of(arguments), weights_of(arguments)
        index, second = index_of(arguments), second_of(arguments)
        for k in range(index.size):
            packed[k] = flat[index[k]]
        for k in range(second.size):
            packed[k] += flat[second[k]]
        return 0

    return pack


def make_unpack_gradient(dtype: np.dtype) -> Callable:
    """Return the kernel that adds the gradients of the shards, see `sum_gradients`."""
    back_of, gradient_of = getters(dtype, "back", "gradient")
    gradients_of = rows_getter(dtype, "gradients")

    def unpack_gradient(shard, table):
        """Read gradients (overwritten) and back; write gradient."""
        arguments = arguments_at(table, 1)[0]
        gradients = gradients_of(arguments, arguments.n_shards)
        sum_gradients(gradients, back_of(arguments), gradient_of(arguments))
        return 0

    return unpack_gradient


def make_update(dtype: np.dtype) -> Callable:
    """Return the kernel that updates the parameters between two batches."""
    back_of, gradient_of, flat_of, decay_of, settings_of = getters(
        dtype, "back", "gradient", "flat", "decay", "settings"
    )
    gradients_of, moments_of = rows_getter(dtype, "gradients"), rows_getter(dtype, "moments")

    def update_weights(shard, table):
        """Change flat and moments by the gradients of the shards and their loss_sums."""
        arguments = arguments_at(table, 1)[0]
        gradient, flat, settings = gradient_of(arguments), flat_of(arguments), settings_of(arguments)
        sum_gradients(gradients_of(arguments, arguments.n_shards), back_of(arguments), gradient)
        count = 0.0
        for k in range(arguments.n_shards):
            count += weights_of_shard(arguments, k)
        norm = regularize(flat, gradient, decay_of(arguments), settings[4], count)
        clip(gradient, norm, settings[5])
        if math.isfinite(norm):
            moments = moments_of(arguments, 2)
            update(arguments.optimizer, flat, gradient, moments, settings, arguments.n_updates)
        return 0

    return update_weights
