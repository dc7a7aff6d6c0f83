"""Stacks of layers on the device, as the library runs them."""

import numpy as np

from seqcast.kernels.cuda.cublas import make_products
from seqcast.kernels.cuda.layer_unroll import LayerUnroll
from seqcast.kernels.cuda.packed_layout import PackedLayout
from seqcast.kernels.cuda.unroll_workspace import make_workspace
from seqcast.kernels.layout import Layout

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}


class Stack:
    """A case's layers on the device; arrays are NaN until they are written."""

    def __init__(self, queue, case, make_recurrent, keep=True):
        self.queue = queue
        self.case = case
        self.net = case.net
        self.layout = PackedLayout(Layout(case.net, case.dtype))
        self.use(make_recurrent)
        flat = np.append(case.flat, case.dtype.type(0))
        self.packed = queue.upload(flat[self.layout.index] + flat[self.layout.second])
        n = len(case.lengths)
        table = np.stack([np.zeros(n), case.lengths, np.zeros(n), np.arange(n)], axis=1)
        self.batch_table = queue.upload(table.astype(np.int64).ravel())
        self.workspaces = [
            make_workspace(queue, self.layout, direction, n, case.n_steps, keep=keep)
            for direction in self.layout.directions
        ]
        for workspace in self.workspaces:
            for name in ("operands", "z", "aux_states", "saved", "reset_h", "grad_reset_h"):
                array = getattr(workspace, name)
                queue.copy(array, np.full(array.size, np.nan, case.dtype))

    def use(self, make_recurrent):
        """Run the recurrent part with other kernels from now on."""
        products = make_products(self.queue, self.case.dtype)
        steps = make_recurrent(self.queue, self.layout, products)
        self.unroll = LayerUnroll(self.queue, self.layout, products, steps)

    def upload_nan(self, *shape):
        return self.queue.upload(np.full(shape, np.nan, self.case.dtype).ravel())

    def outputs(self):
        return self.upload_nan(self.case.n_steps, len(self.case.lengths), self.net.stack.output_size)

    def forward(self):
        """Return outputs (B, T, D * H) and final states (n_states, directions of all layers, B, H)."""
        source = self.queue.upload(self.case.x.swapaxes(0, 1).ravel())
        for layer in range(self.net.stack.n_layers):
            outputs = self.outputs()
            for workspace in self.workspaces_of(layer):
                k = self.workspaces.index(workspace)
                self.queue.copy(workspace.state, self.case.states[:, k].ravel())
                self.unroll.copy_input(workspace, self.batch_table, source)
                self.unroll.forward(workspace, self.batch_table, self.packed)
                self.unroll.copy_output(workspace, self.batch_table, outputs)
            source = outputs
        return {"outputs": self.by_sample(source, self.net.stack.output_size), "final": self.states()}

    def backward(self, begin=0, grad_outputs=True, whole=False):
        """Return gradients of the weights by name, of the inputs (B, T, F) and of the initial states."""
        gradient = self.upload_nan(self.layout.index.size)
        grad_by_step = (
            self.queue.upload(self.case.grad_outputs.swapaxes(0, 1).ravel()) if grad_outputs else None
        )
        for layer in range(self.net.stack.n_layers - 1, -1, -1):
            width = self.net.stack.layer_input(layer)
            grad_inputs = self.upload_nan(self.case.n_steps, len(self.case.lengths), width)
            for workspace in self.workspaces_of(layer):
                k = self.workspaces.index(workspace)
                self.queue.copy(workspace.state, self.case.grad_states[:, k].ravel())
                self.unroll.backward(workspace, self.batch_table, self.packed, gradient, grad_by_step, begin)
                again = workspace.layout.direction > 0
                self.unroll.find_input_gradient(
                    workspace, self.batch_table, self.packed, grad_inputs, begin=begin, add=again
                )
            grad_by_step = grad_inputs
        found = self.net.views(self.queue.download(gradient)[self.layout.back])
        grad_x = self.by_sample(grad_by_step, self.net.stack.input_size)
        return {"grad_x": grad_x[:, 0 if whole else begin :], "grad_states": self.states()} | found

    def workspaces_of(self, layer):
        return [workspace for workspace in self.workspaces if workspace.layout.layer == layer]

    def by_sample(self, array, width):
        return self.queue.download(array).reshape(self.case.n_steps, -1, width).swapaxes(0, 1)

    def states(self):
        shape = len(self.net.stack.cell.states), len(self.case.lengths), self.net.stack.hidden_size
        states = [self.queue.download(workspace.state).reshape(shape) for workspace in self.workspaces]
        return np.stack(states, axis=1)


def run(queue, case, make_recurrent, make_recurrent_backward=None, **options):
    """Return all results of a forward and a backward pass by name."""
    stack = Stack(queue, case, make_recurrent)
    found = stack.forward()
    stack.use(make_recurrent_backward or make_recurrent)
    return found | stack.backward(**options)


def assert_equal(found, expected, tolerance=None):
    """Check results by name; without a tolerance they must be identical."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if tolerance is None:
            np.testing.assert_array_equal(found[name], array, err_msg=name)
        else:
            scale = np.abs(array).max(initial=1.0)
            np.testing.assert_allclose(
                found[name], array, rtol=tolerance, atol=tolerance * scale, err_msg=name
            )
