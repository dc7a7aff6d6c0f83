"""Regression on windows: each row is a short sequence, its target one or several numbers."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, assert_all_finite

from ..data.sequences import Samples
from .network_parameters import POINT_LOSS
from .rollback import rollback_on_error
from .sequences import SequenceEstimator, as_given


class SeqRegressor(RegressorMixin, SequenceEstimator):
    """Regress on sequences with a recurrent network and a linear head.

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
        Share of each layer's outputs (of the last layer: of what the head reads) that is zeroed in training.
    n_channels : int or None, default=None
        Variables of each step. A 2-D row holds step after step, the channels of a step side by side. None
        takes it from a 3-D `X`, and 1 for a 2-D one.
    pooling : {"last", "mean", "max"}, default="last"
        What the head reads of the top layer's states over time.
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
        Mean loss of each epoch in the target's own unit (its square for the squared and Huber's loss); of
        several targets the average, each in units of its deviation. The second is None without
        `early_stopping`.
    weights_ : dict of ndarray
        The fitted weights by PyTorch's names.

    See Also
    --------
    SeqForecaster : Windows, scaling and time index for whole series.
    SeqClassifier : The same for classes.
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
        """Train on rows and their targets.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            Shorter rows end in NaN.
        y : array-like, shape (n,) or (n, k)
        sample_weight : array-like, shape (n,), optional
            What each row counts in the loss and in the scaling; 1 if left out. Rows of weight 0 are left out.

        Returns
        -------
        SeqRegressor
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
            samples = self._training_samples(X, y, sample_weight, reset=True)
            self._fit_samples(samples, as_given(X, y, sample_weight))
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows once, from where the last fit or pass ended.

        The scaling is that of the first rows ever fitted, so those should be typical of what follows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
        y : array-like, shape (n,) or (n, k)
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        SeqRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also if the shapes are not those of the rows before.
        TrainingDivergedError
            If the loss became infinite; the estimator stays as it was.
        """
        self._validate_params()
        with rollback_on_error(self, "fitted_"):
            reset = not hasattr(self, "fitted_")
            samples = self._training_samples(X, y, sample_weight, reset)
            self._fit_pass(samples, as_given(X, y, sample_weight))
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
        return self._weigh(sequences, targets, sample_weight)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like, shape (n, n_steps * n_channels) or (n, n_steps, n_channels)
            In three dimensions, rows may have more or fewer steps than those of fit.

        Returns
        -------
        ndarray, shape (n,) or (n, k), float64
            In the form of the y that was fitted. A row's prediction has the same bits in any batch.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the shape is not that of the training rows, or a value is infinite.
        """
        outputs = self._predict(self._read(X))
        predictions = self.fitted_.scaling.targets.inverse_transform(outputs)
        return predictions[:, 0] if self._target_ndim == 1 else predictions

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        return tags
