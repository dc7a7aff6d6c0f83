"""Recurrent cells, one file each, and the registry that finds them by name.

A new cell is a `Cell` that is passed to `register_cell`. Afterwards, every parameter `cell` accepts its name.
"""

from .check import check_cell
from .contract import Cell, Gate
from .gru import GRU, GRU_RESET_BEFORE
from .lstm import LSTM
from .rnn import RNN, RNN_RELU

__all__ = ["Cell", "Gate", "cell_names", "check_cell", "find_cell", "register_cell"]

BUILT_IN = (RNN, RNN_RELU, LSTM, GRU, GRU_RESET_BEFORE)
_registry: dict[str, Cell] = {cell.name: cell for cell in BUILT_IN}


def cell_names() -> tuple[str, ...]:
    """Return the names that ``cell=`` accepts, sorted."""
    return tuple(sorted(_registry))


def find_cell(name: str, owner: str = "find_cell") -> Cell:
    """Return the cell registered under `name`.

    Raises
    ------
    ValueError
        If no cell has that name. The message names `owner`.
    """
    if not isinstance(name, str) or name not in _registry:
        raise ValueError(
            f"The 'cell' parameter of {owner} must be one of {cell_names()}. Got {name!r} instead. "
            f"Cells of your own are added with seqcast.register_cell."
        )
    return _registry[name]


def register_cell(cell: Cell) -> Cell:
    """Make `cell` available as ``cell="its name"`` after checking its gradient.

    Parameters
    ----------
    cell : Cell
        The declaration. Its functions may use their arguments only (``sigmoid`` and ``tanh`` among them):
        scalars in, tuples of scalars out, no literal numbers in the arithmetic.

    Returns
    -------
    Cell
        The same cell, so that the call can wrap the declaration.

    Raises
    ------
    ValueError
        If the name belongs to a built-in cell, or `check_cell` finds the backward function wrong or literal
        numbers in the arithmetic.

    Notes
    -----
    The kernels of a registered cell are not cached on disk. Every process compiles them again, which takes a
    few seconds for each kernel and dtype. The registration ends with the process. A worker process that
    joblib (loky) or multiprocessing (spawn) starts knows only the built-in cells. Therefore, declare and
    register the cell at the top level of a module, not in a script or notebook, and import the module in the
    workers: pass them a function of that module, or import the module inside the function.

    Examples
    --------
    An LSTM without output gate. Its output adds a product of the state before the step to the cell state,
    ``h_t = tanh(C_t + W_ho h_prev + b_h)``, so the last gate does not read the input:

    >>> from seqcast import Cell, Gate, Recurrent, register_cell
    >>> def step(sigmoid, tanh, z, state):
    ...     i, f, g = sigmoid(z[0]), sigmoid(z[1]), tanh(z[2])
    ...     c = f * state[1] + i * g
    ...     h = tanh(c + z[3])
    ...     return (h, c), (i, f, g, h)
    >>> def step_backward(saved, state, d_new):
    ...     i, f, g, h = saved
    ...     d_o = d_new[0] - d_new[0] * h * h
    ...     dc = d_new[1] + d_o
    ...     d_i, d_f, d_g = dc * g * (i - i * i), dc * state[1] * (f - f * f), dc * i * (g * g)
    ...     return (d_i, d_f, dc * i - d_g, d_o), (0, dc * f)
    >>> cell = register_cell(
    ...     Cell(
    ...         name="lstm_no_output_gate",
    ...         gates=(Gate("i"), Gate("f"), Gate("g"), Gate("o", source="state")),
    ...         states=("h", "c"),
    ...         n_saved=4,
    ...         step=step,
    ...         step_backward=step_backward,
    ...     )
    ... )
    >>> layer = Recurrent("lstm_no_output_gate", input_size=2, hidden_size=3)
    >>> layer.weights["weight_ih_l0"].shape, layer.weights["weight_hh_l0"].shape
    ((9, 2), (12, 3))
    """
    if cell.name in {built_in.name for built_in in BUILT_IN}:
        raise ValueError(
            f"The name of a cell passed to register_cell must not be a built-in name. Got {cell.name!r} "
            f"instead."
        )
    check_cell(cell)
    _registry[cell.name] = cell
    return cell
