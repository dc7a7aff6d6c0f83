"""The training loop: fit_network -> run_epoch -> train_batch, with early stopping on rows that are later in
time."""

import copy
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..data.training_windows import subsample
from ..exceptions import TrainingDivergedError
from ..kernels.distributions import DISTRIBUTIONS, output_levels
from ..kernels.head import LOSSES, add_distribution_losses, add_losses
from ..kernels.optimizers import OPTIMIZERS, train_update
from ..kernels.workspace import Workspace, plan
from ..stacklevel import find_stacklevel
from .network import PREDICT_ROWS, Network, Rows, Windows


@dataclass(frozen=True)
class TrainingOptions:
    """What a fit is asked for; names and meanings are the estimators'. Where the network's architecture has a
    distribution, the loss must be its name."""

    loss: str = "squared"
    optimizer: str = "adam"
    learning_rate_init: float = 1e-3
    momentum: float = 0.9
    batch_size: int = 128
    max_samples: int | None = None
    max_iter: int = 100
    n_iter_no_change: int = 10
    tol: float = 1e-4
    alpha: float = 0.0
    clip_norm: float | None = 1.0
    dropout: float = 0.0
    bptt_steps: int | None = None
    ema: float | None = None
    n_threads: int = 1

    def settings(self, dtype: np.dtype) -> np.ndarray:
        """What `optimizers.train_update` reads: rate, momentum or beta1, beta2, eps, alpha, clip norm."""
        first = self.momentum if self.optimizer == "sgd" else 0.9
        second = 0.99 if self.optimizer == "rmsprop" else 0.999
        return np.array(
            [self.learning_rate_init, first, second, 1e-8, self.alpha, self.clip_norm or 0.0], dtype
        )


@dataclass
class History:
    """How a fit went.

    Attributes
    ----------
    loss, validation_loss : list of float
        Per epoch, each target's mean loss in its own unit (squared for the squared and Huber loss; minus the
        log of a density for distributions), averaged over targets.
    best_epoch : int
        Epoch (from 1) whose weights were kept.
    interrupted : bool
        Whether Ctrl-C ended the fit.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0
    interrupted: bool = False


@dataclass(frozen=True)
class Epoch:
    """What a fit tells after each epoch.

    Attributes
    ----------
    number, max_iter : int
    loss : float
    validation_loss : float or None
    seconds : float
        Since the fit began.
    last : bool
        Whether no other one will follow, even if nobody asks to stop.
    kept : callable
        Gives copies of the weights that the fit would leave if it stopped now, and of its history.
    """

    number: int
    max_iter: int
    loss: float
    validation_loss: float | None
    seconds: float
    last: bool
    kept: Callable[[], tuple[np.ndarray, History]]


class OptimizerState:
    """The optimiser's memory, of the size of the parameters; kept between fits under ``warm_start``."""

    def __init__(self, network: Network):
        self.moments = np.zeros((2, network.flat.size), network.dtype)
        self.n_updates = 0


def fit_network(
    network: Network,
    windows: Windows,
    train_rows: Rows | np.ndarray,
    validation_rows: Rows | np.ndarray | None,
    options: TrainingOptions,
    *,
    rng: np.random.RandomState,
    units: np.ndarray,
    state: OptimizerState | None = None,
    report: Callable[[Epoch], bool] | None = None,
) -> History:
    """Train `network` in place and leave the best weights in it.

    Parameters
    ----------
    network : Network
    windows : Windows
        What rows are cut from.
    train_rows, validation_rows : Rows, or a table of them
        With validation rows, training stops when their loss no longer falls, and the weights
        of the best epoch are restored; without, it stops when the training loss no longer falls.
    options : TrainingOptions
    rng : RandomState
        Order of the rows and dropout masks.
    units : ndarray, shape (n_targets,)
        What one unit of each target is worth in the caller's units; scales the reported losses.
    state : OptimizerState, optional
        Goes on from there.
    report : callable, optional
        Called with an `Epoch` after each; the fit ends if it returns True.

    Raises
    ------
    TrainingDivergedError
        If not one epoch gave a finite loss.
    """
    trainer = make_trainer(network, windows, options, rng, state or OptimizerState(network))
    return _Fit(trainer, train_rows, validation_rows, units, report).run()


def train_epoch(
    network: Network,
    windows: Windows,
    rows: Rows,
    options: TrainingOptions,
    *,
    rng: np.random.RandomState,
    units: np.ndarray,
    state: OptimizerState,
) -> float:
    """Train `network` in place by one pass over `rows`; returns the loss, in units, as `fit_network` does.

    Raises
    ------
    TrainingDivergedError
        If the loss or the weights became infinite.
    """
    losses = make_trainer(network, windows, options, rng, state).run_epoch(rows)
    if not np.isfinite(losses).all() or not np.isfinite(network.flat).all():
        raise TrainingDivergedError(f"Training diverged in this pass over the rows. {DIVERGENCE_HINT}")
    return in_units(losses, units, options.loss)


