"""Parameters of networks as the options of a training."""

import pytest

from seqcast import SeqForecaster
from seqcast.estimators import forecaster
from seqcast.estimators.network_parameters import auto_batch_size, network_options


@pytest.mark.parametrize(("n_samples", "expected"), [(1, 1), (256, 256), (257, 128), (10**6, 128)])
def test_a_small_set_is_one_batch(n_samples, expected):
    assert auto_batch_size(n_samples) == expected


def test_options_are_the_parameters_of_the_estimator():
    options = network_options(SeqForecaster(cell="lstm", hidden_size=7, alpha=0.5, dtype="float64"))
    assert (options.owner, options.cell, options.hidden_size) == ("SeqForecaster", "lstm", 7)
    assert (options.alpha, options.dtype, options.ema) == (0.5, "float64", None)


def test_options_can_be_given_in_place_of_parameters():
    model = SeqForecaster(loss="huber")
    assert network_options(model).loss == "huber"
    options = network_options(model, lambda n: 3, loss="squared", ema=0.9)
    assert (options.loss, options.ema, options.batch_rows(100)) == ("squared", 0.9, 3)


@pytest.mark.parametrize(
    ("size", "n_rows", "expected"),
    [
        ("auto", 90, 8),
        ("auto", 480, 10),
        ("auto", 9600, 200),
        ("auto", 10**6, 256),
        (64, 300, 64),
        (64, 9, 9),
    ],
)
def test_forecasters_aim_at_many_updates_of_an_epoch(size, n_rows, expected):
    options = network_options(SeqForecaster(batch_size=size), forecaster.auto_batch_size)
    assert options.batch_rows(n_rows) == expected
