"""Recurrent layers without an estimator, as torch.nn.RNN, LSTM and GRU."""

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from ..cells import find_cell
from ..data.conversion import to_host
from ..kernels.architecture import compose
from ..kernels.cuda.devices import find_device
from ..learning.devices import make_network, make_pass
from ..learning.passes import LayerPass

States: TypeAlias = ArrayLike | tuple[ArrayLike, ...]


class Weights(Mapping):
    """Named views into a layer's parameters; assignment copies into them and checks the shape."""

    def __init__(self, views: dict[str, np.ndarray]):
        self._views = views

    def __getitem__(self, name: str) -> np.ndarray:
        return self._views[name]

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._views[name][...] = self._checked(name, value)

    def _checked(self, name: str, value: ArrayLike) -> np.ndarray:
        if name not in self._views:
            raise KeyError(f"{name!r} is no weight of this layer; they are {', '.join(self._views)}")
        view, array = self._views[name], to_host(value)
        if array.shape != view.shape:
            raise ValueError(f"Weight {name!r} must have shape {view.shape}. Got {array.shape} instead.")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def update(self, weights: Mapping) -> None:
        """Set several weights at once, or none if one of them does not fit."""
        checked = {name: self._checked(name, value) for name, value in weights.items()}
        for name, array in checked.items():
            self._views[name][...] = array

    def __repr__(self) -> str:
        return "Weights(" + ", ".join(f"{name}: {view.shape}" for name, view in self._views.items()) + ")"


