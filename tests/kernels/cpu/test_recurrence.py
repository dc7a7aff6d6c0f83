"""Steps of the recurrence in chunks of any size."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.network import Network

B, T, H = 5, 7, 3


def run(network, chunk, values):
    """Return outputs and final states of ragged samples, `chunk` steps at a time."""
    stack, plan = network.architecture.stack, network.plan(Window(T, 2), B, chunk=chunk, keep=False)
    outputs, states = np.zeros((B, T, H)), np.zeros((stack.n_states, stack.n_unrolls, B, H))
    network.run(
        "forward",
        plan,
        1,
        samples=sample_table(np.arange(B) * T, np.array([7, 6, 4, 1, 0]), np.zeros(B)),
        weights=network.packed(),
        values=values,
        outputs=outputs,
        states=states,
        workspaces=plan.allocate(network.dtype, 1),
    )
    return outputs, states


@pytest.mark.nojit
@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before"])
def test_one_step_at_a_time_gives_the_bits_of_all_steps(cell):
    rng = np.random.RandomState(0)
    network = Network(compose(find_cell(cell), 2, H, n_layers=2), "float64")
    network.initialize(rng)
    values = rng.normal(size=(B * T, 2))
    outputs, states = run(network, T, values)
    assert abs(outputs).max() > 0
    for chunk in (1, 3):
        for found, expected in zip(run(network, chunk, values), (outputs, states), strict=True):
            np.testing.assert_array_equal(found, expected)
