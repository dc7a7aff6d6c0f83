"""Training of a forecaster's networks: options, early stopping, warm starts and interruptions."""

import math
from contextlib import contextmanager

import numba
import numpy as np
import pandas as pd
import pytest
from fitted_parts import networks_of
from forecast_by_hand import (
    forecast_by_hand,
    hourly,
)
from forecaster_tasks import EXACT, SHORT, SMALL, TINY, TOGETHER, assert_same_bits, assert_same_weights, ways
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from seqcast import SeqForecaster
from seqcast.estimators import network_parameters
from seqcast.forecasting import fit_combination
from seqcast.kernels import parallel
from seqcast.learning import fitting, trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

WHOLE = {**SHORT, "batch_size": 10**6}  # one update an epoch


# -- several networks


def test_warm_start_continues_an_interrupted_fit(frame, monkeypatch):
    monkeypatch.setattr(network_parameters, "progress", interrupting(2))
    model = SeqForecaster(**SHORT, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(frame)
    monkeypatch.undo()
    before = model.weights_["head_bias"]
    model.set_params(learning_rate_init=1e-300).fit(frame)
    assert_same_bits(model.weights_["head_bias"], before)


def test_interruption_in_the_second_network_keeps_both(frame, monkeypatch):
    networks = []

    @contextmanager
    def progress(verbose, max_iter):
        networks.append(None)

        def report(epoch):
            if (len(networks), epoch.number) == (2, 1):
                raise KeyboardInterrupt

        yield report

    monkeypatch.setattr(network_parameters, "progress", progress)
    model = SeqForecaster(**EXACT, naive_fallback=False, n_models=3)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    assert len(networks) == len(networks_of(model)) == 2
    known = frame.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


# -- rows that follow


@ways
def test_validation_rows_do_not_affect_scaling_or_first_epoch(way):
    """With one epoch, early stopping keeps the same weights, so that differences would show a leak."""
    rows = hourly(120, "ab")
    changed = rows.copy()
    changed.iloc[108:] = 1e3 * np.random.default_rng(5).normal(size=(12, 2))
    options = {**SMALL, **way, "max_iter": 1}
    one, other = SeqForecaster(**options).fit(rows), SeqForecaster(**options).fit(changed)
    assert_same_weights(one, other)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    # ... while the last row that is trained on does matter
    changed.iloc[107] = 1e3
    assert SeqForecaster(**options).fit(changed).loss_curve_ != one.loss_curve_


# -- scikit-learn's tools


def test_a_sample_of_windows_is_learned_from_and_judged_by(monkeypatch):
    seen = {}
    real = fitting.fit_network

    def watched(network, windows, train, validation, options, **more):
        seen.update(train=len(train), validation=len(validation), options=options)
        return real(network, windows, train, validation, options, **more)

    monkeypatch.setattr(fitting, "fit_network", watched)
    model = SeqForecaster(**SHORT, max_samples=32).fit(hourly(1000))
    assert (seen["train"], seen["validation"]) == (884, 32)
    assert (seen["options"].max_samples, seen["options"].batch_size) == (32, 8)
    few = SeqForecaster(**SHORT, max_samples=10**6).fit(hourly(1000))
    assert_same_weights(few, SeqForecaster(**SHORT).fit(hourly(1000)))
    assert model.loss_curve_ != few.loss_curve_


# -- same bits


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(2, 2), (-1, 3)])
def test_n_jobs_sets_the_number_of_threads(n_jobs, n_threads, frame, monkeypatch):
    asked = []

    def run(kernel, arguments, n_threads):
        asked.append(n_threads)
        compiled(kernel, arguments, 1)

    compiled = parallel.run
    monkeypatch.setattr(parallel, "run", run)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    SeqForecaster(**SHORT, n_jobs=n_jobs).fit(frame).forecast()
    # A forecast of one sample has one shard.
    assert set(asked) == {1, n_threads}


# -- training


