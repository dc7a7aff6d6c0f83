"""The stepwise recurrent part on the device against the layers on the CPU: all results of a pass."""

import sys

import numpy as np
import pytest
from example_cells import MADE_UP
from layer_cases import SUMMING, Case
from layer_stacks import TOLERANCE, Stack, assert_equal, run

from seqcast.cells import BUILT_IN, check_cell
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda.stepwise_unroll import StepwiseUnroll

cells = pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
both_kinds = pytest.mark.parametrize("cell", [LSTM, GRU_RESET_BEFORE], ids=lambda cell: cell.name)


def test_cell_of_these_tests_is_valid():
    check_cell(SUMMING)


@cells
def test_layer_matches_cpu(queue, cell):
    case = Case(cell, 3, bidirectional=True, lengths=(4, 3, 1, 0))
    assert_equal(run(queue, case, StepwiseUnroll), case.on_cpu(), TOLERANCE["float64"])


def test_one_unit_and_one_sample_are_enough(queue):
    case = Case(LSTM, 1, lengths=(3,), n_inputs=1)
    assert_equal(run(queue, case, StepwiseUnroll), case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_float32_matches_cpu(queue, cell):
    case = Case(cell, 5, lengths=(4, 2, 1), dtype="float32")
    found = run(queue, case, StepwiseUnroll)
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    assert_equal(found, case.on_cpu(), TOLERANCE["float32"])


# Uncompiled, because the cache does not keep a cell of a test, and compiling it would take longer.
CPU_SCRIPT = """
import sys
import numpy as np
sys.path[:0] = {path}
from layer_cases import Case
from seqcast import register_cell
from example_cells import MADE_UP
register_cell(MADE_UP)
np.savez({results!r}, **Case(MADE_UP, 3, lengths=(3, 3, 1)).on_cpu())
"""


def test_cell_with_gates_of_every_source_matches_cpu(queue, run_python, tmp_path):
    results = str(tmp_path / "results.npz")
    script = CPU_SCRIPT.format(path=sys.path, results=results)
    run_python(script, NUMBA_DISABLE_JIT=1, NUMBA_ENABLE_CUDASIM=0)
    found = run(queue, Case(MADE_UP, 3, lengths=(3, 3, 1)), StepwiseUnroll)
    assert_equal(found, dict(np.load(results)), TOLERANCE["float64"])


@both_kinds
def test_truncated_gradients_match_pass_that_begins_there(queue, cell):
    case = Case(cell, 3, n_layers=2, lengths=(5, 4, 1))
    begin = 3
    stack = Stack(queue, case, StepwiseUnroll)
    stack.forward()
    found = stack.backward(begin)
    expected = case.on_cpu(begin)
    assert_equal(found, {name: expected[name] for name in found}, TOLERANCE["float64"])
    stack.forward()
    grad_x = stack.backward(begin, whole=True)["grad_x"]
    assert not grad_x[:, :begin].any()


def test_only_gradients_of_final_states_may_be_given(queue):
    case = Case(GRU, 3, lengths=(4, 2, 1))
    found = run(queue, case, StepwiseUnroll, grad_outputs=False)
    case.grad_outputs[:] = 0
    assert_equal(found, case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_workspace_without_backward_gives_same_outputs(queue, cell):
    case = Case(cell, lengths=(4, 2))
    expected = Stack(queue, case, StepwiseUnroll).forward()
    assert_equal(Stack(queue, case, StepwiseUnroll, keep=False).forward(), expected)
