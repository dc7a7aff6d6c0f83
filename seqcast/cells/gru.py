"""The gated recurrent unit (Cho et al., 2014, arXiv:1406.1078), in its two forms.

Gates in PyTorch's order r, z, n. Forward, for one unit (``h'`` the state before the step)::

    r = sigmoid(W_ir x + b_ir + W_hr h' + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h' + b_hz)
    h = (1 - z) n + z h'

with the reset gate applied after the recurrent product (``gru``: PyTorch, cuDNN, Keras' reset_after=True)::

    n = tanh(W_in x + b_in + r (W_hn h' + b_hn))

or before it (``gru_reset_before``: the paper's and the textbooks' form)::

    u = r h'
    n = tanh(W_in x + b_in + W_hn u + b_hn)

Papers differ in which of ``z`` and ``1 - z`` goes with ``h'``; this is PyTorch's choice in both forms.

Backward, with ``dh`` the gradient of the loss with respect to ``h``::

    da_z = dh (h' - n) z (1 - z)
    da_n = dh (1 - z) (1 - n^2)
    dh'  = dh z                                  plus the gradients through the products

    after:   da_r = da_n (W_hn h' + b_hn) r (1 - r),    the recurrent part of n receives da_n r
    before:  du = W_hn^T da_n,  da_r = du h' r (1 - r),  dh' <- dh' + du r
"""

from .contract import Cell, Gate


def step(sigmoid, tanh, a, state):
    r, z = sigmoid(a[0]), sigmoid(a[1])
    n = tanh(a[2] + r * a[3])
    return (n + z * (state[0] - n),), (r, z, n, a[3])


def step_backward(saved, state, d_new):
    r, z, n, a_hn = saved
    dh = d_new[0]
    d_n = dh - dh * z
    d_n = d_n - d_n * n * n
    d_z = dh * (state[0] - n) * (z - z * z)
    return (d_n * a_hn * (r - r * r), d_z, d_n, d_n * r), (dh * z,)


def reset(sigmoid, tanh, a, state):
    r = sigmoid(a[0])
    return r * state[0], (r,)


def reset_backward(saved, state, d_u):
    r = saved[0]
    return (d_u * state[0] * (r - r * r),), d_u * r


def step_after_reset(sigmoid, tanh, a, state):
    z, n = sigmoid(a[0]), tanh(a[1])
    return (n + z * (state[0] - n),), (z, n)


def step_after_reset_backward(saved, state, d_new):
    z, n = saved
    dh = d_new[0]
    d_n = dh - dh * z
    return (dh * (state[0] - n) * (z - z * z), d_n - d_n * n * n), (dh * z,)


GRU = Cell("gru", (Gate("r"), Gate("z"), Gate("n", "split")), ("h",), 4, step, step_backward)
GRU_RESET_BEFORE = Cell(
    "gru_reset_before",
    (Gate("r", "reset"), Gate("z"), Gate("n", "after_reset")),
    ("h",),
    2,
    step_after_reset,
    step_after_reset_backward,
    reset,
    reset_backward,
    n_reset_saved=1,
)
