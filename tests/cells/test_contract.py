"""The rules of a cell's declaration."""

import re
from dataclasses import replace

import pytest

from seqcast import Gate
from seqcast.cells.gru import GRU_RESET_BEFORE
from seqcast.cells.lstm import LSTM
from seqcast.cells.rnn import RNN


def gates(*names):
    return tuple(Gate(name) for name in names)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gates": gates("i", "f", "i", "o")}, "'gates' {} Got ('i', 'f', 'i', 'o') instead."),
        ({"gates": ()}, "'gates' {} Got () instead."),
        ({"gates": gates("i", "f g")}, "'gates' {} Got ('i', 'f g') instead."),
        ({"gates": gates("i", None)}, "'gates' {} Got ('i', None) instead."),
        ({"states": ("h", "h")}, "'states' {} Got ('h', 'h') instead."),
        ({"states": ()}, "'states' {} Got () instead."),
        ({"states": ("h", "")}, "'states' {} Got ('h', '') instead."),
        ({"states": ("h", ["c"])}, "'states' {} Got ('h', ['c']) instead."),
    ],
)
def test_gates_and_states_have_names_of_their_own(change, message):
    rule = "of cell 'lstm' must have one or more different names, all Python identifiers."
    with pytest.raises(ValueError, match=f"^The {re.escape(message.format(rule))}$"):
        replace(LSTM, **change)


@pytest.mark.parametrize("name", ["", "my cell", "1st", None])
def test_a_cell_is_named_by_an_identifier(name):
    message = f"The 'name' of a cell must be a Python identifier. Got {name!r} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(LSTM, name=name)


@pytest.mark.parametrize("activation", ["sigmoid", "ReLU", None])
def test_the_activation_is_known(activation):
    message = f"The 'activation' of cell 'rnn' must be one of ('tanh', 'relu'). Got {activation!r} instead."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(RNN, activation=activation)


def test_a_gate_has_a_known_source():
    with pytest.raises(
        ValueError, match=r"The 'source' of gate 'q' must be one of \('both', .*\)\. Got 'elsewhere' instead"
    ):
        Gate("q", "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        {"reset_backward": None},
        {"reset": None},
        {"reset": None, "reset_backward": None},
        {"gates": (Gate("r", "reset"), Gate("z"), Gate("n"))},
        {"gates": (Gate("r"), Gate("z"), Gate("n", "after_reset"))},
    ],
)
def test_reset_gates_and_reset_functions_go_together(change):
    with pytest.raises(
        ValueError, match="Cell 'gru_reset_before' must have all of 'reset' gates, 'after_reset' gates"
    ):
        replace(GRU_RESET_BEFORE, **change)
