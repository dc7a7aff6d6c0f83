"""Equations of both forms of the gated recurrent unit, compared with values computed by hand."""

import math

import pytest

from seqcast.cells.gru import GRU, GRU_RESET_BEFORE


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# Pre-activations at which a gate is open or closed to the last digit.
OPEN, CLOSED = 50.0, -50.0


def test_the_reset_gate_multiplies_the_recurrent_product():
    (h,), saved = GRU.step(sigmoid, math.tanh, (0.0, 0.0, 0.3, 0.8), (0.4,))
    n = math.tanh(0.3 + 0.5 * 0.8)
    assert h == pytest.approx(0.5 * n + 0.5 * 0.4, rel=1e-15)
    assert saved == (0.5, 0.5, n, 0.8)


def test_the_reset_gate_multiplies_the_state():
    assert GRU_RESET_BEFORE.reset(sigmoid, math.tanh, (0.0,), (0.4,)) == (0.2, (0.5,))
    (h,), saved = GRU_RESET_BEFORE.step(sigmoid, math.tanh, (0.0, 0.7), (0.4,))
    assert h == pytest.approx(0.5 * math.tanh(0.7) + 0.5 * 0.4, rel=1e-15)
    assert saved == (0.5, math.tanh(0.7))


def test_an_open_update_gate_keeps_the_state():
    (h,), _ = GRU.step(sigmoid, math.tanh, (0.0, OPEN, 0.3, 0.8), (0.4,))
    assert h == pytest.approx(0.4, rel=1e-15)
    (h,), _ = GRU_RESET_BEFORE.step(sigmoid, math.tanh, (OPEN, 0.3), (0.4,))
    assert h == pytest.approx(0.4, rel=1e-15)


def test_a_closed_update_gate_replaces_the_state():
    (h,), _ = GRU.step(sigmoid, math.tanh, (CLOSED, CLOSED, 0.3, 0.8), (0.4,))
    assert h == pytest.approx(math.tanh(0.3), rel=1e-15)
    (h,), _ = GRU_RESET_BEFORE.step(sigmoid, math.tanh, (CLOSED, 0.3), (0.4,))
    assert h == pytest.approx(math.tanh(0.3), rel=1e-15)
