"""Checks of a cell: finite differences against its backward functions, and no literal numbers."""

import math
import random
from collections.abc import Callable, Sequence

from .contract import Cell
from .literals import check_literals

# The error of central differences of a smooth float64 function is then about 1e-10.
STEP = 1e-6
TOLERANCE = 1e-6


def check_cell(cell: Cell, n_trials: int = 20, random_state: int = 0) -> None:
    """Check the backward functions of `cell` by central differences, and refuse literal numbers.

    Parameters
    ----------
    cell : Cell
    n_trials : int
        Random points to try.
    random_state : int
        Seed of the points.

    Raises
    ------
    ValueError
        If a function returns tuples of the wrong length, or a gradient differs by more than 1e-6. The message
        names the function, the argument and both numbers. Also if a function computes with literal numbers,
        see `Cell`.
    """
    rng = random.Random(random_state)
    for _ in range(n_trials):
        state = [rng.uniform(-1, 1) for _ in cell.states]
        _check_step(cell, state, rng)
        if cell.reset is not None:
            _check_reset(cell, state, rng)
    for _ in range(n_trials):
        _check_literals(cell, rng)


def _check_step(cell: Cell, state: list[float], rng: random.Random) -> None:
    z = [rng.gauss(0, 1) for _ in range(_count(cell, reset=False))]
    weights = [rng.gauss(0, 1) for _ in cell.states]
    new, saved = cell.step(_sigmoid, _activation(cell), tuple(z), tuple(state))
    _check_length(cell, "step", "new_state", new, len(cell.states))
    _check_length(cell, "step", "saved", saved, cell.n_saved)
    d_z, d_state = cell.step_backward(saved, tuple(state), tuple(weights))
    _check_length(cell, "step_backward", "d_z", d_z, len(z))
    _check_length(cell, "step_backward", "d_state", d_state, len(state))

    def loss() -> float:
        new, _ = cell.step(_sigmoid, _activation(cell), tuple(z), tuple(state))
        return sum(w * s for w, s in zip(weights, new, strict=True))

    _compare(cell, "step_backward", "z", z, d_z, loss)
    _compare(cell, "step_backward", "state", state, d_state, loss)


def _check_reset(cell: Cell, state: list[float], rng: random.Random) -> None:
    assert cell.reset is not None
    assert cell.reset_backward is not None
    reset = cell.reset
    z, weight = [rng.gauss(0, 1) for _ in range(_count(cell, reset=True))], rng.gauss(0, 1)
    _, saved = reset(_sigmoid, _activation(cell), tuple(z), tuple(state))
    _check_length(cell, "reset", "saved", saved, cell.n_reset_saved)
    d_z, d_h = cell.reset_backward(saved, tuple(state), weight)
    _check_length(cell, "reset_backward", "d_z", d_z, len(z))

    def loss() -> float:
        return weight * reset(_sigmoid, _activation(cell), tuple(z), tuple(state))[0]

    _compare(cell, "reset_backward", "z", z, d_z, loss)
    # u may depend on h only, since reset_backward cannot return the gradient of another state.
    _compare(cell, "reset_backward", "state", state, (d_h, *[0.0] * (len(state) - 1)), loss)


def _check_literals(cell: Cell, rng: random.Random) -> None:
    """Check for literal numbers at random points, since a literal may occur in one branch only."""
    state = tuple(rng.uniform(-1, 1) for _ in cell.states)
    for name, d_new in (("step", state), ("reset", state[0])):
        forward = getattr(cell, name)
        if forward is not None:
            z = tuple(rng.gauss(0, 1) for _ in range(_count(cell, reset=name == "reset")))
            arguments = (_sigmoid, _activation(cell), z, state)
            check_literals(cell, name, *arguments)
            check_literals(cell, f"{name}_backward", forward(*arguments)[1], state, d_new)


def _count(cell: Cell, reset: bool) -> int:
    """Return the number of pre-activations that `step` (or `reset`) receives."""
    gates = [gate for gate in cell.gates if (gate.source == "reset") == reset]
    return len(gates) + sum(gate.source == "split" for gate in gates)


def _check_length(cell: Cell, function: str, what: str, got: Sequence, expected: int) -> None:
    if len(got) != expected:
        raise ValueError(
            f"'{function}' of cell {cell.name!r} must return {expected} numbers as '{what}'. Got {len(got)} "
            f"instead."
        )


def _compare(
    cell: Cell,
    function: str,
    what: str,
    point: list[float],
    gradient: Sequence[float],
    loss: Callable[[], float],
) -> None:
    """Change each element of `point` in place and compare the slope of `loss` with `gradient`."""
    for k, center in enumerate(point):
        point[k] = center + STEP
        above = loss()
        point[k] = center - STEP
        slope = (above - loss()) / (2 * STEP)
        point[k] = center
        if not abs(slope - gradient[k]) <= TOLERANCE * max(1.0, abs(slope)):
            raise ValueError(
                f"'{function}' of cell {cell.name!r} is wrong for {what}[{k}]: it returns {gradient[k]:.9g}, "
                f"finite differences of the forward function give {slope:.9g}."
            )


def _sigmoid(x: float) -> float:
    return 0.5 + 0.5 * math.tanh(0.5 * x)


def _activation(cell: Cell) -> Callable[[float], float]:
    return math.tanh if cell.activation == "tanh" else lambda x: max(x, 0.0)
