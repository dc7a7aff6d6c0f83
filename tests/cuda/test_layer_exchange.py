"""States, outputs and gradients of a caller on the device against the CPU's kernels."""

import numpy as np
import pytest
from stage_batches import Batch, on_cpu

from seqcast.kernels.cpu import windows as cpu
from seqcast.kernels.cuda.layer_exchange import LayerExchange

stacks = pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, True)])
# Elements are only copied, whatever their type.
DTYPE = "float32"


def make_exchange(queue, b):
    return LayerExchange(queue, b.packed_layout, b.n_samples, b.n_steps)


@stacks
def test_states_reach_their_layers_and_return(queue, n_layers, bidirectional):
    b = Batch(DTYPE, (4, 2, 0), n_layers=n_layers, bidirectional=bidirectional)
    net, H = b.architecture, b.hidden_size
    states = b.draw(2, net.stack.n_unrolls, b.n_samples, H)
    on_cpu(cpu.gather_states)(b.net, b.layers, b.batch_table, states.ravel(), b.work)
    exchange, batch_table = make_exchange(queue, b), queue.upload(b.batch_table.ravel())
    returned = queue.zeros(states.size, DTYPE)
    for layer, direction in np.ndindex(n_layers, net.stack.n_directions):
        workspace, record = b.make_workspace(queue, direction, layer)
        exchange.gather_states(batch_table, queue.upload(states.ravel()), workspace)
        expected = b.part(record.state, 2, b.n_samples, (H, b.net.stack.hidden))
        np.testing.assert_array_equal(queue.download(workspace.state).reshape(2, b.n_samples, H), expected)
        exchange.scatter_states(batch_table, workspace, returned)
    np.testing.assert_array_equal(queue.download(returned), states.ravel())


@stacks
def test_outputs_reach_their_places(queue, n_layers, bidirectional):
    b = Batch(DTYPE, (4, 2, 0), n_layers=n_layers, bidirectional=bidirectional)
    T, B, H = b.n_steps, b.n_samples, b.hidden_size
    expected = np.full((B, T, b.architecture.stack.output_size), 7, DTYPE)
    batch_table, outputs = queue.upload(b.batch_table.ravel()), queue.upload(expected.ravel())
    exchange = make_exchange(queue, b)
    for direction in range(b.architecture.stack.n_directions):
        workspace, _ = b.make_workspace(queue, direction)
        b.set_states(queue, workspace, b.draw(T + 1, B, H))
        exchange.scatter_outputs(batch_table, workspace, outputs)
    on_cpu(cpu.scatter_outputs)(b.net, b.layers, b.batch_table, 0, T, b.work, expected.reshape(-1))
    assert (expected != 7).any()
    np.testing.assert_array_equal(queue.download(outputs), expected.ravel())


def test_gradient_of_outputs_is_ordered_by_step(queue):
    b = Batch(DTYPE, (4, 2, 0), bidirectional=True)
    T, B, H, D = b.n_steps, b.n_samples, b.hidden_size, b.architecture.stack.n_directions
    by_sample = b.draw(B, T, D * H)
    on_cpu(cpu.gather_output_gradient)(b.net, b.batch_table, T, by_sample.ravel(), b.work)
    by_step = queue.upload(np.full(T * B * D * H, np.nan, DTYPE))
    batch_table = queue.upload(b.batch_table.ravel())
    make_exchange(queue, b).gather_output_gradient(batch_table, queue.upload(by_sample.ravel()), by_step)
    expected = b.part(b.net.stack.d_outputs, T, B, D, (H, b.net.stack.hidden)).reshape(T, B, D * H)
    # The CPU never reads what is there.
    expected[np.arange(T)[:, None] >= b.batch_table[:, 1]] = 0
    np.testing.assert_array_equal(queue.download(by_step).reshape(T, B, D * H), expected)


def test_gradient_of_inputs_reaches_the_values(queue):
    b = Batch(DTYPE, (4, 2, 0))
    T, B, F = b.n_steps, b.n_samples, b.window.n_channels
    # Samples must not overlap.
    b.batch_table[:, 0] = np.arange(B) * T
    layer = b.layers[0]
    by_step = b.part(layer.d_inputs, T, B, (F, F))
    by_step[:] = b.draw(T, B, F)
    expected = np.full(B * T * F, 7, DTYPE)
    found = queue.upload(expected)
    batch_table = queue.upload(b.batch_table.ravel())
    make_exchange(queue, b).scatter_input_gradient(batch_table, queue.upload(by_step.ravel()), found)
    on_cpu(cpu.scatter_input_gradient)(b.net, layer, b.batch_table, T, b.work, expected)
    np.testing.assert_array_equal(queue.download(found), expected)
