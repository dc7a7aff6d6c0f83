"""Finite differences find a wrong backward function, and tuples of a wrong length."""

import re
from dataclasses import replace

import pytest
from example_cells import MADE_UP, reset

from seqcast import check_cell
from seqcast.cells import BUILT_IN
from seqcast.cells.gru import GRU, GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.cells.rnn import RNN, tanh_backward


@pytest.mark.parametrize("cell", BUILT_IN, ids=lambda cell: cell.name)
def test_built_in_cells_pass(cell):
    check_cell(cell)
    check_cell(cell, n_trials=200, random_state=1)


def changed(function, change):
    """Return a function that passes the result of `function` to `change`."""
    return lambda *arguments: change(function(*arguments))


def scaled_first(result):
    """Multiply the first number of the first tuple by 1.00001."""
    (first, *rest), other = result
    return (first * 1.00001, *rest), other


def longer(which):
    """Add a number to the tuple at place `which`."""
    return lambda result: tuple((*part, 0.0) if k == which else part for k, part in enumerate(result))


def with_nan(result):
    return (*result[0][:-1], float("nan")), result[1]


LENGTHS = [  # (cell, function, place of the tuple made longer, its name, its right length)
    (LSTM, "step", 0, "new_state", 2),
    (LSTM, "step", 1, "saved", 5),
    (LSTM, "step_backward", 0, "d_z", 4),
    (LSTM, "step_backward", 1, "d_state", 2),
    (GRU, "step_backward", 0, "d_z", 4),
    (GRU_RESET_BEFORE, "step_backward", 0, "d_z", 2),
    (GRU_RESET_BEFORE, "reset_backward", 0, "d_z", 1),
]
GRADIENTS = [  # (cell, function, how its result is falsified, what check_cell finds)
    *((cell, "step_backward", scaled_first, "z[0]") for cell in BUILT_IN),
    (LSTM, "step_backward", lambda result: (result[0], (result[1][0], result[1][1] * 1.00001)), "state[1]"),
    (LSTM, "step_backward", with_nan, "z[3]: it returns nan, finite differences"),
    (GRU, "step_backward", lambda result: (result[0], (0.0,)), "state[0]: it returns 0, finite differences"),
    (GRU_RESET_BEFORE, "reset_backward", scaled_first, "z[0]"),
    (GRU_RESET_BEFORE, "reset_backward", lambda result: (result[0], -result[1]), "state[0]"),
]


def broken(cell, name, change):
    return replace(cell, **{name: changed(getattr(cell, name), change)})


@pytest.mark.parametrize(("cell", "name", "which", "what", "length"), LENGTHS)
def test_a_tuple_of_the_wrong_length_is_named(cell, name, which, what, length):
    message = (
        f"'{name}' of cell '{cell.name}' must return {length} numbers as '{what}'. Got {length + 1} instead."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(broken(cell, name, longer(which)))


def test_a_reset_that_saves_too_much_is_named():
    message = "'reset' of cell 'gru_reset_before' must return 1 numbers as 'saved'. Got 2 instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(broken(GRU_RESET_BEFORE, "reset", longer_saved))


def longer_saved(result):
    return result[0], (*result[1], 0.0)


@pytest.mark.parametrize(("cell", "name", "change", "found"), GRADIENTS)
def test_a_wrong_gradient_is_named(cell, name, change, found):
    with pytest.raises(ValueError, match=re.escape(f"'{name}' of cell '{cell.name}' is wrong for {found}")):
        check_cell(broken(cell, name, change))


def test_a_wrong_forward_function_fails_the_gradient_check():
    doubled = broken(LSTM, "step", lambda result: ((result[0][0] * 2, result[0][1]), result[1]))
    with pytest.raises(ValueError, match="'step_backward' of cell 'lstm' is wrong for z"):
        check_cell(doubled)


def test_the_two_numbers_of_the_message_are_right():
    backward = changed(tanh_backward, lambda result: ((result[0][0] + 1.0,), result[1]))
    with pytest.raises(ValueError, match="is wrong for z") as caught:
        check_cell(replace(RNN, step_backward=backward))
    words = str(caught.value).replace(",", "").split()
    returned, slope = float(words[words.index("returns") + 1]), float(words[-1].rstrip("."))
    assert returned == pytest.approx(slope + 1, abs=1e-7)


def test_a_reset_that_reads_more_than_h_is_refused():
    """`reset_backward` returns no gradient of a second state."""
    leaking = replace(MADE_UP, reset=lambda *a: (reset(*a)[0] + a[3][2], reset(*a)[1]))
    with pytest.raises(ValueError, match=r"'reset_backward' of cell 'made_up' is wrong for state\[2\]"):
        check_cell(leaking)
