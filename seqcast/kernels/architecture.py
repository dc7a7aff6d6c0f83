"""The parts of a network: a stack of recurrent layers, and a readout above it.

Each part names its parameters and their shapes. An `Architecture` puts the parameters of its parts one after
the other into one flat vector, so that optimizers, clipping and files work on one array.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..cells.contract import Cell
from .distributions import parameter_count

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Stack:
    """Recurrent layers on top of each other.

    Parameters
    ----------
    cell : Cell
    input_size : int
        Inputs of the lowest layer at each step.
    hidden_size : int
        Units of each layer and direction.
    n_layers : int
    bidirectional : bool
    """

    cell: Cell
    input_size: int
    hidden_size: int
    n_layers: int = 1
    bidirectional: bool = False

    @property
    def n_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def n_unrolls(self) -> int:
        """Number of pairs of a layer and a direction, which are unrolled separately."""
        return self.n_layers * self.n_directions

    @property
    def output_size(self) -> int:
        """Outputs of the top layer at each step, both directions side by side."""
        return self.n_directions * self.hidden_size

    @property
    def n_states(self) -> int:
        return len(self.cell.states)

    def layer_input(self, layer: int) -> int:
        """Return the number of inputs of a layer."""
        return self.input_size if layer == 0 else self.output_size

    @cached_property
    def shapes(self) -> Shapes:
        """Name and shape of each parameter, in PyTorch's order and with its names."""
        hidden = self.hidden_size
        from_x = len(self.cell.gates_from("both", "split", "input", "reset", "after_reset"))
        from_h = len(self.cell.gates_from("both", "split", "state", "reset", "after_reset"))
        shapes: Shapes = {}
        for layer in range(self.n_layers):
            for suffix in ("", "_reverse")[: self.n_directions]:
                shapes[f"weight_ih_l{layer}{suffix}"] = (from_x * hidden, self.layer_input(layer))
                shapes[f"weight_hh_l{layer}{suffix}"] = (from_h * hidden, hidden)
                shapes[f"bias_ih_l{layer}{suffix}"] = (from_x * hidden,)
                shapes[f"bias_hh_l{layer}{suffix}"] = (from_h * hidden,)
        return shapes


@dataclass(frozen=True)
class Readout:
    """A linear map from states of the top layer to outputs.

    Parameters
    ----------
    n_outputs : int
        0 if there is no readout.
    pooling : {"last", "mean", "max", "none"}
        What is read: the last state of a sample, the mean or the maximum of its states, or, with "none", the
        state after each step, which gives outputs at every step.
    distribution : {"none", "quantile", "gaussian", "student_t", "negative_binomial"}
        The distribution whose parameters the outputs are; "none" if they are forecasts or logits.
    probabilities : tuple of float
        Probabilities of the quantiles, ascending, 0.5 among them.
    """

    n_outputs: int = 0
    pooling: str = "last"
    distribution: str = "none"
    probabilities: tuple[float, ...] = ()

    @property
    def n_points(self) -> int:
        """Outputs for one parameter of each distribution: steps of the horizon times targets."""
        return self.n_outputs // parameter_count(self.distribution, self.probabilities)

    @property
    def reads_every_step(self) -> bool:
        """True if there are outputs at every step."""
        return self.pooling == "none"

    def shapes(self, input_size: int) -> Shapes:
        """Return the name and shape of each parameter."""
        if not self.n_outputs:
            return {}
        return {"head_weight": (self.n_outputs, input_size), "head_bias": (self.n_outputs,)}


@dataclass(frozen=True)
class Architecture:
    """The parts of a network, and the flat vector of their parameters.

    Parameters
    ----------
    stack : Stack
    readout : Readout
        Without outputs if the network consists of recurrent layers only.
    """

    stack: Stack
    readout: Readout = Readout()

    @cached_property
    def shapes(self) -> Shapes:
        """Name and shape of each parameter in order: the stack's, then the readout's."""
        return self.stack.shapes | self.readout.shapes(self.stack.output_size)

    @cached_property
    def n_parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return each parameter by name, as a view into `flat`."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = flat[start:stop].reshape(shape)
            start = stop
        return views

    def fan_in(self, name: str) -> int:
        """Return the number that the initial range of a parameter depends on, as in PyTorch."""
        return self.stack.hidden_size if name in self.stack.shapes else self.stack.output_size

    def with_readout(self, **changes: Any) -> "Architecture":
        """Return the architecture with some parameters of its readout changed."""
        return replace(self, readout=replace(self.readout, **changes))


def compose(
    cell: Cell,
    input_size: int,
    hidden_size: int,
    n_layers: int = 1,
    bidirectional: bool = False,
    n_outputs: int = 0,
    pooling: str = "last",
    distribution: str = "none",
    probabilities: tuple[float, ...] = (),
) -> Architecture:
    """Return an architecture from the parameters of its parts."""
    stack = Stack(cell, input_size, hidden_size, n_layers, bidirectional)
    return Architecture(stack, Readout(n_outputs, pooling, distribution, probabilities))
