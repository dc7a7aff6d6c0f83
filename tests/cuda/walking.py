"""Whole stacks of walks on the device, as the library runs them, beside the same layer on the CPU."""

import naive
import numpy as np
from example_cells import as_state

from seqcast import Recurrent
from seqcast.cells import Cell, Gate
from seqcast.kernels.architecture import compose
from seqcast.kernels.cuda.layout import CudaLayout
from seqcast.kernels.cuda.products import products_for
from seqcast.kernels.cuda.space import make_space
from seqcast.kernels.cuda.walks import Walks
from seqcast.kernels.layout import Layout

LENGTHS = (6, 6, 4, 1, 1)
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}


def step(sigmoid, tanh, z, state):
    i, f, g, x = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), z[3]
    c = f * state[1] + i * g
    return (tanh(c) * x, c, state[2] + c), (i, f, g, tanh(c), x)


def step_backward(saved, state, d_new):
    i, f, g, t, x = saved
    d_c = d_new[1] + d_new[2] + d_new[0] * x - d_new[0] * x * t * t
    d_z = d_c * g * (i - i * i), d_c * state[1] * (f - f * f), d_c * (i - i * g * g), d_new[0] * t
    return d_z, (0, d_c * f, d_new[2])


# Three states, and a gate that only x feeds before others that h alone, or both, feed.
SUMMING = Cell(
    "summing",
    (Gate("i"), Gate("f", "state"), Gate("g"), Gate("x", "input")),
    ("h", "c", "total"),
    5,
    step,
    step_backward,
)


class Case:
    """A layer, a ragged batch with initial states, and gradients of its outputs and final states."""

    def __init__(
        self, cell, hidden=4, n_layers=1, bidirectional=False, lengths=LENGTHS, dtype="float64", n_inputs=3
    ):
        rng, n = np.random.default_rng(0), len(lengths)
        self.net = compose(cell, n_inputs, hidden, n_layers, bidirectional)
        self.lengths, self.n_steps, self.dtype = np.array(lengths), max(lengths), np.dtype(dtype)

        def draw(*shape):
            return rng.normal(size=shape).astype(dtype)

        self.flat = draw(self.net.n_parameters) / self.dtype.type(np.sqrt(hidden))
        self.x, self.d_outputs = (
            draw(n, self.n_steps, n_inputs),
            draw(n, self.n_steps, self.net.stack.output_size),
        )
        self.states, self.d_states = draw(2, len(cell.states), self.net.stack.n_unrolls, n, hidden)

    def on_cpu(self, begin=0):
        """All numbers of a pass forward and back, by name, from step `begin` on as if it began there."""
        cell = self.net.stack.cell.name
        options = naive.CELLS.get(cell, {"cell": cell})
        layer = Recurrent(
            **options,
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
        d_x, gradients = layer.backward(self.d_outputs[:, begin:], as_state(self.d_states))
        names = [f"{name}_0" for name in self.net.stack.cell.states]
        d_states = np.array([gradients.pop(name) for name in names])
        final = np.array(final if len(states) > 1 else final[None])
        return {"outputs": outputs, "final": final, "d_x": d_x, "d_states": d_states} | gradients


class Stack:
    """A case's walks on the device; what is never written there is NaN."""

    def __init__(self, queue, case, make_steps, keep=True):
        self.queue, self.case, self.net = queue, case, case.net
        self.layout = CudaLayout(Layout(case.net, case.dtype))
        self.use(make_steps)
        flat = np.append(case.flat, case.dtype.type(0))
        self.packed = queue.upload(flat[self.layout.index] + flat[self.layout.second])
        n = len(case.lengths)
        table = np.stack([np.zeros(n), case.lengths, np.zeros(n), np.arange(n)], axis=1)
        self.block = queue.upload(table.astype(np.int64).ravel())
        self.spaces = [
            make_space(queue, self.layout, walk, n, case.n_steps, keep=keep) for walk in self.layout.walks
        ]
        for space in self.spaces:
            for name in ("rows", "z", "others", "saved", "late", "d_u"):
                array = getattr(space, name)
                queue.copy(array, np.full(array.size, np.nan, case.dtype))

    def use(self, make_steps):
        """Walk with other kernels from now on."""
        products = products_for(self.queue, self.case.dtype)
        steps = make_steps(self.queue, self.layout, products)
        self.walks = Walks(self.queue, self.layout, products, steps)

    def empty(self, *shape):
        return self.queue.upload(np.full(shape, np.nan, self.case.dtype).ravel())

    def sink(self):
        return self.empty(self.case.n_steps, len(self.case.lengths), self.net.stack.output_size)

    def forward(self):
        """Outputs (B, T, D * H) and final states (n_states, walks, B, H)."""
        source = self.queue.upload(self.case.x.swapaxes(0, 1).ravel())
        for layer in range(self.net.stack.n_layers):
            sink = self.sink()
            for space in self.of_layer(layer):
                k = self.spaces.index(space)
                self.queue.copy(space.state, self.case.states[:, k].ravel())
                self.walks.place_input(space, self.block, source)
                self.walks.forward(space, self.block, self.packed)
                self.walks.collect_output(space, self.block, sink)
            source = sink
        return {"outputs": self.by_row(source, self.net.stack.output_size), "final": self.states()}

    def backward(self, begin=0, d_outputs=True, whole=False):
        """Gradients of weights by name, of inputs (B, T, F) and of initial states."""
        gradient = self.empty(self.layout.index.size)
        d_sink = self.queue.upload(self.case.d_outputs.swapaxes(0, 1).ravel()) if d_outputs else None
        for layer in range(self.net.stack.n_layers - 1, -1, -1):
            width = self.net.stack.layer_input(layer)
            d_source = self.empty(self.case.n_steps, len(self.case.lengths), width)
            for space in self.of_layer(layer):
                k = self.spaces.index(space)
                self.queue.copy(space.state, self.case.d_states[:, k].ravel())
                self.walks.backward(space, self.block, self.packed, gradient, d_sink, begin)
                again = space.walk.reverse > 0
                self.walks.find_input_gradient(
                    space, self.block, self.packed, d_source, begin=begin, add=again
                )
            d_sink = d_source
        found = self.net.views(self.queue.download(gradient)[self.layout.back])
        d_x = self.by_row(d_sink, self.net.stack.input_size)
        return {"d_x": d_x[:, 0 if whole else begin :], "d_states": self.states()} | found

    def of_layer(self, layer):
        return [space for space in self.spaces if space.walk.level == layer]

    def by_row(self, array, width):
        return self.queue.download(array).reshape(self.case.n_steps, -1, width).swapaxes(0, 1)

    def states(self):
        shape = len(self.net.stack.cell.states), len(self.case.lengths), self.net.stack.hidden_size
        states = [self.queue.download(space.state).reshape(shape) for space in self.spaces]
        return np.stack(states, axis=1)


def run(queue, case, make_steps, make_steps_back=None, **options):
    """Forward, and back, all numbers by name."""
    stack = Stack(queue, case, make_steps)
    found = stack.forward()
    stack.use(make_steps_back or make_steps)
    return found | stack.backward(**options)


def assert_equal(found, expected, tolerance=None):
    """tolerance: None for the same bits."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if tolerance is None:
            np.testing.assert_array_equal(found[name], array, err_msg=name)
        else:
            scale = np.abs(array).max(initial=1.0)
            np.testing.assert_allclose(
                found[name], array, rtol=tolerance, atol=tolerance * scale, err_msg=name
            )
