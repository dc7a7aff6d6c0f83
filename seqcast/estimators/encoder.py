"""Sequences as features: the states of a recurrent network that has learned to forecast them."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions

from ..data.scaling import Scaler
from ..data.sequences import Samples
from ..kernels.modes import POOLINGS
from ..learning.devices import make_network
from ..learning.network import Network
from ..learning.samples import SampleIndex, SampleSource
from .network_parameters import POINT_LOSS
from .rollback import rollback_on_error
from .sequence_input import make_samples, normalize_weights, pack_callback_data
from .sequences import FittedSequenceModel, SequenceEstimator, SequenceScaling

SHARED_RULES = {
    name: rule
    for name, rule in SequenceEstimator._parameter_constraints.items()
    if name not in ("pooling", "bptt_steps")
}


class SeqEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """Turn sequences into features for any other estimator.

    A recurrent network is trained to forecast, at each step of a sequence, the next step; its states are the
    features. A bidirectional network reads a sequence from its end as well, so it is trained to forecast the
    step after a beginning of the sequence. No target is needed. Inputs are standardized with the mean and
    standard deviation of the training data.

    Parameters
    ----------
    cell : str, default="gru"
        Recurrent cell: "rnn", "rnn_relu", "lstm", "gru", "gru_reset_before", or the name of a registered
        cell.
    hidden_size : int, default=32
        Number of units of each layer and direction. `SeqForecaster` has 64, since the overlapping windows of
        a long series are many more samples.
    n_layers : int, default=1
        Number of stacked recurrent layers.
    bidirectional : bool, default=False
        Whether a second set of weights reads each sequence from its end.
    dropout : float, default=0.0
        Fraction of each layer's outputs that is set to zero in training; for the last layer, of the states
        that the readout reads. `SeqForecaster` has 0.3, since overlapping windows are much alike.
    n_channels : int or None, default=None
        Number of variables at each step. In a 2-D `X`, a row holds the steps one after another, each with its
        channels side by side. If None, it is taken from a 3-D `X`, and is 1 for a 2-D `X`.
    output : {"last", "mean", "max", "states"}, default="mean"
        Features of a sequence: the top layer's last state, the mean or the maximum of its states over time,
        or all states, step after step (zero after the end of a shorter sequence).
    loss : {"squared", "absolute", "huber"}, default="squared"
        Training loss of the one-step-ahead forecasts. Huber's loss is quadratic up to an error of one
        standard deviation of the target, linear beyond. The default is that of scikit-learn's regressors.
        `SeqForecaster` has "absolute", which outliers affect less.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
        Algorithm that updates the weights.
    learning_rate_init : float, default=5e-3
        Initial step size of the optimizer. `SeqForecaster` has 1e-3, since it updates its weights about 48
        times an epoch; here, up to 256 samples are one update.
    momentum : float, default=0.9
        Momentum of ``optimizer="sgd"``; the other optimizers do not use it.
    batch_size : int or "auto", default="auto"
        Number of samples of one update. With "auto", all samples if there are at most 256, else 128.
    max_samples : int or None, default=None
        Number of training samples that are drawn for each epoch. Samples are sequences or, for a
        bidirectional network, beginnings of sequences. If None, as many as there are sequences. At most as
        many validation samples are used, evenly spaced.
    max_iter : int, default=200
        Maximum number of epochs. A full-batch epoch is a single update, so more epochs are needed than in
        `SeqForecaster` (100).
    early_stopping : bool, default=False
        Whether to keep the weights of the epoch with the lowest loss on the last `validation_fraction` of the
        samples, which must then be in temporal order. If False, the training loss is monitored. It is True
        in `SeqForecaster`, which needs validation data for its prediction intervals, too.
    validation_fraction : float, default=0.1
        Fraction of the samples that is held back for validation if `early_stopping` is True.
    n_iter_no_change : int, default=10
        Number of epochs without an improvement of the monitored loss by `tol` after which training stops.
    tol : float, default=1e-4
        Smallest decrease of the monitored loss that counts as an improvement, in units of the loss of scaled
        channels.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2`` times the sum of squared weights, without biases, is added to the mean loss.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together. If None, gradients are not clipped.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last fit.
    dtype : {"float32", "float64"}, default="float32"
        Data type of the network. Features are float64 in either case.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Device on which the network is trained and predicts: the CPU or an NVIDIA GPU, which needs
        ``pip install "seqcast[cuda]"``. "auto" takes the first GPU if there is one and the work is large. An
        estimator that was fitted on a GPU and is loaded on a machine without one runs on the CPU.
    n_jobs : int or None, default=None
        Number of threads. None means as many as numba may use, -1 all cores. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the samples and dropout.
    verbose : int, default=0
        If 1, a progress bar with the losses is shown.

    Attributes
    ----------
    fitted_ : FittedSequenceModel
        Frozen record of the scaling and the trained network.
    n_features_in_ : int
        Number of values of a training sequence: steps times channels.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `X` was a frame with string column names.
    n_channels_ : int
        Number of variables at each step.
    device_ : str
        Device of the network: "cpu", or "cuda:" and the number of the GPU.
    n_iter_ : int
        Number of epochs that were run.
    best_iter_ : int
        Epoch, counted from 1, whose weights were kept.
    loss_curve_ : list of float
        Mean training loss of each epoch in the channel's own unit (its square for the squared and Huber
        loss). For several channels, the average over them, each divided by its standard deviation.
    validation_loss_curve_ : list of float or None
        Mean validation loss of each epoch, in the same unit. None if `early_stopping` is False.
    weights_ : dict of ndarray
        Copies of the fitted weights, with the names of PyTorch.

    See Also
    --------
    SeqRegressor : Regression on sequences.
    SeqClassifier : Classification of sequences.
    pad_sequences : Stack sequences of different lengths into one array.

    Notes
    -----
    NaN after the last observed step of a row is no step: sequences may have different lengths. Other NaN are
    missing values, which the network reads with a flag for each channel. If the training data have no missing
    values, the network has no flags, and missing values in later data are read as the mean of the channel. A
    row of NaN only is one missing step.

    Examples
    --------
    >>> import numpy as np
    >>> from seqcast import SeqEncoder
    >>> X = np.random.default_rng(0).normal(size=(50, 12))
    >>> SeqEncoder(hidden_size=8, max_iter=300, random_state=0).fit_transform(X).shape
    (50, 8)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SHARED_RULES,
        **POINT_LOSS,
        "output": [StrOptions({*POOLINGS, "states"})],
    }
    # Not a parameter: truncation needs a fixed number of steps before the only readout.
    bptt_steps = None

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 32,
        n_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        n_channels: int | None = None,
        output: str = "mean",
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
        self.output = output
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
        self.warm_start = warm_start
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the encoder to sequences.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. The end of a shorter one is filled with NaN. Those of one step are not trained on.
        y : None
            Ignored. It exists for compatibility with pipelines.
        sample_weight : array-like, shape (n,), optional
            Weight of each sample in the loss and in the scaling, 1 by default. Samples of weight 0 are
            dropped.

        Returns
        -------
        SeqEncoder
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a shape or a value is invalid; the message names it.
        TypeError
            If a column of a frame is not numeric.
        TrainingDivergedError
            If no epoch has a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after the best weights so far were kept.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            samples = self._training_samples(X, sample_weight, reset=True)
            self._fit_samples(samples, pack_callback_data(X, None, sample_weight))
        return self

    def partial_fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch, starting from the weights of the last call.

        The scaling is that of the first call, whose samples should be typical of the later ones.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : None
            Ignored. It exists for compatibility with pipelines.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqEncoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also if the shapes differ from those of the first call.
        TrainingDivergedError
            If the loss is not finite. The encoder is then unchanged.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            reset = not hasattr(self, "fitted_")
            samples = self._training_samples(X, sample_weight, reset)
            self._fit_pass(samples, pack_callback_data(X, None, sample_weight))
        return self

    def _training_samples(self, X: ArrayLike, sample_weight: ArrayLike | None, reset: bool) -> Samples:
        sequences = self._read_training(X, reset=reset)
        return make_samples(sequences, np.empty((len(sequences), 0)), sample_weight, "SeqEncoder")

    def _attributes(self, fitted: FittedSequenceModel) -> dict[str, Any]:
        reader = None if self.output == "states" else _make_reader(fitted.network, self.output)
        return super()._attributes(fitted) | {"_reader": reader}

    @property
    def _pooling(self) -> str:
        # In a bidirectional network, the states of all steps but the last depend on the step to forecast.
        return "last" if self.bidirectional else "none"

    def _fit_target_scaler(self, train: Samples, inputs: Scaler, weights: np.ndarray | None) -> Scaler:
        return inputs  # targets are steps of the same channels

    def _source(self, samples: Samples, scaling: SequenceScaling) -> SampleSource:
        values, window = scaling.scale(samples.sequences, np.dtype(self.dtype), self.n_channels_)
        weights = normalize_weights(samples.weights)
        of_steps = None if weights is None else np.repeat(weights, window.n_steps)
        return SampleSource(values, values, window, of_steps)

    def _index(self, source: SampleSource, numbers: np.ndarray) -> SampleIndex:
        """Return sequences without their last step; the target of each step is the step after it.

        For a bidirectional network, return the first 1, 2, ... steps of each sequence as samples, with the
        step after them as target.
        """
        rows, n_channels = super()._index(source, numbers), self.n_channels_
        counts = np.asarray(rows.lengths) - 1
        if not counts.any():
            raise ValueError(
                f"The 'X' parameter of SeqEncoder.fit must have rows of two steps or more, both to train on "
                f"and, with early_stopping=True, to validate on, since the network learns by forecasting the "
                f"next step. Got n_features = {self.n_features_in_}, {self.n_channels_} of them a step, and "
                f"rows in which nothing was observed after the first."
            )
        if not self.bidirectional:
            known = counts > 0
            return SampleIndex(rows.starts[known], counts[known], lambda starts, _: (starts + 1) * n_channels)
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        lengths = 1 + np.arange(counts.sum()) - firsts
        starts = np.repeat(rows.starts, counts)
        return SampleIndex(starts, lengths, lambda starts, lengths: (starts + lengths) * n_channels)

    def _n_drawn(self, samples: SampleIndex) -> int:
        n_sequences = 1 + int(np.count_nonzero(np.diff(samples.starts)))
        return min(len(samples), self.max_samples or n_sequences)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Compute the features of sequences.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. In a 3-D array, they may have more or fewer steps than those of fit, but not more if
            ``output="states"``.

        Returns
        -------
        ndarray, shape (n, n_units), or (n, n_steps * n_units) for ``output="states"``, float64
            Features. n_units is `hidden_size`, twice that if `bidirectional`. They have the same bits in any
            batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape differs from that of the training data, or a value is infinite.
        """
        sequences = self._read(X)
        if self._reader is not None:
            return self._predict(sequences, self._reader.predict).astype(np.float64)
        n_steps = self.n_features_in_ // self.n_channels_
        if sequences.shape[1] > n_steps:
            raise ValueError(
                f"With output='states', the rows of the 'X' parameter of SeqEncoder.transform must have "
                f"{n_steps} steps at most, as in fit, since each step has features of its own. Got "
                f"{sequences.shape[1]} instead."
            )
        states = np.zeros((len(sequences), n_steps, self.fitted_.network.architecture.stack.output_size))
        states[:, : sequences.shape[1]] = self._predict(sequences, self.fitted_.network.outputs)
        return states.reshape(len(sequences), -1)

    @property
    def _n_features_out(self) -> int:
        n_units = self.fitted_.network.architecture.stack.output_size
        return n_units if self._reader is not None else n_units * self.n_features_in_ // self.n_channels_

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the features.

        They are ``seqencoder0``, ``seqencoder1``, ...; with ``output="states"``, ``seqencoder_t3_u7`` for
        unit 7 after step 3.

        Parameters
        ----------
        input_features : None
            Ignored. It exists for compatibility with scikit-learn.

        Returns
        -------
        ndarray of str, shape (n_features,)
        """
        names = super().get_feature_names_out(input_features)
        if self._reader is not None:
            return names
        n_units = self.fitted_.network.architecture.stack.output_size
        places = (divmod(number, n_units) for number in range(len(names)))
        return np.array([f"seqencoder_t{step}_u{unit}" for step, unit in places], object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


def _make_reader(network: Network, pooling: str) -> Network:
    """Return the network with a readout that returns the pooled states."""
    n_units = network.architecture.stack.output_size
    architecture = network.architecture.with_readout(n_outputs=n_units, pooling=pooling)
    reader = make_network(architecture, network.dtype, network.ordinal)
    for name, weight in reader.weights.items():
        if not name.startswith("head"):
            weight[...] = network.weights[name]
    reader.weights["head_weight"][...] = np.eye(n_units)
    return reader
