"""Stacks of layers on the device: several layers and directions, and independence of samples."""

import numpy as np
import pytest
from layer_cases import Case
from layer_stacks import TOLERANCE, assert_equal, run

from seqcast.cells.gru import GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda.stepwise_unroll import StepwiseUnroll

both_kinds = pytest.mark.parametrize("cell", [LSTM, GRU_RESET_BEFORE], ids=lambda cell: cell.name)


@both_kinds
def test_two_bidirectional_layers_match_cpu(queue, cell):
    case = Case(cell, 3, n_layers=2, bidirectional=True, lengths=(4, 4, 2))
    assert_equal(run(queue, case, StepwiseUnroll), case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_samples_are_independent_and_runs_are_identical(queue, cell):
    case, other = (Case(cell, 3, lengths=(4, 4, 2, 1, 1), dtype="float32") for _ in range(2))
    expected = run(queue, case, StepwiseUnroll)
    assert_equal(run(queue, other, StepwiseUnroll), expected)
    for array in (other.x, other.grad_outputs):
        array[[0, 2, 3]] *= -2
    found = run(queue, other, StepwiseUnroll)
    for name in ("outputs", "grad_x"):
        np.testing.assert_array_equal(found[name][[1, 4]], expected[name][[1, 4]])
        assert (found[name][0] != expected[name][0]).any()
    for name in ("final", "grad_states"):
        np.testing.assert_array_equal(found[name][:, :, [1, 4]], expected[name][:, :, [1, 4]])
