"""Forward and backward passes through the layers, and the buffers that they keep."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.learning.network import Network
from seqcast.learning.passes import CpuPass

B, T, F, H = 3, 4, 2, 3


def make_pass():
    rng = np.random.RandomState(0)
    network = Network(compose(find_cell("gru"), F, H), "float64")
    network.initialize(rng)
    x, states = rng.normal(size=(B, T, F)), rng.normal(size=(1, 1, B, H))
    return CpuPass(network, x, np.array([2, 4, 1]), states, 0.0, np.uint32(0))


@pytest.mark.nojit
def test_backward_runs_forward_again_if_nothing_was_kept():
    d_output = np.random.default_rng(1).normal(size=(B, T, H))
    kept, anew = make_pass(), make_pass()
    output, final = kept.forward(keep=True)
    again, _ = anew.forward(keep=False)
    np.testing.assert_array_equal(output, again)
    for one, other in zip(
        kept.backward(d_output, np.zeros_like(final)),
        anew.backward(d_output, np.zeros_like(final)),
        strict=True,
    ):
        np.testing.assert_equal(one, other)


@pytest.mark.nojit
def test_outputs_after_the_end_are_zero_and_initial_states_stay():
    made = make_pass()
    before = made.states.copy()
    output, final = made.forward(keep=False)
    assert not output[0, 2:].any()
    assert not output[2, 1:].any()
    np.testing.assert_array_equal(final[0, 0, 0], output[0, 1])
    np.testing.assert_array_equal(made.states, before)


def test_workspaces_are_used_again():
    made = make_pass()
    made.forward(keep=False)
    (left,) = made.network._idle.values()
    made.forward(keep=False)
    assert next(iter(made.network._idle.values())) is left
