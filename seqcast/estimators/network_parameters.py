"""Parameters of networks and their training that several estimators share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from ..cells import find_cell
from ..kernels.cuda.devices import find_device
from ..kernels.losses import POINT_LOSSES
from ..kernels.modes import OPTIMIZERS
from ..learning.fitting import NetworkOptions
from ..learning.history import EpochReport
from ..learning.progress import progress
from .callbacks import CallbackSupport, callbacks

NETWORK_CONSTRAINTS: dict[str, Any] = {
    "cell": [str],
    "hidden_size": [Interval(Integral, 1, None, closed="left")],
    "n_layers": [Interval(Integral, 1, None, closed="left")],
    "bidirectional": ["boolean"],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_samples": [None, Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "clip_norm": [None, Interval(Real, 0, None, closed="neither")],
    "bptt_steps": [None, Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    "dtype": [StrOptions({"float32", "float64"})],
    "device": [str],
    "n_jobs": [
        None,
        Interval(Integral, 1, None, closed="left"),
        Interval(Integral, None, -1, closed="right"),
    ],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}
# Constraint of the estimators that predict numbers.
POINT_LOSS = {"loss": [StrOptions(set(POINT_LOSSES))]}

# Largest number of samples that batch_size="auto" takes as one batch.
FULL_BATCH = 256
# Compared with 64: half the updates in two thirds of the time, and no worse on the weather data.
BATCH = 128


def auto_batch_size(n_samples: int) -> int:
    """Return the number of samples of one update for ``batch_size="auto"``."""
    return n_samples if n_samples <= FULL_BATCH else BATCH


def network_options(
    estimator: BaseEstimator,
    auto_batch_size: Callable[[int], int] = auto_batch_size,
    **others: Any,
) -> NetworkOptions:
    """Return the options of the network and its training from the parameters of an estimator.

    others : options that replace the estimator's parameters.
    """
    given = {"owner": type(estimator).__name__, "auto_batch_size": auto_batch_size, "ema": None, **others}
    names = [field.name for field in fields(NetworkOptions)]
    return NetworkOptions(
        **{name: given[name] if name in given else getattr(estimator, name) for name in names}
    )


def check_cell_and_device(estimator: Any) -> None:
    """Check that the cell exists and that the device can be used.

    The device "auto" is resolved later, when the size of the work is known.
    """
    find_cell(estimator.cell, type(estimator).__name__)
    if estimator.device != "auto":
        find_device(estimator.device, type(estimator).__name__)


@contextmanager
def watch(
    estimator: CallbackSupport,
    max_iter: int,
    data: dict[str, Any],
    attributes: Callable[[EpochReport], dict[str, Any]],
) -> Iterator[Callable[[EpochReport], bool]]:
    """Yield a function that reports an epoch to the progress bar and the callbacks.

    Parameters
    ----------
    estimator, max_iter, data, attributes
        As in `callbacks`.
    """
    with (
        callbacks(estimator, max_iter, data, attributes) as tell,
        progress(estimator.verbose, max_iter) as show,
    ):
        yield lambda epoch: bool(show(epoch) or tell(epoch))
