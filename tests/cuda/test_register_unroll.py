"""The recurrent part in one launch, against the stepwise one and against the layers on the CPU."""

from functools import cache

import numpy as np
import pytest
from layer_cases import SUMMING, Case
from layer_stacks import TOLERANCE, Stack, assert_equal, run

from seqcast.cells import BUILT_IN
from seqcast.cells.gru import GRU
from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda.kernel_shape import KernelShape
from seqcast.kernels.cuda.register_unroll import RegisterUnroll
from seqcast.kernels.cuda.stepwise_unroll import StepwiseUnroll

CELLS = [cell for cell in (*BUILT_IN, SUMMING) if cell.reset is None]
cells = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
few_cells = pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
LENGTHS = (4, 4, 3, 1, 1)


def in_registers(cell, hidden, n_samples=2, n_own=4, dtype="float64"):
    shape = KernelShape(cell, np.dtype(dtype), hidden, n_samples, n_own)
    return lambda queue, layout, products: RegisterUnroll(queue, layout, shape)


@cache
def run_stepwise(queue, cell, hidden):
    return run(queue, Case(cell, hidden, lengths=LENGTHS), StepwiseUnroll)


@cells
def test_layer_matches_stepwise(queue, cell):
    """The last block has fewer samples; weights are in registers and in shared memory."""
    found = run(queue, Case(cell, 5, lengths=LENGTHS), in_registers(cell, 5, 4, 4))
    assert_equal(found, run_stepwise(queue, cell, 5), TOLERANCE["float64"])


def test_float32_layer_matches_cpu(queue):
    case = Case(LSTM, 5, lengths=LENGTHS, dtype="float32")
    found = run(queue, case, in_registers(LSTM, 5, dtype="float32"))
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    assert_equal(found, case.on_cpu(), TOLERANCE["float32"])


@few_cells
def test_shape_of_kernel_does_not_change_results(queue, cell):
    case = Case(cell, 8, lengths=(3, 3, 2), dtype="float32")
    shapes = (1, 8), (2, 4), (4, 8)
    first, *others = (run(queue, case, in_registers(cell, 8, *shape, "float32")) for shape in shapes)
    for other in others:
        assert_equal(first, other)


def test_two_bidirectional_layers_match_cpu(queue):
    case = Case(LSTM, 3, n_layers=2, bidirectional=True, lengths=(4, 4, 2))
    assert_equal(run(queue, case, in_registers(LSTM, 3, 1)), case.on_cpu(), TOLERANCE["float64"])


@few_cells
def test_backward_accepts_workspace_of_other_forward(queue, cell):
    case = Case(cell, 5, lengths=LENGTHS)
    registers = in_registers(cell, 5)
    expected = run_stepwise(queue, cell, 5)
    assert_equal(run(queue, case, registers, StepwiseUnroll), expected, TOLERANCE["float64"])
    assert_equal(run(queue, case, StepwiseUnroll, registers), expected, TOLERANCE["float64"])


@few_cells
def test_truncated_gradients_match_stepwise(queue, cell):
    case = Case(cell, lengths=(5, 4, 4, 1))
    found, expected = (run(queue, case, steps, begin=3) for steps in (in_registers(cell, 4), StepwiseUnroll))
    assert_equal(found, expected, TOLERANCE["float64"])


def test_only_gradients_of_final_states_may_be_given(queue):
    case = Case(LSTM, lengths=(3, 2, 1))
    both = in_registers(LSTM, 4), StepwiseUnroll
    found, expected = (run(queue, case, steps, grad_outputs=False) for steps in both)
    assert_equal(found, expected, TOLERANCE["float64"])


@cells
def test_workspace_without_backward_gives_same_outputs(queue, cell):
    case = Case(cell, lengths=(3, 2, 1))
    stacks = [Stack(queue, case, in_registers(cell, 4), keep=keep) for keep in (True, False)]
    assert_equal(stacks[1].forward(), stacks[0].forward())


def test_block_continues_after_all_its_samples_have_ended(queue):
    case = Case(GRU, lengths=(5, 4, 2, 2, 0))
    assert_equal(run(queue, case, in_registers(GRU, 4, 2)), case.on_cpu(), TOLERANCE["float64"])
