"""Forward and backward passes through the layers, and the buffers that they keep."""

import numpy as np
import pytest

from seqcast.cells import BUILT_IN, find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import BatchPlan
from seqcast.learning import workspaces
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


def test_workspaces_are_used_again(monkeypatch):
    monkeypatch.setattr(workspaces, "_idle", {})
    made = make_pass()
    made.forward(keep=False)
    (left,) = workspaces._idle.values()
    made.forward(keep=False)
    assert next(iter(workspaces._idle.values())) is left


@pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
@pytest.mark.parametrize("keep", [False, True])
def test_the_content_of_a_workspace_does_not_matter(cell, keep, monkeypatch):
    rng = np.random.RandomState(0)
    network = Network(compose(cell, F, 5, 2, bidirectional=True), "float32")
    network.initialize(rng)
    n, n_steps = 9, 40
    x = rng.normal(size=(n, n_steps, F)).astype("float32")
    states = rng.normal(size=(len(cell.states), 4, n, 5)).astype("float32")
    d_output = rng.normal(size=(n, n_steps, 10)).astype("float32")

    def run(content):
        monkeypatch.setattr(workspaces, "_idle", {})
        monkeypatch.setattr(
            BatchPlan, "allocate", lambda plan, dtype, n=None: np.full(plan.shape(n), content, dtype)
        )
        network.__setstate__(network.__getstate__())
        layer_pass = CpuPass(network, x, np.arange(n) * 5, states, 0.0, np.uint32(0))
        output, final = layer_pass.forward(keep)
        d_states = np.ones_like(final)
        d_x, gradients = layer_pass.backward(d_output, d_states)
        return [output, final, d_x, d_states, *gradients.values()]

    zero, missing = run(0.0), run(np.nan)
    assert len(zero) > 4
    for one, other in zip(zero, missing, strict=True):
        np.testing.assert_array_equal(one, other)
