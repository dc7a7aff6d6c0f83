"""What the estimators share: parameters of network and training, and the one fit."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..cells import find_cell
from ..kernels.head import LOSSES
from ..kernels.layout import Architecture
from ..kernels.optimizers import OPTIMIZERS
from ..kernels.parallel import thread_count
from ..learning.network import Network, Rows, Windows
from ..learning.progress import progress
from ..learning.training import History, OptimizerState, TrainingOptions, fit_network

AUTO_FULL_BATCH = 256  # up to so many rows, batch_size="auto" is all of them
AUTO_BATCH = 128  # half the updates of 64 in two thirds of the time, and no worse on the shipped weather


class NetworkEstimator(BaseEstimator):
    """Base of the estimators that train a recurrent network with a linear head on its last state."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "cell": [str],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "loss": [StrOptions(set(LOSSES))],
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
        "device": [StrOptions({"cpu"})],
        "n_jobs": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @contextmanager
    def _last_fit_kept_on_error(self) -> Iterator[None]:
        """Undo everything unless a network was fitted.

        Half of this fit beside half of the last would forecast nonsense.
        """
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            if self.__dict__.get("_network") is before.get("_network"):
                self.__dict__ = before
            raise

    def _fit_network(
        self,
        windows: Windows,
        n_outputs: int,
        train_rows: Rows,
        validation_rows: Rows | None,
        scales: np.ndarray,
    ) -> None:
        """Train a network (the last fit's under ``warm_start``), and keep it and its history.

        scales: the targets' deviations.
        """
        rng = check_random_state(self.random_state)
        network, state = self._starting_point(windows.window.input_size, n_outputs, rng)
        n_rows = min(len(train_rows), self.max_samples or len(train_rows))
        units = scales if len(scales) == 1 else np.ones_like(scales)  # degrees and millibars do not add up
        with progress(self.verbose, self.max_iter) as report:
            history = fit_network(
                network,
                windows,
                train_rows,
                validation_rows,
                self._training_options(n_rows),
                rng=rng,
                units=units,
                state=state,
                report=report,
            )
        if not history.best_epoch:
            raise KeyboardInterrupt(
                "fit was interrupted before its first epoch had ended; nothing was learned"
            )
        self._network, self._optimizer_state = network, state
        self._keep_history(history)
        if history.interrupted:
            raise KeyboardInterrupt(
                "fit was interrupted; the best weights so far are kept, and the estimator is usable"
            )

    def _starting_point(
        self, input_size: int, n_outputs: int, rng: np.random.RandomState
    ) -> tuple[Network, OptimizerState]:
        cell = find_cell(self.cell, type(self).__name__)
        self._check_truncation()
        architecture = Architecture(
            cell, input_size, self.hidden_size, self.n_layers, self.bidirectional, n_outputs
        )
        if self.warm_start and hasattr(self, "_network"):
            if (self._network.architecture, self._network.dtype) != (architecture, np.dtype(self.dtype)):
                raise ValueError(
                    f"With warm_start=True, {type(self).__name__}.fit goes on from the weights of the last "
                    f"fit, so cell, "
                    f"sizes, dtype and the shapes of the data must stay as they were. Set warm_start=False "
                    f"to start anew."
                )
            return copy.deepcopy((self._network, self._optimizer_state))  # a failed fit leaves these alone
        network = Network(architecture, self.dtype)
        network.initialize(rng)
        return network, OptimizerState(network)

    def _check_truncation(self) -> None:
        if self.bptt_steps is not None and self.bidirectional:
            raise ValueError(
                f"The 'bptt_steps' parameter of {type(self).__name__} must be None with bidirectional=True, "
                f"since the second "
                f"direction begins at the end of the window and has no state to carry. Got {self.bptt_steps} "
                f"instead."
            )

    def _batch_rows(self, n_rows: int) -> int:
        """Rows of one update out of `n_rows`."""
        if self.batch_size == "auto":
            return n_rows if n_rows <= AUTO_FULL_BATCH else AUTO_BATCH
        return min(self.batch_size, n_rows)

    def _training_options(self, n_rows: int) -> TrainingOptions:
        return TrainingOptions(
            loss=self.loss,
            optimizer=self.optimizer,
            learning_rate_init=self.learning_rate_init,
            momentum=self.momentum,
            batch_size=self._batch_rows(n_rows),
            max_samples=self.max_samples,
            max_iter=self.max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            alpha=self.alpha,
            clip_norm=self.clip_norm,
            dropout=self.dropout,
            bptt_steps=self.bptt_steps,
            n_threads=thread_count(self.n_jobs),
        )

    def _keep_history(self, history: History) -> None:
        self.n_iter_, self.best_iter_ = len(history.loss), history.best_epoch
        self.loss_curve_ = history.loss
        self.validation_loss_curve_ = history.validation_loss if self.early_stopping else None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """Copies of the fitted weights by PyTorch's names, with ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        return {name: weight.copy() for name, weight in self._network.weights.items()}
