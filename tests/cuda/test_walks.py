"""Walks step by step on the device, against the layer on the CPU: every number of a pass forward and back."""

import numpy as np
import pytest
from example_cells import MADE_UP
from walking import SUMMING, TOLERANCE, Case, Stack, assert_equal, run

from seqcast import register_cell
from seqcast.cells import BUILT_IN, check_cell
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.kernels.cuda.space import bytes_of_space
from seqcast.kernels.cuda.steps import StepByStep

cells = pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
both_kinds = pytest.mark.parametrize("cell", [LSTM, GRU_RESET_BEFORE], ids=lambda cell: cell.name)


def test_the_tests_own_cell_is_right():
    check_cell(SUMMING)


@cells
def test_a_layer_is_that_of_the_cpu(queue, cell):
    case = Case(cell, 5, lengths=(6, 3, 3, 1, 0))
    assert_equal(run(queue, case, StepByStep), case.on_cpu(), TOLERANCE["float64"])


def test_a_single_unit_and_a_single_row_are_enough(queue):
    case = Case(LSTM, 1, lengths=(3,), n_inputs=1)
    assert_equal(run(queue, case, StepByStep), case.on_cpu(), TOLERANCE["float64"])


@cells
def test_both_directions_of_two_layers_are_those_of_the_cpu(queue, cell):
    case = Case(cell, n_layers=2, bidirectional=True, lengths=(5, 5, 2))
    assert_equal(run(queue, case, StepByStep), case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_float32_is_that_of_the_cpu(queue, cell):
    case = Case(cell, 8, dtype="float32")
    found = run(queue, case, StepByStep)
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    assert_equal(found, case.on_cpu(), TOLERANCE["float32"])


def test_a_cell_with_gates_of_every_source_is_that_of_the_cpu(queue):
    register_cell(MADE_UP)
    case = Case(MADE_UP, 5, bidirectional=True, lengths=(4, 4, 1))
    assert_equal(run(queue, case, StepByStep), case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_gradients_stop_where_they_are_told_to(queue, cell):
    """As if the pass had begun there, with the states that stood there."""
    case, begin = Case(cell, n_layers=2, lengths=(6, 4, 1)), 3
    stack = Stack(queue, case, StepByStep)
    stack.forward()
    found, expected = stack.backward(begin), case.on_cpu(begin)
    assert_equal(found, {name: expected[name] for name in found}, TOLERANCE["float64"])
    _, d_x = stack.forward(), stack.backward(begin, whole=True)["d_x"]
    assert not d_x[:, :begin].any()


def test_without_gradients_of_outputs_those_of_the_final_states_go_back(queue):
    case = Case(GRU)
    found = run(queue, case, StepByStep, d_outputs=False)
    case.d_outputs[:] = 0
    assert_equal(found, case.on_cpu(), TOLERANCE["float64"])


@both_kinds
def test_where_nothing_is_kept_the_same_comes_out_in_less_memory(queue, cell):
    case = Case(cell, lengths=(4, 2))
    keeping, forgetting = (Stack(queue, case, StepByStep, keep=keep) for keep in (True, False))
    assert_equal(forgetting.forward(), keeping.forward())
    sizes = [
        sum(bytes_of_space(stack.layout, walk, 2, 4, keep=stack is keeping) for walk in stack.layout.walks)
        for stack in (keeping, forgetting)
    ]
    assert sizes[1] < sizes[0] == sum(map(bytes_used, keeping.spaces))


def bytes_used(space):
    names = "rows", "z", "others", "saved", "late", "d_u", "state"
    arrays = [getattr(space, name) for name in names]
    return sum(array.nbytes for array in arrays if array.size > 1)


@both_kinds
def test_a_row_knows_nothing_of_the_others_and_two_runs_give_the_same_bits(queue, cell):
    case, other = (Case(cell, 5, lengths=(5, 5, 2, 1, 1), dtype="float32") for _ in range(2))
    assert_equal(run(queue, case, StepByStep), run(queue, other, StepByStep))
    for array in (other.x, other.d_outputs):
        array[[0, 2, 3]] *= -2
    found, expected = (run(queue, one, StepByStep) for one in (case, other))
    for name in ("outputs", "d_x"):
        np.testing.assert_array_equal(found[name][[1, 4]], expected[name][[1, 4]])
        assert (found[name][0] != expected[name][0]).any()
    for name in ("final", "d_states"):
        np.testing.assert_array_equal(found[name][:, :, [1, 4]], expected[name][:, :, [1, 4]])
