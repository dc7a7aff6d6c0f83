"""Layer stacks with ragged batches, and their results on the CPU."""

import numpy as np
from example_cells import as_state

from seqcast import Recurrent
from seqcast.cells import Cell, Gate
from seqcast.kernels.architecture import compose

LENGTHS = (6, 6, 4, 1, 1)


def step(sigmoid, tanh, z, state):
    i = sigmoid(z[0])
    f = sigmoid(z[1])
    g = tanh(z[2])
    x = z[3]
    c = f * state[1] + i * g
    return (tanh(c) * x, c, state[2] + c), (i, f, g, tanh(c), x)


def step_backward(saved, state, grad_new):
    i, f, g, t, x = saved
    grad_c = grad_new[1] + grad_new[2] + grad_new[0] * x - grad_new[0] * x * t * t
    grad_z = (
        grad_c * g * (i - i * i),
        grad_c * state[1] * (f - f * f),
        grad_c * (i - i * g * g),
        grad_new[0] * t,
    )
    return grad_z, (0, grad_c * f, grad_new[2])


# Three states, and gates that x alone, h alone, or both feed.
SUMMING = Cell(
    "summing",
    (Gate("i"), Gate("f", "state"), Gate("g"), Gate("x", "input")),
    ("h", "c", "total"),
    5,
    step,
    step_backward,
)


class Case:
    """A layer stack, a ragged batch with initial states, and gradients of its outputs and final states."""

    def __init__(
        self, cell, hidden=4, n_layers=1, bidirectional=False, lengths=LENGTHS, dtype="float64", n_inputs=3
    ):
        rng = np.random.default_rng(0)
        n = len(lengths)
        self.net = compose(cell, n_inputs, hidden, n_layers, bidirectional)
        self.lengths = np.array(lengths)
        self.n_steps = max(lengths)
        self.dtype = np.dtype(dtype)

        def draw(*shape):
            return rng.normal(size=shape).astype(dtype)

        self.flat = draw(self.net.n_parameters) / self.dtype.type(np.sqrt(hidden))
        self.x = draw(n, self.n_steps, n_inputs)
        self.grad_outputs = draw(n, self.n_steps, self.net.stack.output_size)
        self.states, self.grad_states = draw(2, len(cell.states), self.net.stack.n_unrolls, n, hidden)

    def on_cpu(self, begin=0):
        """Return all results of a forward and a backward pass by name; the pass begins at step `begin`."""
        layer = Recurrent(
            self.net.stack.cell.name,
            input_size=self.net.stack.input_size,
            hidden_size=self.net.stack.hidden_size,
            n_layers=self.net.stack.n_layers,
            bidirectional=self.net.stack.bidirectional,
            dtype=self.dtype.name,
            random_state=0,
        )
        layer.weights = self.net.views(self.flat)
        states = self.states
        if begin:
            before = layer.forward(self.x[:, :begin], as_state(states), np.minimum(self.lengths, begin))
            states = np.array(before[1] if len(states) > 1 else before[1][None])
        lengths = np.maximum(self.lengths - begin, 0)
        outputs, final = layer.forward(self.x[:, begin:], as_state(states), lengths, training=True)
        grad_x, gradients = layer.backward(self.grad_outputs[:, begin:], as_state(self.grad_states))
        names = [f"{name}_0" for name in self.net.stack.cell.states]
        grad_states = np.array([gradients.pop(name) for name in names])
        final = np.array(final if len(states) > 1 else final[None])
        return {"outputs": outputs, "final": final, "grad_x": grad_x, "grad_states": grad_states} | gradients
