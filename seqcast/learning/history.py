"""The losses of a fit, and the report after each of its epochs."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class TrainingHistory:
    """The losses of a fit.

    Attributes
    ----------
    loss, validation_loss : list of float
        For each epoch, the mean loss of each target in its own unit (squared for the squared and Huber loss;
        minus the log of a density for distributions), averaged over targets.
    best_epoch : int
        Epoch (from 1) whose weights were kept.
    interrupted : bool
        Whether Ctrl-C ended the fit.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0
    interrupted: bool = False


@dataclass(frozen=True)
class EpochReport:
    """The report of a fit after one epoch.

    Attributes
    ----------
    number, max_iter : int
    loss : float
    validation_loss : float or None
    seconds : float
        Time since the fit began.
    last : bool
        Whether this is the last epoch, unless a callback stops the fit earlier.
    kept : callable
        Returns copies of the weights that the fit would leave if it stopped now, and of its history.
    """

    number: int
    max_iter: int
    loss: float
    validation_loss: float | None
    seconds: float
    last: bool
    kept: Callable[[], tuple[np.ndarray, TrainingHistory]]