class Recurrent:
    """Stacked recurrent layers with hand-written gradients.

    Weights, gate order, equations and states are those of ``torch.nn.RNN``, ``LSTM`` and ``GRU`` with
    ``batch_first=True``, so weights can be copied between both, with the same results.

    Parameters
    ----------
    cell : str
        Recurrent cell: "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered
        cell. In "gru", the reset gate acts after the recurrent product (PyTorch, cuDNN), in
        "gru_reset_before" before it (as in the original paper).
    input_size : int
        Number of features at each step.
    hidden_size : int
        Number of units of each layer and direction.
    n_layers : int, default=1
        Number of stacked layers.
    bidirectional : bool, default=False
        Whether a second set of weights reads each layer's input from its end. The outputs of both directions
        are concatenated.
    dropout : float, default=0.0
        Fraction of the outputs of each layer but the last that is set to zero by ``forward(training=True)``.
    dtype : {"float32", "float64"}, default="float32"
        Data type of weights and results.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Device of the passes: the CPU or an NVIDIA GPU, which needs ``pip install "seqcast[cuda]"``. "auto"
        takes the first GPU if there is one. Results are NumPy arrays in either case. Arguments can be arrays
        on a GPU (CuPy, PyTorch), too.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, U(-1/sqrt(hidden_size), 1/sqrt(hidden_size)), and of dropout.

    Attributes
    ----------
    weights : mapping of str to ndarray
        ``weight_ih_l0`` (gates * hidden_size, input_size), ``weight_hh_l0`` (gates * hidden_size,
        hidden_size), ``bias_ih_l0`` and ``bias_hh_l0`` (gates * hidden_size,), then ``..._l1``, ...;
        ``..._reverse`` for the second direction. The arrays are views: change them in place, or assign.

    Raises
    ------
    ValueError, TypeError
        If a parameter is invalid; the message names it, its rule and the value.

    Examples
    --------
    >>> import numpy as np
    >>> from seqcast import Recurrent
    >>> layer = Recurrent("lstm", input_size=3, hidden_size=8, random_state=0)
    >>> x = np.zeros((2, 5, 3))
    >>> output, (h_n, c_n) = layer.forward(x)
    >>> output.shape, h_n.shape
    ((2, 5, 8), (1, 2, 8))
    >>> grad_x, grads = layer.backward(np.ones_like(output))
    >>> grads["weight_hh_l0"].shape
    (32, 8)
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        n_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        dtype: str = "float32",
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.cell = cell
        self.input_size = _check_size("input_size", input_size)
        self.hidden_size = _check_size("hidden_size", hidden_size)
        self.n_layers = _check_size("n_layers", n_layers)
        self.bidirectional, self.dropout = bool(bidirectional), _check_dropout(dropout, n_layers)
        self.dtype, self.device = _check_dtype(dtype), device
        architecture = compose(
            find_cell(cell, "Recurrent"),
            self.input_size,
            self.hidden_size,
            self.n_layers,
            self.bidirectional,
        )
        self._rng = check_random_state(random_state)
        self._network = make_network(architecture, self.dtype, find_device(device, "Recurrent"))
        self._network.initialize(self._rng)
        self._last: LayerPass | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the last pass, which is a thousand times the size of the weights."""
        return vars(self) | {"_last": None}

    @property
    def weights(self) -> Weights:
        """Named views into the parameters."""
        return Weights(self._network.weights)

    @weights.setter
    def weights(self, weights: Mapping) -> None:
        if missing := set(self.weights) - set(weights):
            raise ValueError(
                f"All weights must be given at once; {sorted(missing)} are missing. Set single ones by name."
            )
        self.weights.update(weights)

    def forward(
        self,
        x: ArrayLike,
        state: States | None = None,
        lengths: ArrayLike | None = None,
        training: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | tuple[np.ndarray, ...]]:
        """Run the layers over a batch.

        Parameters
        ----------
        x : array-like, shape (batch, time, input_size)
            Input sequences.
        state : array-like or tuple of array-like, optional
            Initial states, zero if None: ``h_0`` of shape (n_layers * directions, batch, hidden_size), or
            ``(h_0, c_0)`` for cells with two states.
        lengths : array-like of int, shape (batch,), optional
            Number of steps of each sequence, 0 to time. Later steps are not read.
        training : bool, default=False
            Whether dropout acts. `backward` works after either, but is faster after ``training=True``, which
            keeps the activations.

        Returns
        -------
        output : ndarray, shape (batch, time, directions * hidden_size)
            States of the top layer after each step; zero after the end of a sequence.
        state : ndarray or tuple of ndarray
            States after the last step of each sequence, in the form of the argument.

        Raises
        ------
        ValueError
            If a shape or a length does not fit, or `x` holds NaN or infinite values.
        """
        shape = self._check_batch(x)
        rows = _check_lengths(lengths, shape)
        steps = self._check_steps(x, "x", shape, rows)
        states = self._check_state(state, shape[0], "state")
        seed = self._rng.randint(2**32, dtype=np.uint32) if training and self.dropout else np.uint32(0)
        self._last = make_pass(self._network, steps, rows, states, self.dropout if training else 0.0, seed)
        output, states = self._last.forward(keep=training)
        return output, states[0] if len(states) == 1 else tuple(states)

    def backward(
        self, grad_output: ArrayLike | None, grad_state: States | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Backpropagate through the last `forward`.

        Parameters
        ----------
        grad_output : array-like, shape (batch, time, directions * hidden_size)
            Gradient of the loss with respect to the output, zero if None. It is not read after the end of a
            sequence.
        grad_state : array-like or tuple of array-like, optional
            Gradient of the loss with respect to the final states, in their form; zero if None.

        Returns
        -------
        grad_x : ndarray, shape (batch, time, input_size)
            Gradient of the loss with respect to `x`.
        grads : dict of ndarray
            Gradient of the loss with respect to each weight by its name, and to the initial states as ``h_0``
            (and ``c_0``).

        Raises
        ------
        RuntimeError
            If `forward` has not been called.
        ValueError
            If a shape does not fit.
        """
        if self._last is None:
            raise RuntimeError("Recurrent.backward needs a call of forward before it.")
        last, n_rows = self._last, len(self._last.x)
        shape = (*last.x.shape[:2], self._network.architecture.stack.output_size)
        if grad_output is None:
            d_output = np.zeros(shape, self.dtype)
        else:
            d_output = self._check_steps(grad_output, "grad_output", shape, last.lengths)
        states = self._check_state(grad_state, n_rows, "grad_state")
        grad_x, grads = last.backward(d_output, states)
        return grad_x, grads | dict(zip(self._initial_names(), states, strict=True))

    def _check_batch(self, x: ArrayLike) -> tuple[int, ...]:
        shape = np.shape(x)
        if len(shape) != 3 or shape[2] != self.input_size or 0 in shape:
            raise ValueError(
                f"The 'x' parameter of Recurrent.forward must have shape (batch, time, {self.input_size}), "
                f"none of them 0. Got {shape} instead."
            )
        return shape

    def _check_steps(
        self, steps: ArrayLike, name: str, shape: tuple[int, ...], lengths: np.ndarray
    ) -> np.ndarray:
        """Return a copy with zeros after the end of each sequence; `backward` may need it later."""
        with np.errstate(over="ignore"):  # an overflow is infinite, and refused below
            array = np.array(to_host(steps), self.dtype, order="C")
        if array.shape == shape and lengths.min() < shape[1]:
            array[np.arange(shape[1]) >= lengths[:, None]] = 0
        return self._check_array(array, name, shape)

    def _check_array(self, array: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if array.shape != shape:
            raise ValueError(
                f"The '{name}' parameter of Recurrent must have shape {shape}. Got {array.shape} instead."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"The '{name}' parameter of Recurrent must hold finite values only. Got NaN or infinity."
            )
        return array

    def _check_state(self, state: Any, n_rows: int, name: str) -> np.ndarray:
        """Return a copy of states, shape (n_states, n_layers * directions, batch, hidden_size)."""
        names = self._initial_names()
        shape = (self._network.architecture.stack.n_unrolls, n_rows, self.hidden_size)
        if state is None:
            return np.zeros((len(names), *shape), self.dtype)
        parts = (state,) if len(names) == 1 else state
        several = isinstance(parts, tuple | list)
        if not several or len(parts) != len(names):
            raise ValueError(
                f"The '{name}' parameter of Recurrent must be a tuple of {len(names)} arrays for the "
                f"{self.cell!r} cell. Got {len(parts) if several else type(parts).__name__} instead."
            )
        with np.errstate(over="ignore"):
            arrays = [np.ascontiguousarray(to_host(part), self.dtype) for part in parts]
        return np.stack([self._check_array(array, name, shape) for array in arrays])

    def _initial_names(self) -> list[str]:
        return [f"{name}_0" for name in self._network.architecture.stack.cell.states]

    def __repr__(self) -> str:
        return (
            f"Recurrent({self.cell!r}, input_size={self.input_size}, hidden_size={self.hidden_size}, "
            f"n_layers={self.n_layers}, bidirectional={self.bidirectional}, dropout={self.dropout}, "
            f"dtype={self.dtype.name!r}, device={self.device!r})"
        )


def _check_size(name: str, value: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The '{name}' parameter of Recurrent must be an int of at least 1. Got {value!r} instead."
        )
    return int(value)


def _check_dropout(dropout: float, n_layers: int) -> float:
    if not isinstance(dropout, Real) or not 0 <= dropout < 1:
        raise ValueError(f"The 'dropout' parameter of Recurrent must be in [0, 1). Got {dropout!r} instead.")
    if dropout and n_layers == 1:
        raise ValueError(
            "The 'dropout' parameter of Recurrent acts between layers, so it needs n_layers of at least 2."
        )
    return float(dropout)


def _check_dtype(dtype: str) -> np.dtype:
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ValueError(
            f"The 'dtype' parameter of Recurrent must be 'float32' or 'float64'. Got {dtype!r} instead."
        )
    return np.dtype(dtype)


def _check_lengths(lengths: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    n_rows, n_steps, _ = shape
    if lengths is None:
        return np.full(n_rows, n_steps, np.int64)
    rows = to_host(lengths)
    counts = rows.shape == (n_rows,) and rows.dtype.kind in "iu"
    if not counts or rows.min() < 0 or rows.max() > n_steps:
        raise ValueError(
            f"The 'lengths' parameter of Recurrent.forward must be {n_rows} integers between 0 and "
            f"{n_steps}. Got {rows!r} instead."
        )
    return rows.astype(np.int64)
