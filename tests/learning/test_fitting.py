"""Fits of a network with the options of an estimator."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from training_tasks import make_task

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.learning.fitting import (
    NetworkOptions,
    TrainingSet,
    check_same_network,
    fit,
    fit_epoch,
    loss_units,
    new_network,
)

pytestmark = [
    pytest.mark.nojit,
    pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning"),
]

OPTIONS = NetworkOptions(
    owner="SeqTest",
    cell="gru",
    hidden_size=3,
    n_layers=1,
    bidirectional=False,
    dropout=0.0,
    loss="squared",
    optimizer="adam",
    learning_rate_init=0.01,
    momentum=0.9,
    batch_size="auto",
    max_samples=None,
    max_iter=3,
    n_iter_no_change=10,
    tol=0.0,
    alpha=0.0,
    clip_norm=None,
    bptt_steps=None,
    dtype="float64",
    device="cpu",
    n_jobs=1,
    auto_batch_size=lambda n_samples: n_samples // 2,
)
ARCHITECTURE = compose(find_cell("gru"), 2, 3, n_outputs=4)


def no_monitor(max_iter, result):
    """Watch nothing and never stop."""
    return contextlib.nullcontext(lambda epoch: False)


def make_data():
    source, samples = make_task(6)
    return TrainingSet(source, samples, samples, np.ones(2), len(samples))


def start():
    return new_network(ARCHITECTURE, "float64", np.random.RandomState(0))


def train(options=OPTIONS, begin=fit, **arguments):
    """Return the fitted network and those that were handed to `keep`."""
    kept = []
    arguments = {"data": make_data(), "rng": np.random.RandomState(1), "monitor": no_monitor} | arguments
    return begin(options, start(), keep=kept.append, **arguments), kept


def test_the_batch_size_is_chosen_or_limited_by_the_samples():
    assert OPTIONS.batch_rows(10) == 5
    sized = replace(OPTIONS, batch_size=8)
    assert (sized.batch_rows(10), sized.batch_rows(6)) == (8, 6)
    assert (sized.is_full_batch(10), sized.is_full_batch(6)) == (False, True)
    assert not replace(sized, max_samples=4).is_full_batch(6)


def test_truncation_needs_a_single_direction():
    truncated = replace(OPTIONS, bptt_steps=2, bidirectional=True)
    with pytest.raises(ValueError, match=r"'bptt_steps' parameter of SeqTest must be None .* Got 2 instead"):
        truncated.architecture(2, 4)
    assert OPTIONS.architecture(2, 4) == ARCHITECTURE


def test_little_work_is_done_on_the_cpu():
    assert replace(OPTIONS, device="auto").find_device(1e3) is None


def test_another_network_cannot_be_trained_further():
    fitted, _ = train()
    check_same_network(fitted, ARCHITECTURE, "float64", "fit")
    for other in ((ARCHITECTURE, "float32"), (compose(find_cell("gru"), 2, 4, n_outputs=4), "float64")):
        with pytest.raises(ValueError, match=r"^fit continues from the weights of the last fit"):
            check_same_network(fitted, *other, "fit")


def test_a_fit_changes_the_weights_and_is_kept():
    fitted, kept = train()
    assert kept == [fitted]
    assert len(fitted.history.loss) == len(fitted.history.validation_loss) == 3
    assert fitted.device == "cpu"
    assert not np.array_equal(fitted.network.flat, start()[0].flat)


def test_an_interrupted_fit_keeps_its_best_weights():
    kept = []

    def interrupted(max_iter, result):
        def report(epoch):
            raise KeyboardInterrupt

        return contextlib.nullcontext(report)

    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        fit(OPTIONS, start(), make_data(), np.random.RandomState(1), interrupted, kept.append)
    assert kept[0].history.interrupted
    assert len(kept[0].history.loss) == 1


def test_an_epoch_continues_the_losses():
    fitted, kept = train(begin=fit_epoch, losses=[3.0, 2.0])
    assert kept == [fitted]
    assert fitted.history.loss[:2] == [3.0, 2.0]
    assert (len(fitted.history.loss), fitted.history.best_epoch) == (3, 3)


def test_losses_of_several_targets_are_in_deviations():
    assert loss_units(np.array([7.0])).tolist() == [7.0]
    assert loss_units(np.array([7.0, 3.0])).tolist() == [1.0, 1.0]
