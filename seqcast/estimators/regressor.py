"""Regression on windows: each row is a short sequence, its target one or several numbers."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data.scaling import Scaler
from ..data.windows import spread
from ..kernels.parallel import thread_count
from ..kernels.workspace import Window
from ..learning.network import Rows, Windows
from .base import NetworkEstimator


class SeqRegressor(RegressorMixin, NetworkEstimator):
    """Regress on sequences with a recurrent network and a linear head on its last state.

    Inputs and targets are scaled to mean 0 and deviation 1 inside, by the training rows.

    Parameters
    ----------
    cell : str, default="gru"
        "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered cell.
    hidden_size : int, default=32
        Units of each layer and direction.
    n_layers : int, default=1
        Recurrent layers on top of each other.
    bidirectional : bool, default=False
        Whether a second set of weights reads each row from its end.
    dropout : float, default=0.0
        Share of each layer's outputs (of the last layer: of its last state) that is zeroed in training.
    n_channels : int, default=1
        Variables of each step. A 2-D row holds step after step, the channels of a step side by side.
    loss : {"squared", "absolute", "huber"}, default="squared"
        Huber's loss is quadratic up to an error of one standard deviation of the target.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
    learning_rate_init : float, default=5e-3
    momentum : float, default=0.9
        Of "sgd".
    batch_size : int or "auto", default="auto"
        Rows of one update; "auto" is all rows up to 256 of them, else 128.
    max_samples : int or None, default=None
        Training rows drawn anew for each epoch, for data of which one epoch would take too long; None for
        all. Of the validation rows, as many at most, at equal distances.
    max_iter : int, default=200
        Epochs at most.
    early_stopping : bool, default=False
        Whether to watch the loss on the last `validation_fraction` of the rows, which must then be in the
        order of time, and to keep the weights of the best epoch. Without it, the training loss is watched.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=10
        Epochs without an improvement of the watched loss by `tol` after which training stops.
    tol : float, default=1e-4
        In units of the loss of scaled targets.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2`` times the sum of squared weights (not biases) is added to the mean loss.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together.
    bptt_steps : int or None, default=None
        Truncated backpropagation: the state is carried through the whole row, the gradient through its last
        steps only.
    warm_start : bool, default=False
        Whether fit goes on from the weights of the last one.
    dtype : {"float32", "float64"}, default="float32"
        Of the network; targets come back in float64.
    device : {"cpu"}, default="cpu"
    n_jobs : int or None, default=None
        Threads; None for all that numba may use, -1 for all cores. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the order of rows, and dropout.
    verbose : int, default=0
        1 shows a progress bar with the losses.

    Attributes
    ----------
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.
    n_iter_ : int
        Epochs run.
    best_iter_ : int
        Epoch, counted from 1, whose weights were kept.
    loss_curve_, validation_loss_curve_ : list of float
        Mean loss of each epoch in the target's own unit (its square for the squared and Huber's loss); of
        several targets the average, each in units of its deviation. The second is None without
        `early_stopping`.
    weights_ : dict of ndarray
        The fitted weights by PyTorch's names.

    See Also
    --------
    SeqForecaster : Windows, scaling and time index for whole series.

    Examples
    --------
    >>> import numpy as np
    >>> from seqcast import SeqRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 12))
    >>> y = X[:, -3:].sum(axis=1)
    >>> model = SeqRegressor(hidden_size=16, random_state=0).fit(X, y)
    >>> model.predict(X[:5]).shape
    (5,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "n_channels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 32,
        n_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        n_channels: int = 1,
        loss: str = "squared",
        optimizer: str = "adam",
        learning_rate_init: float = 5e-3,
        momentum: float = 0.9,
        batch_size: int | str = "auto",
        max_samples: int | None = None,
        max_iter: int = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        alpha: float = 0.0,
        clip_norm: float | None = 1.0,
        bptt_steps: int | None = None,
        warm_start: bool = False,
        dtype: str = "float32",
        device: str = "cpu",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.n_channels = n_channels
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_samples = max_samples
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.alpha = alpha
        self.clip_norm = clip_norm
        self.bptt_steps = bptt_steps
        self.warm_start = warm_start
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on rows and their targets.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : array-like, shape (n,) or (n, k)

        Returns
        -------
        SeqRegressor
            Itself.

        Raises
        ------
        ValueError
            If a parameter, a shape or a value is out of its range; the message names it.
        TrainingDivergedError
            If not one epoch had a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after keeping the best weights so far.
        """
        self._validate_params()
        with self._last_fit_kept_on_error():
            self._fit_arrays(X, y)
        return self

    def _fit_arrays(self, X: ArrayLike, y: ArrayLike) -> None:
        data, target = validate_data(
            self, self._flat(X), y, multi_output=True, y_numeric=True, dtype=np.float64
        )
        sequences, targets = self._sequences(data), np.asarray(target, np.float64).reshape(len(target), -1)
        n_train = self._training_rows(len(data))
        self._input_scaler = Scaler.of(sequences[:n_train].reshape(-1, self.n_channels))
        self._target_scaler = Scaler.of(targets[:n_train])
        self._target_ndim, self._n_steps = target.ndim, sequences.shape[1]
        n_outputs, numbers = targets.shape[1], np.arange(len(data))
        validation = spread(numbers[n_train:], self.max_samples) if self.early_stopping else None
        self._fit_network(
            self._windows(sequences, targets, np.dtype(self.dtype)),
            n_outputs,
            self._rows(numbers[:n_train], n_outputs),
            None if validation is None else self._rows(validation, n_outputs),
            self._target_scaler.scale,
        )

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n,) or (n, k), float64
            In the form of the y that was fitted. A row's prediction has the same bits in any batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape is not that of the training rows, or a value is NaN or infinite.
        """
        check_is_fitted(self)
        data = validate_data(self, self._flat(X), dtype=np.float64, reset=False)
        sequences = data.reshape(len(data), self._n_steps, -1)
        n_outputs = len(self._target_scaler.scale)
        windows = self._windows(sequences, np.empty((0, n_outputs)), self._network.dtype)
        rows = self._rows(np.arange(len(data)), n_outputs)[:]
        scaled = self._network.predict(windows, rows, thread_count(self.n_jobs))
        predictions = self._target_scaler.inverse(scaled)
        return predictions[:, 0] if self._target_ndim == 1 else predictions

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        tags.input_tags.three_d_array = True
        return tags

    def _flat(self, X: ArrayLike) -> ArrayLike:
        """Rows of three dimensions with their steps side by side; others as they came."""
        if (X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim) < 3:
            return X
        array = np.asarray(X)
        if array.ndim > 3 or array.shape[2] != self.n_channels:
            raise ValueError(
                f"The 'X' parameter of SeqRegressor must have shape (n, n_steps, {self.n_channels}) or "
                f"(n, n_steps * {self.n_channels}), since n_channels={self.n_channels}. Got {array.shape} "
                f"instead. Set n_channels to the number of variables of a step."
            )
        return array.reshape(len(array), array.shape[1] * array.shape[2])

    def _sequences(self, data: np.ndarray) -> np.ndarray:
        """Flat rows as (n, n_steps, n_channels)."""
        if data.shape[1] % self.n_channels:
            raise ValueError(
                f"The rows of the 'X' parameter of SeqRegressor must hold a multiple of "
                f"n_channels={self.n_channels} numbers. Got {data.shape[1]} instead. Set n_channels to the "
                f"number of variables of a step."
            )
        return data.reshape(len(data), -1, self.n_channels)

    def _training_rows(self, n: int) -> int:
        if not self.early_stopping:
            return n
        n_train = n - max(1, round(self.validation_fraction * n))
        if n_train < 1:
            raise ValueError(
                f"With early_stopping=True, SeqRegressor.fit needs rows to train on and rows to judge by: at "
                f"least 2. Got {n} instead. Set early_stopping=False, or pass more rows."
            )
        return n_train

    def _rows(self, numbers: np.ndarray, n_outputs: int) -> Rows:
        n_steps = self._n_steps
        return Rows(numbers * n_steps, n_steps, lambda starts: starts // n_steps * n_outputs)

    def _windows(self, sequences: np.ndarray, targets: np.ndarray, dtype: np.dtype) -> Windows:
        """Scaled rows one after the other, each a window of its own."""
        _, n_steps, n_channels = sequences.shape
        values = self._input_scaler.transform(sequences.reshape(-1, n_channels), dtype)
        window = Window(n_steps, n_channels, n_targets=targets.shape[1])
        return Windows(values, self._target_scaler.transform(targets, dtype), window)
