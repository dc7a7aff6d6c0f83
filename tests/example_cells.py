"""A cell outside the package, with a gate of every source in an awkward order and three states."""

import naive
import numpy as np

from seqcast import Cell, Gate


def step(sigmoid, tanh, z, state):
    o, i, n, a, s_x, s_h = tanh(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3]), z[4], z[5]
    c = state[1] + i * n
    m = a * state[2] + s_x * s_h
    return (tanh(c * o + m), c, m), (o, i, n, a, s_x, s_h, tanh(c * o + m))


def step_backward(saved, state, d_new):
    o, i, n, a, s_x, s_h, h = saved
    d_h = d_new[0] - d_new[0] * h * h
    d_m = d_new[2] + d_h
    d_c = d_new[1] + d_h * o
    d_o = d_h * (state[1] + i * n)
    d_i, d_n, d_a = d_c * n * (i - i * i), d_c * i, d_m * state[2] * (a - a * a)
    return (d_o - d_o * o * o, d_i, d_n - d_n * n * n, d_a, d_m * s_h, d_m * s_x), (0, d_c, d_m * a)


def reset(sigmoid, tanh, z, state):
    p, q = sigmoid(z[0]), tanh(z[1])
    return p * state[0] + q, (p, q)


def reset_backward(saved, state, d_u):
    p, q = saved
    return (d_u * state[0] * (p - p * p), d_u - d_u * q * q), d_u * p


MADE_UP = Cell(
    name="made_up",
    gates=(
        Gate("o", "state"),
        Gate("p", "reset"),
        Gate("i"),
        Gate("n", "after_reset"),
        Gate("q", "reset"),
        Gate("a", "input"),
        Gate("s", "split"),
    ),
    states=("h", "c", "m"),
    n_saved=7,
    step=step,
    step_backward=step_backward,
    reset=reset,
    reset_backward=reset_backward,
    n_reset_saved=2,
)


def run_made_up(weights, x, state):
    """Run `MADE_UP` in NumPy.

    weight_ih has rows for all gates but o, weight_hh for all but a, in order.
    """
    h, c, m = (part[0].copy() for part in state)
    w_h, b_h = np.split(weights["weight_hh_l0"], 6), np.split(weights["bias_hh_l0"], 6)
    outputs = []
    for t in range(x.shape[1]):
        x_p, x_i, x_n, x_q, x_a, x_s = np.split(
            x[:, t] @ weights["weight_ih_l0"].T + weights["bias_ih_l0"], 6, axis=-1
        )
        h_o, h_p, h_i, _, h_q, h_s = (h @ w.T + b for w, b in zip(w_h, b_h, strict=True))
        u = naive.sigmoid(x_p + h_p) * h + np.tanh(x_q + h_q)
        n = np.tanh(x_n + u @ w_h[3].T + b_h[3])
        c = c + naive.sigmoid(x_i + h_i) * n
        m = naive.sigmoid(x_a) * m + x_s * h_s
        h = np.tanh(c * np.tanh(h_o) + m)
        outputs.append(h)
    return np.stack(outputs, axis=1), (h[None], c[None], m[None])


def as_state(states):
    """Return states in the form that `Recurrent` takes: one array, or a tuple of several."""
    return states[0] if len(states) == 1 else tuple(states)
