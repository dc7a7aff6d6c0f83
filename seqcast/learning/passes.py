"""The layers by themselves: one pass over a batch, and the way back through it."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..kernels.parallel import thread_count
from ..kernels.workspace import Window, Workspace
from .network import Network, row_table


class LayerPass(ABC):
    """One pass: what it reads, and what it keeps for the way back.

    Parameters
    ----------
    network : Network
        Without a head. Its weights are taken as they are now.
    x : ndarray, shape (B, T, F)
    lengths : ndarray of int, shape (B,)
    states : ndarray, shape (n_states, walks, B, H)
        Initial ones.
    dropout : float
    seed : numpy.uint32
        Of the masks.
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
        self.network, self.x, self.lengths, self.states = network, x, lengths, states
        self.dropout, self.seed = dropout, seed
        n_rows, n_steps, n_inputs = x.shape
        self.window, self.is_ragged = Window(n_steps, n_inputs), lengths.min() < n_steps
        rows = row_table(np.arange(n_rows) * n_steps, lengths, np.zeros(n_rows, np.int64))
        self.rows = rows[np.argsort(-lengths, kind="stable")]  # the kernels want the longest first

    @abstractmethod
    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        """Outputs (B, T, D * H), zero past a row's end, and final states, like the initial ones.

        keep: what `backward` needs; it runs again without.
        """

    @abstractmethod
    def backward(
        self, d_output: np.ndarray, d_states: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Gradients of x and of each weight by its name; those of final states become those of initial
        ones."""

    def _empty_output(self) -> np.ndarray:
        """Zero where nothing will be written."""
        n_rows, n_steps, _ = self.x.shape
        make = np.zeros if self.is_ragged else np.empty
        return make((n_rows, n_steps, self.network.architecture.output_size), self.x.dtype)


def make_pass(network: Network, *arguments: Any) -> LayerPass:
    """One that runs where the network is; arguments as of `LayerPass`."""
    if network.ordinal is None:
        return CpuPass(network, *arguments)
    from .cuda import CudaNetwork, CudaPass  # which import numba.cuda

    assert isinstance(network, CudaNetwork)
    return CudaPass(network, *arguments)


class CpuPass(LayerPass):
    def __init__(self, network: Network, *arguments: Any) -> None:
        super().__init__(network, *arguments)
        self._packed = network.packed()
        self._space: Workspace | None = None
        self._work: np.ndarray | None = None

    def forward(self, keep: bool) -> tuple[np.ndarray, np.ndarray]:
        network, n_rows = self.network, len(self.x)
        chunk = self.window.n_steps if keep else network.carry_steps(self.window)
        space = network.space(self.window, n_rows, chunk=chunk, keep=keep, outputs=True, d_input=keep)
        space = space.with_dropout(self.seed, self.dropout) if self.dropout else space
        output, states = self._empty_output(), self.states.copy()
        work, none = network.take_work(space, None if keep else thread_count(None)), self._no_shares()
        inputs = self._packed, self.x.ravel(), output.ravel(), states.ravel()
        network.run("forward", space, (self.rows, *inputs, work, none, _NO_SUMS), thread_count(None))
        if keep:
            self._space, self._work = space, work
        else:
            network.leave_work(work)
        return output, states

    def backward(
        self, d_output: np.ndarray, d_states: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if self._work is None:
            self.forward(keep=True)
        assert self._space is not None  # kept by the line above
        network, d_x = self.network, np.zeros_like(self.x)
        shares = np.empty((self._space.n_shards, network.layout.n_gradients), network.dtype)
        gradients = self._packed, d_output.ravel(), d_x.ravel(), d_states.ravel()
        arrays = self.rows, *gradients, self._work, shares, _NO_SUMS
        network.run("backward", self._space, arrays, thread_count(None))
        return d_x, network.gradient(shares)

    def _no_shares(self) -> np.ndarray:
        return np.empty((0, 0), self.network.dtype)


_NO_SUMS = np.empty((0, 0, 0))
