"""Losses in the targets' units, and losses that do not fit a network."""

import numpy as np
import pytest
from kernel_calls import add_distribution_losses, add_losses

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.distributions import DISTRIBUTIONS, output_probabilities, parameter_count
from seqcast.kernels.losses import LOSSES, POINT_LOSSES
from seqcast.learning.losses import check_loss, in_units, mean_losses
from seqcast.learning.network import Network

# Counts are never scaled, and classes have no unit.
UNSCALED = ("negative_binomial", "cross_entropy")


def make_network(**readout):
    return Network(compose(find_cell("rnn"), 1, 2, **{"n_outputs": 2} | readout))


def compute_loss(loss, unit):
    """Return the loss of one forecast and target that are given in the unit 1 and converted to another."""
    sums = np.zeros((2, 1))
    target, first = np.array([0.3 * unit]), np.zeros(1, np.int64)
    if loss in POINT_LOSSES:
        # So small that Huber's loss is a square.
        add_losses(LOSSES.index(loss), np.array([[0.1 * unit]]), target, np.empty(0), first, sums)
        return sums[0, 0]
    kind = DISTRIBUTIONS.index(loss)
    probabilities = output_probabilities((0.1, 0.5, 0.8))
    parameters = np.array([0.1, 0.6, 2.5])[: parameter_count(loss, tuple(probabilities))]
    # Degrees of freedom have no unit.
    parameters[: 3 if loss == "quantile" else 2] *= unit
    table = parameters.reshape(1, -1, 1)
    add_distribution_losses(kind, probabilities, table, target, np.empty(0), first, sums)
    return sums[0, 0]


def test_a_target_without_weight_has_no_loss():
    assert mean_losses(np.array([[6.0, 0.0], [3.0, 0.0]])).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("absolute", 7.0),
        ("quantile", 7.0),
        ("squared", 26.0),
        ("huber", 26.0),
        ("gaussian", 2 + np.log(8) / 2),
    ],
)
def test_losses_are_reported_in_the_units_of_the_targets(loss, expected):
    assert in_units(np.array([1.0, 3.0]), np.array([2.0, 4.0]), loss) == pytest.approx(expected)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss not in UNSCALED])
def test_unit_of_each_loss_is_that_of_its_values(loss):
    unit = 3.0
    scaled = compute_loss(loss, 1.0)
    assert in_units(np.array([scaled]), np.array([unit]), loss) == pytest.approx(compute_loss(loss, unit))


def test_all_lists_of_losses_agree():
    assert (*POINT_LOSSES, "cross_entropy", *DISTRIBUTIONS[1:]) == LOSSES
    assert in_units(np.array([0.5]), np.array([3.0]), "cross_entropy") == 0.5


@pytest.mark.parametrize(("distribution", "loss"), [("none", "gaussian"), ("gaussian", "squared")])
def test_a_loss_and_a_distribution_belong_together(distribution, loss):
    with pytest.raises(ValueError, match=f"whose distribution is '{distribution}' must belong to it"):
        check_loss(make_network(distribution=distribution), Window(2, 1), loss)


def test_counts_are_not_normalized():
    network = make_network(distribution="negative_binomial")
    with pytest.raises(ValueError, match="Counts must not be normalized"):
        check_loss(network, Window(2, 1, normalize=True), "negative_binomial")
