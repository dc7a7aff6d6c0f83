"""Options of training."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a fit; names and meanings are those of the estimators' parameters.

    If the readout gives a distribution, the loss must be its name.
    """

    loss: str = "squared"
    optimizer: str = "adam"
    learning_rate_init: float = 1e-3
    momentum: float = 0.9
    batch_size: int = 128
    max_samples: int | None = None
    max_iter: int = 100
    n_iter_no_change: int = 10
    tol: float = 1e-4
    alpha: float = 0.0
    clip_norm: float | None = 1.0
    dropout: float = 0.0
    bptt_steps: int | None = None
    ema: float | None = None
    n_threads: int = 1

    def settings(self, dtype: np.dtype) -> np.ndarray:
        """Return the settings of the kernel "update".

        They are the rate, momentum or beta1, beta2, eps, alpha and the clip norm.
        """
        first = self.momentum if self.optimizer == "sgd" else 0.9
        second = 0.99 if self.optimizer == "rmsprop" else 0.999
        return np.array(
            [self.learning_rate_init, first, second, 1e-8, self.alpha, self.clip_norm or 0.0], dtype
        )
