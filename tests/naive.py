"""The equations of the library once more, in plain NumPy: slow, short, sharing no line with what they check.

Letters: B batch rows, T time steps, F input features, H hidden units, L layers, D directions (1 or 2),
G gates of the cell (RNN 1, GRU 3, LSTM 4).

Weights bear PyTorch's names and shapes: ``weight_ih_l0`` (G*H, F), ``weight_hh_l0`` (G*H, H), ``bias_ih_l0``
and ``bias_hh_l0`` (G*H,); the next layers end in ``_l1``, ``_l2`` and take D*H features; the backward
direction adds ``_reverse``. Gates lie one under another in PyTorch's order: LSTM i, f, g, o; GRU r, z, n.

Whatever compares a forecast with the truth takes the target first and leaves out elements whose target is
NaN; at least one target must be observed. Give float64 and get float64.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Array | tuple[Array, Array]
Step = Callable[..., Any]  # (x, state, weights) -> the next state, formed as the given one

# What `recurrent` calls the library's cells.
CELLS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "rnn_relu": {"cell": "rnn", "activation": "relu"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "gru_reset_before": {"cell": "gru", "reset_after": False},
}
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0.0)}


# --- One step of each cell: x (..., F) and h (..., H) in, the next h (..., H) out ---


def sigmoid(a: Array) -> Array:
    # 1 / (1 + exp(-a)) would overflow far left of zero; this form keeps its digits on both sides.
    return np.exp(-np.logaddexp(0.0, -a))


def rnn_step(
    x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, activation: str = "tanh"
) -> Array:
    """h' = f(W_ih x + b_ih + W_hh h + b_hh), f being tanh or relu."""
    return ACTIVATIONS[activation](x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)


