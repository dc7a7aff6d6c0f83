"""Sequences as features: the states of a recurrent network that has learned to forecast them."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions

from ..data.scaling import Scaler
from ..data.sequences import Samples
from ..kernels.readout import POOLINGS
from ..learning.devices import make_network
from ..learning.network import Network
from ..learning.samples import SampleIndex, SampleSource
from .network_parameters import POINT_LOSS
from .rollback import rollback_on_error
from .sequences import FittedSequenceModel, SequenceEstimator, SequenceScaling, as_given, relative

SHARED_RULES = {
    name: rule
    for name, rule in SequenceEstimator._parameter_constraints.items()
    if name not in ("pooling", "bptt_steps")
}


class SeqEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """Turn sequences into features for any other estimator.

    A recurrent network learns to forecast, at each step of a row, the next one; its states are the features.
    A bidirectional network, which reads a row from its end as well, learns to forecast the step after a
    beginning of the row. No target is needed. Inputs are scaled to mean 0 and deviation 1 inside, by the
    training rows.

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
        Share of each layer's outputs (of the last layer: of what the head reads) that is zeroed in training.
    n_channels : int or None, default=None
        Variables of each step. A 2-D row holds step after step, the channels of a step side by side. None
        takes it from a 3-D `X`, and 1 for a 2-D one.
    output : {"last", "mean", "max", "states"}, default="mean"
        What a row becomes: the top layer's state after its last step, the mean or the largest of its states
        over time, or all states, step after step (zero after the end of a shorter row).
    loss : {"squared", "absolute", "huber"}, default="squared"
        Of the forecast that the network learns by.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
    learning_rate_init : float, default=5e-3
    momentum : float, default=0.9
        Of "sgd".
    batch_size : int or "auto", default="auto"
        Rows of one update; "auto" is all rows up to 256 of them, else 128.
    max_samples : int or None, default=None
        Rows drawn anew for each epoch, or beginnings of rows for a bidirectional network; None for as many as
        there are rows. Of the validation rows, as many at most, at equal distances.
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
    warm_start : bool, default=False
        Whether fit goes on from the weights of the last one.
    dtype : {"float32", "float64"}, default="float32"
        Of the network; features come back in float64.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Where the network is trained and forecasts: on the CPU, or on a GPU of NVIDIA, which needs
        ``pip install "seqcast[cuda]"``; "auto" takes the first GPU if there is one and the work is large.
        What was fitted on a GPU and is loaded where there is none runs on the CPU.
    n_jobs : int or None, default=None
        Threads; None for all that numba may use, -1 for all cores. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Of the initial weights, the order of rows, and dropout.
    verbose : int, default=0
        1 shows a progress bar with the losses.

    Attributes
    ----------
    fitted_ : FittedSequenceModel
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.
    n_channels_ : int
        Variables of each step.
    device_ : str
        Where the network is: "cpu", or "cuda:" and the number of a GPU.
    n_iter_ : int
        Epochs run.
    best_iter_ : int
        Epoch, counted from 1, whose weights were kept.
    loss_curve_, validation_loss_curve_ : list of float
        Mean loss of each epoch in the channel's own unit (its square for the squared and Huber's loss); of
        several channels the average, each in units of its deviation. The second is None without
        `early_stopping`.
    weights_ : dict of ndarray
        The fitted weights by PyTorch's names.

    See Also
    --------
    SeqRegressor, SeqClassifier : Networks that learn from targets.

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
    bptt_steps = None  # the beginnings of rows are of all lengths

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
        """Learn to forecast the next step of rows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            At least two steps. Shorter rows end in NaN.
        y : ignored
            For pipelines.
        sample_weight : array-like, shape (n,), optional
            What each row counts in the loss and in the scaling; 1 if left out. Rows of weight 0 are left out.

        Returns
        -------
        SeqEncoder
            Itself.

        Raises
        ------
        ValueError
            If a parameter, a shape or a value is out of its range; the message names it.
        TypeError
            If a column of a frame holds no numbers.
        TrainingDivergedError
            If not one epoch had a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after keeping the best weights so far.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            samples = self._training_samples(X, sample_weight, reset=True)
            self._fit_samples(samples, as_given(X, None, sample_weight))
        return self

    def partial_fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows once, from where the last fit or pass ended.

        The scaling is that of the first rows ever fitted, so those should be typical of what follows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : ignored
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqEncoder
            Itself.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also if the shapes are not those of the rows before.
        TrainingDivergedError
            If the loss became infinite; the encoder stays as it was.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            reset = not hasattr(self, "fitted_")
            samples = self._training_samples(X, sample_weight, reset)
            self._fit_pass(samples, as_given(X, None, sample_weight))
        return self

    def _training_samples(self, X: ArrayLike, sample_weight: ArrayLike | None, reset: bool) -> Samples:
        sequences = self._read_training(X, reset=reset)
        return self._weigh(sequences, np.empty((len(sequences), 0)), sample_weight)

    def _attributes(self, fitted: FittedSequenceModel) -> dict[str, Any]:
        reader = None if self.output == "states" else _make_reader(fitted.network, self.output)
        return super()._attributes(fitted) | {"_reader": reader}

    @property
    def _pooling(self) -> str:
        # Both directions of a bidirectional network have read the step that is forecast, but for the last.
        return "last" if self.bidirectional else "none"

    def _fit_target_scaler(self, train: Samples, inputs: Scaler, weights: np.ndarray | None) -> Scaler:
        return inputs  # the next step is what is forecast

    def _source(self, samples: Samples, scaling: SequenceScaling) -> SampleSource:
        values, window = scaling.scale(samples.sequences, np.dtype(self.dtype), self.n_channels_)
        weights = relative(samples.weights)
        of_steps = None if weights is None else np.repeat(weights, window.n_steps)
        return SampleSource(values, values, window, of_steps)

    def _index(self, source: SampleSource, numbers: np.ndarray) -> SampleIndex:
        """Return rows without their last step as samples, whose targets are the steps after each of theirs.

        For a bidirectional network, return the beginnings of rows of 1, 2, ... steps, each with the step
        after it as target.
        """
        rows, n_channels = super()._index(source, numbers), self.n_channels_
        counts = np.asarray(rows.lengths) - 1
        if not counts.any():
            raise ValueError(
                f"The 'X' parameter of SeqEncoder.fit must have rows of two steps or more, both to train on "
                f"and, with early_stopping=True, to judge by, since the network learns by forecasting the "
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
        """Compute the features of rows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            In three dimensions, rows may have more or fewer steps than those of fit; not more for
            ``output="states"``.

        Returns
        -------
        ndarray, shape (n, n_units), or (n, n_steps * n_units) for ``output="states"``, float64
            n_units is `hidden_size`, twice that if `bidirectional`. A row's features have the same bits in
            any batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape is not that of the training rows, or a value is infinite.
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
        """Names of the features: ``seqencoder0``, ..., or ``seqencoder_t3_u7`` for unit 7 after step 3.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn's tools.

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
    """Return the network with a readout that hands on what it reads."""
    n_units = network.architecture.stack.output_size
    architecture = network.architecture.with_readout(n_outputs=n_units, pooling=pooling)
    reader = make_network(architecture, network.dtype, network.ordinal)
    for name, weight in reader.weights.items():
        if not name.startswith("head"):
            weight[...] = network.weights[name]
    reader.weights["head_weight"][...] = np.eye(n_units)
    return reader