def make_trainer(
    network: Network,
    windows: Windows,
    options: TrainingOptions,
    rng: np.random.RandomState,
    state: OptimizerState,
) -> "Trainer":
    """One that trains where the network is."""
    if network.ordinal is None:
        return CpuTrainer(network, windows, options, rng, state)
    from .cuda import CudaNetwork, CudaTrainer  # which import numba.cuda

    assert isinstance(network, CudaNetwork)
    return CudaTrainer(network, windows, options, rng, state)


class _Fit:
    """The epochs of one fit: what is watched, what is kept, when it ends."""

    def __init__(
        self,
        trainer: "Trainer",
        train_rows: Rows | np.ndarray,
        validation_rows: Rows | np.ndarray | None,
        units: np.ndarray,
        report: Callable[[Epoch], bool] | None,
    ):
        self.trainer, self.options, self.network = trainer, trainer.options, trainer.network
        self.train_rows, self.validation_rows = train_rows, validation_rows
        self.units, self.report = units, report
        self.history, self.best = History(), _Best(self.network.flat)
        self.initial, self.started = self.network.flat.copy(), time.perf_counter()

    def run(self) -> History:
        try:
            if not self._run_epochs():
                self._recover()
            elif self.validation_rows is None:
                self.network.flat[:] = self.trainer.judged.flat
            else:
                self._keep_best()
        except KeyboardInterrupt:
            self.history.interrupted = True
            self._keep_best()
        return self.history

    def _run_epochs(self) -> bool:
        """Run epochs until nothing improves; returns False if the loss or the weights became infinite."""
        for number in range(1, self.options.max_iter + 1):
            watched = self._run_epoch()
            if not np.isfinite(watched).all() or not np.isfinite(self.network.flat).all():
                return False
            self.history.best_epoch = number
            self.best.see(watched.mean(), self.trainer.judged.flat, number, self.options.tol)
            settled = self.best.stale >= self.options.n_iter_no_change
            if self._tell(number, settled or number == self.options.max_iter) or settled:
                return True
        _warn_unfinished(self.options)
        return True

    def _run_epoch(self) -> np.ndarray:
        """One epoch; returns the losses that are watched, of each target; the training losses where they are
        infinite, since a network that diverges may still forecast rows without observed targets."""
        train = self.trainer.run_epoch(self.train_rows)
        self.history.loss.append(in_units(train, self.units, self.options.loss))
        if self.validation_rows is None:
            return train
        validation = self.trainer.losses(self.validation_rows)
        self.history.validation_loss.append(in_units(validation, self.units, self.options.loss))
        return validation if np.isfinite(train).all() else train

    def _tell(self, number: int, last: bool) -> bool:
        """Report the epoch; whether it is to be the last."""
        if self.report is None:
            return False
        seconds, history = time.perf_counter() - self.started, self.history
        validation = history.validation_loss[-1] if history.validation_loss else None
        epoch = Epoch(
            number, self.options.max_iter, history.loss[-1], validation, seconds, last, self._kept_now
        )
        return self.report(epoch)

    def _kept_now(self) -> tuple[np.ndarray, History]:
        history = copy.deepcopy(self.history)
        if self.validation_rows is None:
            return self.trainer.judged.flat.copy(), history
        return self.best.flat.copy(), replace(history, best_epoch=self.best.number)

    def _keep_best(self) -> None:
        self.network.flat[:], self.history.best_epoch = self.best.flat, self.best.number

    def _recover(self) -> None:
        """After divergence, go back to the best weights, or, if they too are useless, to the first ones."""
        number = len(self.history.loss)
        self._keep_best()
        # The loss of an epoch is that of the weights before its last update: see what they forecast now.
        if self.best.number and self.trainer.forecasts_are_sound(self.train_rows):
            _warn_diverged(number, self.best.number)
            return
        self.network.flat[:] = self.initial
        raise TrainingDivergedError(
            f"Training diverged in epoch {number}, before any epoch had a finite loss. {DIVERGENCE_HINT}"
        )


LIKELIHOODS = ("gaussian", "student_t", "negative_binomial")
DIVERGENCE_HINT = "Lower learning_rate_init or clip_norm, or look for extreme values in the data."


