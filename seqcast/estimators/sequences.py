"""Base of the estimators whose rows are sequences: reading rows, scaling, and training a network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..data.conversion import is_on_gpu, to_host
from ..data.scaling import Scaler
from ..data.sequences import Samples, sequence_lengths
from ..data.tables import check_numeric
from ..kernels.architecture import Architecture
from ..kernels.batch_plan import Window
from ..kernels.parallel import thread_count
from ..kernels.readout import POOLINGS
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
from .network_parameters import NETWORK_CONSTRAINTS, check_device, network_options, watch


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
        """Return scaled steps, sequence after sequence, and how one sequence is read."""
        _, n_steps, n_channels = sequences.shape
        values = self.inputs.transform(sequences.reshape(-1, n_channels), dtype)
        return values, Window(n_steps, n_channels, n_targets, masked=self.masked)


@dataclass(frozen=True)
class FittedSequenceModel:
    """Everything that a fit to sequences leaves.

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
    """Base of the estimators whose rows are sequences.

    Attributes
    ----------
    n_channels_ : int
        Variables of each step.
    fitted_ : FittedSequenceModel
        All that fit has left.
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
        check_device(self)

    # -- what an estimator is

    @property
    def _pooling(self) -> str:
        """The states that the readout reads: one of `POOLINGS`, or "none" for those of every step."""
        return self.pooling

    @property
    def _loss(self) -> str:
        """One of the kernels' losses."""
        return self.loss

    def _fit_target_scaler(self, train: Samples, inputs: Scaler, weights: np.ndarray | None) -> Scaler:
        """Return the scaler that brings targets to what the network gives."""
        return Scaler.fit(train.targets, weights)

    def _n_outputs(self, scaling: SequenceScaling) -> int:
        """Return the number of outputs of the readout."""
        return len(scaling.targets.scale)

    # -- rows come in

    def _read_training(
        self, X: ArrayLike, y: Any = "no_validation", *, reset: bool = True, **checks: Any
    ) -> Any:
        """Sequences (n, n_steps, n_channels), NaN where nothing was observed; with `y`, a pair of both.

        reset: whether these are the first rows; otherwise their shape must be that of the first.
        """
        flat, channels = self._flat(X, self.n_channels if reset else self.n_channels_)
        y = to_host(y) if is_on_gpu(y) else y
        checks = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "reset": reset, **checks}
        data = validate_data(self, flat, y, **checks)
        data, *target = data if isinstance(data, tuple) else (data,)
        if reset:
            self.n_channels_ = self._channels(data.shape[1], channels)
        sequences = data.reshape(len(data), -1, self.n_channels_)
        return (sequences, *target) if target else sequences

    def _read(self, X: ArrayLike) -> np.ndarray:
        """Rows of the fitted channels; in three dimensions they may have other numbers of steps."""
        check_is_fitted(self)
        flat, channels = self._flat(X, self.n_channels_)
        if channels is None:
            data = validate_data(self, flat, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        else:
            data = check_array(flat, dtype=np.float64, ensure_all_finite="allow-nan", input_name="X")
        return data.reshape(len(data), -1, self.n_channels_)

    def _flat(self, X: ArrayLike, n_channels: int | None) -> tuple[ArrayLike, int | None]:
        """Rows of three dimensions with their steps side by side, and their channels; else X and None."""
        if isinstance(X, pd.DataFrame):
            check_numeric(X, owner=type(self).__name__)
        X = to_host(X) if is_on_gpu(X) else X
        if _dimensions(X, type(self).__name__) < 3:
            return X, None
        array = np.asarray(X)
        if array.ndim > 3 or n_channels not in (None, array.shape[2]):
            raise self._channel_error(array.shape, n_channels)
        return array.reshape(len(array), array.shape[1] * array.shape[2]), array.shape[2]

    def _channels(self, width: int, found: int | None) -> int:
        channels = self.n_channels or found or 1
        if width % channels:
            raise ValueError(
                f"The rows of the 'X' parameter of {type(self).__name__} must hold a multiple of "
                f"n_channels={channels} numbers. Got {width} instead. Set n_channels to the number of "
                f"variables of a step."
            )
        return channels

    def _channel_error(self, shape: tuple[int, ...], channels: int | None) -> ValueError:
        wanted = "n_channels" if channels is None else channels
        return ValueError(
            f"The 'X' parameter of {type(self).__name__} must have shape (n, n_steps, {wanted}) or (n, "
            f"n_steps * {wanted}). Got {shape} instead. n_channels is the number of variables of a step; "
            f"leave it None to take it from X."
        )

    # -- training

    def _weigh(self, sequences: np.ndarray, targets: np.ndarray, sample_weight: ArrayLike | None) -> Samples:
        """Rows with a weight."""
        owner = type(self).__name__
        weights = to_host(sample_weight) if is_on_gpu(sample_weight) else sample_weight
        weights = _check_sample_weight(weights, sequences, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError(
                f"The 'sample_weight' parameter of {owner}.fit must be more than 0 for some rows. Got zeros "
                f"only."
            )
        # In units of a power of two near the largest: sums of large weights are no float64, and other units
        # would round.
        shares = np.ldexp(weights, -np.frexp(weights.max())[1])
        return Samples(sequences, targets, shares).drop_unweighted()

    def _split(self, samples: Samples) -> tuple[Samples, int]:
        """Rows to train on, then those to judge by, if there are any; and the number of the former."""
        n = len(samples)
        n_train = n - max(1, round(self.validation_fraction * n)) if self.early_stopping else n
        if n_train < 1:
            raise ValueError(
                f"With early_stopping=True, {type(self).__name__}.fit needs rows to train on and rows to "
                f"judge by: at least 2. Got n_samples={n} instead. Set early_stopping=False, or pass more "
                f"rows."
            )
        if not self._is_full_batch(n_train):
            return samples, n_train
        train = samples[:n_train].merge_duplicates()
        return train + samples[n_train:], len(train)

    def _network_options(self) -> NetworkOptions:
        return network_options(self, loss=self._loss)

    def _is_full_batch(self, n_rows: int) -> bool:
        return self._network_options().is_full_batch(n_rows)

    def _fit_samples(self, samples: Samples, data: dict[str, Any]) -> None:
        """Train a network.

        data : what callbacks are told, as the user gave it.
        """
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
        """Train by one pass over the samples; the scaling of the first ones stays."""
        if self._is_full_batch(len(samples)):
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
            # A pass that fails leaves the last network alone.
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
        """Return how many of the samples one epoch sees."""
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
        # A fit that fails leaves the last network alone.
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
        """Copies of the fitted weights by PyTorch's names, with ``head_weight`` and ``head_bias``."""
        check_is_fitted(self)
        return {name: weight.copy() for name, weight in self.fitted_.network.weights.items()}

    def _fit_scaling(self, train: Samples) -> SequenceScaling:
        n_steps = train.sequences.shape[1]
        weights = relative(train.weights)
        of_steps = None if weights is None else np.repeat(weights, n_steps)
        steps = train.sequences.reshape(-1, self.n_channels_)
        self._check_channels(steps)
        inputs = Scaler.fit(steps, of_steps)
        if self.warm_start and hasattr(self, "fitted_"):
            # The network reads flags already, or it reads none.
            masked = self.fitted_.scaling.masked
        else:
            masked = bool(np.isnan(steps[within(train.sequences).ravel()]).any())
        return SequenceScaling(inputs, self._fit_target_scaler(train, inputs, weights), masked)

    def _check_truncated(self, samples: SampleIndex, n_steps: int) -> None:
        if self.bptt_steps is not None and np.min(samples.lengths) < n_steps:
            raise ValueError(
                f"The 'bptt_steps' parameter of {type(self).__name__} must be None for rows that end before "
                f"others: the last {self.bptt_steps} steps that the gradient goes through are those of the "
                f"longest. Got {self.bptt_steps} instead."
            )

    def _check_channels(self, steps: np.ndarray) -> None:
        blank = np.isnan(steps).all(axis=0)
        if blank.any():
            raise ValueError(
                f"The 'X' parameter of {type(self).__name__}.fit must have an observed value in every "
                f"channel of the rows that are trained on. Got nothing but NaN in channel "
                f"{int(np.argmax(blank))}. Drop that channel."
            )

    # -- what the network reads

    def _source(self, samples: Samples, scaling: SequenceScaling) -> SampleSource:
        """Return scaled rows one after the other, each a window of its own."""
        dtype, n_targets = np.dtype(self.dtype), samples.targets.shape[1]
        values, window = scaling.scale(samples.sequences, dtype, n_targets)
        targets = scaling.targets.transform(samples.targets, dtype)
        return SampleSource(values, targets, window, relative(samples.weights))

    def _index(self, source: SampleSource, numbers: np.ndarray) -> SampleIndex:
        """Return the rows with these numbers as samples."""
        return row_index(source, numbers)

    def _predict(self, sequences: np.ndarray, predict: Callable[..., np.ndarray] | None = None) -> np.ndarray:
        """Return what `predict`, the fitted network's own if None, gives for each row."""
        network = self.fitted_.network
        values, window = self.fitted_.scaling.scale(sequences, network.dtype, n_targets=1)
        source = SampleSource(values, np.empty((0, 1)), window)
        samples = row_index(source, np.arange(len(sequences)))[:]
        return (predict or network.predict)(source, samples, thread_count(self.n_jobs))


def row_index(source: SampleSource, numbers: np.ndarray) -> SampleIndex:
    """Return rows as samples: each begins after n_steps others, and ends with its last observed step."""
    n_steps, width = source.window.n_steps, source.window.n_targets
    lengths = sequence_lengths(source.values.reshape(-1, n_steps, source.window.n_channels))[numbers]
    return SampleIndex(numbers * n_steps, lengths, lambda starts, _: starts // n_steps * width)


def as_given(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of a fit as callbacks see them."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


def within(sequences: np.ndarray) -> np.ndarray:
    """Return which steps lie before the end of their row, shape (n, n_steps)."""
    return np.arange(sequences.shape[1]) < sequence_lengths(sequences)[:, None]


def relative(weights: np.ndarray) -> np.ndarray | None:
    """Return weights in units of their mean, None if all are equal."""
    if (weights == weights[0]).all():
        return None
    return weights / weights.mean()


def _dimensions(X: Any, owner: str) -> int:
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError as error:
        raise ValueError(
            f"The 'X' parameter of {owner} must have rows of one length. Got rows of different lengths "
            f"instead. Bring them into one array with seqcast.pad_sequences(X)."
        ) from error
