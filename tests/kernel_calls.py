"""Calls of kernels that do not depend on a cell, with arrays as arguments."""

import numpy as np

from seqcast.kernels.arguments import Arguments
from seqcast.kernels.registry import get_kernel
from seqcast.kernels.tables import NETWORK


def update_weights(kind, flat, gradients, back, sums, decay, moments, settings, n_updates, gradient):
    """Change `flat` and `moments` by the gradients of shards; `gradient` becomes the one that was used."""
    arguments = Arguments(
        flat.dtype,
        None,
        flat=flat,
        gradients=gradients,
        back=back,
        loss_sums=sums,
        decay=decay,
        moments=moments,
        settings=settings,
        gradient=gradient,
    )
    arguments.set_numbers(n_shards=len(gradients), optimizer=kind, n_updates=n_updates)
    get_kernel("update", None, flat.dtype).call(0, arguments.address)


def add_losses(kind, forecasts, targets, weights, first, sums):
    """Add the losses of forecasts (n, n_outputs) by loss `kind` to `sums` (2, n_targets)."""
    network = make_table(forecasts.shape[1], sums.shape[1])
    network[0]["readout"]["loss"] = kind
    measure(network, forecasts, targets, weights, first, sums)


def add_distribution_losses(kind, probabilities, parameters, targets, weights, first, sums):
    """Add the losses of distributions (n, n_parameters, n_points) to `sums` (2, n_targets)."""
    network = make_table(parameters[0].size, sums.shape[1])
    readout = network[0]["readout"]
    readout["distribution"] = kind
    readout["n_points"] = parameters.shape[2]
    readout["probabilities"][: len(probabilities)] = probabilities
    measure(network, parameters, targets, weights, first, sums)


def make_table(n_outputs, n_targets):
    network = np.zeros(1, NETWORK)
    network[0]["readout"]["n_outputs"] = n_outputs
    network[0]["window"]["n_targets"] = n_targets
    return network


def measure(network, forecasts, targets, weights, first, sums):
    arrays = {"predictions": forecasts.ravel(), "targets": targets, "target_weights": weights}
    arguments = Arguments(
        forecasts.dtype, None, network=network, first_targets=first, loss_sums=sums, **arrays
    )
    get_kernel("measure_losses", None, forecasts.dtype).call(0, arguments.address)
