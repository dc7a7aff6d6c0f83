"""The training loop, with early stopping on samples that are later in time.

`fit_network` runs epochs of a trainer, and keeps the best weights; `train_epoch` runs one epoch.
"""

import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..exceptions import TrainingDivergedError
from ..stacklevel import find_stacklevel
from .devices import make_trainer
from .history import EpochReport, TrainingHistory
from .losses import in_units
from .network import Network
from .options import TrainingOptions
from .samples import AnySamples, SampleSource
from .trainer import OptimizerState, Trainer

DIVERGENCE_HINT = "Lower learning_rate_init or clip_norm, or look for extreme values in the data."


def fit_network(
    network: Network,
    source: SampleSource,
    train_samples: AnySamples,
    validation_samples: AnySamples | None,
    options: TrainingOptions,
    *,
    rng: np.random.RandomState,
    units: np.ndarray,
    state: OptimizerState | None = None,
    report: Callable[[EpochReport], bool] | None = None,
) -> TrainingHistory:
    """Train `network` in place and leave the best weights in it.

    Parameters
    ----------
    network : Network
    source : SampleSource
        The arrays that samples are cut from.
    train_samples, validation_samples : SampleIndex, or a table of samples
        With validation samples, training stops when their loss no longer falls, and the weights of the best
        epoch are restored. Without them, it stops when the training loss no longer falls.
    options : TrainingOptions
    rng : RandomState
        Order of the samples, and dropout masks.
    units : ndarray, shape (n_targets,)
        Size of one unit of each target in the caller's units; scales the reported losses.
    state : OptimizerState, optional
        The state from which training goes on.
    report : callable, optional
        Called with an `EpochReport` after each epoch. The fit ends if it returns True.

    Raises
    ------
    TrainingDivergedError
        If no epoch gave a finite loss.
    """
    trainer = make_trainer(network, source, options, rng, state or OptimizerState(network))
    return _Fit(trainer, train_samples, validation_samples, units, report).run()


def train_epoch(
    network: Network,
    source: SampleSource,
    samples: AnySamples,
    options: TrainingOptions,
    *,
    rng: np.random.RandomState,
    units: np.ndarray,
    state: OptimizerState,
) -> float:
    """Train `network` in place once on all samples; return the loss, in units, as `fit_network` does.

    Raises
    ------
    TrainingDivergedError
        If the loss or the weights became infinite.
    """
    losses = make_trainer(network, source, options, rng, state).run_epoch(samples)
    if not np.isfinite(losses).all() or not np.isfinite(network.flat).all():
        raise TrainingDivergedError(f"Training diverged in this pass over the rows. {DIVERGENCE_HINT}")
    return in_units(losses, units, options.loss)


class _Fit:
    """The epochs of one fit, with early stopping and the best weights."""

    def __init__(
        self,
        trainer: Trainer,
        train_samples: AnySamples,
        validation_samples: AnySamples | None,
        units: np.ndarray,
        report: Callable[[EpochReport], bool] | None,
    ) -> None:
        self.trainer = trainer
        self.options = trainer.options
        self.network = trainer.network
        self.train_samples = train_samples
        self.validation_samples = validation_samples
        self.units = units
        self.report = report
        self.history = TrainingHistory()
        self.best = _BestWeights(self.network.flat)
        self.initial = self.network.flat.copy()
        self.started = time.perf_counter()

    def run(self) -> TrainingHistory:
        """Train until nothing improves or Ctrl-C is pressed, and leave the best weights in the network."""
        try:
            if not self._run_epochs():
                self._recover()
            elif self.validation_samples is None:
                self.network.flat[:] = self.trainer.evaluated.flat
            else:
                self._keep_best()
        except KeyboardInterrupt:
            self.history.interrupted = True
            self._keep_best()
        return self.history

    def _run_epochs(self) -> bool:
        """Run epochs until nothing improves; return False if the loss or the weights became infinite."""
        for number in range(1, self.options.max_iter + 1):
            losses = self._run_epoch()
            if not np.isfinite(losses).all() or not np.isfinite(self.network.flat).all():
                return False
            self.history.best_epoch = number
            self.best.update(losses.mean(), self.trainer.evaluated.flat, number, self.options.tol)
            settled = self.best.stale >= self.options.n_iter_no_change
            if self._tell(number, settled or number == self.options.max_iter) or settled:
                return True
        _warn_unfinished(self.options)
        return True

    def _run_epoch(self) -> np.ndarray:
        """Run one epoch; return the losses that decide on early stopping, shape (n_targets,).

        These are the validation losses, if there are any. Training losses that are not finite are returned
        instead, because the validation samples of a network that diverges may have no observed targets.
        """
        train = self.trainer.run_epoch(self.train_samples)
        self.history.loss.append(in_units(train, self.units, self.options.loss))
        if self.validation_samples is None:
            return train
        validation = self.trainer.losses(self.validation_samples)
        self.history.validation_loss.append(in_units(validation, self.units, self.options.loss))
        return validation if np.isfinite(train).all() else train

    def _tell(self, number: int, last: bool) -> bool:
        """Report the epoch; return whether the fit ends after it."""
        if self.report is None:
            return False
        seconds, history = time.perf_counter() - self.started, self.history
        validation = history.validation_loss[-1] if history.validation_loss else None
        return self.report(
            EpochReport(
                number, self.options.max_iter, history.loss[-1], validation, seconds, last, self._kept_now
            )
        )

    def _kept_now(self) -> tuple[np.ndarray, TrainingHistory]:
        history = copy.deepcopy(self.history)
        if self.validation_samples is None:
            return self.trainer.evaluated.flat.copy(), history
        return self.best.flat.copy(), replace(history, best_epoch=self.best.number)

    def _keep_best(self) -> None:
        self.network.flat[:] = self.best.flat
        self.history.best_epoch = self.best.number

    def _recover(self) -> None:
        """Restore the best weights after divergence, or the initial ones if the best ones are useless."""
        number = len(self.history.loss)
        self._keep_best()
        # The loss of an epoch does not include its last update, so the forecasts are checked.
        if self.best.number and self.trainer.forecasts_are_finite(self.train_samples):
            _warn_diverged(number, self.best.number)
            return
        self.network.flat[:] = self.initial
        raise TrainingDivergedError(
            f"Training diverged in epoch {number}, before any epoch had a finite loss. {DIVERGENCE_HINT}"
        )


class _BestWeights:
    """The best weights so far, and the number of epochs without an improvement by `tol` since then."""

    def __init__(self, flat: np.ndarray) -> None:
        self.flat = flat.copy()
        self.loss = np.inf
        self.number = 0
        self.stale = 0
        self._bar = np.inf

    def update(self, loss: float, flat: np.ndarray, number: int, tol: float) -> None:
        """Compare the weights after one more epoch with the best ones."""
        if loss < self.loss:
            self.flat[:] = flat
            self.loss = loss
            self.number = number
        if loss < self._bar - tol:
            self._bar = loss
            self.stale = 0
        else:
            self.stale += 1


def _warn_diverged(number: int, kept: int) -> None:
    warnings.warn(
        f"Training diverged in epoch {number}; the weights of epoch {kept} are kept. {DIVERGENCE_HINT}",
        ConvergenceWarning,
        stacklevel=find_stacklevel(),
    )


def _warn_unfinished(options: TrainingOptions) -> None:
    warnings.warn(
        f"Stopped at max_iter={options.max_iter}, before {options.n_iter_no_change} epochs in a row had "
        f"brought no improvement. Raise max_iter if the loss still falls.",
        ConvergenceWarning,
        stacklevel=find_stacklevel(),
    )
