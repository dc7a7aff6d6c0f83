"""The simple recurrent cell (Elman, 1990, "Finding structure in time", Cognitive Science 14).

Forward, for one unit, with ``a`` the pre-activation and ``f`` tanh or relu::

    a = W_ih x + b_ih + W_hh h' + b_hh         h' the state before the step
    h = f(a)

Backward, with ``dh`` the gradient of the loss with respect to ``h``::

    tanh:  da = dh (1 - h^2)
    relu:  da = dh if h > 0 else 0
"""

from .contract import Cell, Gate


def step(sigmoid, tanh, z, state):
    h = tanh(z[0])
    return (h,), (h,)


def tanh_backward(saved, state, d_new):
    h, dh = saved[0], d_new[0]
    return (dh - dh * h * h,), (0,)


def relu_backward(saved, state, d_new):
    h, dh = saved[0], d_new[0]
    return (dh if h > 0 else dh - dh,), (0,)


RNN = Cell("rnn", (Gate("a"),), ("h",), 1, step, tanh_backward)
RNN_RELU = Cell("rnn_relu", (Gate("a"),), ("h",), 1, step, relu_backward, activation="relu")