def lstm_step(
    x: Array, state: tuple[Array, Array], w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array
) -> tuple[Array, Array]:
    """c' = f c + i g and h' = o tanh(c'), with sigmoid gates i, f, o and the tanh candidate g."""
    h, c = state
    i, f, g, o = np.split(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(
    x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array, b_hh: Array, reset_after: bool = True
) -> Array:
    """h' = (1 - z) n + z h; r resets W_hn h + b_hn (``reset_after``) or h itself, before that product."""
    x_r, x_z, x_n = np.split(x @ w_ih.T + b_ih, 3, axis=-1)
    w_r, w_z, w_n = np.split(w_hh, 3)
    b_r, b_z, b_n = np.split(b_hh, 3)
    r = sigmoid(x_r + h @ w_r.T + b_r)
    z = sigmoid(x_z + h @ w_z.T + b_z)
    n = np.tanh(x_n + (r * (h @ w_n.T + b_n) if reset_after else (r * h) @ w_n.T + b_n))
    return (1.0 - z) * n + z * h


# --- The network: steps along time, directions side by side, layers on top of each other, a linear head ---


def recurrent(
    cell: str,
    weights: Mapping[str, Array],
    x: Array,
    state: State | None = None,
    lengths: Sequence[int] | NDArray[np.integer] | None = None,
    n_layers: int = 1,
    bidirectional: bool = False,
    activation: str = "tanh",
    reset_after: bool = True,
    masks: Sequence[Array] | None = None,
) -> tuple[Array, State]:
    """Run a stack of recurrent layers over a batch of rows that may differ in length.

    Parameters
    ----------
    cell : "rnn", "lstm" or "gru"
    weights : mapping of PyTorch's parameter names to arrays
    x : array of shape (B, T, F); what stands at and past a row's length is never read
    state : initial h of shape (L*D, B, H), the pair (h, c) for the LSTM; zeros where None
    lengths : real steps of each row, shape (B,); all T where None
    n_layers : depth
    bidirectional : whether each layer also runs from each row's last real step back to its first
    activation : "tanh" or "relu", read by the RNN only
    reset_after : where the reset gate acts, read by the GRU only
    masks : L-1 arrays of shape (B, T, D*H); the i-th multiplies the output of layer i on its way to layer i+1

    Returns
    -------
    output : last layer's h, shape (B, T, D*H), zero at and past a row's length
    state : the state at each row's own end (its first step, for the backward direction), formed as `state`;
        along its first axis lie layer 0 forward, layer 0 backward, layer 1 forward, ...
    """
    cells: dict[str, Step] = {
        "rnn": partial(rnn_step, activation=activation),
        "lstm": lstm_step,
        "gru": partial(gru_step, reset_after=reset_after),
    }
    directions = ("", "_reverse") if bidirectional else ("",)
    slots = (n_layers * len(directions), len(x), weights["weight_hh_l0"].shape[1])
    steps = np.full(len(x), x.shape[1]) if lengths is None else np.asarray(lengths)
    # One array begins as the initial state and ends as the final one; the LSTM's h and c share it.
    current = np.zeros((2, *slots) if cell == "lstm" else slots) if state is None else np.array(state)

    for layer in range(n_layers):
        if layer > 0 and masks is not None:
            x = x * masks[layer - 1]
        outputs = []
        for direction, suffix in enumerate(directions):
            here = current[..., layer * len(directions) + direction, :, :]
            step = partial(cells[cell], **_step_weights(weights, f"_l{layer}{suffix}"))
            outputs.append(_walk(step, x, steps, here, backwards=suffix == "_reverse"))
        x = np.concatenate(outputs, axis=-1)
    return x, ((current[0], current[1]) if cell == "lstm" else current)


def _step_weights(weights: Mapping[str, Array], suffix: str) -> dict[str, Array]:
    names = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
    return {argument: weights[name + suffix] for argument, name in names.items()}


def _walk(step: Step, x: Array, steps: NDArray[np.integer], state: Array, backwards: bool) -> Array:
    """Move `state`, (B, H) or (2, B, H), in place along each row's real steps; return every h, (B, T, H)."""
    output = np.zeros((*x.shape[:2], state.shape[-1]))
    for row, length in enumerate(steps):
        for t in reversed(range(length)) if backwards else range(length):
            state[..., row, :] = step(x[row, t], state[..., row, :])
            output[row, t] = state[row] if state.ndim == 2 else state[0, row]
    return output


def pooled(
    output: Array,
    lengths: Sequence[int] | NDArray[np.integer],
    pooling: str = "last",
    bidirectional: bool = False,
) -> Array:
    """What the head reads (B, D*H) of the `output` (B, T, D*H) of rows with so many steps.

    pooling: "mean" or "max" over a row's steps, or "last": where each direction's walk ends, which is the
    first step for the backward one.
    """
    n_forward = output.shape[-1] // (2 if bidirectional else 1)
    reduce: dict[str, Callable[[Array], Array]] = {
        "last": lambda steps: np.concatenate([steps[-1, :n_forward], steps[0, n_forward:]]),
        "mean": lambda steps: np.sum(steps, axis=0) / len(steps),
        "max": lambda steps: np.max(steps, axis=0),
    }
    return np.stack([reduce[pooling](row[:length]) for row, length in zip(output, lengths, strict=True)])


def head(read: Array, weight: Array, bias: Array) -> Array:
    """Linear map of what is read of the states (..., D*H) to the outputs (..., O); weight (O, D*H), bias
    (O,)."""
    return read @ weight.T + bias


# --- Losses and metrics: (target, prediction) -> one number; weights, as broadcast to the target, or none ---


def _errors(target: Array, prediction: Array) -> Array:
    observed = ~np.isnan(target)
    return target[observed] - prediction[observed]


def _mean(losses: Array, target: Array, weights: Array | None) -> float:
    """Of the losses of observed targets: sum of weight times loss over sum of weights."""
    if weights is None:
        return float(np.mean(losses))
    counted = np.broadcast_to(weights, target.shape)[~np.isnan(target)]
    return float(np.sum(counted * losses) / np.sum(counted))


def squared(target: Array, prediction: Array, weights: Array | None = None) -> float:
    """Mean of (y - p)^2, without the factor 1/2."""
    return _mean(_errors(target, prediction) ** 2, target, weights)


def absolute(target: Array, prediction: Array, weights: Array | None = None) -> float:
    """Mean of |y - p|."""
    return _mean(np.abs(_errors(target, prediction)), target, weights)


def huber(target: Array, prediction: Array, weights: Array | None = None, delta: float = 1.0) -> float:
    """Mean of d^2 / 2 where |d| <= delta, of delta (|d| - delta / 2) elsewhere, with d = y - p."""
    d = np.abs(_errors(target, prediction))
    return _mean(np.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta)), target, weights)


def log_softmax(logits: Array) -> Array:
    """log(exp(l) / sum(exp(l))) along the last axis; exp of the largest alone might overflow."""
    below = logits - np.max(logits, axis=-1, keepdims=True)
    return below - np.log(np.sum(np.exp(below), axis=-1, keepdims=True))


