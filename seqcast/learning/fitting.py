"""Fits of a network with the parameters of an estimator."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from ..cells import find_cell
from ..kernels.architecture import Architecture, compose
from ..kernels.cuda.devices import find_device
from ..kernels.parallel import thread_count
from .devices import to_device
from .history import EpochReport, TrainingHistory
from .network import Network
from .options import TrainingOptions
from .samples import SampleIndex, SampleSource
from .trainer import OptimizerState
from .training import fit_network, train_epoch

# Smallest number of products of one forward pass over the samples for which device="auto" selects a GPU. Such
# an epoch takes about two seconds on two cores, and the first fit on a GPU compiles for ten seconds. This
# limit is an estimate and was not measured.
AUTO_PRODUCTS = 5e10


@dataclass(frozen=True)
class NetworkOptions:
    """Parameters of a network and of its training, with the names and meanings of the estimators.

    Attributes
    ----------
    owner : str
        Name of the estimator, for messages.
    auto_batch_size : callable
        Returns the batch size for a number of samples, if `batch_size` is "auto".
    """

    owner: str
    cell: str
    hidden_size: int
    n_layers: int
    bidirectional: bool
    dropout: float
    loss: str
    optimizer: str
    learning_rate_init: float
    momentum: float
    batch_size: int | str
    max_samples: int | None
    max_iter: int
    n_iter_no_change: int
    tol: float
    alpha: float
    clip_norm: float | None
    bptt_steps: int | None
    dtype: str
    device: str
    n_jobs: int | None
    auto_batch_size: Callable[[int], int]
    ema: float | None = None

    def batch_rows(self, n_samples: int) -> int:
        """Return the number of samples of one update, given the number of all samples."""
        if isinstance(self.batch_size, str):
            return self.auto_batch_size(n_samples)
        return min(self.batch_size, n_samples)

    def is_full_batch(self, n_samples: int) -> bool:
        """Return whether each update uses all samples, given their number."""
        sampled = self.max_samples is not None and self.max_samples < n_samples
        return not sampled and self.batch_rows(n_samples) >= n_samples

    def architecture(self, input_size: int, n_outputs: int) -> Architecture:
        """Return the architecture of a network, given its numbers of inputs at each step and of outputs."""
        cell = find_cell(self.cell, self.owner)
        if self.bptt_steps is not None and self.bidirectional:
            raise ValueError(
                f"The 'bptt_steps' parameter of {self.owner} must be None with bidirectional=True, since the "
                f"second direction begins at the end of the window and has no state to carry. Got "
                f"{self.bptt_steps} instead."
            )
        return compose(cell, input_size, self.hidden_size, self.n_layers, self.bidirectional, n_outputs)

    def training(self, n_samples: int) -> TrainingOptions:
        """Return the options of training, given the number of samples of each epoch."""
        return TrainingOptions(
            loss=self.loss,
            optimizer=self.optimizer,
            learning_rate_init=self.learning_rate_init,
            momentum=self.momentum,
            batch_size=self.batch_rows(n_samples),
            max_samples=n_samples,
            max_iter=self.max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            alpha=self.alpha,
            clip_norm=self.clip_norm,
            dropout=self.dropout,
            bptt_steps=self.bptt_steps,
            ema=self.ema,
            n_threads=thread_count(self.n_jobs),
        )

    def find_device(self, n_products: float) -> int | None:
        """Return the number of the GPU to train on, or None for the CPU.

        n_products: size of the work, see `AUTO_PRODUCTS`.
        """
        if self.device == "auto" and n_products < AUTO_PRODUCTS:
            return None
        return find_device(self.device, self.owner)


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network, and the state that further training needs.

    Attributes
    ----------
    network : Network
    optimizer_state : OptimizerState
    rng : RandomState
        Its state at the end of training.
    history : TrainingHistory
    """

    network: Network
    optimizer_state: OptimizerState
    rng: np.random.RandomState
    history: TrainingHistory

    @property
    def device(self) -> str:
        """The device of the network: "cpu", or "cuda:" and the number of a GPU."""
        return "cpu" if self.network.ordinal is None else f"cuda:{self.network.ordinal}"


@dataclass(frozen=True)
class TrainingSet:
    """The samples that a network is trained and validated on.

    Attributes
    ----------
    windows : SampleSource
    train : SampleIndex
    validation : SampleIndex or None
    units : ndarray, shape (n_targets,)
        Size of one unit of each target, in the unit that losses are reported in.
    n_drawn : int
        Number of samples of one epoch.
    """

    windows: SampleSource
    train: SampleIndex
    validation: SampleIndex | None
    units: np.ndarray
    n_drawn: int

    def n_products(self, network: Network) -> float:
        """Return the number of multiplications of one forward pass over an epoch's samples."""
        return self.n_drawn * self.windows.window.n_steps * network.architecture.n_parameters


