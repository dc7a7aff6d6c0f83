"""The declaration of a recurrent cell: its gates, its states, and pure functions of scalars.

The loops in `seqcast.kernels` compute all matrix products. A cell defines the computation of one unit of one
sample, given the products. Its functions use only their arguments, so the same source runs as Python code, in
a vectorized loop on the CPU and in a thread of a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass

SOURCES = ("both", "split", "state", "input", "reset", "after_reset")
ACTIVATIONS = ("tanh", "relu")


@dataclass(frozen=True)
class Gate:
    """One block of ``hidden_size`` rows in the weights.

    Parameters
    ----------
    name : str
        The gate's letter in the equations, unique within a cell.
    source : {"both", "split", "state", "input", "reset", "after_reset"}
        The terms of its pre-activation, and the function that reads it:

        - "both": ``W_ih x + b_ih + W_hh h + b_hh``;
        - "input": only ``W_ih x + b_ih``;
        - "state": only ``W_hh h + b_hh``;
        - "split": the "input" and the "state" part as two numbers, in this order;
        - "reset": as "both", but read by `Cell.reset`;
        - "after_reset": ``W_ih x + b_ih + W_hh u + b_hh`` with ``u`` the result of `Cell.reset`.
    """

    name: str
    source: str = "both"

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(
                f"The 'source' of gate {self.name!r} must be one of {SOURCES}. Got {self.source!r} instead."
            )


@dataclass(frozen=True)
class Cell:
    """A recurrent cell.

    Parameters
    ----------
    name : str
        The value of the parameter ``cell`` of `Recurrent` and the estimators. Like the names of gates and
        states, it is a Python identifier.
    gates : tuple of Gate
        In the order of the blocks of rows in ``weight_ih`` and ``weight_hh``. A "state" gate has no rows in
        ``weight_ih``, an "input" gate none in ``weight_hh``.
    states : tuple of str
        The parts of the state. The first is the output ``h``.
    n_saved : int
        Number of scalars that `step` keeps for `step_backward`.
    step : callable
        ``step(sigmoid, tanh, z, state) -> (new_state, saved)``: tuples of scalars for one sample and unit.
        ``z`` holds the pre-activations of all gates but "reset" ones, in the order of ``gates``.
    step_backward : callable
        ``step_backward(saved, state, d_new) -> (d_z, d_state)``: ``state`` is the state before the step,
        ``d_new`` the gradient of the loss with respect to the state after it. ``d_state`` is only the part
        that does not pass through a product.
    reset : callable, optional
        For cells with "after_reset" gates: ``reset(sigmoid, tanh, z, state) -> (u, saved)`` with the "reset"
        gates in ``z``. ``saved`` is kept after that of `step`.
    reset_backward : callable, optional
        ``reset_backward(saved, state, d_u) -> (d_z, d_h)``.
    n_reset_saved : int
        Number of scalars that `reset` keeps.
    activation : {"tanh", "relu"}
        The function that is passed as ``tanh``.

    Notes
    -----
    Write ``n + z * (h - n)`` instead of ``(1 - z) * n + z * h``. In a float32 loop, a literal number would
    promote the expression to float64, which is slower. `check_cell` refuses literal numbers.
    """

    name: str
    gates: tuple[Gate, ...]
    states: tuple[str, ...]
    n_saved: int
    step: Callable
    step_backward: Callable
    reset: Callable | None = None
    reset_backward: Callable | None = None
    n_reset_saved: int = 0
    activation: str = "tanh"

    def __post_init__(self) -> None:
        if not _is_identifier(self.name):
            raise ValueError(f"The 'name' of a cell must be a Python identifier. Got {self.name!r} instead.")
        self._check_names("gates", tuple(gate.name for gate in self.gates))
        self._check_names("states", tuple(self.states))
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"The 'activation' of cell {self.name!r} must be one of {ACTIVATIONS}. "
                f"Got {self.activation!r} instead."
            )
        self._check_reset()

    def _check_names(self, what: str, names: tuple[str, ...]) -> None:
        """Check that names differ: the columns of gates and the gradients of states are found by name."""
        if not names or not all(map(_is_identifier, names)) or len(set(names)) < len(names):
            raise ValueError(
                f"The '{what}' of cell {self.name!r} must have one or more different names, all Python "
                f"identifiers. Got {names} instead."
            )

    def _check_reset(self) -> None:
        after, reset = self.gates_from("after_reset"), self.gates_from("reset")
        has_reset = self.reset is not None and self.reset_backward is not None
        if bool(after) != has_reset or bool(reset) != has_reset:
            raise ValueError(
                f"Cell {self.name!r} must have all of 'reset' gates, 'after_reset' gates and the functions "
                f"'reset' and 'reset_backward', or none of them. Got reset gates {reset}, after_reset gates "
                f"{after} and {'both' if has_reset else 'not both'} functions."
            )

    def gates_from(self, *sources: str) -> tuple[str, ...]:
        """Return the names of some of the gates.

        Parameters
        ----------
        *sources : str
            Values of `Gate.source`.

        Returns
        -------
        tuple of str
            Names of the gates that have one of `sources`, in the order of the gates.
        """
        return tuple(gate.name for gate in self.gates if gate.source in sources)


def _is_identifier(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()