def cross_entropy(labels: NDArray[np.integer], logits: Array, weights: Array | None = None) -> float:
    """Mean of -log(probability of the class), classes numbered (B,), logits (B, K), weights (B,)."""
    losses = -log_softmax(logits)[np.arange(len(labels)), labels]
    return _mean(losses, labels, weights)


def mae(target: Array, prediction: Array) -> float:
    """Mean absolute error, in the target's units."""
    return absolute(target, prediction)


def rmse(target: Array, prediction: Array) -> float:
    """Root of the mean squared error, in the target's units."""
    return float(np.sqrt(squared(target, prediction)))


def smape(target: Array, prediction: Array) -> float:
    """Symmetric percentage error, mean of 200 |y - p| / (|y| + |p|), from 0 to 200; 0 where both are zero."""
    observed = ~np.isnan(target)
    size = np.abs(target[observed]) + np.abs(prediction[observed])
    error = np.abs(_errors(target, prediction))
    return float(np.mean(200.0 * error / np.where(size > 0.0, size, 1.0)))


def mase(target: Array, prediction: Array, history: Array, season_length: int = 1) -> float:
    """Mean absolute error over the mean absolute change of `history` (one series) from season to season.

    Hyndman and Koehler (2006); pairs of which one value is NaN do not count.
    """
    changes = history[season_length:] - history[:-season_length]
    return float(mae(target, prediction) / np.nanmean(np.abs(changes)))


# --- Optimisers: one flat vector of parameters, one of gradients; each step returns the new parameters ---


class SGD:
    """v = momentum v + g; p = p - lr v. The velocity is not scaled by 1 - momentum (PyTorch's form)."""

    def __init__(self, lr: float, momentum: float = 0.9) -> None:
        self.lr, self.momentum = lr, momentum
        self.velocity: Array | float = 0.0

    def step(self, params: Array, grads: Array) -> Array:
        self.velocity = self.momentum * self.velocity + grads
        return params - self.lr * self.velocity


class RMSprop:
    """s = alpha s + (1 - alpha) g^2; p = p - lr g / (sqrt(s) + eps)."""

    def __init__(self, lr: float, alpha: float = 0.99, eps: float = 1e-8) -> None:
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.square: Array | float = 0.0

    def step(self, params: Array, grads: Array) -> Array:
        self.square = self.alpha * self.square + (1.0 - self.alpha) * grads**2
        return params - self.lr * grads / (np.sqrt(self.square) + self.eps)


class Adam:
    """p = p - lr m / (sqrt(s) + eps), m and s being running means of g and g^2 freed of their start at zero.

    Kingma and Ba (2015), algorithm 1.
    """

    def __init__(self, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0
        self.n_steps = 0

    def step(self, params: Array, grads: Array) -> Array:
        self.n_steps += 1
        self.mean = self.beta1 * self.mean + (1.0 - self.beta1) * grads
        self.square = self.beta2 * self.square + (1.0 - self.beta2) * grads**2
        mean = self.mean / (1.0 - self.beta1**self.n_steps)
        square = self.square / (1.0 - self.beta2**self.n_steps)
        return params - self.lr * mean / (np.sqrt(square) + self.eps)


def clip_by_global_norm(grads: Array, max_norm: float) -> Array:
    """Shrink `grads` to Euclidean norm `max_norm` where longer (with PyTorch's 1e-6 under the fraction)."""
    norm = float(np.sqrt(np.sum(grads**2)))
    return grads * min(1.0, max_norm / (norm + 1e-6))


# --- Gradients by differences, windows, the forecast to beat ---


def central_differences(function: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
    """Gradient of `function()` by the float64 `array` it reads, each element moved in place and put back."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        below = function()
        array[index] = value
        gradient[index] = (above - below) / (2.0 * step)
    return gradient


def windows(values: Array, window: int, horizon: int) -> tuple[Array, Array]:
    """Every run of `window` steps of `values` (time first), and the `horizon` steps after each, stride 1."""
    starts = range(len(values) - window - horizon + 1)
    inputs = np.stack([values[start : start + window] for start in starts])
    targets = np.stack([values[start + window : start + window + horizon] for start in starts])
    return inputs, targets


def seasonal_naive(history: Array, horizon: int, season_length: int) -> Array:
    """The last season of `history` (time first), repeated over `horizon` steps."""
    season = history[len(history) - season_length :]
    return season[np.arange(horizon) % season_length]