Result = TypeVar("Result")
# A function of the largest number of epochs and of a function that returns the result of a fit that would end
# with an epoch. It returns a context manager. Within the context, a fit calls the yielded function after each
# epoch, and ends if that returns True.
Monitor: TypeAlias = Callable[
    [int, Callable[[EpochReport], Result]], AbstractContextManager[Callable[[EpochReport], bool]]
]


def new_network(
    architecture: Architecture, dtype: str, rng: np.random.RandomState
) -> tuple[Network, OptimizerState]:
    """Return a network with random weights, and the initial state of an optimizer."""
    network = Network(architecture, dtype)
    network.initialize(rng)
    return network, OptimizerState(network)


def check_same_network(fitted: FittedNetwork, architecture: Architecture, dtype: str, caller: str) -> None:
    """Check that a network can be trained further with the parameters and data of this call.

    caller : name of the method or parameter, for the message.
    """
    if (fitted.network.architecture, fitted.network.dtype) != (architecture, np.dtype(dtype)):
        raise ValueError(
            f"{caller} continues from the weights of the last fit, so cell, sizes, dtype, the shapes of the "
            f"data and whether values are missing must not change. Call fit with warm_start=False to start "
            f"anew."
        )


def fit(
    options: NetworkOptions,
    start: tuple[Network, OptimizerState],
    data: TrainingSet,
    rng: np.random.RandomState,
    monitor: Monitor[FittedNetwork],
    keep: Callable[[FittedNetwork], None],
) -> FittedNetwork:
    """Train a network until its loss no longer improves, and pass the result to `keep`.

    Parameters
    ----------
    options : NetworkOptions
    start : pair of Network and OptimizerState
        Both are modified.
    data : TrainingSet
    rng : RandomState
        Determines the order of samples and the dropout masks.
    monitor : Monitor
        Receives the report of each epoch, and may end the fit.
    keep : callable
        Called with the fitted network, also if training was interrupted.

    Returns
    -------
    FittedNetwork

    Raises
    ------
    TrainingDivergedError
        If no epoch had a finite loss.
    KeyboardInterrupt
        After Ctrl-C, when `keep` has been called with the best weights so far.
    """
    network, state = start
    network = to_device(network, options.find_device(data.n_products(network)))

    def make_result(epoch: EpochReport) -> FittedNetwork:
        weights, history = epoch.kept()
        result = FittedNetwork(*copy.deepcopy((network, state, rng)), history)
        result.network.flat[:] = weights
        return result

    with monitor(options.max_iter, make_result) as report:
        history = fit_network(
            network,
            data.windows,
            data.train,
            data.validation,
            options.training(data.n_drawn),
            rng=rng,
            units=data.units,
            state=state,
            report=report,
        )
        if not history.best_epoch:
            raise KeyboardInterrupt(
                "fit was interrupted before its first epoch had ended; nothing was learned"
            )
        fitted = FittedNetwork(network, state, rng, history)
        keep(fitted)
        if history.interrupted:
            raise KeyboardInterrupt(
                "fit was interrupted; the best weights so far are kept, and the estimator is usable"
            )
    return fitted


def fit_epoch(
    options: NetworkOptions,
    start: tuple[Network, OptimizerState],
    losses: list[float],
    data: TrainingSet,
    rng: np.random.RandomState,
    monitor: Monitor[FittedNetwork],
    keep: Callable[[FittedNetwork], None] = lambda fitted: None,
) -> FittedNetwork:
    """Train a network for one epoch, and pass the result to `keep`.

    losses : the mean losses of the epochs before. The other parameters are those of `fit`.
    """
    network, state = start
    network = to_device(network, options.find_device(data.n_products(network)))
    started = time.perf_counter()
    training = options.training(data.n_drawn)
    with monitor(1, lambda epoch: FittedNetwork(network, state, rng, epoch.kept()[1])) as report:
        loss = train_epoch(
            network, data.windows, data.train, training, rng=rng, units=data.units, state=state
        )
        history = TrainingHistory([*losses, loss], best_epoch=len(losses) + 1)
        fitted = FittedNetwork(network, state, rng, history)
        keep(fitted)
        seconds = time.perf_counter() - started
        report(EpochReport(1, 1, loss, None, seconds, True, lambda: (network.flat, history)))
    return fitted


def loss_units(scales: np.ndarray) -> np.ndarray:
    """Return the units that losses are reported in: the scale of a single target, or 1 for several targets.

    Losses of several targets are reported for the standardized targets, because the targets may have
    different units.
    """
    return scales if len(scales) == 1 else np.ones_like(scales)
