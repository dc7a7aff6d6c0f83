"""Classification of sequences: each row is a short sequence, its target a class."""

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
from .sequences import SequenceEstimator, SequenceScaling, as_given


class SeqClassifier(ClassifierMixin, SequenceEstimator):
    """Classify sequences with a recurrent network, a linear head and softmax.

    Inputs are scaled to mean 0 and deviation 1 inside, by the training rows. The loss is the cross-entropy.

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
    pooling : {"last", "mean", "max"}, default="max"
        What the head reads of the top layer's states over time. What tells a class often lies somewhere
        within a row: "max" was best in cross-validation on GunPoint and BasicMotions, and as good as "last"
        on the adding problem.
    class_weight : dict, "balanced" or None, default=None
        What the rows of each class count, times their `sample_weight`; "balanced" gives every class the same
        weight in all.
    optimizer : {"adam", "rmsprop", "sgd"}, default="adam"
    learning_rate_init : float, default=5e-3
    momentum : float, default=0.9
        Of "sgd".
    batch_size : int or "auto", default="auto"
        Rows of one update; "auto" is all rows up to 256 of them, else 128.
    max_samples : int or None, default=None
        Training rows drawn anew for each epoch, for data of which one epoch would take too long; None for
        all. Of the validation rows, as many at most, at equal distances.
    max_iter : int, default=300
        Epochs at most.
    early_stopping : bool, default=False
        Whether to watch the loss on a `validation_fraction` of the rows, drawn at random, from each class its
        share, and to keep the weights of the best epoch. Without it, the training loss is watched.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=30
        Epochs without an improvement of the watched loss by `tol` after which training stops. The
        cross-entropy of few rows stays flat for long and then falls: with 10, cross-validated accuracy on
        GunPoint was 0.87 instead of 0.93.
    tol : float, default=1e-4
        In units of the loss (nats).
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
        Of the network; probabilities come back in float64.
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
    classes_ : ndarray, shape (n_classes,)
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
        Mean cross-entropy of each epoch, in nats. The second is None without `early_stopping`.
    weights_ : dict of ndarray
        The fitted weights by PyTorch's names.

    See Also
    --------
    SeqRegressor : The same for numbers.
    pad_sequences : Sequences of different lengths as one array.

    Notes
    -----
    NaN after the last observed step of a row is no step: rows may have different lengths. Other NaN are
    missing values: the network reads that nothing was observed. A row of NaN only is one such step.

    Where all rows make one batch, equal rows are merged into one with the sum of their weights. A weight of 2
    then gives the same bits as the row twice, and a weight of 0 as no row.

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
        """Train on rows and their classes.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Shorter rows end in NaN.
        y : array-like, shape (n,)
            Classes: numbers, strings or booleans, two or more different ones.
        sample_weight : array-like, shape (n,), optional
            What each row counts in the loss and in the scaling; 1 if left out. Rows of weight 0 are left out.

        Returns
        -------
        SeqClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter, a shape or a value is out of its range, or `y` holds one class only; the message
            names it.
        TypeError
            If a column of a frame holds no numbers.
        TrainingDivergedError
            If not one epoch had a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after keeping the best weights so far.
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
            samples = self._labelled(sequences, target, sample_weight)
            self._fit_samples(samples, as_given(X, y, sample_weight))
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train on rows once, from where the last fit or pass ended.

        The scaling is that of the first rows ever fitted, so those should be typical of what follows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : array-like, shape (n,)
        classes : array-like, shape (n_classes,), optional
            All classes that will ever come; needed at the first call, where no fit came before.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqClassifier
            Itself.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also for classes that were not announced, and for ``class_weight="balanced"``, since the
            share of a class in all rows is unknown.
        TrainingDivergedError
            If the loss became infinite; the estimator stays as it was.
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
            samples = self._labelled(sequences, target, sample_weight)
            self._fit_pass(samples, as_given(X, y, sample_weight))
        return self

    def _read_labels(self, X: ArrayLike, y: ArrayLike, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        sequences, target = self._read_training(X, y, reset=reset)
        check_classification_targets(target)
        return sequences, target

    def _labelled(
        self, sequences: np.ndarray, target: np.ndarray, sample_weight: ArrayLike | None
    ) -> Samples:
        """Rows with the numbers of their classes; weights times those of the classes."""
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
        samples = self._weigh(sequences, labels[:, None].astype(np.float64), sample_weight)
        weights = samples.weights * self._class_weights(samples)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"The 'class_weight' parameter of SeqClassifier must hold finite weights, none of them below "
                f"0 and one at least above it. Got {self.class_weight!r} instead."
            )
        return replace(samples, weights=weights).drop_unweighted()

    def _split(self, samples: Samples) -> tuple[Samples, int]:
        """Rows of all classes on both sides: the last ones may be all of one class."""
        if not self.early_stopping:
            return super()._split(samples)
        n, labels = len(samples), samples.targets[:, 0].astype(np.int64)
        n_judged, counts = max(1, round(self.validation_fraction * n)), np.bincount(labels)
        if n_judged >= n:
            return super()._split(samples)  # which says what is missing
        each = counts[counts > 0].min() > 1 and min(n_judged, n - n_judged) >= np.count_nonzero(counts)
        train, judged = train_test_split(
            np.arange(n),
            test_size=n_judged,
            stratify=labels if each else None,
            random_state=check_random_state(self.random_state).randint(2**31),
        )
        known, later = samples[train], samples[judged]
        if self._is_full_batch(len(train)):
            known = known.merge_duplicates()
        return known + later, len(known)

    def _class_weights(self, samples: Samples) -> np.ndarray:
        """Return the weight of the class of each row."""
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
        """Logits of rows: what softmax turns into probabilities.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n, n_classes), or (n,) for two classes, float64
            In the order of `classes_`; for two classes, the second's less the first's.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)

        Returns
        -------
        ndarray, shape (n, n_classes), float64
            In the order of `classes_`; each row adds up to 1.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Logarithms of `predict_proba`, exact where the probability itself would be 0.

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
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            In three dimensions, rows may have more or fewer steps than those of fit.

        Returns
        -------
        ndarray, shape (n,)
            The most probable of `classes_`. A row's class does not depend on its batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape is not that of the training rows, or a value is infinite.
        """
        best = np.argmax(self._logits(X), axis=1)
        return self.classes_[best]

    def _logits(self, X: ArrayLike) -> np.ndarray:
        return self._predict(self._read(X)).astype(np.float64)
