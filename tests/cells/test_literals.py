"""Literal numbers, which would make a float32 loop compute in float64, are refused."""

import math
import re
from dataclasses import replace

import numba as nb
import pytest

from seqcast import check_cell
from seqcast.cells.gru import GRU_RESET_BEFORE
from seqcast.cells.gru import reset as reset_of_gru
from seqcast.cells.rnn import RNN, tanh_backward

HALF = 0.5


@nb.njit
def halved(x):
    return HALF * x


def float_in(function):
    """Return `function` multiplied by a number of its closure."""
    one = 1.0
    return lambda *arguments: (function(*arguments)[0], (one * function(*arguments)[1][0],))


def branching(sigmoid, tanh, z, state):
    h = tanh(z[0])
    return (h if h > 0 else -abs(h) - 0,), (h,)


LITERALS = [  # (function, what it becomes, the number)
    ("step", lambda sigmoid, tanh, z, state: ((1.0 * tanh(z[0]),), (tanh(z[0]),)), "1.0"),
    ("step", lambda sigmoid, tanh, z, state: ((1 * tanh(z[0]),), (tanh(z[0]),)), "1"),
    ("step", lambda sigmoid, tanh, z, state: ((tanh(z[0]) ** 1 - 0,), (tanh(z[0]),)), "0"),
    ("step", lambda sigmoid, tanh, z, state: ((tanh(halved(z[0] + z[0])),), (tanh(z[0]),)), "0.5"),
    ("step", branching, "0"),
    ("step_backward", lambda saved, state, d: ((d[0] - d[0] * saved[0] ** 2,), (0.0,)), "0.0"),
    ("step_backward", lambda saved, state, d: (((1 - saved[0] * saved[0]) * d[0],), (0,)), "1"),
    ("step_backward", float_in(tanh_backward), "1.0"),
]


@pytest.mark.parametrize(("name", "function", "number"), LITERALS)
def test_a_literal_number_is_refused(name, function, number):
    message = (
        f"'{name}' of cell 'rnn' must not compute with literal numbers, which turn its float32 loops into "
        f"float64. Got {number}. Write it with the arguments alone: n + z * (h - n) for "
        f"(1 - z) * n + z * h, x + x for 2 * x, 0 or x - x for 0.0."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_cell(replace(RNN, **{name: function}))


def test_a_literal_number_in_a_reset_is_refused():
    doubled = replace(
        GRU_RESET_BEFORE,
        reset=lambda *a: (2 * reset_of_gru(*a)[0], reset_of_gru(*a)[1]),
        reset_backward=lambda saved, state, d_u: GRU_RESET_BEFORE.reset_backward(saved, state, d_u + d_u),
    )
    with pytest.raises(ValueError, match=r"^'reset' of cell 'gru_reset_before' must not .* Got 2\. Write"):
        check_cell(doubled)


def test_literal_numbers_that_do_no_harm_are_allowed():
    """These are indices, exponents, comparisons, numbers that are returned, and results of the C library."""

    def backward(saved, state, d_new):
        h = saved[0]
        return (d_new[0] if h > 1 else d_new[0] - d_new[0] * h**2,), (0,)

    def exp_step(sigmoid, tanh, z, state):
        e = math.exp(z[0])
        return (e + z[0],), (e,)

    def exp_backward(saved, state, d_new):
        return (d_new[0] * saved[0] + d_new[0],), (0,)

    check_cell(replace(RNN, step_backward=backward))
    check_cell(replace(RNN, step=exp_step, step_backward=exp_backward))
