"""Networks composed of a stack and a readout: names, shapes and order of the parameters."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import Architecture, Readout, Stack, compose


def test_parameters_of_the_stack_precede_those_of_the_readout():
    stack = Stack(find_cell("gru"), 3, 5, n_layers=2, bidirectional=True)
    network = Architecture(stack, Readout(4))
    assert list(network.shapes) == [*stack.shapes, "head_weight", "head_bias"]
    assert network.shapes["weight_ih_l1_reverse"] == (15, 10)
    assert network.shapes["head_weight"] == (4, 10)
    assert network.n_parameters == sum(int(np.prod(shape)) for shape in network.shapes.values())


def test_layers_by_themselves_have_no_readout():
    network = Architecture(Stack(find_cell("lstm"), 3, 5))
    assert network.shapes == network.stack.shapes
    assert network.readout.n_outputs == 0


def test_views_share_the_memory_of_the_flat_vector():
    network = compose(find_cell("rnn"), 2, 3, n_outputs=2)
    flat = np.zeros(network.n_parameters)
    views = network.views(flat)
    views["head_bias"][:] = 7
    assert flat[-2:].tolist() == [7, 7]
    assert sum(view.size for view in views.values()) == flat.size


@pytest.mark.parametrize(("name", "expected"), [("weight_ih_l0", 5), ("bias_hh_l0", 5), ("head_weight", 10)])
def test_the_initial_range_depends_on_units_or_on_what_is_read(name, expected):
    assert compose(find_cell("gru"), 3, 5, bidirectional=True, n_outputs=1).fan_in(name) == expected


def test_a_readout_is_changed_without_the_stack():
    network = compose(find_cell("gru"), 3, 5, n_outputs=2)
    changed = network.with_readout(n_outputs=4, distribution="gaussian")
    assert changed.stack == network.stack
    assert (changed.readout.n_outputs, changed.readout.n_points) == (4, 2)
    assert not changed.readout.reads_every_step
    assert network.with_readout(pooling="none").readout.reads_every_step
