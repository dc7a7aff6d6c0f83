"""What the estimators share: parameters of network and training, and the one fit."""

import copy
import time
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..cells import find_cell
from ..kernels.architecture import Architecture, compose
from ..kernels.cuda.devices import find_device
from ..kernels.losses import POINT_LOSSES
from ..kernels.optimizers import OPTIMIZERS
from ..kernels.parallel import thread_count
from ..learning.devices import to_device
from ..learning.history import EpochReport, TrainingHistory
from ..learning.network import Network
from ..learning.options import TrainingOptions
from ..learning.progress import progress
from ..learning.samples import SampleIndex, SampleSource
from ..learning.trainer import OptimizerState
from ..learning.training import fit_network, train_epoch
from .callbacks import CallbackSupport, callbacks
from .tooltips import ToolTips

# Products of one pass over the rows, forward: from here on, device="auto" takes a GPU. An epoch then takes
# about two seconds on two cores, and the first fit on a GPU compiles for ten. No GPU was at hand to find the
# true border.
AUTO_PRODUCTS = 5e10
AUTO_FULL_BATCH = 256  # up to so many rows, batch_size="auto" is all of them
AUTO_BATCH = 128  # half the updates of 64 in two thirds of the time, and no worse on the shipped weather


POINT_LOSS = {"loss": [StrOptions(set(POINT_LOSSES))]}  # the constraint of estimators of numbers


def _nothing(network: Network) -> dict[str, Any]:
    return {}


