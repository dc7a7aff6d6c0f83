"""Run a training step in jax, as jax.jit over lax.scan on the CPU.

Weights have the shapes of PyTorch. The products with the inputs of all steps are computed before the scan.
"""

import os
from collections.abc import Callable

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

from .comparisons import GATES, Size


def rnn(state, x, h):
    return (jnp.tanh(x + h),)


def lstm(state, x, h):
    i, f, g, o = jnp.split(x + h, 4, -1)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(state, x, h):
    (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, -1), jnp.split(h, 3, -1)
    z = jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn)
    return (n + z * (state[0] - n),)


# Cell -> function of one step, number of states.
CELL = {"rnn": (rnn, 1), "lstm": (lstm, 2), "gru": (gru, 1)}


def training_step(cell: str, size: Size) -> Callable[[], object]:
    """Return a training step with Adam, squared loss and a linear head on the last state."""
    step = jax.jit(_adam_step(cell), donate_argnums=0)
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.normal(size=(size.steps, size.batch, size.inputs)), jnp.float32)
    y = jnp.asarray(rng.normal(size=(size.batch, 1)), jnp.float32)
    weights = _weights(cell, size, rng)
    state = (weights, *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)), jnp.zeros(()))

    def call():
        nonlocal state
        state = jax.block_until_ready(step(state, x, y))

    return call


def _weights(cell: str, size: Size, rng: np.random.RandomState) -> dict[str, jax.Array]:
    rows, hidden = GATES[cell] * size.hidden, size.hidden
    shapes = {
        "weight_ih": (rows, size.inputs),
        "weight_hh": (rows, hidden),
        "bias_ih": (rows,),
        "bias_hh": (rows,),
        "head_weight": (1, hidden),
        "head_bias": (1,),
    }
    bound = hidden**-0.5
    return {name: jnp.asarray(rng.uniform(-bound, bound, s), jnp.float32) for name, s in shapes.items()}


def _loss(cell: str) -> Callable:
    function, n_states = CELL[cell]

    def loss(w, x, y):
        def advance(state, x_t):
            return function(state, x_t, state[0] @ w["weight_hh"].T + w["bias_hh"]), None

        zeros = jnp.zeros((x.shape[1], w["weight_hh"].shape[1]))
        states, _ = jax.lax.scan(advance, (zeros,) * n_states, x @ w["weight_ih"].T + w["bias_ih"])
        return jnp.mean((states[0] @ w["head_weight"].T + w["head_bias"] - y) ** 2)

    return loss


def _adam_step(cell: str) -> Callable:
    """Return a step of Adam with the default parameters of PyTorch.

    The learning rate is 1e-3, the betas are 0.9 and 0.999, and eps is 1e-8.
    """
    gradient = jax.grad(_loss(cell))

    def step(state, x, y):
        weights, first, second, n = state
        g, n = gradient(weights, x, y), n + 1
        first = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, first, g)
        second = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, second, g)
        scale = jnp.sqrt(1 - 0.999**n)

        def update(w, m, v):
            return w - 1e-3 / (1 - 0.9**n) * m / (jnp.sqrt(v) / scale + 1e-8)

        return jax.tree.map(update, weights, first, second), first, second, n

    return step