def test_warm_start_continues_where_the_last_fit_ended(frame):
    """Without early stopping and with full batches, two fits of three epochs equal one of six."""
    options = {**SHORT, "early_stopping": False, "batch_size": 10**6, "n_iter_no_change": 100}
    whole = SeqForecaster(**{**options, "max_iter": 6}).fit(frame)
    model = SeqForecaster(**options, warm_start=True).fit(frame)
    first = model.loss_curve_
    model.fit(frame)
    # Rows come in another order, so that sums differ in their last digits.
    np.testing.assert_allclose(first + model.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(model.forecast(), whole.forecast(), rtol=1e-4)
    cold = SeqForecaster(**options).fit(frame).fit(frame)
    assert cold.loss_curve_ == first


@pytest.mark.parametrize(
    "change",
    [
        {"cell": "lstm"},
        {"hidden_size": 9},
        {"n_layers": 2},
        {"bidirectional": True},
        {"dtype": "float64"},
        {"horizon": 6},
        {"target": "a"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_warm_start_refuses_another_network(frame, change):
    model = SeqForecaster(**SMALL, **TOGETHER, warm_start=True).fit(frame)
    with pytest.raises(
        ValueError,
        match=r"SeqForecaster\.fit with warm_start=True continues .* Call fit with warm_start=False",
    ):
        model.set_params(**change).fit(frame)
    assert model.set_params(warm_start=False).fit(frame).forecast(3).shape[0] == 3


@ways
def test_early_stopping_keeps_the_best_epoch_on_the_last_rows(way):
    rows = hourly(150)
    options = {**SMALL, **way, "max_iter": 60, "learning_rate_init": 0.03, "n_iter_no_change": 5}
    model = SeqForecaster(**options).fit(rows)
    curve = model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == model.n_iter_ < 60
    assert model.best_iter_ == int(np.argmin(curve)) + 1 < model.n_iter_
    until_best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(rows)
    assert_same_weights(model, until_best)


def test_without_early_stopping_all_rows_are_trained_on():
    rows = hourly(60)
    model = SeqForecaster(**SHORT, early_stopping=False).fit(rows)
    assert model.validation_loss_curve_ is None
    assert (model.n_iter_, model.best_iter_) == (3, 3)
    changed = rows.copy()
    changed.iloc[-1] = 30.0
    assert SeqForecaster(**SHORT, early_stopping=False).fit(changed).loss_curve_ != model.loss_curve_


def test_training_stops_when_the_loss_no_longer_falls():
    model = SeqForecaster(**{**SHORT, "max_iter": 50}, tol=1e6, n_iter_no_change=4, early_stopping=False)
    assert model.fit(hourly(60)).n_iter_ == 1 + 4


@pytest.mark.filterwarnings("default:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@ways
def test_convergence_warning_points_at_the_callers_line(way):
    with pytest.warns(ConvergenceWarning, match=r"Stopped at max_iter=3, before 10 epochs") as caught:
        SeqForecaster(**SMALL, **way).fit(hourly(60))
    assert [warning.filename for warning in caught] == [__file__]


def test_truncation_matters_only_below_the_window():
    rows = hourly(200)
    options = {**TINY, "horizon": 4, "window": 100, "dtype": "float64", "batch_size": 10**6}
    full, same, short = (
        SeqForecaster(**options, bptt_steps=bptt_steps).fit(rows) for bptt_steps in (None, 100, 16)
    )
    assert_same_weights(full, same)
    # The first loss is that of the initial weights: the state is carried through the whole window.
    assert short.loss_curve_[0] == pytest.approx(full.loss_curve_[0], rel=1e-12)
    assert short.loss_curve_[1] != full.loss_curve_[1]
    known = rows.to_numpy()
    np.testing.assert_allclose(short.forecast(), forecast_by_hand(short, known, known), rtol=1e-9)


def test_dropout_acts_in_training_only():
    rows = hourly(100)
    options = {**SHORT, "dtype": "float64"}
    without, with_dropout = (SeqForecaster(**{**options, "dropout": d}).fit(rows) for d in (0.0, 0.5))
    assert with_dropout.loss_curve_[0] != without.loss_curve_[0]
    known = rows.to_numpy()
    np.testing.assert_allclose(
        with_dropout.forecast(), forecast_by_hand(with_dropout, known, known), rtol=1e-9
    )


def test_momentum_is_that_of_sgd(frame):
    fits = {
        (optimizer, momentum): SeqForecaster(**WHOLE, optimizer=optimizer, momentum=momentum).fit(frame)
        for optimizer in ("adam", "rmsprop", "sgd")
        for momentum in (0.0, 0.9)
    }
    assert_same_weights(fits["adam", 0.0], fits["adam", 0.9])
    assert_same_weights(fits["rmsprop", 0.0], fits["rmsprop", 0.9])
    slow, fast = (fits["sgd", momentum].loss_curve_ for momentum in (0.0, 0.9))
    assert slow[:2] == fast[:2]  # the first step has no velocity yet
    assert slow[2] > fast[2]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_every_optimizer_lowers_the_loss(optimizer):
    options = {**WHOLE, "max_iter": 80, "optimizer": optimizer, "learning_rate_init": 0.02}
    curve = SeqForecaster(**options).fit(hourly(150)).loss_curve_
    assert curve[-1] < 0.9 * curve[0]


def test_alpha_shrinks_weights_and_clip_norm_limits_steps(frame):
    size = {}
    for alpha in (0.0, 10.0):
        weights = SeqForecaster(**{**SHORT, "max_iter": 20}, alpha=alpha).fit(frame).weights_
        size[alpha] = math.sqrt(sum((weights[name] ** 2).sum() for name in weights if "weight" in name))
    assert size[10.0] < 0.9 * size[0.0]
    start = SeqForecaster(**{**SHORT, "learning_rate_init": 1e-300}).fit(frame).weights_
    clipped = SeqForecaster(
        **{**WHOLE, "max_iter": 1, "learning_rate_init": 1.0}, optimizer="sgd", clip_norm=1e-3
    )
    moved = clipped.fit(frame).weights_
    step = math.sqrt(sum(((moved[name] - start[name]) ** 2).sum() for name in start))
    assert step == pytest.approx(1e-3, rel=1e-3)


@ways
def test_interrupted_fit_leaves_the_best_weights_so_far(frame, monkeypatch, way):
    until = 4
    monkeypatch.setattr(network_parameters, "progress", interrupting(until))
    options = {**SMALL, **way, "max_iter": 50, "learning_rate_init": 0.03}
    model = SeqForecaster(**options)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    assert (model.n_iter_, len(model.validation_loss_curve_)) == (until, until)
    assert model.best_iter_ == int(np.argmin(model.validation_loss_curve_)) + 1
    monkeypatch.undo()
    best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(frame)
    assert_same_weights(model, best)
    pd.testing.assert_frame_equal(model.forecast(12), best.forecast(12), check_exact=True)


@ways
def test_interruption_in_the_first_epoch_keeps_the_last_fit(frame, monkeypatch, way):
    model = SeqForecaster(**{**SMALL, **way}).fit(frame)
    before, fitted = model.forecast(12), {**vars(model), "horizon": 7}

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt, match="before its first epoch had ended"):
        model.set_params(horizon=7).fit(frame[["a"]])
    assert vars(model) == fitted
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_failure_while_parts_are_weighed_keeps_the_last_fit(frame, monkeypatch, error):
    """Forecasts of new parts with old weights would be meaningless."""
    model = SeqForecaster(**SMALL).fit(frame)
    before, fitted = model.forecast(12), vars(model).copy()

    def failing(*arguments):
        raise error

    monkeypatch.setattr(fit_combination, "choose_weights", failing)
    with pytest.raises(error):
        model.fit(hourly(100, "xyz"))
    assert vars(model) == fitted
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)
    fresh = SeqForecaster(**SMALL)
    with pytest.raises(error):
        fresh.fit(frame)
    with pytest.raises(NotFittedError):
        fresh.forecast()


@pytest.mark.parametrize("early_stopping", [True, False])
@ways
def test_interrupted_first_fit_is_usable(frame, monkeypatch, way, early_stopping):
    monkeypatch.setattr(network_parameters, "progress", interrupting(2))
    model = SeqForecaster(**{**SMALL, **way, "early_stopping": early_stopping})
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    monkeypatch.undo()
    best = SeqForecaster(**{**SMALL, **way, "max_iter": model.best_iter_, "early_stopping": early_stopping})
    best.fit(frame)
    assert model.chosen_ == best.chosen_
    pd.testing.assert_frame_equal(model.forecast(12), best.forecast(12), check_exact=True)


def interrupting(until):
    """Return a replacement of `progress` that simulates Ctrl-C after some epochs."""

    def report(epoch):
        if epoch.number == until:
            raise KeyboardInterrupt

    @contextmanager
    def progress(verbose, max_iter):
        yield report

    return progress
