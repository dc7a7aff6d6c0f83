"""Base of the estimators whose samples are sequences: scaling and training a network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data.conversion import is_on_gpu, to_host
from ..data.scaling import Scaler
from ..data.sequences import Samples, sequence_lengths
from ..kernels.architecture import Architecture
from ..kernels.batch_plan import Window
from ..kernels.modes import POOLINGS
from ..learning.fitting import (
    FittedNetwork,
    NetworkOptions,
    TrainingSet,
    check_same_network,
    fit,
    fit_epoch,
    loss_units,
    new_network,
)
from ..learning.history import EpochReport
from ..learning.network import Network
from ..learning.samples import SampleIndex, SampleSource
from ..learning.trainer import OptimizerState
from .callbacks import CallbackSupport
from .network_parameters import NETWORK_CONSTRAINTS, check_cell_and_device, network_options, watch
from .sequence_input import (
    check_channels_observed,
    check_divisible,
    flatten_steps,
    needs_no_check,
    normalize_weights,
)


@dataclass(frozen=True)
class SequenceScaling:
    """The scaling of sequences and targets.

    Attributes
    ----------
    inputs, targets : Scaler
    masked : bool
        Whether the network reads, for each channel, whether it was observed.
    """

    inputs: Scaler
    targets: Scaler
    masked: bool

    def scale(self, sequences: np.ndarray, dtype: np.dtype, n_targets: int) -> tuple[np.ndarray, Window]:
        """Return the scaled steps of all sequences, one after another, and the window of one sequence."""
        _, n_steps, n_channels = sequences.shape
        values = self.inputs.transform(sequences.reshape(-1, n_channels), dtype)
        return values, Window(n_steps, n_channels, n_targets, masked=self.masked)


@dataclass(frozen=True)
class FittedSequenceModel:
    """The result of a fit to sequences: the scaling and the trained network.

    Attributes
    ----------
    scaling : SequenceScaling
    trained : FittedNetwork
    """

    scaling: SequenceScaling
    trained: FittedNetwork

    @property
    def network(self) -> Network:
        """The network."""
        return self.trained.network


class SequenceEstimator(CallbackSupport, BaseEstimator):
    """Base of the estimators whose samples are sequences.

    Attributes
    ----------
    n_channels_ : int
        Number of variables at each step.
    fitted_ : FittedSequenceModel
        Frozen record of the scaling and the trained network.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NETWORK_CONSTRAINTS,
        "n_channels": [None, Interval(Integral, 1, None, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
    }

    n_channels_: int
    fitted_: FittedSequenceModel

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def _validate_params(self) -> None:
        super()._validate_params()
        check_cell_and_device(self)

    # -- what subclasses define

    @property
    def _pooling(self) -> str:
        """The pooling of the readout: one of `POOLINGS`, or "none" for a readout at every step."""
        return self.pooling

    @property
    def _loss(self) -> str:
        """The name of the training loss."""
        return self.loss

    def _fit_target_scaler(self, train: Samples, inputs: Scaler, weights: np.ndarray | None) -> Scaler:
        """Return the scaler of the targets."""
        return Scaler.fit(train.targets, weights)

    def _n_outputs(self, scaling: SequenceScaling) -> int:
        """Return the number of outputs of the readout."""
        return len(scaling.targets.scale)

    # -- reading data

    def _read_training(
        self, X: ArrayLike, y: Any = "no_validation", *, reset: bool = True, **checks: Any
    ) -> Any:
        """Check training data, and return sequences of shape (n, n_steps, n_channels), or these and `y`.

        If `reset` is True, the number of features is taken from the data; otherwise it must be that of `fit`.
        """
        owner = type(self).__name__
        flat, n_channels = flatten_steps(X, self.n_channels if reset else self.n_channels_, owner)
        y = to_host(y) if is_on_gpu(y) else y
        checks = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "reset": reset, **checks}
        data = validate_data(self, flat, y, **checks)
        data, *target = data if isinstance(data, tuple) else (data,)
        if reset:
            self.n_channels_ = self.n_channels or n_channels or 1
            check_divisible(data.shape[1], self.n_channels_, owner)
        sequences = data.reshape(len(data), -1, self.n_channels_)
        return (sequences, *target) if target else sequences

    def _read(self, X: ArrayLike) -> np.ndarray:
        """Check data to predict from, and return sequences of shape (n, n_steps, n_channels).

        Sequences of a 3-D array may have other numbers of steps than those of fit.
        """
        # scikit-learn compares the names of columns if fit has seen some.
        has_no_names = hasattr(self, "n_features_in_") and not hasattr(self, "feature_names_in_")
        check_is_fitted(self)
        if has_no_names and needs_no_check(X, self.n_features_in_):
            data = np.asarray(X, np.float64)
        else:
            data = self._check(X)
        return data.reshape(len(data), -1, self.n_channels_)

    def _check(self, X: ArrayLike) -> np.ndarray:
        """Check data to predict from, and return them with the steps of each sequence side by side."""
        flat, n_channels = flatten_steps(X, self.n_channels_, type(self).__name__)
        if n_channels is None:
            return validate_data(self, flat, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return check_array(flat, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")

    # -- training

    def _split(self, samples: Samples) -> tuple[Samples, int]:
        """Return the training samples followed by the validation samples, and the number of the former."""
        n = len(samples)
        n_train = n - max(1, round(self.validation_fraction * n)) if self.early_stopping else n
        if n_train < 1:
            raise ValueError(
                f"With early_stopping=True, {type(self).__name__}.fit needs rows to train on and rows to "
                f"validate on: at least 2. Got n_samples={n} instead. Set early_stopping=False, or pass more "
                f"rows."
            )
        if not self._network_options().is_full_batch(n_train):
            return samples, n_train
        train = samples[:n_train].merge_duplicates()
        return train + samples[n_train:], len(train)

    def _network_options(self) -> NetworkOptions:
        return network_options(self, loss=self._loss)

    def _fit_samples(self, samples: Samples, data: dict[str, Any]) -> None:
        """Train a network on samples. data: the arguments of fit, for callbacks."""
        together, n_train = self._split(samples)
        scaling = self._fit_scaling(together[:n_train])
        source, numbers = self._source(together, scaling), np.arange(len(together))
        train = self._index(source, numbers[:n_train])
        self._check_truncated(train, source.window.n_steps)
        validation = self._index(source, numbers[n_train:]) if n_train < len(together) else None
        if validation is not None:
            validation = validation.subsample(self._n_drawn(validation))
        training_set = self._training_set(source, train, validation, scaling)
        rng = check_random_state(self.random_state)
        start = self._start(self._architecture(source, scaling), rng)

        def monitor(
            max_iter: int, result: Callable[[EpochReport], FittedNetwork]
        ) -> AbstractContextManager[Callable[[EpochReport], bool]]:
            return watch(
                self,
                max_iter,
                data,
                lambda epoch: self._attributes(FittedSequenceModel(scaling, result(epoch))),
            )

        fit(
            self._network_options(),
            start,
            training_set,
            rng,
            monitor,
            lambda trained: self._keep(FittedSequenceModel(scaling, trained)),
        )

    def _fit_pass(self, samples: Samples, data: dict[str, Any]) -> None:
        """Train for one epoch on samples, with the scaling of the first call."""
        if self._network_options().is_full_batch(len(samples)):
            samples = samples.merge_duplicates()
        last = self.fitted_ if hasattr(self, "fitted_") else None
        scaling = self._fit_scaling(samples) if last is None else last.scaling
        source = self._source(samples, scaling)
        index = self._index(source, np.arange(len(samples)))
        self._check_truncated(index, source.window.n_steps)
        architecture, losses = self._architecture(source, scaling), []
        if last is None:
            rng = check_random_state(self.random_state)
            start = new_network(architecture, self.dtype, rng)
        else:
            check_same_network(last.trained, architecture, self.dtype, f"{type(self).__name__}.partial_fit")
            # The copy is trained, so that the fitted network is unchanged if this fails.
            trained = copy.deepcopy(last.trained)
            start, rng = (trained.network, trained.optimizer_state), trained.rng
            losses = trained.history.loss
        fit_epoch(
            self._network_options(),
            start,
            losses,
            self._training_set(source, index, None, scaling),
            rng,
            lambda max_iter, result: watch(self, max_iter, data, lambda epoch: {}),
            lambda trained: self._keep(FittedSequenceModel(scaling, trained)),
        )

    def _training_set(
        self,
        source: SampleSource,
        train: SampleIndex,
        validation: SampleIndex | None,
        scaling: SequenceScaling,
    ) -> TrainingSet:
        units = loss_units(scaling.targets.scale)
        return TrainingSet(source, train, validation, units, self._n_drawn(train))

    def _n_drawn(self, samples: SampleIndex) -> int:
        """Return the number of samples that are drawn for one epoch."""
        return min(len(samples), self.max_samples or len(samples))

    def _architecture(self, source: SampleSource, scaling: SequenceScaling) -> Architecture:
        options, n_outputs = self._network_options(), self._n_outputs(scaling)
        architecture = options.architecture(source.window.input_size, n_outputs)
        return architecture.with_readout(pooling=self._pooling)

    def _start(
        self, architecture: Architecture, rng: np.random.RandomState
    ) -> tuple[Network, OptimizerState]:
        """Return random weights or, with ``warm_start``, those of the last fit."""
        if not (self.warm_start and hasattr(self, "fitted_")):
            return new_network(architecture, self.dtype, rng)
        last = self.fitted_.trained
        check_same_network(last, architecture, self.dtype, f"{type(self).__name__}.fit with warm_start=True")
        # The copy is trained, so that the fitted network is unchanged if this fails.
        return copy.deepcopy((last.network, last.optimizer_state))

    def _keep(self, fitted: FittedSequenceModel) -> None:
        self.__dict__ |= self._attributes(fitted)

    def _attributes(self, fitted: FittedSequenceModel) -> dict[str, Any]:
        """Return the attributes of an estimator with this record."""
        history = fitted.trained.history
        return {
            "fitted_": fitted,
            "device_": fitted.trained.device,
            "n_iter_": len(history.loss),
            "best_iter_": history.best_epoch,
            "loss_curve_": history.loss,
            "validation_loss_curve_": history.validation_loss or None,
        }

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """Copies of the fitted weights, with PyTorch's names, ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        return {name: weight.copy() for name, weight in self.fitted_.network.weights.items()}

    def _fit_scaling(self, train: Samples) -> SequenceScaling:
        n_steps = train.sequences.shape[1]
        weights = normalize_weights(train.weights)
        of_steps = None if weights is None else np.repeat(weights, n_steps)
        steps = train.sequences.reshape(-1, self.n_channels_)
        check_channels_observed(steps, type(self).__name__)
        inputs = Scaler.fit(steps, of_steps)
        if self.warm_start and hasattr(self, "fitted_"):
            # The fitted network has inputs for the flags, or it has none.
            masked = self.fitted_.scaling.masked
        else:
            masked = bool(np.isnan(steps[_find_steps(train.sequences).ravel()]).any())
        return SequenceScaling(inputs, self._fit_target_scaler(train, inputs, weights), masked)

    def _check_truncated(self, samples: SampleIndex, n_steps: int) -> None:
        if self.bptt_steps is not None and np.min(samples.lengths) < n_steps:
            raise ValueError(
                f"The 'bptt_steps' parameter of {type(self).__name__} must be None for rows that end before "
                f"others: the last {self.bptt_steps} steps that the gradient goes through are those of the "
                f"longest. Got {self.bptt_steps} instead."
            )

    # -- what the network reads

    def _source(self, samples: Samples, scaling: SequenceScaling) -> SampleSource:
        """Return the scaled steps of all samples in one array, each sample a window of it."""
        dtype, n_targets = np.dtype(self.dtype), samples.targets.shape[1]
        values, window = scaling.scale(samples.sequences, dtype, n_targets)
        targets = scaling.targets.transform(samples.targets, dtype)
        return SampleSource(values, targets, window, normalize_weights(samples.weights))

    def _index(self, source: SampleSource, numbers: np.ndarray) -> SampleIndex:
        """Return the index of the samples with these numbers."""
        return index_sequences(source, numbers)

    def _predict(self, sequences: np.ndarray, predict: Callable[..., np.ndarray] | None = None) -> np.ndarray:
        """Return the outputs of `predict`, by default the fitted network's, for each sequence."""
        network = self.fitted_.network
        values, window = self.fitted_.scaling.scale(sequences, network.dtype, n_targets=1)
        source = SampleSource(values, np.empty((0, 1)), window)
        samples = index_sequences(source, np.arange(len(sequences)))[:]
        return (predict or network.predict)(source, samples, self.n_jobs)


def index_sequences(source: SampleSource, numbers: np.ndarray) -> SampleIndex:
    """Return the index of sequences in a source that holds them one after another.

    A sequence ends with its last observed step.
    """
    n_steps, width = source.window.n_steps, source.window.n_targets
    lengths = sequence_lengths(source.values.reshape(-1, n_steps, source.window.n_channels))[numbers]
    return SampleIndex(numbers * n_steps, lengths, lambda starts, _: starts // n_steps * width)


def _find_steps(sequences: np.ndarray) -> np.ndarray:
    """Return whether each step lies before the end of its sequence, shape (n, n_steps)."""
    return np.arange(sequences.shape[1]) < sequence_lengths(sequences)[:, None]