class NetworkEstimator(ToolTips, CallbackSupport, BaseEstimator):
    """Base of the estimators that train a recurrent network with a linear head."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "cell": [str],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_samples": [None, Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
        "bptt_steps": [None, Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
        "device": [str],
        "n_jobs": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _fit_network(
        self,
        windows: SampleSource,
        n_outputs: int,
        train_rows: SampleIndex,
        validation_rows: SampleIndex | None,
        scales: np.ndarray,
        data: dict[str, Any],
        decide: Callable[[Network], dict[str, Any]] = _nothing,
        rng: np.random.RandomState | None = None,
    ) -> None:
        """Train a network (the last fit's under ``warm_start``), and keep it and its history.

        scales: the targets' deviations. data: what callbacks are to see, as the user gave it.
        """
        rng = check_random_state(self.random_state) if rng is None else rng
        network, state = self._starting_point(windows.window.input_size, n_outputs, rng)
        network = to_device(network, self._ordinal(network, windows, train_rows))
        with callbacks(self, self.max_iter, data, partial(self._as_of, network, state, rng, decide)) as tell:
            with progress(self.verbose, self.max_iter) as show:
                history = fit_network(
                    network,
                    windows,
                    train_rows,
                    validation_rows,
                    self._training_options(train_rows),
                    rng=rng,
                    units=_units(scales),
                    state=state,
                    report=lambda epoch: show(epoch) or tell(epoch),
                )
            self._keep(network, state, rng, history, decide)

    def _keep(
        self,
        network: Network,
        state: OptimizerState,
        rng: np.random.RandomState,
        history: TrainingHistory,
        decide: Callable[[Network], dict[str, Any]] = _nothing,
    ) -> None:
        if not history.best_epoch:
            raise KeyboardInterrupt(
                "fit was interrupted before its first epoch had ended; nothing was learned"
            )
        self.__dict__ |= self._learned(network, history) | decide(network)
        self._optimizer_state, self._rng = state, rng
        if history.interrupted:
            raise KeyboardInterrupt(
                "fit was interrupted; the best weights so far are kept, and the estimator is usable"
            )

    def _learned(self, network: Network, history: TrainingHistory) -> dict[str, Any]:
        """The attributes that a fit learns by training."""
        return {
            "_network": network,
            "device_": "cpu" if network.ordinal is None else f"cuda:{network.ordinal}",
            "n_iter_": len(history.loss),
            "best_iter_": history.best_epoch,
            "loss_curve_": history.loss,
            "validation_loss_curve_": history.validation_loss if self.early_stopping else None,
        }

    def _as_of(
        self,
        network: Network,
        state: OptimizerState,
        rng: np.random.RandomState,
        decide: Callable[[Network], dict[str, Any]],
        epoch: EpochReport,
    ) -> dict[str, Any]:
        """The attributes of an estimator whose fit had ended with this epoch."""
        weights, history = epoch.kept()
        kept, state, rng = copy.deepcopy((network, state, rng))
        kept.flat[:] = weights
        return self._learned(kept, history) | {"_optimizer_state": state, "_rng": rng} | decide(kept)

    def _fit_epoch(
        self,
        windows: SampleSource,
        n_outputs: int,
        rows: SampleIndex,
        scales: np.ndarray,
        data: dict[str, Any],
    ) -> None:
        """One pass over `rows`, from where the last fit, or pass, ended."""
        if hasattr(self, "_network"):
            self._check_architecture("partial_fit", windows.window.input_size, n_outputs)
            network, state, rng = copy.deepcopy((self._network, self._optimizer_state, self._rng))
        else:
            rng = check_random_state(self.random_state)
            network, state = self._new_network(windows.window.input_size, n_outputs, rng)
        network = to_device(network, self._ordinal(network, windows, rows))
        options, started = self._training_options(rows), time.perf_counter()
        with callbacks(self, 1, data, lambda epoch: {}) as tell:
            loss = train_epoch(network, windows, rows, options, rng=rng, units=_units(scales), state=state)
            history = TrainingHistory([*getattr(self, "loss_curve_", []), loss])
            history.best_epoch = len(history.loss)
            self._keep(network, state, rng, history)
            self.validation_loss_curve_ = None
            tell(
                EpochReport(
                    1, 1, loss, None, time.perf_counter() - started, True, lambda: (network.flat, history)
                )
            )

    def _starting_point(
        self, input_size: int, n_outputs: int, rng: np.random.RandomState
    ) -> tuple[Network, OptimizerState]:
        if not (self.warm_start and hasattr(self, "_network")):
            return self._new_network(input_size, n_outputs, rng)
        self._check_architecture("fit with warm_start=True", input_size, n_outputs)
        return copy.deepcopy((self._network, self._optimizer_state))  # a failed fit leaves these alone

    def _check_architecture(self, method: str, input_size: int, n_outputs: int) -> None:
        """That the network can go on from its last weights."""
        architecture, dtype = self._architecture(input_size, n_outputs), np.dtype(self.dtype)
        if (self._network.architecture, self._network.dtype) != (architecture, dtype):
            raise ValueError(
                f"{type(self).__name__}.{method} goes on from the weights of the last fit, so cell, sizes, "
                f"dtype and the shapes of the data must stay as they were. Call fit with warm_start=False to "
                f"start anew."
            )

    def _new_network(
        self, input_size: int, n_outputs: int, rng: np.random.RandomState
    ) -> tuple[Network, OptimizerState]:
        network = Network(self._architecture(input_size, n_outputs), self.dtype)
        network.initialize(rng)
        return network, OptimizerState(network)

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.device != "auto":  # which is asked for once it is known whether there is much to do
            find_device(self.device, type(self).__name__)

    def _ordinal(self, network: Network, windows: SampleSource, rows: SampleIndex) -> int | None:
        """The GPU to train on; "auto" takes the CPU for little work."""
        n = self._n_drawn(rows) * windows.window.n_steps * network.architecture.n_parameters
        if self.device == "auto" and n < AUTO_PRODUCTS:
            return None
        return find_device(self.device, type(self).__name__)

    def _architecture(self, input_size: int, n_outputs: int) -> Architecture:
        cell = find_cell(self.cell, type(self).__name__)
        self._check_truncation()
        return compose(cell, input_size, self.hidden_size, self.n_layers, self.bidirectional, n_outputs)

    def _check_truncation(self) -> None:
        if self.bptt_steps is not None and self.bidirectional:
            raise ValueError(
                f"The 'bptt_steps' parameter of {type(self).__name__} must be None with bidirectional=True, "
                f"since the second "
                f"direction begins at the end of the window and has no state to carry. Got {self.bptt_steps} "
                f"instead."
            )

    @property
    def _loss(self) -> str:
        """One of the kernels' losses."""
        return self.loss

    @property
    def _ema(self) -> float | None:
        """Decay of the moving average of weights, None for the weights themselves."""
        return None

    def _batch_rows(self, n_rows: int) -> int:
        """Rows of one update out of `n_rows`."""
        if self.batch_size == "auto":
            return n_rows if n_rows <= AUTO_FULL_BATCH else AUTO_BATCH
        return min(self.batch_size, n_rows)

    def _n_drawn(self, rows: SampleIndex) -> int:
        """How many of the rows one epoch sees."""
        return min(len(rows), self.max_samples or len(rows))

    def _training_options(self, rows: SampleIndex) -> TrainingOptions:
        n_drawn = self._n_drawn(rows)
        return TrainingOptions(
            loss=self._loss,
            optimizer=self.optimizer,
            learning_rate_init=self.learning_rate_init,
            momentum=self.momentum,
            batch_size=self._batch_rows(n_drawn),
            max_samples=n_drawn,
            max_iter=self.max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            alpha=self.alpha,
            clip_norm=self.clip_norm,
            dropout=self.dropout,
            bptt_steps=self.bptt_steps,
            ema=self._ema,
            n_threads=thread_count(self.n_jobs),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """Copies of the fitted weights by PyTorch's names, with ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        return {name: weight.copy() for name, weight in self._network.weights.items()}


def _units(scales: np.ndarray) -> np.ndarray:
    """What losses are reported in: the unit of a single target; degrees and millibars do not add up."""
    return scales if len(scales) == 1 else np.ones_like(scales)
