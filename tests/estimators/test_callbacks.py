"""Callbacks of scikit-learn on every estimator that trains."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_parts import networks_of
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor, TrainingDivergedError
from seqcast.estimators import callbacks
from seqcast.learning import trainer, training

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

HAS_CALLBACKS = importlib.util.find_spec("sklearn.callback") is not None
needs_callbacks = pytest.mark.skipif(not HAS_CALLBACKS, reason="callbacks came with scikit-learn 1.9")

TINY = {"hidden_size": 3, "random_state": 0, "n_jobs": 1, "max_iter": 4}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
Y = X[:, -2:].sum(axis=1)
WEIGHTS = RNG.uniform(0.5, 2.0, 60)
ROWS = pd.DataFrame(
    {"a": np.sin(np.arange(72) / 3) + 0.1 * RNG.normal(size=72)},
    pd.date_range("2024", periods=72, freq="h"),
)
TRAIN, LATER = ROWS[:60], ROWS[60:]


@dataclass(frozen=True)
class Case:
    """An estimator, the arguments of its fit, and a method that is called after the fit."""

    estimator: type
    data: tuple
    ask: Callable[[Any], Any]
    options: dict = field(default_factory=dict)

    def make(self, **options):
        return self.estimator(**{**TINY, **self.options, **options})

    def networks(self, model):
        return networks_of(model) if self.estimator is SeqForecaster else [model.fitted_.network]

    def fit(self, *to_be_told, **options):
        model = self.make(**options)
        return (model.set_callbacks(*to_be_told) if to_be_told else model).fit(*self.data)


CASES = {
    "SeqRegressor": Case(SeqRegressor, (X, Y), lambda model: model.predict(X)),
    "SeqClassifier": Case(SeqClassifier, (X, Y > 0), lambda model: model.predict_proba(X)),
    "SeqEncoder": Case(SeqEncoder, (X,), lambda model: model.transform(X)),
    "SeqForecaster": Case(
        *(SeqForecaster, (TRAIN,), lambda model: model.predict(LATER)),
        {"horizon": 4, "window": 8, "early_stopping": False},
    ),
}
SEQUENCES = [CASES[name] for name in ("SeqRegressor", "SeqClassifier", "SeqEncoder")]
every_estimator = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_sequence_estimator = pytest.mark.parametrize(
    "case", SEQUENCES, ids=lambda case: case.estimator.__name__
)
# Steps so long that the best epoch is not the last.
FIT_OPTIONS = {
    "training loss": {"early_stopping": False},
    "validation loss": {"early_stopping": True, "learning_rate_init": 0.3},
}
all_fit_options = pytest.mark.parametrize("options", FIT_OPTIONS.values(), ids=FIT_OPTIONS)


class Recorder:
    """A callback that records hooks and fitted estimators, and stops the fit or raises at a given hook."""

    def __init__(self, at=None, error=None):
        self.at, self.error = at, error
        self.seen, self.fitted, self.contexts = [], [], []

    def setup(self, estimator, context):
        self._tell("setup")

    def teardown(self, estimator, context):
        self._tell("teardown")

    def on_fit_task_begin(self, estimator, context):
        self._tell(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.contexts.append(context)
        self.fitted.append(fitted_estimator)
        return self._tell(f"end {context.task_name} {context.task_id}")

    def _tell(self, hook):
        self.seen.append(hook)
        if hook == self.at and self.error is not None:
            raise self.error
        return hook == self.at


class Propagated(Recorder):
    max_propagation_depth = None


class Reader:
    """A callback that requests no fitted estimator, and records the data that it receives."""

    def __init__(self):
        self.given = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.given.append((X, y, metadata))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata):
        self.given.append((X, y, metadata))


def hooks(n_epochs, left_open=False):
    """Return the hooks of a fit of some epochs; with `left_open`, of one that did not end."""
    epochs = [f"{what} epoch {number}" for number in range(n_epochs) for what in ("begin", "end")]
    end = [f"begin epoch {n_epochs}"] if left_open else ["end fit 0"]
    return ["setup", "begin fit 0", *epochs, *end, "teardown"]


def assert_same_fit(one, other, case):
    np.testing.assert_array_equal(case.ask(one), case.ask(other))
    for name in ("n_iter_", "best_iter_", "loss_curve_", "validation_loss_curve_"):
        assert getattr(one, name) == getattr(other, name), name
    assert_same_weights(one, other)


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


def left_behind(model):
    return [name for name in vars(model) if "callback" in name]


# -- with and without scikit-learn's callbacks


@every_estimator
def test_nothing_is_left_behind_where_there_are_no_callbacks(case):
    assert left_behind(case.fit()) == []


@every_estimator
def test_estimators_fit_where_scikit_learn_knows_no_callbacks(case, monkeypatch):
    expected = case.fit()
    monkeypatch.setattr(callbacks, "with_callbacks", None)
    assert_same_fit(case.fit(), expected, case)


@every_estimator
def test_callbacks_can_be_set_where_scikit_learn_knows_them(case):
    assert hasattr(case.estimator, "set_callbacks") == HAS_CALLBACKS


# -- what is told, and when


@needs_callbacks
@every_estimator
def test_hooks_come_in_order(case):
    recorder = Recorder()
    case.fit(recorder)
    assert recorder.seen == hooks(4)


@needs_callbacks
@every_estimator
def test_epochs_are_the_tasks_of_a_fit(case):
    recorder = Recorder()
    case.fit(recorder)
    *epochs, fit = recorder.contexts
    assert (fit.task_name, fit.task_id, fit.max_subtasks, fit.parent) == ("fit", 0, 4, None)
    assert fit.estimator_name == case.estimator.__name__
    assert [epoch.task_id for epoch in epochs] == [0, 1, 2, 3]
    for epoch in epochs:
        assert (epoch.task_name, epoch.max_subtasks, epoch.parent) == ("epoch", 0, fit)


@needs_callbacks
@every_sequence_estimator
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_data_are_handed_on_as_they_came(case, weights):
    reader = Reader()
    frame = pd.DataFrame(X, columns=list("abcde"))
    y = case.data[1] if len(case.data) > 1 else None
    case.make().set_callbacks(reader).fit(frame, y, sample_weight=weights)
    assert len(reader.given) == 2 * (1 + 4)
    for given_X, given_y, metadata in reader.given:
        assert given_X is frame
        assert given_y is y
        assert metadata is None if weights is None else metadata["sample_weight"] is weights


@needs_callbacks
def test_an_encoder_hands_on_no_y():
    reader = Reader()
    CASES["SeqEncoder"].make().set_callbacks(reader).fit(X, Y)
    assert {id(y) for _, y, _ in reader.given} == {id(None)}


@needs_callbacks
@pytest.mark.parametrize("data", [(TRAIN,), (TRAIN, TRAIN["a"]), (TRAIN, TRAIN["a"].rename("b") ** 2)])
def test_callbacks_of_a_forecaster_receive_no_rows(data):
    reader = Reader()
    CASES["SeqForecaster"].make().set_callbacks(reader).fit(*data)
    assert reader.given == [(None, None, None)] * 10


# -- the estimator as of an epoch


@needs_callbacks
@all_fit_options
@every_estimator
def test_an_epochs_estimator_is_that_of_a_fit_that_ended_with_it(case, options):
    recorder = Recorder()
    model = case.fit(recorder, **options)
    *epochs, last = recorder.fitted
    for number, seen in enumerate(epochs, 1):
        assert_same_fit(seen, case.fit(**options, max_iter=number), case)
    assert_same_fit(epochs[-1], model, case)
    assert_same_fit(last, model, case)


@needs_callbacks
@every_estimator
def test_the_best_epoch_may_be_earlier_than_the_last(case):
    """Otherwise the test above would not distinguish the best weights from the last."""
    recorder = Recorder()
    case.fit(recorder, **FIT_OPTIONS["validation loss"], max_iter=12)
    assert any(seen.best_iter_ < seen.n_iter_ for seen in recorder.fitted)
    for number, seen in enumerate(recorder.fitted[:-1], 1):
        assert_same_fit(seen, case.fit(**FIT_OPTIONS["validation loss"], max_iter=number), case)


@needs_callbacks
@every_estimator
def test_an_epochs_estimator_answers_alike_then_and_later(case):
    answers = []

    class Asking(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            answers.append(np.array(case.ask(fitted_estimator)))
            return super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)

    recorder = Asking()
    case.fit(recorder)
    assert len(answers) == 5
    for seen, answer in zip(recorder.fitted, answers, strict=True):
        np.testing.assert_array_equal(case.ask(seen), answer)


@needs_callbacks
@every_estimator
def test_asking_an_epochs_estimator_leaves_the_fit_alone(case):
    class Spoiling(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "epoch":
                for network in case.networks(fitted_estimator):
                    network.flat[:] = np.nan
                fitted_estimator.loss_curve_.clear()

    assert_same_fit(case.fit(Spoiling()), case.fit(), case)


@needs_callbacks
@every_estimator
def test_weights_are_copied_for_callbacks_that_ask_only(case, monkeypatch):
    numbers, copy_kept = [], training._Fit._kept_now

    def counted(self):
        numbers.append(len(self.history.loss))
        return copy_kept(self)

    monkeypatch.setattr(training._Fit, "_kept_now", counted)
    case.fit()
    case.fit(Reader())
    assert numbers == []
    case.fit(Recorder(), Reader(), Recorder())
    assert numbers == [1, 2, 3, 4]


@needs_callbacks
@every_estimator
def test_fits_that_go_on_from_the_last_one(case):
    recorder = Recorder()
    model = case.fit(warm_start=True, max_iter=2).set_callbacks(recorder)
    model.set_params(max_iter=3).fit(*case.data)
    for number, seen in enumerate(recorder.fitted[:-1], 1):
        again = case.fit(warm_start=True, max_iter=2).set_params(max_iter=number).fit(*case.data)
        assert_same_fit(seen, again, case)


# -- stopping


@needs_callbacks
@all_fit_options
@every_estimator
@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_stopped_fit_equals_one_of_as_many_epochs(case, options, number):
    recorder = Recorder(at=f"end epoch {number - 1}")
    model = case.fit(recorder, **options)
    assert model.n_iter_ == number
    assert recorder.seen == hooks(number)
    assert_same_fit(model, case.fit(**options, max_iter=number), case)


@needs_callbacks
@every_estimator
def test_one_of_several_callbacks_is_enough_to_stop(case):
    recorders = Recorder(), Recorder(at="end epoch 1"), Recorder()
    assert case.fit(*recorders).n_iter_ == 2
    assert [recorder.seen for recorder in recorders] == [hooks(2)] * 3


@needs_callbacks
@pytest.mark.filterwarnings("error")
@every_estimator
def test_a_fit_stopped_by_a_callback_does_not_warn(case):
    case.fit(Recorder(at="end epoch 3"))


@needs_callbacks
@every_estimator
def test_what_the_other_hooks_return_stops_nothing(case):
    for hook in ("begin fit 0", "begin epoch 1", "end fit 0", "setup", "teardown"):
        assert case.fit(Recorder(at=hook)).n_iter_ == 4


@needs_callbacks
@every_estimator
def test_patience_leaves_no_epoch_open(case):
    recorder = Recorder()
    assert case.fit(recorder, max_iter=99, tol=1e9, n_iter_no_change=3).n_iter_ == 4
    assert recorder.seen == hooks(4)


@needs_callbacks
@every_estimator
def test_a_stop_is_shown_by_the_progress_bar_too(case, capfd):
    case.fit(Recorder(at="end epoch 1"), verbose=1)
    shown = capfd.readouterr().err
    assert "2/4" in shown
    assert "3/4" not in shown


@needs_callbacks
def test_a_forecaster_is_stopped_by_rows_that_are_held_out():
    class Skill(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.seen.append(fitted_estimator.score(LATER))
            return context.task_name == "epoch" and context.task_id == 2

    case, skill = CASES["SeqForecaster"], Skill()
    model = case.fit(skill)
    scores = [entry for entry in skill.seen if isinstance(entry, float)]
    assert scores == [case.fit(max_iter=number).score(LATER) for number in (1, 2, 3, 3)]
    assert model.n_iter_ == 3


# -- nothing else changes


@needs_callbacks
@all_fit_options
@every_estimator
def test_results_do_not_depend_on_callbacks(case, options):
    assert_same_fit(case.fit(Recorder(), Reader(), **options), case.fit(**options), case)


@needs_callbacks
@every_estimator
def test_only_the_callbacks_themselves_stay_on_the_estimator(case):
    recorder = Recorder()
    model = case.fit(recorder)
    assert vars(model).keys() - vars(case.fit()).keys() == {"_skl_callbacks"}
    assert left_behind(model) == ["_skl_callbacks"]
    assert left_behind(model.set_callbacks()) == []
    model.fit(*case.data)
    assert recorder.seen == hooks(4)


@needs_callbacks
@every_estimator
def test_every_fit_calls_all_hooks_again(case):
    recorder = Recorder()
    model = case.fit(recorder)
    model.fit(*case.data)
    assert recorder.seen == 2 * hooks(4)


@needs_callbacks
@every_estimator
def test_clones_have_the_callbacks_too(case):
    recorder = Recorder()
    clone(case.make().set_callbacks(recorder)).fit(*case.data)
    assert recorder.seen == hooks(4)


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("told", [pytest.param(True, marks=needs_callbacks), False])
@every_estimator
def test_warnings_point_at_the_caller(case, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = case.make()
        (model.set_callbacks(Recorder()) if told else model).fit(*case.data)
    assert [warning.filename for warning in caught] == [__file__]


# -- errors


HOOKS = ["setup", "begin fit 0", "begin epoch 0", "end epoch 0", "begin epoch 2", "end epoch 2", "end fit 0"]


@needs_callbacks
@every_estimator
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit()], ids=repr)
def test_teardown_comes_after_any_error(case, hook, error):
    recorder, model = Recorder(hook, error), case.make()
    with pytest.raises(type(error)):
        model.set_callbacks(recorder).fit(*case.data)
    assert recorder.seen == [*hooks(4)[: hooks(4).index(hook) + 1], "teardown"]
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@every_estimator
@pytest.mark.parametrize("hook", HOOKS[:-1])
def test_a_callback_that_fails_leaves_the_last_fit(case, hook):
    model, expected = case.fit(max_iter=2), case.fit(max_iter=2)
    model.set_params(random_state=1, max_iter=4).set_callbacks(Recorder(hook, ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        model.fit(*case.data)
    assert_same_fit(model, expected, case)
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@every_estimator
@pytest.mark.parametrize("hook", HOOKS[:-1])
def test_a_callback_that_fails_leaves_no_first_fit(case, hook):
    model = case.make().set_callbacks(Recorder(hook, ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        model.fit(*case.data)
    assert vars(model).keys() - vars(case.make()).keys() == {"_skl_callbacks"}
    with pytest.raises(NotFittedError):
        case.ask(model)


@needs_callbacks
@every_estimator
@pytest.mark.parametrize("hook", ["end fit 0", "teardown"])
def test_an_error_of_a_callback_after_training_keeps_the_fit(case, hook):
    model = case.make().set_callbacks(Recorder(hook, ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        model.fit(*case.data)
    assert_same_fit(model, case.fit(), case)
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@all_fit_options
@every_estimator
@pytest.mark.parametrize("hook", ["end epoch 0", "begin epoch 3", "end epoch 2"])
def test_ctrl_c_in_a_callback_leaves_the_best_weights_so_far(case, options, hook):
    recorder = Recorder(hook, KeyboardInterrupt())
    model = case.make(**options).set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(*case.data)
    assert model.n_iter_ == (1 if hook == "end epoch 0" else 3)
    ended = [entry for entry in recorder.seen if entry.startswith("end epoch")]
    assert len(ended) == model.n_iter_
    assert recorder.seen[-1] == "teardown"
    at_best = case.fit(**options, max_iter=model.best_iter_)
    np.testing.assert_array_equal(case.ask(model), case.ask(at_best))
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@every_estimator
def test_ctrl_c_in_the_first_epoch_tears_down(case, monkeypatch):
    def interrupt(self, rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", interrupt)
    recorder, model = Recorder(), case.make()
    with pytest.raises(KeyboardInterrupt, match="nothing was learned"):
        model.set_callbacks(recorder).fit(*case.data)
    assert recorder.seen == hooks(0, left_open=True)
    assert left_behind(model) == ["_skl_callbacks"]


def diverging(monkeypatch, number):
    """Let the loss of this epoch, counted from 1, be infinite."""
    run_epoch, losses = trainer.CpuTrainer.run_epoch, []

    def run(self, rows):
        losses.append(run_epoch(self, rows))
        return losses[-1] if len(losses) < number else np.full_like(losses[-1], np.inf)

    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", run)


@needs_callbacks
@every_estimator
def test_a_fit_that_diverges_at_once_tears_down(case, monkeypatch):
    diverging(monkeypatch, 1)
    recorder, model = Recorder(), case.make()
    with pytest.raises(TrainingDivergedError):
        model.set_callbacks(recorder).fit(*case.data)
    assert recorder.seen == hooks(0, left_open=True)
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@every_estimator
def test_a_fit_that_diverges_later_leaves_that_epoch_open(case, monkeypatch):
    diverging(monkeypatch, 3)
    recorder = Recorder()
    with pytest.warns(ConvergenceWarning, match="Training diverged in epoch 3"):
        model = case.fit(recorder)
    assert recorder.seen == [*hooks(2)[:-2], "begin epoch 2", "end fit 0", "teardown"]
    assert model.best_iter_ in (1, 2)
    np.testing.assert_array_equal(case.ask(model), case.ask(recorder.fitted[model.best_iter_ - 1]))


@needs_callbacks
@every_estimator
def test_refused_arguments_call_no_hook(case):
    recorder, model = Recorder(), case.make(hidden_size=0)
    with pytest.raises(ValueError, match="'hidden_size'"):
        model.set_callbacks(recorder).fit(*case.data)
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        model.set_params(hidden_size=3).fit(*(part[:0] for part in case.data))
    assert recorder.seen == []
    assert left_behind(model) == ["_skl_callbacks"]


# -- partial_fit


@needs_callbacks
@every_sequence_estimator
def test_a_pass_is_a_fit_of_one_epoch(case):
    def passed(n, *to_be_told):
        model = case.make()
        model = model.set_callbacks(*to_be_told) if to_be_told else model
        options = {"classes": [False, True]} if case.estimator is SeqClassifier else {}
        for _ in range(n):
            model.partial_fit(*case.data, **options)
        return model

    recorder, reader = Recorder(), Reader()
    model = passed(2, recorder, reader)
    assert recorder.seen == 2 * hooks(1)
    assert [context.max_subtasks for context in recorder.contexts] == [0, 1, 0, 1]
    for number, seen in ((1, recorder.fitted[0]), (1, recorder.fitted[1]), (2, recorder.fitted[2])):
        assert_same_fit(seen, passed(number), case)
    assert_same_fit(model, passed(2), case)
    assert [id(given) for given, *_ in reader.given] == 8 * [id(X)]
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@every_sequence_estimator
def test_a_callback_that_fails_before_a_pass_leaves_the_last_one(case):
    model, expected = case.fit(), case.fit()
    model.set_callbacks(Recorder("begin epoch 0", ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        model.partial_fit(*case.data)
    assert_same_fit(model, expected, case)
    model.set_callbacks().partial_fit(*case.data)
    assert_same_fit(model, expected.partial_fit(*case.data), case)


# -- forecasters of several networks or models

FORECASTER = CASES["SeqForecaster"]


@needs_callbacks
@all_fit_options
def test_each_of_several_networks_calls_the_hooks(options):
    """Estimators seen during the fit of the second network contain the first one, too."""
    recorder, options = Recorder(), options | {"n_models": 2, "max_iter": 3}
    model = FORECASTER.fit(recorder, **options)
    assert recorder.seen == 2 * hooks(3)
    of_first, of_second = recorder.fitted[:4], recorder.fitted[4:]
    for number, seen in enumerate(of_first[:3], 1):
        assert_same_fit(seen, FORECASTER.fit(**options | {"n_models": 1, "max_iter": number}), FORECASTER)
    assert [len(networks_of(seen)) for seen in of_second] == [2] * 4
    assert_same_fit(of_second[-1], model, FORECASTER)
    stopped = FORECASTER.fit(Recorder("end epoch 0"), **options)  # each of them
    assert stopped.n_iter_ == 1
    assert len(networks_of(stopped)) == 2


@needs_callbacks
def test_each_local_model_calls_the_hooks():
    parts = [TRAIN.reset_index(names="time").assign(id=name) for name in "st"]
    model, recorder = FORECASTER.make(id_col="id", time_col="time", scope="local"), Recorder()
    model.set_callbacks(recorder).fit(pd.concat(parts))
    assert recorder.seen == 2 * hooks(4)
    assert all(seen.horizon_ == 4 for seen in recorder.fitted)


@needs_callbacks
@pytest.mark.parametrize("n_models", [1, 2])
def test_a_pass_of_a_forecaster_is_a_fit_of_one_epoch(n_models):
    recorder, reader = Recorder(), Reader()
    model, expected = (FORECASTER.fit(n_models=n_models) for _ in range(2))
    for rows in (LATER[:5], LATER[5:]):
        model.set_callbacks(recorder, reader).partial_fit(rows)
        expected.partial_fit(rows)
    assert recorder.seen == 2 * n_models * hooks(1)
    assert reader.given == [(None, None, None)] * 8 * n_models
    pd.testing.assert_frame_equal(model.forecast(9), expected.forecast(9), check_exact=True)
    assert left_behind(model) == ["_skl_callbacks"]


@needs_callbacks
@pytest.mark.parametrize("hook", ["begin fit 0", "begin epoch 0", "end epoch 0", "end fit 0"])
def test_a_callback_that_fails_in_a_pass_leaves_the_forecaster(hook):
    model = FORECASTER.fit(n_models=2)
    before = model.forecast(9), model.loss_curve_
    model.set_callbacks(Recorder(hook, ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        model.partial_fit(LATER)
    pd.testing.assert_frame_equal(model.forecast(9), before[0], check_exact=True)
    assert model.loss_curve_ == before[1]
    assert left_behind(model) == ["_skl_callbacks"]


# -- scikit-learn's own callbacks, searches and pipelines


def monitor_of(scoring):
    from sklearn.callback import ScoringMonitor

    return ScoringMonitor(scoring=scoring)


def scores_of(monitor, name, task="epoch"):
    """Return the score of each task by its path."""
    return {row["task_id_path"]: row[name] for row in monitor.get_logs().data if row["task_name"] == task}


@needs_callbacks
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["no weights", "weights"])
def test_the_monitor_scores_a_regressor_after_every_epoch(weights):
    monitor = monitor_of("r2")
    model = SeqRegressor(**TINY).set_callbacks(monitor).fit(X, Y, sample_weight=weights)
    shorter = [
        SeqRegressor(**{**TINY, "max_iter": number}).fit(X, Y, sample_weight=weights)
        for number in (1, 2, 3, 4)
    ]
    expected = {(0, k): fitted.score(X, Y, sample_weight=weights) for k, fitted in enumerate(shorter)}
    assert scores_of(monitor, "r2") == expected
    assert scores_of(monitor, "r2", "fit") == {(0,): model.score(X, Y, sample_weight=weights)}


@needs_callbacks
def test_the_monitor_scores_a_classifier_after_every_epoch():
    monitor, y = monitor_of(["neg_log_loss"]), np.where(Y > 0, "up", "down")
    frame = pd.DataFrame(X, columns=list("abcde"))
    SeqClassifier(**TINY).set_callbacks(monitor).fit(frame, y, sample_weight=WEIGHTS)
    for (_, k), score in scores_of(monitor, "neg_log_loss").items():
        fitted = SeqClassifier(**{**TINY, "max_iter": k + 1}).fit(frame, y, sample_weight=WEIGHTS)
        expected = -log_loss(y, fitted.predict_proba(frame), sample_weight=WEIGHTS)
        assert score == pytest.approx(expected, rel=1e-12)


@needs_callbacks
def test_the_monitor_has_no_rows_to_score_a_forecaster_on():
    monitor = monitor_of(None)
    CASES["SeqForecaster"].fit(monitor)
    log = monitor.get_logs().data
    assert [row["task_name"] for row in log] == ["fit"] + 4 * ["epoch"]
    assert not any("score" in row for row in log)


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_monitor_scores_all_epochs_of_all_folds(n_jobs):
    monitor, folds = monitor_of("r2"), KFold(2)
    model = SeqRegressor(**{**TINY, "max_iter": 2}).set_callbacks(monitor)
    search = GridSearchCV(model, {"hidden_size": [2, 3]}, cv=folds, n_jobs=n_jobs).fit(X, Y)

    def score(size, rows, max_iter):
        options = {**TINY, "hidden_size": size, "max_iter": max_iter}
        return SeqRegressor(**options).fit(X[rows], Y[rows]).score(X[rows], Y[rows])

    found = scores_of(monitor, "r2")
    best, whole = search.best_params_["hidden_size"], np.arange(60)
    fits = [(size, train) for size in (2, 3) for train, _ in folds.split(X)]
    expected = {
        **{(0, 0, fit, k): score(*fits[fit], k + 1) for fit in range(4) for k in range(2)},
        **{(0, 1, k): score(best, whole, k + 1) for k in range(2)},  # the refit
    }
    assert found == pytest.approx(expected, rel=1e-12)


def lineage(context):
    """Return the names of the tasks, the outermost one first."""
    own = [f"{context.estimator_name} {context.task_name} {context.task_id}"]
    return own if context.parent is None else lineage(context.parent) + own


@needs_callbacks
@every_estimator
def test_epochs_stand_below_their_fold_in_a_search(case):
    recorder, name = Propagated(), case.estimator.__name__
    folds = TimeSeriesSplit(2, test_size=8)
    search = GridSearchCV(case.make(max_iter=2), {"hidden_size": [2]}, cv=folds, scoring=lambda *_: 0.0)
    search.set_callbacks(recorder).fit(*case.data)
    epochs = [lineage(context) for context in recorder.contexts if context.task_name == "epoch"]
    root, below = ["GridSearchCV fit 0"], ["GridSearchCV search 0"]
    assert epochs == [
        *[[*root, *below, f"{name} fit {fold}", f"{name} epoch {k}"] for fold in (0, 1) for k in (0, 1)],
        *[[*root, f"{name} fit 1", f"{name} epoch {k}"] for k in (0, 1)],  # the refit
    ]
    assert recorder.seen.count("setup") == recorder.seen.count("teardown") == 1
    assert left_behind(search.best_estimator_) == []


@needs_callbacks
@every_estimator
def test_a_stop_ends_each_fit_of_a_search(case):
    search = GridSearchCV(
        case.make(), {"hidden_size": [2]}, cv=TimeSeriesSplit(2, test_size=8), scoring=lambda *_: 0.0
    )
    search.set_callbacks(Propagated(at="end epoch 1")).fit(*case.data)
    assert search.best_estimator_.n_iter_ == 2


@needs_callbacks
@every_estimator
def test_epochs_stand_below_their_step_of_a_pipeline(case):
    recorder, name = Propagated(), case.estimator.__name__
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, case.make(max_iter=2)).set_callbacks(recorder).fit(*case.data)
    epochs = [lineage(context) for context in recorder.contexts if context.task_name == "epoch"]
    assert epochs == [["Pipeline fit 0", f"{name} fit 1", f"{name} epoch {k}"] for k in (0, 1)]
    assert left_behind(pipeline[-1]) == []


@needs_callbacks
@every_estimator
def test_callbacks_of_the_last_step_of_a_pipeline(case):
    recorder = Recorder()
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, case.make().set_callbacks(recorder)).fit(*case.data)
    assert [entry for entry in recorder.seen if "fit" not in entry] == [
        entry for entry in hooks(4) if "fit" not in entry
    ]
    assert left_behind(pipeline[-1]) == ["_skl_callbacks"]


@needs_callbacks
@every_estimator
def test_a_failed_fit_in_a_pipeline_restores_the_previous_one(case):
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, case.make()).fit(*case.data)
    before = pipeline[-1].weights_
    pipeline.set_callbacks(Propagated("end epoch 1", ValueError("mine")))
    with pytest.raises(ValueError, match="mine"):
        pipeline.fit(*case.data)
    assert left_behind(pipeline[-1]) == []
    for name, weight in pipeline[-1].weights_.items():
        np.testing.assert_array_equal(weight, before[name], err_msg=name)


@needs_callbacks
def test_the_progress_bar_shows_the_epochs_of_a_search(capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    model = CASES["SeqForecaster"].make()
    search = GridSearchCV(model, {"hidden_size": [2]}, cv=TimeSeriesSplit(2, test_size=8))
    search.set_callbacks(ProgressBar()).fit(TRAIN)
    shown = " ".join(capsys.readouterr().out.split())
    for fit in ("SeqForecaster - fit #0", "SeqForecaster - fit #1"):
        assert fit in shown
    assert "100%" in shown


@needs_callbacks
@every_estimator
def test_the_progress_bar_of_a_fit_that_was_stopped_is_closed(case, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    case.fit(ProgressBar(), Recorder(at="end epoch 1"))
    assert f"{case.estimator.__name__} - fit" in capsys.readouterr().out