class _Best:
    """The best weights so far, and for how many epochs nothing better by `tol` has come."""

    def __init__(self, flat: np.ndarray):
        self.flat, self.loss, self.number = flat.copy(), np.inf, 0
        self.stale, self._bar = 0, np.inf

    def see(self, loss: float, flat: np.ndarray, number: int, tol: float) -> None:
        if loss < self.loss:
            self.flat[:], self.loss, self.number = flat, loss, number
        if loss < self._bar - tol:
            self._bar, self.stale = loss, 0
        else:
            self.stale += 1


class _Average:
    """The exponential moving average of the weights over the updates, started without bias (Kingma and Ba,
    2015, section 3)."""

    def __init__(self, decay: float, n: int):
        self.decay, self.total, self.weight = decay, np.zeros(n), 0.0

    def add(self, flat: np.ndarray) -> None:
        self.total *= self.decay
        self.total += (1 - self.decay) * flat
        self.weight = self.decay * self.weight + 1 - self.decay

    def weights(self) -> np.ndarray:
        return self.total / self.weight


class Trainer(ABC):
    """Runs epochs over one network; holds what every batch uses again."""

    def __init__(
        self,
        network: Network,
        windows: Windows,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ):
        _check_loss(network, windows, options)
        self.network, self.windows, self.options, self.rng, self.state = network, windows, options, rng, state
        self.settings, self.decay = options.settings(network.dtype), decay_mask(network)
        self.weights = flat_weights(windows, network.dtype)

    @abstractmethod
    def run_epoch(self, rows: Rows | np.ndarray) -> np.ndarray:
        """One pass over `rows`, or a sample of them, in random order; returns each target's mean loss, shape
        (n_targets,)."""

    @property
    @abstractmethod
    def judged(self) -> Network:
        """The network as the fit would leave it now: with the average of its weights, if one is kept."""

    @abstractmethod
    def losses(self, rows: Rows | np.ndarray) -> np.ndarray:
        """Each target's mean loss over `rows` as the weights are now, shape (n_targets,)."""

    def forecasts_are_sound(self, rows: Rows | np.ndarray) -> bool:
        """Whether forecasts of (a sample of) `rows`, and their squares, are finite as the weights are now."""
        rows = rows[subsample(np.arange(len(rows)), self.options.max_samples)]
        with np.errstate(over="ignore", invalid="ignore"):
            return all(
                np.isfinite(np.square(self.network.predict(self.windows, part, self.options.n_threads))).all()
                for part in parts(rows)
            )

    def _batches(self, rows: Rows | np.ndarray) -> Iterator[np.ndarray]:
        order = self.rng.permutation(len(rows))[: self.options.max_samples]
        size = self.options.batch_size
        for first in range(0, len(order), size):
            batch = rows[order[first : first + size]]
            batch = batch[np.argsort(-batch[:, 1], kind="stable")]  # kernels want the longest first
            batch[:, 3] = np.arange(len(batch))
            yield batch

    def _chunk(self) -> int:
        """Steps that the gradient goes through, from the end of a window."""
        n_steps = self.windows.window.n_steps
        return min(self.options.bptt_steps or n_steps, n_steps)

    def _draw_seed(self) -> np.uint32:
        """Of one batch's dropout masks."""
        return self.rng.randint(2**32, dtype=np.uint32) if self.options.dropout else np.uint32(0)


