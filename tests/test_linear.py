"""The closed-form part, against ridge regression by hand and a search over all candidates."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from seqcast.forecasting import blocks as blocks_module
from seqcast.forecasting import linear
from seqcast.data.roles import Columns
from seqcast.forecasting.blocks import Blocks
from seqcast.forecasting.linear import RIDGES, LinearMap, fit_linear, last_observed

WINDOW, HORIZON = 8, 3
TRAIN, VALIDATION = np.arange(90), np.arange(100, 130)


def make_grid(holes=0.0, n=141, seed=0):
    """Two targets and a covariate: waves, wandering levels and noise; a share of all values missing."""
    rng, t = np.random.default_rng(seed), np.arange(n)[:, None]
    grid = np.sin(t / [3, 4, 5]) + 0.2 * rng.normal(size=(n, 3)).cumsum(axis=0)
    return np.where(rng.random(grid.shape) < holes, np.nan, grid)


@dataclass(frozen=True)
class Task:
    """Series as blocks; the windows to learn from and to judge by are always the same."""

    blocks: Blocks

    @classmethod
    def of(cls, joint=True, holes=0.0, n_targets=2, columns=3):
        return cls(Blocks.of(make_grid(holes)[:, :columns], Columns(n_targets, columns - n_targets), joint))

    def fit(self, train=TRAIN, validation=VALIDATION, normalizations=(True,)):
        return fit_linear(self.blocks, train, validation, WINDOW, HORIZON, normalizations)

    def cut(self, starts, n_steps, normalize):
        """Inputs, targets relative to the offsets, and offsets of all windows, block by block, by loops."""
        inputs, targets, offsets = [], [], []
        for values in self.blocks.values:
            for start in starts:
                end = start + WINDOW
                window = values[end - n_steps : end]
                offset = np.zeros(self.blocks.n_columns)
                for column, seen in enumerate(~np.isnan(window).T):
                    if normalize and seen.any():
                        offset[column] = window[seen, column][-1]
                inputs.append(np.where(np.isnan(window), 0, window - offset).ravel())
                offsets.append(offset[: self.blocks.n_targets])
                targets.append((values[end : end + HORIZON, : self.blocks.n_targets] - offsets[-1]).ravel())
        return np.array(inputs), np.array(targets), np.array(offsets)

    def complete(self, starts, n_steps, normalize):
        inputs, targets, _ = self.cut(starts, n_steps, normalize)
        whole = ~np.isnan(targets).any(axis=1)
        return inputs[whole], targets[whole]

    def ridge(self, n_steps, ridge, normalize, train=TRAIN):
        """Weights and intercept: least squares, with a row for each input that asks its weight to be 0."""
        inputs, targets = self.complete(train, n_steps, normalize)
        x, y = inputs - inputs.mean(axis=0), targets - targets.mean(axis=0)
        penalty = ridge * np.mean((x**2).sum(axis=0))
        rows = np.vstack([x, np.sqrt(penalty) * np.eye(x.shape[1])])
        weights = np.linalg.lstsq(rows, np.vstack([y, np.zeros((x.shape[1], y.shape[1]))]), rcond=None)[0]
        return weights, targets.mean(axis=0) - inputs.mean(axis=0) @ weights

    def squared_error(self, n_steps, ridge, normalize):
        """On the windows to judge by."""
        weights, intercept = self.ridge(n_steps, ridge, normalize)
        inputs, targets = self.complete(VALIDATION, n_steps, normalize)
        return ((inputs @ weights + intercept - targets) ** 2).sum()


TASKS = {
    "one target": {"n_targets": 1, "columns": 1},
    "a covariate": {"n_targets": 1, "columns": 2},
    "joint targets": {"joint": True},
    "separate targets": {"joint": False},
    "joint, holes": {"joint": True, "holes": 0.05},
    "separate, holes": {"joint": False, "holes": 0.1},
}
tasks = pytest.mark.parametrize("task", [Task.of(**options) for options in TASKS.values()], ids=TASKS)
ways = pytest.mark.parametrize("normalize", [True, False])
no_validation = np.empty(0, np.int64)


# -- the fit


@tasks
@ways
def test_without_validation_it_is_ridge_regression_on_the_whole_window(task, normalize):
    found = task.fit(validation=no_validation, normalizations=(normalize,))
    assert (found.n_steps, found.ridge, found.normalize) == (WINDOW, 1e-3, normalize)
    assert found.n_targets == task.blocks.n_targets
    weights, intercept = task.ridge(WINDOW, 1e-3, normalize)
    assert weights.shape == (WINDOW * task.blocks.n_columns, HORIZON * task.blocks.n_targets)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.intercept, intercept, rtol=1e-7, atol=1e-9)


@tasks
@pytest.mark.parametrize("normalizations", [(True,), (False,), (True, False)])
def test_steps_ridge_and_normalization_are_those_of_a_search(task, normalizations):
    candidates = [(steps, r, way) for way in normalizations for steps in (8, 4, 2) for r in RIDGES]
    best = min(candidates, key=lambda candidate: task.squared_error(*candidate))
    found = task.fit(normalizations=normalizations)
    assert (found.n_steps, found.ridge, found.normalize) == best
    weights, intercept = task.ridge(*best)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.intercept, intercept, rtol=1e-6, atol=1e-8)


def test_searches_do_not_all_end_alike():
    """Else the test above would say little."""
    fits = [Task.of(**options).fit(normalizations=(True, False)) for options in TASKS.values()]
    assert len({found.n_steps for found in fits}) > 1
    assert len({found.ridge for found in fits}) > 1
    assert {found.normalize for found in fits} == {True, False}


@pytest.mark.parametrize(
    ("window", "tried"), [(1, {1}), (2, {2}), (3, {3}), (4, {2, 4}), (21, {2, 5, 10, 21})]
)
def test_windows_are_halved_down_to_two_steps(window, tried, monkeypatch):
    task, seen, real = Task.of(n_targets=1, columns=1), set(), linear._Moments.solve
    monkeypatch.setattr(
        linear._Moments, "solve", lambda self, n, ridge: seen.add((n, ridge)) or real(self, n, ridge)
    )
    fit_linear(task.blocks, TRAIN[:70], VALIDATION[:10], window, HORIZON, (True,))
    assert seen == {(steps, ridge) for steps in tried for ridge in RIDGES}


def test_a_window_of_too_many_numbers_is_read_from_its_end(monkeypatch):
    monkeypatch.setattr(linear, "MOST_INPUTS", 15)  # of two columns: seven steps of eight
    task = Task.of(joint=False)
    found = task.fit(validation=no_validation)
    assert found.n_steps == 7
    np.testing.assert_allclose(found.weights, task.ridge(7, 1e-3, True)[0], rtol=1e-7, atol=1e-9)
    assert task.fit().n_steps in (7, 3)


@tasks
def test_windows_read_in_parts_are_those_read_at_once(task, monkeypatch):
    whole = task.fit(normalizations=(True, False))
    monkeypatch.setattr(blocks_module, "CHUNK_NUMBERS", 300)
    parts = task.fit(normalizations=(True, False))
    assert (parts.n_steps, parts.ridge, parts.normalize) == (whole.n_steps, whole.ridge, whole.normalize)
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("most", "step"), [(180, 1), (90, 2), (60, 3), (100, 2)])
def test_of_many_windows_some_are_read_at_equal_distances(most, step, monkeypatch):
    """Two blocks of 90 windows each; never more than `most`."""
    monkeypatch.setattr(linear, "MOST_ROWS", most)
    task = Task.of(joint=False)
    found = task.fit(validation=no_validation)
    weights, _ = task.ridge(WINDOW, 1e-3, True, train=TRAIN[::step])
    np.testing.assert_allclose(found.weights, weights, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("joint", [True, False])
def test_there_is_none_where_no_window_is_complete(joint):
    grid = make_grid()
    grid[::3, :2] = np.nan
    task = Task(Blocks.of(grid, Columns(2, grid.shape[1] - 2), joint))
    assert task.fit() is None
    grid[::3, 0] = 1.0  # of the first target all are: enough where each has its own
    assert (Task(Blocks.of(grid, Columns(2, grid.shape[1] - 2), joint)).fit() is None) == joint


@pytest.mark.parametrize("normalize", [True, False])
def test_inputs_that_never_change_have_no_say(normalize):
    grid = np.full((60, 1), 2.5)
    blocks = Blocks.of(grid, Columns(1, grid.shape[1] - 1), True)
    found = fit_linear(blocks, np.arange(40), np.arange(45, 49), WINDOW, HORIZON, (normalize,))
    np.testing.assert_array_equal(found.weights, 0)
    np.testing.assert_array_equal(
        found.forecast(blocks, np.array([5]), WINDOW), np.full((1, HORIZON, 1), 2.5)
    )


# -- the forecast


@tasks
@ways
@pytest.mark.parametrize("n_steps", [WINDOW, 5, 1])
def test_forecast_is_inputs_times_weights_at_the_offsets_level(task, normalize, n_steps):
    rng, n_targets = np.random.default_rng(1), task.blocks.n_targets
    weights = rng.normal(size=(n_steps * task.blocks.n_columns, HORIZON * n_targets))
    fitted = LinearMap(weights, rng.normal(size=weights.shape[1]), n_steps, normalize, 0.1, n_targets)
    starts = np.array([0, 3, 50, 133])
    inputs, _, offsets = task.cut(starts[:3], n_steps, normalize)
    found = fitted.forecast(task.blocks, starts, WINDOW).reshape(len(task.blocks), 4, HORIZON, n_targets)
    expected = (inputs @ weights + fitted.intercept).reshape(-1, HORIZON, n_targets) + offsets[:, None]
    np.testing.assert_allclose(found[:, :3].reshape(-1, HORIZON, n_targets), expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(found).all()  # also of the last window, behind which there is nothing


@tasks
def test_error_is_the_squared_error_of_the_forecasts(task):
    for normalize in (True, False):
        judged = linear._Moments.of(task.blocks, VALIDATION, WINDOW, WINDOW, HORIZON, normalize)
        for steps in (8, 3):
            weights, intercept = task.ridge(steps, 0.01, normalize)
            found = judged.error(LinearMap(weights, intercept, steps, normalize, 0.01, task.blocks.n_targets))
            assert found == pytest.approx(task.squared_error(steps, 0.01, normalize), rel=1e-9)
    none = linear._Moments.of(task.blocks, no_validation, WINDOW, WINDOW, HORIZON, True)
    assert (none.count, none.error(task.fit())) == (0, 0.0)


@tasks
def test_a_forecast_has_the_same_bits_in_any_batch(task, monkeypatch):
    fitted, starts = task.fit(), np.arange(130)
    whole = fitted.forecast(task.blocks, starts, WINDOW).reshape(len(task.blocks), 130, -1)
    for chosen in ([0], [7, 8], list(range(129, -1, -1)), [5, 5, 5], list(range(10, 43))):
        found = fitted.forecast(task.blocks, starts[chosen], WINDOW)
        np.testing.assert_array_equal(found.reshape(len(task.blocks), len(chosen), -1), whole[:, chosen])
    monkeypatch.setattr(blocks_module, "CHUNK_NUMBERS", 500)
    found = fitted.forecast(task.blocks, starts, WINDOW)
    np.testing.assert_array_equal(found.reshape(whole.shape), whole)


def test_waves_and_trends_go_on():
    """Both follow from their last steps by a linear rule, so that next to nothing is left of the error."""
    t = np.arange(200)
    blocks = Blocks.of((np.sin(t / 5) + 0.01 * t)[:, None], Columns(1), True)
    fitted = fit_linear(blocks, np.arange(120), np.arange(130, 160), 12, 5, (True,))
    truth = blocks.values[0, 190:195]
    np.testing.assert_allclose(fitted.forecast(blocks, np.array([178]), 12)[0], truth, atol=1e-3)


def test_a_level_far_from_the_training_rows_moves_normalized_forecasts_only():
    grid = make_grid()[:, :1]
    far = Blocks.of(grid + 100, Columns(1, grid.shape[1] - 1), True)
    near = Blocks.of(grid, Columns(1, grid.shape[1] - 1), True)
    for normalize, moved in ((True, 100), (False, None)):
        fitted = fit_linear(near, TRAIN, VALIDATION, WINDOW, HORIZON, (normalize,))
        found = fitted.forecast(far, TRAIN, WINDOW) - fitted.forecast(near, TRAIN, WINDOW)
        if normalize:
            np.testing.assert_allclose(found, moved, rtol=1e-12)
        else:
            expected = 100 * fitted.weights.sum(axis=0)
            np.testing.assert_allclose(found[:, :, 0], np.broadcast_to(expected, found.shape[:2]), rtol=1e-9)


def test_last_observed_values_are_those_of_a_loop():
    windows = make_grid(holes=0.6)[:140].reshape(28, 5, 3)
    windows[3, :, 1] = np.nan
    expected = np.zeros((28, 3))
    for row, window in enumerate(windows):
        for step in window:
            expected[row] = np.where(np.isnan(step), expected[row], step)
    np.testing.assert_array_equal(last_observed(windows), expected)


def test_a_window_longer_than_what_is_read_ends_at_the_same_step():
    task = Task.of(n_targets=1, columns=1)
    short = replace(
        task.fit(), n_steps=2, weights=np.array([[0.0] * HORIZON, [1.0, 2.0, 3.0]]), normalize=False
    )
    found = short.forecast(task.blocks, np.array([10]), WINDOW)[0, :, 0]
    np.testing.assert_allclose(found, short.intercept + task.blocks.values[0, 17, 0] * np.array([1, 2, 3]))
