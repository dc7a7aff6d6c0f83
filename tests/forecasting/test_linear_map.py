"""The linear map, against ridge regression by hand and an exhaustive search."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from linear_tasks import (
    HORIZON,
    INSTANCE,
    LAST,
    NONE,
    NOTHING,
    TASKS,
    TRAIN,
    VALIDATION,
    WAYS,
    WINDOW,
    Task,
    assert_fit,
    choices_of,
    clock_from,
    make_grid,
    tasks,
    ways,
)

from seqcast.data.panel import Clock
from seqcast.data.roles import ColumnLayout
from seqcast.forecasting import linear_map
from seqcast.forecasting import window_source as blocks_module
from seqcast.forecasting.linear_map import MIN_GAIN, RIDGES, LinearMap, Reading, fit_linear
from seqcast.forecasting.seasonal_features import SeasonalFeatures
from seqcast.forecasting.window_scaling import WindowScaling
from seqcast.forecasting.window_source import WindowSource

no_validation = np.empty(0, np.int64)


# -- the fit


@tasks
@ways
def test_without_validation_the_whole_window_is_regressed_on(task, way):
    found = task.fit(validation=no_validation, ways=(way, NONE, LAST), periods=(7,), year=30.0)
    assert choices_of(found) == (WINDOW, 1e-3, way, NOTHING)
    weights, seasonal_weights, intercept = task.ridge(WINDOW, 1e-3, way)
    n_read = task.blocks.n_columns - (task.blocks.columns.past if way.covariates == "none" else 0)
    assert weights.shape == (WINDOW * n_read, HORIZON * task.blocks.n_targets)
    assert_fit(found, weights, seasonal_weights, intercept)


@tasks
@ways
def test_steps_and_ridge_are_those_of_an_exhaustive_search(task, way):
    best, found = task.search(way), task.fit(ways=(way,))
    assert choices_of(found) == best
    assert_fit(found, *task.ridge(*best), tolerance=1e-8)


@tasks
def test_the_scaling_with_the_best_forecasts_is_chosen(task):
    """Errors are compared in scaled values, whatever the window scaling."""
    fits = [task.fit(ways=(way,)) for way in WAYS]
    errors = fits_errors(task, fits)
    found = task.fit(ways=WAYS)
    assert choices_of(found) == choices_of(fits[int(np.argmin(errors))])


def fits_errors(task, fits, starts=VALIDATION):
    truth = task.truth(starts)
    return [np.nansum((fit.forecast(task.blocks, starts, WINDOW) - truth) ** 2) for fit in fits]


@pytest.mark.parametrize("most", [4000, 8, 3])
def test_scalings_are_compared_on_a_spaced_subsample(most, monkeypatch):
    monkeypatch.setattr(linear_map, "MAX_VALIDATION_WINDOWS", most)
    task = Task.of(multivariate=False)
    n = max(1, most // 2)
    starts = VALIDATION if n > 30 else VALIDATION[np.linspace(0, 29, n).astype(int)]
    fits = [task.fit(ways=(way,)) for way in WAYS]
    best = fits[int(np.argmin(fits_errors(task, fits, starts)))]
    assert choices_of(task.fit(ways=WAYS)) == choices_of(best)


def test_tasks_choose_different_maps():
    """Otherwise, the tests above would not cover all choices."""
    fits = [Task.of(**options).fit(ways=WAYS) for options in TASKS.values()]
    assert len({found.n_steps for found in fits}) > 1
    assert len({found.ridge for found in fits}) > 1
    assert len({found.window_scaling for found in fits}) > 1


@pytest.mark.parametrize(
    ("window", "tried"), [(1, {1}), (2, {2}), (3, {3}), (4, {2, 4}), (21, {2, 5, 10, 21})]
)
def test_windows_are_halved_down_to_two_steps(window, tried, monkeypatch):
    task, seen, real = Task.of(n_targets=1, columns=1), set(), linear_map.NormalEquations.solve
    monkeypatch.setattr(
        linear_map.NormalEquations,
        "solve",
        lambda self, n, ridge: seen.add((n, ridge)) or real(self, n, ridge),
    )
    fit_linear(task.blocks, TRAIN[:70], VALIDATION[:10], window, HORIZON, (LAST,))
    assert seen == {(steps, ridge) for steps in tried for ridge in RIDGES}


def test_only_the_last_steps_of_a_large_window_are_read(monkeypatch):
    monkeypatch.setattr(linear_map, "MAX_INPUTS", 15)  # of two columns: seven steps of eight
    task = Task.of(multivariate=False)
    found = task.fit(validation=no_validation)
    assert found.n_steps == 7
    assert_fit(found, *task.ridge(7, 1e-3, LAST))
    assert task.fit().n_steps in (7, 3)
    without = task.fit(validation=no_validation, ways=(WindowScaling("last", "none"),))
    assert without.n_steps == 8  # of one column


@tasks
def test_chunks_of_windows_give_the_same_fit(task, monkeypatch):
    whole = task.fit(ways=WAYS)
    monkeypatch.setattr(blocks_module, "CHUNK_NUMBERS", 300)
    parts = task.fit(ways=WAYS)
    assert choices_of(parts) == choices_of(whole)
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("most", "step"), [(180, 1), (90, 2), (60, 3), (100, 2)])
def test_equally_spaced_windows_are_read_of_many(most, step, monkeypatch):
    """There are two groups of 90 windows each; at most `most` windows are read."""
    monkeypatch.setattr(linear_map, "MAX_WINDOWS", most)
    task = Task.of(multivariate=False)
    found = task.fit(validation=no_validation)
    assert_fit(found, *task.ridge(WINDOW, 1e-3, LAST, train=TRAIN[::step]))


@pytest.mark.parametrize("multivariate", [True, False])
def test_without_complete_windows_there_is_no_map(multivariate):
    grid = make_grid()
    grid[::3, :2] = np.nan
    task = Task(WindowSource.from_inputs(grid, ColumnLayout(2, 1), multivariate))
    assert task.fit(ways=WAYS) is None
    assert task.fit(train=np.empty(0, np.int64)) is None
    grid[::3, 0] = 1.0  # of the first target all are: enough where each has its own
    assert (
        Task(WindowSource.from_inputs(grid, ColumnLayout(2, 1), multivariate)).fit() is None
    ) == multivariate


def test_incomplete_validation_windows_choose_nothing():
    grid = make_grid()[:, :1]
    grid[100::3] = np.nan
    task = Task(WindowSource.from_inputs(grid, ColumnLayout(1), True, clock_from(5)))
    found = task.fit(periods=(7,), year=30.0)
    assert choices_of(found) == (WINDOW, 1e-3, LAST, NOTHING)
    assert_fit(found, *task.ridge(WINDOW, 1e-3, LAST))


@pytest.mark.parametrize("way", [LAST, NONE, INSTANCE])
def test_constant_inputs_have_no_weight(way):
    source = WindowSource.from_inputs(np.full((60, 1), 2.5), ColumnLayout(1), True)
    found = fit_linear(source, np.arange(40), np.arange(45, 49), WINDOW, HORIZON, (way,))
    np.testing.assert_array_equal(found.weights, 0)
    np.testing.assert_array_equal(
        found.forecast(source, np.array([5]), WINDOW), np.full((1, HORIZON, 1), 2.5)
    )


# -- the calendar


CALENDARS = [NOTHING, *(SeasonalFeatures(p, y) for y in (None, 30.0) for p in ((), (5,), (7,)) if p or y)]


def with_calendar(task, week=0.0, year=0.0):
    """Return the task with an effect of each phase of a week, and a wave of a year of 30 steps."""
    steps = np.arange(141)
    shape = np.random.default_rng(5).normal(size=7)[(5 + steps) % 7]
    added = week * shape + year * np.sin(2 * np.pi * (5 + steps) / 30)
    values = task.blocks.values.copy()
    values[:, :, : task.blocks.n_targets] += added[:, None]
    return Task(replace(task.blocks, values=values))


@tasks
@pytest.mark.parametrize(("week", "year"), [(0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (2.0, 2.0)])
@pytest.mark.parametrize("way", [LAST, INSTANCE])
def test_seasonal_features_are_those_of_an_exhaustive_search(task, week, year, way):
    task = with_calendar(task, week, year)
    best, found = task.search(way, CALENDARS), task.fit(ways=(way,), periods=(5, 7), year=30.0)
    assert choices_of(found) == best
    assert_fit(found, *task.ridge(*best), tolerance=1e-7)


def test_tasks_choose_different_seasonal_features():
    found = {
        with_calendar(Task.of(**options), *effects).fit(periods=(5, 7), year=30.0).seasonal_features
        for options in TASKS.values()
        for effects in ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (2.0, 2.0))
    }
    assert len(found) > 3


def test_phases_are_learned_with_a_window_shorter_than_a_period():
    """Each phase of a week has its own mean, and two steps of a window do not determine the next phase."""
    rng = np.random.default_rng(1)
    steps = np.arange(400)
    values = rng.normal(size=7)[(5 + steps) % 7][:, None] + 0.01 * rng.normal(size=(400, 1))
    source = WindowSource.from_inputs(values, ColumnLayout(1), True, clock_from(5, 400))
    train, validation, later = np.arange(300), np.arange(305, 340), np.arange(345, 390)
    truth = values[later[:, None] + 2 + np.arange(HORIZON)]
    errors = {}
    for periods in ((), (7,)):
        fit = fit_linear(source, train, validation, 2, HORIZON, (NONE,), periods)
        assert fit.seasonal_features == SeasonalFeatures(periods)
        errors[periods] = np.sqrt(np.mean((fit.forecast(source, later, 2) - truth) ** 2))
    assert errors[7,] < 0.05 < 0.3 < errors[()]


def test_a_small_gain_does_not_add_seasonal_features(monkeypatch):
    task = with_calendar(Task.of(n_targets=1, columns=1), week=1.0)
    candidates = list(product((8, 4, 2), RIDGES))
    plain, best = (
        min(task.squared_error(*candidate, LAST, phases) for candidate in candidates for phases in some)
        for some in ([NOTHING], CALENDARS)
    )
    gain = 1 - best / plain
    assert gain > MIN_GAIN == 0.05
    for least, taken in ((gain - 0.01, True), (gain + 0.01, False)):
        monkeypatch.setattr(linear_map, "MIN_GAIN", least)
        assert (task.fit(periods=(5, 7), year=30.0).seasonal_features != NOTHING) == taken


def test_seen_steps_span_from_first_window_to_last_target(monkeypatch):
    seen, real = [], linear_map.list_candidates
    monkeypatch.setattr(linear_map, "list_candidates", lambda *args: seen.append(args) or real(*args))
    Task.of().fit(train=np.array([20, 31, 50]), periods=(5,), year=30.0)
    assert seen == [((5,), 30.0, 41)]  # from 20 to 60


def test_without_a_clock_there_are_no_seasonal_features():
    task = with_calendar(Task.of(n_targets=1, columns=1), week=2.0)
    assert task.fit(periods=(7,)).seasonal_features == SeasonalFeatures((7,))
    timeless = Task(replace(task.blocks, clock=None)).fit(periods=(7,), year=30.0)
    plain = task.fit()
    assert choices_of(timeless) == choices_of(plain)
    np.testing.assert_array_equal(timeless.weights, plain.weights)


def test_each_series_has_a_clock_of_its_own():
    """The second of two series begins on another day of the week."""
    one = with_calendar(Task.of(n_targets=1, columns=1), week=2.0).blocks
    clock = Clock(np.array([0, 141, 279]), np.array([5, 8]))
    panel = WindowSource.from_inputs(
        np.vstack([one.values[0], one.values[0, 3:]]), ColumnLayout(1), True, clock
    )
    train, validation = np.r_[TRAIN, TRAIN[3:] + 138], np.r_[VALIDATION, VALIDATION + 138]
    found = fit_linear(panel, train, validation, WINDOW, HORIZON, (LAST,), (7,))
    assert found.seasonal_features == SeasonalFeatures((7,))
    both = found.forecast(panel, np.array([50, 133, 50 + 138, 133 + 138]), WINDOW)
    np.testing.assert_array_equal(both[:2], both[2:])


# -- the forecast


@tasks
@ways
@pytest.mark.parametrize("n_steps", [WINDOW, 5, 1])
def test_a_forecast_is_a_product_plus_the_offset(task, way, n_steps):
    rng, n_outputs, phases = (
        np.random.default_rng(1),
        HORIZON * task.blocks.n_targets,
        SeasonalFeatures((5,), 30.0),
    )
    n_inputs = n_steps * way.count_read(task.blocks.columns)
    weights, seasonal_weights = rng.normal(size=(n_inputs, n_outputs)), rng.normal(size=(9, n_outputs))
    fitted = LinearMap(
        way, phases, n_steps, HORIZON, weights, seasonal_weights, rng.normal(size=n_outputs), 0.1
    )
    starts = np.array([0, 3, 50, 133])
    calendar, inputs, _, offsets, scales = task.cut(starts[:3], n_steps, way, phases)
    found = fitted.forecast(task.blocks, starts, WINDOW).reshape(len(task.blocks), 4, HORIZON, -1)
    parts = calendar @ seasonal_weights + inputs @ weights + fitted.intercept
    expected = parts.reshape(-1, HORIZON, task.blocks.n_targets) * scales + offsets
    np.testing.assert_allclose(found[:, :3].reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(found).all()  # also of the last window, behind which there is nothing


@tasks
@ways
def test_normal_equations_are_those_of_complete_windows(task, way):
    phases = SeasonalFeatures((5,), 30.0)
    calendar, inputs, targets = task.complete(TRAIN, 5, way, phases)
    found = Reading(way, phases, 5, HORIZON).sum_windows(task.blocks, TRAIN, WINDOW)
    expected = linear_map.NormalEquations.from_rows(np.hstack([calendar, inputs]), targets)
    assert found.count == expected.count
    np.testing.assert_allclose(found.xx, expected.xx, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.xy, expected.xy, rtol=1e-9, atol=1e-9)
    assert Reading(way, phases, 5, HORIZON).sum_windows(task.blocks, TRAIN[:0], WINDOW).count == 0


@tasks
@pytest.mark.parametrize("way", [LAST, INSTANCE])
def test_a_forecast_has_the_same_bits_in_any_batch(task, way, monkeypatch):
    fitted, starts, phases = task.fit(ways=(way,)), np.arange(130), SeasonalFeatures((7,), 30.0)
    seasonal_weights = np.random.default_rng(0).normal(size=(len(phases), len(fitted.intercept)))
    fitted = replace(fitted, seasonal_features=phases, seasonal_weights=seasonal_weights)
    whole = fitted.forecast(task.blocks, starts, WINDOW).reshape(len(task.blocks), 130, -1)
    for chosen in ([0], [7, 8], list(range(129, -1, -1)), [5, 5, 5], list(range(10, 43))):
        found = fitted.forecast(task.blocks, starts[chosen], WINDOW)
        np.testing.assert_array_equal(found.reshape(len(task.blocks), len(chosen), -1), whole[:, chosen])
    monkeypatch.setattr(blocks_module, "CHUNK_NUMBERS", 500)
    found = fitted.forecast(task.blocks, starts, WINDOW)
    np.testing.assert_array_equal(found.reshape(whole.shape), whole)


def test_rows_before_a_window_do_not_matter():
    task = with_calendar(Task.of(multivariate=False), 2.0, 2.0)
    fitted, starts = task.fit(periods=(7,), year=30.0), np.array([60, 133])
    whole = fitted.forecast(task.blocks, starts, WINDOW)
    np.testing.assert_array_equal(fitted.forecast(task.blocks.drop_before(60), starts - 60, WINDOW), whole)


def test_waves_and_trends_are_continued():
    """Both follow from their last steps by a linear rule, so that the error is nearly 0."""
    t = np.arange(200)
    source = WindowSource.from_inputs((np.sin(t / 5) + 0.01 * t)[:, None], ColumnLayout(1), True)
    fitted = fit_linear(source, np.arange(120), np.arange(130, 160), 12, 5, (LAST,))
    truth = source.values[0, 190:195]
    np.testing.assert_allclose(fitted.forecast(source, np.array([178]), 12)[0], truth, atol=1e-3)


def test_a_large_shift_shifts_relative_forecasts_only():
    grid = make_grid()[:, :1]
    far, near = (WindowSource.from_inputs(values, ColumnLayout(1), True) for values in (grid + 100, grid))
    for way in (LAST, INSTANCE, NONE):
        fitted = fit_linear(near, TRAIN, VALIDATION, WINDOW, HORIZON, (way,))
        found = fitted.forecast(far, TRAIN, WINDOW) - fitted.forecast(near, TRAIN, WINDOW)
        expected = 100 * fitted.weights.sum(axis=0) if way == NONE else np.full(HORIZON, 100.0)
        np.testing.assert_allclose(found[:, :, 0], np.broadcast_to(expected, found.shape[:2]), rtol=1e-9)


def test_instance_scaling_gives_windows_the_same_weight():
    """Two series of different variance follow the same rule, and one of large variance follows another."""
    rng, quiet = np.random.default_rng(0), np.empty(600)
    quiet[0] = 0
    for t in range(1, 600):
        quiet[t] = 0.5 * quiet[t - 1] + rng.normal()
    loud = 100 * rng.normal(size=200).cumsum()
    series = np.concatenate([quiet, loud])[:, None]
    source, starts = WindowSource.from_inputs(series, ColumnLayout(1), True), np.r_[0:580, 600:780]
    truth = quiet[np.arange(580) + 10]
    errors = {}
    for way in (LAST, INSTANCE):
        fitted = fit_linear(source, starts, no_validation, 10, 1, (way,))
        errors[way] = np.mean((fitted.forecast(source, starts[:580], 10)[:, 0, 0] - truth) ** 2)
    assert errors[INSTANCE] < 1.15  # the noise is 1
    assert errors[LAST] > 1.3


def test_only_the_last_steps_of_a_window_are_read():
    task = Task.of(n_targets=1, columns=1)
    fit = task.fit(ways=(NONE,))
    short = replace(fit, n_steps=2, weights=np.array([[0.0] * HORIZON, [1.0, 2.0, 3.0]]))
    found = short.forecast(task.blocks, np.array([10]), WINDOW)[0, :, 0]
    np.testing.assert_allclose(found, short.intercept + task.blocks.values[0, 17, 0] * np.array([1, 2, 3]))


def test_a_refit_keeps_the_choices_and_changes_the_weights():
    task = with_calendar(Task.of(multivariate=False), 2.0, 2.0)
    fit = task.fit(periods=(7,), year=30.0)
    found = fit.refit(fit.sum_windows(task.blocks, TRAIN[20:], WINDOW))
    assert choices_of(found) == choices_of(fit)
    assert_fit(found, *task.ridge(*choices_of(fit), train=TRAIN[20:]), tolerance=1e-8)
    again = fit.refit(fit.sum_windows(task.blocks, TRAIN, WINDOW))
    assert_fit(again, fit.weights, fit.seasonal_weights, fit.intercept, tolerance=1e-8)
