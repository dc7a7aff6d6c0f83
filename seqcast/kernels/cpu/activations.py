"""Activations of the CPU loops: fast in float32, exact in float64."""

import math

import numpy as np

from .jit import inlined

_f = np.float32
# Beyond this limit, float32 tanh is 1 to the last bit.
TANH_LIMIT = _f(7.9053)


@inlined
def tanh32(x):
    """Return tanh of a float32 number as a rational function of degree 13/6, with an error of 3.2e-7 at most.

    LLVM vectorizes it, unlike calls of the C library's tanhf. The coefficients are those of Eigen's float
    tanh, a minimax fit on [-7.9, 7.9].
    """
    # In this order of the arguments NaN is kept, and each limit is one instruction.
    x = min(max(x, -TANH_LIMIT), TANH_LIMIT)
    y = x * x
    p = _f(-2.76076847742355e-16) * y + _f(2.00018790482477e-13)
    p = p * y + _f(-8.60467152213735e-11)
    p = p * y + _f(5.12229709037114e-08)
    p = p * y + _f(1.48572235717979e-05)
    p = p * y + _f(6.37261928875436e-04)
    p = p * y + _f(4.89352455891786e-03)
    q = _f(1.19825839466702e-06) * y + _f(1.18534705686654e-04)
    q = q * y + _f(2.26843463243900e-03)
    q = q * y + _f(4.89352518554385e-03)
    return p * x / q


@inlined
def sigmoid32(x):
    return _f(0.5) + _f(0.5) * tanh32(_f(0.5) * x)


@inlined
def relu32(x):
    return _f(0) if x < _f(0) else x


@inlined
def tanh64(x):
    return math.tanh(x)


@inlined
def sigmoid64(x):
    return 0.5 + 0.5 * math.tanh(0.5 * x)


@inlined
def relu64(x):
    return 0.0 if x < 0.0 else x


def activations(cell_activation: str, dtype) -> tuple:
    """Return the functions that a cell's step receives as ``sigmoid`` and ``tanh``."""
    table = {"float32": (sigmoid32, tanh32, relu32), "float64": (sigmoid64, tanh64, relu64)}
    sigmoid, tanh, relu = table[np.dtype(dtype).name]
    return sigmoid, relu if cell_activation == "relu" else tanh