class CpuTrainer(Trainer):
    """Batch after batch: the shares of a batch on threads, then the optimiser."""

    def __init__(
        self,
        network: Network,
        windows: Windows,
        options: TrainingOptions,
        rng: np.random.RandomState,
        state: OptimizerState,
    ):
        super().__init__(network, windows, options, rng, state)
        self.values, self.targets = windows.values.ravel(), windows.targets.ravel()
        self.gradient = np.empty_like(network.flat)
        self._average = None if options.ema is None else _Average(options.ema, network.flat.size)
        self._judged = network if options.ema is None else copy.copy(network)
        self._spaces: dict[int, tuple[Workspace, np.ndarray, np.ndarray, np.ndarray]] = {}

    def run_epoch(self, rows: Rows | np.ndarray) -> np.ndarray:
        totals = np.zeros((2, self.windows.window.n_targets))
        for batch in self._batches(rows):
            totals += self.train_batch(batch)
        return mean_losses(totals)

    @property
    def judged(self) -> Network:
        if self._average is not None and self._average.weight:
            self._judged.flat[:] = self._average.weights()
        return self._judged

    def losses(self, rows: Rows | np.ndarray) -> np.ndarray:
        return validation_losses(self.judged, self.windows, rows, self.options)

    def train_batch(self, batch: np.ndarray) -> np.ndarray:
        """One update; returns the losses and counts of its targets, shape (2, n_targets)."""
        network, options, state = self.network, self.options, self.state
        space, work, shares, sums = self._space(len(batch))
        space.network[0].seed = self._draw_seed()
        arrays = (
            batch,
            network.packed(),
            self.values,
            self.targets,
            self.weights,
            work,
            shares,
            sums,
        )
        network.run("train", space, arrays, options.n_threads)
        state.n_updates += 1
        kind = OPTIMIZERS.index(options.optimizer)
        back = network.layout.back
        train_update(
            kind,
            network.flat,
            shares,
            back,
            sums,
            self.decay,
            state.moments,
            self.settings,
            state.n_updates,
            self.gradient,
        )
        if self._average is not None:
            self._average.add(network.flat)
        return sums.sum(axis=0)

    def _space(self, n_rows: int) -> tuple[Workspace, np.ndarray, np.ndarray, np.ndarray]:
        """Tables and arrays for a batch of `n_rows`: two sizes an epoch, the full and the last batch."""
        if n_rows not in self._spaces:
            network, window = self.network, self.windows.window
            every_step = network.architecture.pooling != "last"
            space = plan(network.layout, window, n_rows, chunk=self._chunk(), keep=False, outputs=every_step)
            record = space.network[0]
            record.loss, record.dropout = LOSSES.index(self.options.loss), self.options.dropout
            work = space.arrays(network.dtype, self.options.n_threads)
            shares = np.empty((space.n_shards, network.layout.n_gradients), network.dtype)
            self._spaces[n_rows] = space, work, shares, np.empty((space.n_shards, 2, window.n_targets))
        return self._spaces[n_rows]


def _check_loss(network: Network, windows: Windows, options: TrainingOptions) -> None:
    """The loss and the outputs must belong together."""
    distribution = network.architecture.distribution
    if distribution != (options.loss if options.loss in DISTRIBUTIONS else "none"):
        raise ValueError(
            f"The loss of a network whose distribution is {distribution!r} must belong to it. "
            f"Got {options.loss!r} instead."
        )
    if distribution == "negative_binomial" and windows.window.normalize:
        raise ValueError("Counts must not be normalized: less their last value, they are no counts.")


def flat_weights(windows: Windows, dtype: np.dtype) -> np.ndarray:
    """As kernels read them: empty where every step counts 1."""
    return np.empty(0, dtype) if windows.weights is None else windows.weights.astype(dtype)


def decay_mask(network: Network) -> np.ndarray:
    """1 for weights, 0 for biases, which L2 leaves alone."""
    mask = np.zeros_like(network.flat)
    for name, view in network.architecture.views(mask).items():
        view[...] = 0 if "bias" in name else 1
    return mask


def parts(rows: Rows | np.ndarray) -> Iterator[np.ndarray]:
    """The table of `rows` in parts: the forecasts of all of them would be a horizon times as many numbers."""
    for first in range(0, len(rows), PREDICT_ROWS):
        yield rows[first : first + PREDICT_ROWS]


def validation_losses(
    network: Network, windows: Windows, rows: Rows | np.ndarray, options: TrainingOptions
) -> np.ndarray:
    """Each target's mean loss over `rows`, without dropout, shape (n_targets,)."""
    totals = np.zeros((2, windows.window.n_targets))
    net, levels = network.architecture, output_levels(network.architecture.levels)
    targets, weights = windows.targets.ravel(), flat_weights(windows, network.dtype)
    for part in parts(rows):
        forecasts, rest = network.predict(windows, part, options.n_threads), (part[:, 2].copy(), totals)
        if net.distribution == "none":
            add_losses(LOSSES.index(options.loss), forecasts, targets, weights, *rest)
        else:
            parameters = forecasts.reshape(len(part), -1, net.n_points)
            kind = DISTRIBUTIONS.index(net.distribution)
            add_distribution_losses(kind, levels, parameters, targets, weights, *rest)
    return mean_losses(totals)


def mean_losses(totals: np.ndarray) -> np.ndarray:
    """Losses over weights; 0 for a target that was never observed."""
    return totals[0] / np.where(totals[1] > 0, totals[1], 1)


def in_units(losses: np.ndarray, units: np.ndarray, loss: str) -> float:
    """Losses of standardised targets in the targets' own units, averaged."""
    if loss in LIKELIHOODS:  # a density of y / unit is one of y, divided by the unit
        return float(np.mean(losses + np.log(units)))
    power = 1 if loss in ("absolute", "quantile") else 2
    with np.errstate(over="ignore"):  # of a network that diverges; training sees it in the losses themselves
        return float(np.mean(losses * units**power))


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
