"""Workspaces that are used again: which are kept, and that their content does not matter."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import make_network, make_task, plain

from seqcast import SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor
from seqcast.kernels.batch_plan import BatchPlan
from seqcast.learning import workspaces
from seqcast.learning.trainer import CpuTrainer, OptimizerState
from seqcast.learning.workspaces import leave_workspaces, take_workspaces


@pytest.fixture(autouse=True)
def _none_kept(monkeypatch):
    monkeypatch.setattr(workspaces, "_idle", {})


@pytest.mark.nojit
def test_workspaces_are_kept_by_shape_and_dtype():
    network, (windows, _) = make_network(), make_task()
    plan = network.plan(windows.window, 5)
    taken = take_workspaces(plan, network.dtype, 1)
    assert take_workspaces(plan, network.dtype, 1) is not taken
    leave_workspaces(taken)
    assert take_workspaces(plan, np.dtype("float32"), 1) is not taken
    assert take_workspaces(plan, network.dtype, 1) is taken
    assert take_workspaces(plan, network.dtype, 1) is not taken


@pytest.mark.nojit
def test_few_and_small_workspaces_are_kept(monkeypatch):
    for n in range(workspaces.KEPT + 1):
        leave_workspaces(np.zeros((1, n + 1)))
        assert len(workspaces._idle) <= workspaces.KEPT
    assert [kept.shape for kept in workspaces._idle.values()] == [(1, workspaces.KEPT + 1)]
    monkeypatch.setattr(workspaces, "KEPT_BYTES", 79)
    leave_workspaces(np.zeros((1, 10)))
    assert (1, 10) not in [kept.shape for kept in workspaces._idle.values()]


@pytest.mark.nojit
def test_a_later_forecast_uses_the_workspaces_of_an_earlier_one():
    network, (windows, rows) = make_network(), make_task()
    expected, (kept,) = network.predict(windows, rows, 1), workspaces._idle.values()
    kept[:] = np.nan
    np.testing.assert_array_equal(network.predict(windows, rows, 1), expected)
    assert [again is kept for again in workspaces._idle.values()] == [True]


# -- their content


RAGGED = np.random.default_rng(0).normal(size=(37, 9, 2))
RAGGED[3, 5:] = np.nan
RAGGED[7, 2, 0] = np.nan
SERIES = np.sin(np.arange(120.0) / 3) + np.random.default_rng(1).normal(size=120) / 9
SMALL = {"hidden_size": 5, "max_iter": 2, "batch_size": 20, "random_state": 0}


def regress(pooling, cell="gru", bidirectional=True):
    model = SeqRegressor(cell, n_layers=2, bidirectional=bidirectional, pooling=pooling, dropout=0.2, **SMALL)
    return model.fit(RAGGED, RAGGED[:, 0, :2]).predict(RAGGED)


def classify():
    return SeqClassifier("lstm", **SMALL).fit(RAGGED, np.arange(37) % 3).predict_proba(RAGGED)


def encode():
    return SeqEncoder("gru_reset_before", output="states", **SMALL).fit_transform(RAGGED)


def forecast(**parameters):
    model = SeqForecaster(4, 12, naive_fallback=False, **SMALL | parameters)
    return model.fit(SERIES).forecast().to_numpy()


TASKS = {
    "last": lambda: regress("last"),
    "mean": lambda: regress("mean"),
    "max": lambda: regress("max", "lstm"),
    "reset before": lambda: regress("last", "gru_reset_before", bidirectional=False),
    "classes": classify,
    "every step": encode,
    "gaussian": lambda: forecast(loss="gaussian"),
    "quantile": lambda: forecast(loss="quantile"),
    "scaled windows": lambda: forecast(normalization="instance"),
}


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("task", TASKS)
def test_the_content_of_workspaces_does_not_matter(task, monkeypatch):
    def run(content):
        workspaces._idle.clear()
        monkeypatch.setattr(
            BatchPlan, "allocate", lambda plan, dtype, n=None: np.full(plan.shape(n), content, dtype)
        )
        return TASKS[task]()

    zero, missing = run(0.0), run(np.nan)
    assert np.ptp(zero) > 0
    np.testing.assert_array_equal(missing, zero)


@pytest.mark.nojit
def test_the_content_of_workspaces_does_not_matter_in_training(monkeypatch):
    def run(content):
        monkeypatch.setattr(
            BatchPlan, "allocate", lambda plan, dtype, n=None: np.full(plan.shape(n), content, dtype)
        )
        network, (windows, rows) = make_network(n_layers=2, bidirectional=True), make_task(6)
        rows[:, 1] = [4, 4, 3, 2, 2, 1]
        options = replace(plain, dropout=0.3)
        trainer = CpuTrainer(network, windows, options, np.random.RandomState(0), OptimizerState(network))
        sums = trainer.train_batch(rows)
        return sums, trainer.gradient, network.flat

    for missing, zero in zip(run(np.nan), run(0.0), strict=True):
        assert np.ptp(zero) > 0
        np.testing.assert_array_equal(missing, zero)
