"""Regression on sequences."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, assert_all_finite

from ..data.sequences import Samples
from .network_parameters import POINT_LOSS
from .rollback import rollback_on_error
from .sequence_input import make_samples, pack_callback_data
from .sequences import SequenceEstimator


class SeqRegressor(RegressorMixin, SequenceEstimator):
    """Regress on sequences with a recurrent network and a linear head.

    Inputs and targets are standardized with the mean and standard deviation of the training data.

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
    pooling : {"last", "mean", "max"}, default="last"
        Which states of the top layer the readout reads: the last, their mean, or their maximum over time.
    loss : {"squared", "absolute", "huber"}, default="squared"
        Training loss. Huber's loss is quadratic up to an error of one standard deviation of the target,
        linear beyond. The default is that of scikit-learn's regressors. `SeqForecaster` has "absolute", which
        outliers affect less.
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
        Number of training samples that are drawn for each epoch, for data of which one epoch would take too
        long. If None, every epoch uses all of them. At most as many validation samples are used, evenly
        spaced.
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
        targets.
    alpha : float, default=0.0
        L2 penalty: ``alpha / 2`` times the sum of squared weights, without biases, is added to the mean loss.
    clip_norm : float or None, default=1.0
        Largest norm of the gradient of all parameters together. If None, gradients are not clipped.
    bptt_steps : int or None, default=None
        Number of last steps that the gradient is propagated through (truncated backpropagation). The state
        is carried through the whole sequence. If None, the gradient is, too.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last fit.
    dtype : {"float32", "float64"}, default="float32"
        Data type of the network. Predictions are float64 in either case.
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
        Mean training loss of each epoch in the target's own unit (its square for the squared and Huber loss).
        For several targets, the average over them, each divided by its standard deviation.
    validation_loss_curve_ : list of float or None
        Mean validation loss of each epoch, in the same unit. None if `early_stopping` is False.
    weights_ : dict of ndarray
        Copies of the fitted weights, with the names of PyTorch.

    See Also
    --------
    SeqForecaster : Forecasts of whole series, with windows, scaling and time index.
    SeqClassifier : Classification of sequences.
    pad_sequences : Stack sequences of different lengths into one array.

    Notes
    -----
    NaN after the last observed step of a row is no step: sequences may have different lengths. Other NaN are
    missing values, which the network reads with a flag for each channel. If the training data have no missing
    values, the network has no flags, and missing values in later data are read as the mean of the channel. A
    row of NaN only is one missing step.

    If all samples are one batch, equal samples are merged into one with the sum of their weights. A weight of
    2 then gives the same bits as the sample twice, and a weight of 0 the same bits as no sample.

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

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SequenceEstimator._parameter_constraints,
        **POINT_LOSS,
    }

    def __init__(
        self,
        cell: str = "gru",
        hidden_size: int = 32,
        n_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        n_channels: int | None = None,
        pooling: str = "last",
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
        self.pooling = pooling
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

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the regressor to sequences and their targets.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. The end of a shorter one is filled with NaN.
        y : array-like, shape (n,) or (n, k)
        sample_weight : array-like, shape (n,), optional
            Weight of each sample in the loss and in the scaling, 1 by default. Samples of weight 0 are
            dropped.

        Returns
        -------
        SeqRegressor
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
            samples = self._training_samples(X, y, sample_weight, reset=True)
            self._fit_samples(samples, pack_callback_data(X, y, sample_weight))
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch, starting from the weights of the last call.

        The scaling is that of the first call, whose samples should be typical of the later ones.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : array-like, shape (n,) or (n, k)
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also if the shapes differ from those of the first call.
        TrainingDivergedError
            If the loss is not finite. The estimator is then unchanged.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            reset = not hasattr(self, "fitted_")
            samples = self._training_samples(X, y, sample_weight, reset)
            self._fit_pass(samples, pack_callback_data(X, y, sample_weight))
        return self

    def _training_samples(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, reset: bool
    ) -> Samples:
        sequences, target = self._read_training(X, y, reset=reset, multi_output=True, y_numeric=True)
        targets = np.asarray(target, np.float64).reshape(len(target), -1)
        assert_all_finite(targets, input_name="y")  # None in an array of objects has become NaN
        if not reset and targets.shape[1] != (n := self._n_outputs(self.fitted_.scaling)):
            raise ValueError(
                f"The 'y' parameter of SeqRegressor.partial_fit must have {n} target(s), as before. Got "
                f"{targets.shape[1]} instead."
            )
        self._target_ndim = target.ndim
        return make_samples(sequences, targets, sample_weight, "SeqRegressor")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the targets of sequences.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. In a 3-D array, they may have more or fewer steps than those of fit.

        Returns
        -------
        ndarray, shape (n,) or (n, k), float64
            Predictions in the shape of the `y` of fit. They have the same bits in any batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape differs from that of the training data, or a value is infinite.
        """
        outputs = self._predict(self._read(X))
        predictions = self.fitted_.scaling.targets.inverse_transform(outputs)
        return predictions[:, 0] if self._target_ndim == 1 else predictions

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        return tags
