"""Losses in the targets' units, and losses that do not fit a network."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.learning.losses import check_loss, in_units, mean_losses
from seqcast.learning.network import Network


def make_network(**readout):
    return Network(compose(find_cell("rnn"), 1, 2, **{"n_outputs": 2} | readout))


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


@pytest.mark.parametrize(("distribution", "loss"), [("none", "gaussian"), ("gaussian", "squared")])
def test_a_loss_and_a_distribution_belong_together(distribution, loss):
    with pytest.raises(ValueError, match=f"whose distribution is '{distribution}' must belong to it"):
        check_loss(make_network(distribution=distribution), Window(2, 1), loss)


def test_counts_are_not_normalized():
    network = make_network(distribution="negative_binomial")
    with pytest.raises(ValueError, match="Counts must not be normalized"):
        check_loss(network, Window(2, 1, normalize=True), "negative_binomial")
