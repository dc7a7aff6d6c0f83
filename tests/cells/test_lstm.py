"""Equations of long short-term memory, compared with values computed by hand."""

import math

import pytest

from seqcast.cells.lstm import LSTM


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# Pre-activations at which a gate is open or closed to the last digit.
OPEN, CLOSED = 50.0, -50.0


def test_gates_have_the_order_of_pytorch():
    assert [gate.name for gate in LSTM.gates] == ["i", "f", "g", "o"]
    (h, c), saved = LSTM.step(sigmoid, math.tanh, (0.1, 0.2, 0.3, 0.4), (0.0, 2.0))
    i, f, g, o = sigmoid(0.1), sigmoid(0.2), math.tanh(0.3), sigmoid(0.4)
    assert c == pytest.approx(f * 2 + i * g, rel=1e-15)
    assert h == pytest.approx(o * math.tanh(c), rel=1e-15)
    assert saved == (i, f, g, o, math.tanh(c))


def test_an_open_forget_gate_keeps_the_memory():
    (_, c), _ = LSTM.step(sigmoid, math.tanh, (CLOSED, OPEN, 0.3, 0.0), (0.0, 2.0))
    assert c == pytest.approx(2.0, rel=1e-15)


def test_a_closed_forget_gate_replaces_the_memory():
    (_, c), _ = LSTM.step(sigmoid, math.tanh, (OPEN, CLOSED, 0.3, 0.0), (0.0, 2.0))
    assert c == pytest.approx(math.tanh(0.3), rel=1e-15)


def test_a_closed_output_gate_hides_the_memory():
    (h, _), _ = LSTM.step(sigmoid, math.tanh, (OPEN, OPEN, 0.3, CLOSED), (0.0, 2.0))
    assert h == pytest.approx(0.0, abs=1e-15)
