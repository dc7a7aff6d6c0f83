"""Out-of-fold forecasts of training windows, against a fit for each fold by hand."""

from dataclasses import replace

import numpy as np
import pytest
from linear_tasks import HORIZON, INSTANCE, LAST, NOTHING, TRAIN, WINDOW, Task, tasks

from seqcast.data.roles import ColumnLayout
from seqcast.forecasting import linear_map
from seqcast.forecasting.linear_map import fit_linear
from seqcast.forecasting.out_of_fold import FOLDS, MAX_WINDOWS, forecast_out_of_fold
from seqcast.forecasting.seasonal_features import SeasonalFeatures
from seqcast.forecasting.window_source import WindowSource


def by_hand(task, fit, fold, training):
    """Return forecasts of a fold by ridge regression on windows whose targets are not in the fold."""
    targets = {row for start in fold for row in range(start + WINDOW, start + WINDOW + HORIZON)}
    rest = [s for s in training if targets.isdisjoint(range(s + WINDOW, s + WINDOW + HORIZON))]
    assert set(rest) <= set(training) - set(fold)
    weights, seasonal_weights, intercept = task.ridge(
        fit.n_steps, fit.ridge, fit.window_scaling, fit.seasonal_features, train=np.array(rest)
    )
    own = replace(fit, weights=weights, seasonal_weights=seasonal_weights, intercept=intercept)
    return own.forecast(task.blocks, fold, WINDOW).reshape(len(task.blocks), len(fold), HORIZON, -1)


@tasks
@pytest.mark.parametrize("way", [LAST, INSTANCE])
@pytest.mark.parametrize("phases", [NOTHING, SeasonalFeatures((5,), 30.0)])
def test_each_fold_is_forecast_by_a_fit_to_the_others(task, way, phases):
    fit = replace(task.fit(ways=(way,)), seasonal_features=phases)
    starts, found = forecast_out_of_fold(fit, task.blocks, TRAIN, WINDOW, HORIZON)
    np.testing.assert_array_equal(starts, TRAIN)
    assert FOLDS == 5
    expected = [by_hand(task, fit, TRAIN[first : first + 18], TRAIN) for first in range(0, 90, 18)]
    expected = np.concatenate(expected, axis=1).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_folds_are_cut_in_the_order_of_rows():
    task, training = Task.of(multivariate=False), np.r_[0:13, 20:23, 40:77, 100:118]
    fit = task.fit()
    starts, found = forecast_out_of_fold(fit, task.blocks, training, WINDOW, HORIZON)
    np.testing.assert_array_equal(starts, training)
    folds = [training[:15], training[15:29], training[29:43], training[43:57], training[57:]]
    expected = np.concatenate([by_hand(task, fit, fold, training) for fold in folds], axis=1)
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("most", [90, 30, 7, 1])
def test_equally_spaced_windows_are_forecast_of_many(most):
    task = Task.of(multivariate=False)
    fit = task.fit()
    _, every = forecast_out_of_fold(fit, task.blocks, TRAIN, WINDOW, HORIZON)
    starts, found = forecast_out_of_fold(fit, task.blocks, TRAIN, WINDOW, HORIZON, most)
    places = np.linspace(0, 89, most).astype(int)
    np.testing.assert_array_equal(starts, TRAIN[places])
    chosen = every.reshape(2, 90, HORIZON, 1)[:, places]
    np.testing.assert_array_equal(found, chosen.reshape(-1, HORIZON, 1))
    assert MAX_WINDOWS == 2000


def test_folds_learn_only_from_windows_of_the_fit(monkeypatch):
    monkeypatch.setattr(linear_map, "MAX_WINDOWS", 60)  # two groups of 90 windows: every third
    task = Task.of(multivariate=False)
    fit = task.fit()
    starts, found = forecast_out_of_fold(fit, task.blocks, TRAIN, WINDOW, HORIZON)
    np.testing.assert_array_equal(starts, TRAIN[::3])
    expected = np.concatenate([by_hand(task, fit, fold, starts) for fold in np.split(starts, 5)], axis=1)
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("n", "left"), [(1, 0), (2, 0), (6, 4), (7, 5), (9, 9)])
def test_folds_without_training_windows_are_left_out(n, left):
    task = Task.of(n_targets=1, columns=1)
    training = np.arange(n)
    fit = task.fit()
    starts, found = forecast_out_of_fold(fit, task.blocks, training, WINDOW, HORIZON)
    folds = [fold for fold in np.array_split(training, 5) if len(fold)]
    margin = HORIZON - 1
    kept = [f for f in folds if max(0, f[0] - margin) + max(0, n - 1 - f[-1] - margin) >= 2]
    np.testing.assert_array_equal(starts, np.concatenate([*kept, training[:0]]))
    assert len(starts) == left
    assert found.shape == (len(starts), HORIZON, 1)
    assert np.isfinite(found).all()


def test_overfitted_noise_is_not_predicted_out_of_fold():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(160, 1))
    source, training = WindowSource.from_inputs(noise, ColumnLayout(1), True), np.arange(100)
    fit = fit_linear(source, training, training[:0], 60, 1, (LAST,))
    truth = noise[training + 60]
    inside = np.mean((fit.forecast(source, training, 60)[:, 0] - truth) ** 2)
    starts, found = forecast_out_of_fold(fit, source, training, 60, 1)
    outside = np.mean((found[:, 0] - truth) ** 2)
    np.testing.assert_array_equal(starts, training)
    assert inside < 0.5 < 1.1 < outside
