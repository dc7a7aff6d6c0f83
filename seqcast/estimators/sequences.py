"""What the estimators share whose rows are sequences: reading them, weights, and the network on top."""

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Tags, check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..data.conversion import is_on_gpu, to_host
from ..data.scaling import Scaler
from ..data.sequences import Samples, sequence_lengths
from ..data.tables import check_numeric
from ..kernels.layout import Architecture
from ..kernels.parallel import thread_count
from ..kernels.pooling import POOLINGS
from ..kernels.workspace import Window
from ..learning.network import Rows, Windows
from .base import NetworkEstimator


class SequenceEstimator(NetworkEstimator):
    """Base of the estimators whose rows are sequences.

    Attributes
    ----------
    n_channels_ : int
        Variables of each step.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **NetworkEstimator._parameter_constraints,
        "n_channels": [None, Interval(Integral, 1, None, closed="left")],
        "pooling": [StrOptions(set(POOLINGS))],
    }

    n_channels_: int

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _pooling(self) -> str:
        return self.pooling

    def _architecture(self, input_size: int, n_outputs: int) -> Architecture:
        return replace(super()._architecture(input_size, n_outputs), pooling=self._pooling)

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

    def _samples(
        self, sequences: np.ndarray, targets: np.ndarray, sample_weight: ArrayLike | None
    ) -> Samples:
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

    def _is_full_batch(self, n_rows: int) -> bool:
        sampled = self.max_samples is not None and self.max_samples < n_rows
        return not sampled and self._batch_rows(n_rows) >= n_rows

    def _fit_samples(self, samples: Samples, data: dict[str, Any]) -> None:
        together, n_train = self._split(samples)
        self._fit_scalers(together[:n_train])
        windows, numbers = self._windows(together), np.arange(len(together))
        rows = self._rows(windows, numbers[:n_train])
        self._check_truncated(rows, windows.window.n_steps)
        later = self._rows(windows, numbers[n_train:]) if n_train < len(together) else None
        if later is not None:
            later = later.subsample(self._n_drawn(later))
        self._fit_network(windows, self._n_outputs, rows, later, self._target_scaler.scale, data)

    def _fit_pass(self, samples: Samples, data: dict[str, Any]) -> None:
        """One pass over the rows; the first one's scaling stays."""
        if self._is_full_batch(len(samples)):
            samples = samples.merge_duplicates()
        if not hasattr(self, "_network"):
            self._fit_scalers(samples)
        windows = self._windows(samples)
        rows = self._rows(windows, np.arange(len(samples)))
        self._check_truncated(rows, windows.window.n_steps)
        self._fit_epoch(windows, self._n_outputs, rows, self._target_scaler.scale, data)

    def _check_truncated(self, rows: Rows, n_steps: int) -> None:
        if self.bptt_steps is not None and np.min(rows.lengths) < n_steps:
            raise ValueError(
                f"The 'bptt_steps' parameter of {type(self).__name__} must be None for rows that end before "
                f"others: the last {self.bptt_steps} steps that the gradient goes through are those of the "
                f"longest. Got {self.bptt_steps} instead."
            )

    def _fit_scalers(self, train: Samples) -> None:
        n_steps = train.sequences.shape[1]
        weights = relative(train.weights)
        of_steps = None if weights is None else np.repeat(weights, n_steps)
        steps = train.sequences.reshape(-1, self.n_channels_)
        self._check_channels(steps)
        self._input_scaler = Scaler.fit(steps, of_steps)
        self._target_scaler = self._scaler_of(train.targets, weights)
        if not (self.warm_start and hasattr(self, "_network")):  # which reads no flags, or reads them already
            self._masked = bool(np.isnan(steps[within(train.sequences).ravel()]).any())

    def _check_channels(self, steps: np.ndarray) -> None:
        blank = np.isnan(steps).all(axis=0)
        if blank.any():
            raise ValueError(
                f"The 'X' parameter of {type(self).__name__}.fit must have an observed value in every "
                f"channel of the rows that are trained on. Got nothing but NaN in channel "
                f"{int(np.argmax(blank))}. Drop that channel."
            )

    def _scaler_of(self, targets: np.ndarray, weights: np.ndarray | None) -> Scaler:
        """What brings targets to what the network gives."""
        return Scaler.fit(targets, weights)

    @property
    def _n_outputs(self) -> int:
        """Outputs of the network's head."""
        return len(self._target_scaler.scale)

    # -- what the network reads

    def _windows(self, samples: Samples) -> Windows:
        """Scaled rows one after the other, each a window of its own."""
        dtype, n_targets = np.dtype(self.dtype), samples.targets.shape[1]
        values, window = self._values(samples.sequences, dtype, n_targets)
        targets = self._target_scaler.transform(samples.targets, dtype)
        return Windows(values, targets, window, relative(samples.weights))

    def _values(self, sequences: np.ndarray, dtype: np.dtype, n_targets: int) -> tuple[np.ndarray, Window]:
        _, n_steps, n_channels = sequences.shape
        values = self._input_scaler.transform(sequences.reshape(-1, n_channels), dtype)
        return values, Window(n_steps, n_channels, n_targets, masked=self._masked)

    def _rows(self, windows: Windows, numbers: np.ndarray) -> Rows:
        """Rows of these numbers: each begins after n_steps others, and ends with its last observed step."""
        n_steps, width = windows.window.n_steps, windows.window.n_targets
        lengths = sequence_lengths(windows.values.reshape(-1, n_steps, windows.window.n_channels))[numbers]
        return Rows(numbers * n_steps, lengths, lambda starts, _: starts // n_steps * width)

    def _run(self, sequences: np.ndarray, run: Callable[..., np.ndarray] | None = None) -> np.ndarray:
        """What `run` (the fitted network's `predict` if None) gives for each row."""
        values, window = self._values(sequences, self._network.dtype, n_targets=1)
        windows = Windows(values, np.empty((0, 1)), window)
        rows = SequenceEstimator._rows(self, windows, np.arange(len(sequences)))[:]
        return (run or self._network.predict)(windows, rows, thread_count(self.n_jobs))


def as_given(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """The arguments of a fit as callbacks are to see them."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


def within(sequences: np.ndarray) -> np.ndarray:
    """Which steps lie before the end of their row, shape (n, n_steps)."""
    return np.arange(sequences.shape[1]) < sequence_lengths(sequences)[:, None]


def relative(weights: np.ndarray) -> np.ndarray | None:
    """Weights in units of their mean; None where all are the same."""
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
