"""Forward and backward passes of a batch through layers without a readout."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..kernels.batch_plan import BatchPlan, Window
from ..kernels.samples import sample_table
from .network import Network


class LayerPass(ABC):
    """A forward pass, and the arrays that it keeps for the backward pass.

    Parameters
    ----------
    network : Network
        A network without a readout. The pass uses the weights that it has now.
    x : ndarray, shape (B, T, F)
    lengths : ndarray of int, shape (B,)
    states : ndarray, shape (n_states, n_unrolls, B, H)
        Initial states.
    dropout : float
    seed : numpy.uint32
        Seed of the dropout masks.
    """

    def __init__(
        self,
        network: Network,
        x: np.ndarray,
        lengths: np.ndarray,
        states: np.ndarray,
        dropout: float,
        seed: np.uint32,
    ) -> None:
        self.network = network
        self.x = x
        self.lengths = lengths
        self.states = states
        self.dropout = dropout
        self.seed = seed
        n_samples, n_steps, n_inputs = x.shape
        self.window = Window(n_steps, n_inputs)
        self.is_ragged = lengths.min() < n_steps
        starts = np.arange(n_samples) * n_steps
        self.samples = sample_table(starts, lengths, np.zeros(n_samples, np.int64))
        if self.is_ragged:
            # The kernels need the longest samples first.
            self.samples = self.samples[np.argsort(-lengths, kind="stable")]

    @abstractmethod
    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Compute outputs (B, T, D * H), zero after a sample's end, and final states.

        keep: whether to keep what `backward` needs; otherwise `backward` runs the forward pass again.
        """

    @abstractmethod
    def backward(
        self, d_output: np.ndarray, d_states: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Compute the gradients of x and of each weight by its name.

        d_states: gradient of the final states (IN) and of the initial states (OUT).
        """

    def _empty_output(self) -> np.ndarray:
        """Return an array for the outputs, zero where nothing will be written."""
        n_samples, n_steps, _ = self.x.shape
        make = np.zeros if self.is_ragged else np.empty
        return make((n_samples, n_steps, self.network.architecture.stack.output_size), self.x.dtype)


class CpuPass(LayerPass):
    """A pass on the CPU."""

    def __init__(self, network: Network, *arguments: Any) -> None:
        super().__init__(network, *arguments)
        self._packed = network.packed()
        self._plan: BatchPlan | None = None
        self._workspaces: np.ndarray | None = None

    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        network, n_samples = self.network, len(self.x)
        chunk = self.window.n_steps if keep else network.carry_steps(self.window)
        plan = network.plan(self.window, n_samples, chunk=chunk, keep=keep, outputs=True, d_input=keep)
        plan = plan.with_dropout(self.seed, self.dropout) if self.dropout else plan
        output, states = self._empty_output(), self.states.copy()
        arrays = {"samples": self.samples, "weights": self._packed, "values": self.x}
        if keep:
            self._plan, self._workspaces = plan, plan.allocate(network.dtype)
            arrays["workspaces"] = self._workspaces
        network.run("forward", plan, None, outputs=output, states=states, **arrays)
        return output, states

    def backward(
        self, d_output: np.ndarray, d_states: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if self._workspaces is None:
            self.forward(keep=True)
        # `forward` has set both.
        assert self._plan is not None
        assert self._workspaces is not None
        network, d_x = self.network, np.zeros_like(self.x)
        gradients = np.empty((self._plan.n_shards, network.layout.n_gradients), network.dtype)
        network.run(
            "backward",
            self._plan,
            None,
            samples=self.samples,
            weights=self._packed,
            d_outputs=d_output,
            d_values=d_x,
            d_states=d_states,
            workspaces=self._workspaces,
            gradients=gradients,
        )
        return d_x, network.gradient(gradients)
