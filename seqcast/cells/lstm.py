"""Long short-term memory (Hochreiter and Schmidhuber, 1997; the forget gate from Gers et al., 2000).

Forward, for one unit, gates in PyTorch's order i, f, g, o, each with its own pre-activation ``a``::

    a = W_ih x + b_ih + W_hh h' + b_hh         h', c' the state before the step
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
    g = tanh(a_g)
    c = f c' + i g
    t = tanh(c)
    h = o t

Backward, with ``dh`` and ``dc`` the gradients of the loss with respect to ``h`` and ``c``::

    dc  <- dc + dh o (1 - t^2)
    da_i = dc g  i (1 - i)
    da_f = dc c' f (1 - f)
    da_g = dc i  (1 - g^2)
    da_o = dh t  o (1 - o)
    dc'  = dc f
"""

from .contract import Cell, Gate


def step(sigmoid, tanh, z, state):
    i, f, g, o = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3])
    c = f * state[1] + i * g
    t = tanh(c)
    return (o * t, c), (i, f, g, o, t)


def step_backward(saved, state, d_new):
    i, f, g, o, t = saved
    dh = d_new[0]
    dh_o = dh * o
    dc = d_new[1] + (dh_o - dh_o * t * t)
    dc_i = dc * i
    d_i = dc_i * g * i
    return (dc_i * g - d_i, dc * state[1] * (f - f * f), dc_i - dc_i * g * g, dh * t * (o - o * o)), (
        0,
        dc * f,
    )


LSTM = Cell("lstm", (Gate("i"), Gate("f"), Gate("g"), Gate("o")), ("h", "c"), 5, step, step_backward)
