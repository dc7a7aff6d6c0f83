"""Walks in one launch, against walks step by step, which are those of the CPU."""

from functools import cache

import numpy as np
import pytest
from walking import SUMMING, TOLERANCE, Case, Stack, assert_equal, run

from seqcast.cells import BUILT_IN, Cell, Gate
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.cells.rnn import RNN
from seqcast.kernels.cuda.registers import InRegisters
from seqcast.kernels.cuda.shapes import Gpu, Shape, choose_shape
from seqcast.kernels.cuda.steps import StepByStep

CELLS = [cell for cell in (*BUILT_IN, SUMMING) if cell.reset is None]
cells = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
few_cells = pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
H100, A100 = Gpu(132, 227 * 1024), Gpu(108, 163 * 1024)


def in_registers(cell, hidden, n_rows=2, n_own=4, dtype="float64"):
    shape = Shape(cell, np.dtype(dtype), hidden, n_rows, n_own)
    return lambda queue, layout, products: InRegisters(queue, layout, shape)


@cache
def by_steps(queue, cell, hidden):
    return run(queue, Case(cell, hidden), StepByStep)


@cells
def test_a_layer_is_that_of_the_steps(queue, cell):
    """Rows are missing in the last block; weights lie in registers and in shared memory."""
    found = run(queue, Case(cell, 5), in_registers(cell, 5, 4, 4))
    assert_equal(found, by_steps(queue, cell, 5), TOLERANCE["float64"])


def test_a_layer_is_that_of_the_cpu(queue):
    case = Case(LSTM, 5, dtype="float32")
    found = run(queue, case, in_registers(LSTM, 5, dtype="float32"))
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    assert_equal(found, case.on_cpu(), TOLERANCE["float32"])


@few_cells
def test_neither_rows_of_a_block_nor_places_of_weights_change_a_bit(queue, cell):
    case = Case(cell, 8, lengths=(4, 4, 2), dtype="float32")
    found = [run(queue, case, in_registers(cell, 8, *shape, "float32")) for shape in ((1, 8), (2, 4), (4, 8))]
    assert_equal(found[0], found[1])
    assert_equal(found[0], found[2])


@few_cells
def test_both_directions_of_two_layers_are_those_of_the_cpu(queue, cell):
    case = Case(cell, n_layers=2, bidirectional=True, lengths=(5, 5, 2))
    assert_equal(run(queue, case, in_registers(cell, 4, 1)), case.on_cpu(), TOLERANCE["float64"])


@cells
def test_one_goes_back_over_what_the_other_kept(queue, cell):
    case, there = Case(cell, 5), in_registers(cell, 5)
    expected = by_steps(queue, cell, 5)
    assert_equal(run(queue, case, there, StepByStep), expected, TOLERANCE["float64"])
    assert_equal(run(queue, case, StepByStep, there), expected, TOLERANCE["float64"])


@few_cells
@pytest.mark.parametrize("begin", [3, 5])
def test_gradients_stop_where_they_are_told_to(queue, cell, begin):
    case, found = Case(cell, lengths=(6, 4, 4, 1)), []
    for steps in (in_registers(cell, 4), StepByStep):
        found.append(run(queue, case, steps, begin=begin))
    assert_equal(*found, TOLERANCE["float64"])


def test_without_gradients_of_outputs_those_of_the_final_states_go_back(queue):
    case = Case(LSTM)
    found = [run(queue, case, steps, d_outputs=False) for steps in (in_registers(LSTM, 4), StepByStep)]
    assert_equal(*found, TOLERANCE["float64"])


@cells
def test_where_nothing_is_kept_the_same_comes_out(queue, cell):
    stacks = [Stack(queue, Case(cell), in_registers(cell, 4), keep=keep) for keep in (True, False)]
    assert_equal(stacks[1].forward(), stacks[0].forward())


def test_blocks_whose_rows_have_all_ended_go_on_to_the_end(queue):
    case = Case(GRU, lengths=(6, 5, 2, 2, 0))
    assert_equal(run(queue, case, in_registers(GRU, 4, 2)), case.on_cpu(), TOLERANCE["float64"])


# -- shapes


def chosen(cell=LSTM, hidden=64, n_rows=128, dtype="float32", gpu=H100):
    return choose_shape(cell, np.dtype(dtype), hidden, n_rows, gpu)


def test_a_block_takes_few_rows_as_long_as_all_blocks_run_at_once():
    assert [chosen(n_rows=n).n_rows for n in (1, 264, 500, 5000)] == [1, 1, 2, 4]
    assert [chosen(n_rows=n, gpu=A100).n_rows for n in (200, 1000)] == [1, 4]


def test_no_thread_waits_while_others_calculate_the_units_of_further_rows():
    """A step of a GRU has three threads for each unit: a fourth row would take as long as six."""
    assert [chosen(GRU, n_rows=n).n_rows for n in (1, 5000)] == [1, 3]
    assert [chosen(RNN, n_rows=n).n_rows for n in (1, 50_000)] == [1, 4]


def test_weights_that_registers_have_no_room_for_lie_in_shared_memory():
    assert chosen(hidden=64).n_own == 64
    large = chosen(hidden=128)
    assert 40 <= large.n_own < 128
    assert large.shared_forward == 4 * ((128 - large.n_own) * 512 + 4 * (128 + 512))
    assert chosen(RNN, 128).n_own == 128


@pytest.mark.parametrize("gpu", [H100, A100])
@pytest.mark.parametrize("n_rows", [1, 300, 4000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@cells
def test_what_is_chosen_fits(cell, dtype, n_rows, gpu):
    for hidden in range(1, 300):
        shape = chosen(cell, hidden, n_rows, dtype, gpu)
        if shape is None:
            assert hidden > 64
        else:
            assert shape.threads <= 1024
            assert max(shape.shared_forward, shape.shared_backward) <= gpu.shared
            assert 0 < shape.n_own <= shape.depth
            assert shape.n_own % 4 == 0


def test_what_does_not_fit_or_has_late_gates_is_left_to_the_steps():
    assert chosen(hidden=160) is None
    assert chosen(hidden=128, dtype="float64") is None
    assert chosen(GRU_RESET_BEFORE, 8) is None


def test_a_cell_whose_gates_h_does_not_feed_is_left_to_the_steps():
    def step(sigmoid, tanh, z, state):
        return (state[0] + z[0],), ()

    def step_backward(saved, state, d_new):
        return (d_new[0],), (d_new[0],)

    sum_of_inputs = Cell("sum_of_inputs", (Gate("a", "input"),), ("h",), 0, step, step_backward)
    assert chosen(sum_of_inputs, 4) is None
