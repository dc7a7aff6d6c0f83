"""Classification of sequences."""

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

from ..data.scaling import Scaler
from ..data.sequences import Samples
from .rollback import rollback_on_error
from .sequence_input import make_samples, pack_callback_data
from .sequences import SequenceEstimator, SequenceScaling


class SeqClassifier(ClassifierMixin, SequenceEstimator):
    """Classify sequences with a recurrent network, a linear head and softmax.

    Inputs are standardized with the mean and standard deviation of the training data. The loss is the
    cross-entropy.

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
    pooling : {"last", "mean", "max"}, default="max"
        Which states of the top layer the readout reads: the last, their mean, or their maximum over time.
        What tells classes apart is often within a sequence: "max" was best in cross-validation on GunPoint
        and BasicMotions, and as good as "last" on the adding problem. `SeqRegressor` has "last", since the
        newest steps count most in forecasts.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, which multiplies `sample_weight`. With "balanced", all classes have the same
        total weight. If None, every class has weight 1.
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
    max_iter : int, default=300
        Maximum number of epochs. A full-batch epoch is a single update, so more epochs are needed than in
        `SeqForecaster` (100).
    early_stopping : bool, default=False
        Whether to keep the weights of the epoch with the lowest loss on `validation_fraction` of the samples,
        drawn at random and stratified by class. If False, the training loss is monitored. It is True in
        `SeqForecaster`, which needs validation data for its prediction intervals, too.
    validation_fraction : float, default=0.1
        Fraction of the samples that is held back for validation if `early_stopping` is True.
    n_iter_no_change : int, default=30
        Number of epochs without an improvement of the monitored loss by `tol` after which training stops. The
        cross-entropy of few samples stays flat for long and then falls: with 10, as in `SeqForecaster`,
        cross-validated accuracy on GunPoint was 0.87 instead of 0.93.
    tol : float, default=1e-4
        Smallest decrease of the monitored loss that counts as an improvement, in units of the loss (nats).
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
        Data type of the network. Probabilities are float64 in either case.
    device : {"cpu", "cuda", "cuda:1", ..., "auto"}, default="cpu"
        Device on which the network is trained and predicts: the CPU or an NVIDIA GPU, which needs
        ``pip install "seqcast[cuda]"``. "auto" takes the first GPU if there is one and the work is large. An
        estimator that was fitted on a GPU and is loaded on a machine without one runs on the CPU.
    n_jobs : int or None, default=None
        Number of threads. None means as many as numba may use, -1 all cores. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the samples, dropout and the validation samples.
    verbose : int, default=0
        If 1, a progress bar with the losses is shown.

    Attributes
    ----------
    fitted_ : FittedSequenceModel
        Frozen record of the scaling and the trained network.
    classes_ : ndarray, shape (n_classes,)
        Class labels in ascending order.
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
        Mean cross-entropy of the training data in each epoch, in nats.
    validation_loss_curve_ : list of float or None
        Mean validation loss of each epoch, in the same unit. None if `early_stopping` is False.
    weights_ : dict of ndarray
        Copies of the fitted weights, with the names of PyTorch.

    See Also
    --------
    SeqRegressor : Regression on sequences.
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
    >>> from seqcast import SeqClassifier
    >>> X = np.random.default_rng(0).normal(size=(200, 12))
    >>> y = np.where(X[:, :6].sum(axis=1) > X[:, 6:].sum(axis=1), "falls", "rises")
    >>> model = SeqClassifier(hidden_size=16, random_state=0).fit(X, y)
    >>> model.predict(X[:5]).shape, model.predict_proba(X[:5]).shape
    ((5,), (5, 2))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **SequenceEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        pooling: str = "max",
        class_weight: dict | str | None = None,
        optimizer: str = "adam",
        learning_rate_init: float = 5e-3,
        momentum: float = 0.9,
        batch_size: int | str = "auto",
        max_samples: int | None = None,
        max_iter: int = 300,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 30,
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
        self.class_weight = class_weight
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
        """Fit the classifier to sequences and their classes.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. The end of a shorter one is filled with NaN.
        y : array-like, shape (n,)
            Classes as numbers, strings or booleans, at least two different ones.
        sample_weight : array-like, shape (n,), optional
            Weight of each sample in the loss and in the scaling, 1 by default. Samples of weight 0 are
            dropped.

        Returns
        -------
        SeqClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a shape or a value is invalid, or `y` has only one class; the message names it.
        TypeError
            If a column of a frame is not numeric.
        TrainingDivergedError
            If no epoch has a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after the best weights so far were kept.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            sequences, target = self._read_labels(X, y, reset=True)
            classes = np.unique(target)
            if self.warm_start and hasattr(self, "fitted_") and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"With warm_start=True, SeqClassifier.fit goes on with the classes of the last fit, "
                    f"{self.classes_.tolist()}. Got {classes.tolist()} instead. Set warm_start=False to "
                    f"start anew."
                )
            self.classes_: np.ndarray = classes
            samples = self._label_samples(sequences, target, sample_weight)
            self._fit_samples(samples, pack_callback_data(X, y, sample_weight))
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch, starting from the weights of the last call.

        The scaling is that of the first call, whose samples should be typical of the later ones.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : array-like, shape (n,)
        classes : array-like, shape (n_classes,), optional
            All classes of this and later calls. Required in the first call, unless `fit` was called before.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqClassifier
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also for classes that the first call did not name, and for ``class_weight="balanced"``,
            since the frequencies of the classes are unknown.
        TrainingDivergedError
            If the loss is not finite. The estimator is then unchanged.
        """
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError(
                "The 'class_weight' parameter of SeqClassifier must be a dict or None for partial_fit, which "
                "sees a part of the rows. Got 'balanced' instead. Compute the weights of all rows with "
                "sklearn.utils.compute_class_weight and pass them as a dict."
            )
        with rollback_on_error(self, "fitted_"):
            _check_partial_fit_first_call(self, classes)
            sequences, target = self._read_labels(X, y, reset=not hasattr(self, "fitted_"))
            samples = self._label_samples(sequences, target, sample_weight)
            self._fit_pass(samples, pack_callback_data(X, y, sample_weight))
        return self

    def _read_labels(self, X: ArrayLike, y: ArrayLike, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        sequences, target = self._read_training(X, y, reset=reset)
        check_classification_targets(target)
        return sequences, target

    def _label_samples(
        self, sequences: np.ndarray, target: np.ndarray, sample_weight: ArrayLike | None
    ) -> Samples:
        """Return samples whose targets are class indices, with the weights of the classes."""
        if len(self.classes_) < 2:
            raise ValueError(
                f"The 'y' parameter of SeqClassifier.fit must hold 2 classes or more. Got 1 class, "
                f"{self.classes_.tolist()[0]!r}, instead."
            )
        unknown = np.setdiff1d(target, self.classes_).tolist()
        if len(unknown):
            raise ValueError(
                f"The 'y' parameter of SeqClassifier must hold the classes {self.classes_.tolist()} only. "
                f"Got {unknown[0]!r} as well. Name all classes in the first call of partial_fit."
            )
        labels = np.searchsorted(self.classes_, target)
        samples = make_samples(sequences, labels[:, None].astype(np.float64), sample_weight, "SeqClassifier")
        weights = samples.weights * self._class_weights(samples)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"The 'class_weight' parameter of SeqClassifier must hold finite weights, none of them below "
                f"0 and one at least above it. Got {self.class_weight!r} instead."
            )
        return replace(samples, weights=weights).drop_unweighted()

    def _split(self, samples: Samples) -> tuple[Samples, int]:
        """Split at random, stratified by class, since the last samples may be of one class."""
        if not self.early_stopping:
            return super()._split(samples)
        n = len(samples)
        n_validation = max(1, round(self.validation_fraction * n))
        if n_validation >= n:
            # Its error says what is missing.
            return super()._split(samples)
        labels = samples.targets[:, 0].astype(np.int64)
        counts = np.bincount(labels)
        smaller_part = min(n_validation, n - n_validation)
        can_stratify = counts[counts > 0].min() > 1 and smaller_part >= np.count_nonzero(counts)
        in_train, in_validation = train_test_split(
            np.arange(n),
            test_size=n_validation,
            stratify=labels if can_stratify else None,
            random_state=check_random_state(self.random_state).randint(2**31),
        )
        train = samples[in_train]
        if self._network_options().is_full_batch(len(train)):
            train = train.merge_duplicates()
        return train + samples[in_validation], len(train)

    def _class_weights(self, samples: Samples) -> np.ndarray:
        """Return the weight of the class of each sample."""
        labels = samples.targets[:, 0].astype(np.int64)
        if self.class_weight == "balanced":
            totals = np.bincount(labels, samples.weights, len(self.classes_))
            return samples.weights.sum() / (np.count_nonzero(totals) * totals[labels])
        return compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)[labels]

    def _fit_target_scaler(self, train: Samples, inputs: Scaler, weights: np.ndarray | None) -> Scaler:
        return Scaler.identity(1)

    def _n_outputs(self, scaling: SequenceScaling) -> int:
        return len(self.classes_)

    @property
    def _loss(self) -> str:
        return "cross_entropy"

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Compute the logits, which softmax turns into probabilities.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n, n_classes), or (n,) for two classes, float64
            Logits in the order of `classes_`; for two classes, the difference of the second and the first.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n, n_classes), float64
            Probabilities in the order of `classes_`. Each row sums to 1.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict the logarithms of the probabilities, which are finite where a probability rounds to 0.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n, n_classes), float64

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        logits = self._logits(X)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each sequence.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Sequences. In a 3-D array, they may have more or fewer steps than those of fit.

        Returns
        -------
        ndarray, shape (n,)
            The most probable of `classes_`. It does not depend on the batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape differs from that of the training data, or a value is infinite.
        """
        best = np.argmax(self._logits(X), axis=1)
        return self.classes_[best]

    def _logits(self, X: ArrayLike) -> np.ndarray:
        return self._predict(self._read(X)).astype(np.float64)
