"""Losses of a network over samples, and the units in which they are reported."""

from collections.abc import Iterator

import numpy as np

from ..kernels.batch_plan import Window
from ..kernels.distributions import DISTRIBUTIONS
from ..kernels.losses import LOG_DENSITY, LOSS_UNITS, LOSSES
from ..kernels.registry import get_kernel
from ..kernels.samples import TARGET
from .network import PREDICT_SAMPLES, Network
from .options import TrainingOptions
from .samples import AnySamples, SampleSource, step_targets


def check_loss(network: Network, window: Window, loss: str) -> None:
    """Check that the loss is compatible with the readout and with the scaling of windows."""
    readout = network.architecture.readout
    if readout.distribution != (loss if loss in DISTRIBUTIONS else "none"):
        raise ValueError(
            f"The loss of a network whose distribution is {readout.distribution!r} must belong to it. "
            f"Got {loss!r} instead."
        )
    if readout.distribution == "negative_binomial" and window.normalize:
        raise ValueError("Counts must not be normalized: less their last value, they are no counts.")
    if readout.reads_every_step and (window.normalize or window.scale != "none"):
        raise ValueError(
            "Windows must not be normalized or scaled for a readout at every step: their last value and "
            "their scale are not known before their end. Set normalize=False and scale='none'."
        )


def split_samples(samples: AnySamples) -> Iterator[np.ndarray]:
    """Yield the table of `samples` in parts.

    The forecasts of all samples at once would take a horizon times as much memory as the samples.
    """
    for first in range(0, len(samples), PREDICT_SAMPLES):
        yield samples[first : first + PREDICT_SAMPLES]


def validation_losses(
    network: Network, source: SampleSource, samples: AnySamples, options: TrainingOptions
) -> np.ndarray:
    """Return each target's mean loss over `samples`, without dropout, shape (n_targets,)."""
    totals = np.zeros((2, source.window.n_targets))
    plan = network.plan(source.window, 1, keep=False).with_dropout(np.uint32(0), 0.0)
    plan.network[0].readout.loss = LOSSES.index(options.loss)
    arguments = network.arguments(
        plan,
        targets=source.targets.ravel(),
        target_weights=source.flat_weights(network.dtype),
        loss_sums=totals,
    )
    kernel = get_kernel("measure_losses", None, network.dtype)
    for part in split_samples(samples):
        forecasts, first = network.predict(source, part, options.n_threads), part[:, TARGET].copy()
        if network.architecture.readout.reads_every_step:
            running, first = step_targets(part, source.window)
            forecasts = forecasts[running]
        arguments.set(predictions=forecasts.ravel(), first_targets=first)
        kernel.call(0, arguments.address)
    return mean_losses(totals)


def mean_losses(totals: np.ndarray) -> np.ndarray:
    """Return losses over weights; 0 for a target that was never observed."""
    return totals[0] / np.where(totals[1] > 0, totals[1], 1)


def in_units(losses: np.ndarray, units: np.ndarray, loss: str) -> float:
    """Return the mean of the losses of standardized targets, converted to the targets' own units."""
    power = LOSS_UNITS[loss]
    if power is LOG_DENSITY:
        # The density of y is the density of y / unit, divided by the unit.
        return float(np.mean(losses + np.log(units)))
    # The loss of a network that diverges may overflow. Training detects it in the losses themselves.
    with np.errstate(over="ignore"):
        return float(np.mean(losses * units**power))
