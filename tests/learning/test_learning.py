"""Accuracy after training on problems with a known optimum."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from seqcast import SeqForecaster, SeqRegressor, datasets

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


def rmse(errors):
    return np.sqrt(np.mean(np.square(errors)))


# -- the adding problem: the sum of the two marked values among T = 50 (Hochreiter and Schmidhuber, 1997)


def adding_problem(n, seed, n_steps=50):
    """Return sequences (n, n_steps, 2) of values and marks, and the sums of marked values."""
    rng = np.random.default_rng(seed)
    values, marks, rows = rng.uniform(size=(n, n_steps)), np.zeros((n, n_steps)), np.arange(n)
    marks[rows, rng.integers(0, n_steps // 2, n)] = 1
    marks[rows, rng.integers(n_steps // 2, n_steps, n)] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=1)


@pytest.fixture(scope="module")
def adding():
    return adding_problem(2000, seed=0), adding_problem(1000, seed=1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_adding_problem_is_solved(adding, cell):
    (X, y), (new, sums) = adding
    model = SeqRegressor(
        cell, 16, n_channels=2, learning_rate_init=0.02, batch_size=32, max_iter=12, random_state=0
    )
    assert np.mean((model.fit(X, y).predict(new) - sums) ** 2) < 0.01


def test_adding_problem_is_not_solved_by_mean_or_linear_map(adding):
    (X, y), (new, sums) = adding
    assert np.mean((y.mean() - sums) ** 2) == pytest.approx(1 / 6, rel=0.05)
    linear = LinearRegression().fit(X.reshape(len(X), -1), y)
    assert np.mean((linear.predict(new.reshape(len(new), -1)) - sums) ** 2) > 0.15


# -- forecasts


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sine_on_a_trend_has_half_the_seasonal_naive_error(seed):
    """The seasonal naive error is a day of trend, 0.48, and noise; an error of 0.1 is a skill of 0.8."""
    t = np.arange(600)
    noise = 0.1 * np.random.default_rng(seed).normal(size=600)
    series = pd.Series(
        np.sin(2 * np.pi * t / 24) + 0.02 * t + noise, pd.date_range("2024-01-01", periods=600, freq="h")
    )
    model = SeqForecaster(random_state=seed).fit(series[:480])
    assert (model.horizon_, model.season_length_) == (24, 24)
    assert model.score(series[480:]) >= 0.5


def test_weather_is_forecast_better_than_by_the_day_before():
    weather = datasets.load_weather()[:5000]
    n = int(0.8 * len(weather))
    model = SeqForecaster(target="temp", hidden_size=16, max_iter=12, random_state=0).fit(weather[:n])
    assert model.score(weather[n:]) > 0.15


def autoregression(phi, n, seed=0):
    """Return a series with x' = phi x + e and e ~ N(0, 1)."""
    noise, x = np.random.default_rng(seed).normal(size=n), np.zeros(n)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + noise[t]
    return x


def test_forecasts_of_an_autoregression_are_near_the_optimum():
    """The best forecast h steps ahead is phi^h x, and the variance of its error the sum of phi^2k, k < h."""
    phi, n, horizon = 0.8, 3000, 6
    x = autoregression(phi, n + 3000)
    model = SeqForecaster(horizon, 8, hidden_size=16, normalization="none", random_state=0).fit(x[:n])
    forecasts, truth = model.predict(x[n:]), x[n:]
    lead = np.arange(3000) % horizon + 1
    last = x[n + np.arange(3000) - lead]
    optimum = np.sqrt(np.mean((1 - phi ** (2 * lead)) / (1 - phi**2)))
    assert rmse(phi**lead * last - truth) == pytest.approx(optimum, rel=0.05)  # the test rows are fair
    assert rmse(forecasts - truth) < 1.1 * optimum
    assert rmse(forecasts - phi**lead * last) < 0.25 * rmse(truth)
    # neither the mean of all nor the last value is as good
    assert min(rmse(truth), rmse(last - truth)) > 1.15 * optimum


def test_forecasts_of_a_random_walk_are_near_its_last_value():
    x = autoregression(1.0, 2000, seed=2)
    model = SeqForecaster(6, 8, hidden_size=16, random_state=0).fit(x[:1000])
    truth = x[1000:]
    assert rmse(truth - x[:1000].mean()) > 2 * x[:1000].std()  # far from where it was
    lead = np.arange(1000) % 6 + 1
    last = x[1000 + np.arange(1000) - lead]
    assert rmse(model.predict(truth) - truth) < 1.1 * rmse(last - truth)


def test_covariate_that_tells_the_future_is_used():
    """Column b is column a three steps in advance, so only three of five steps can be forecast."""
    rng = np.random.default_rng(0)
    b = rng.normal(size=1503)
    data = pd.DataFrame({"a": b[:1500], "b": b[3:]})
    options = {
        "horizon": 5,
        "window": 6,
        "normalization": "none",
        "learning_rate_init": 0.01,
        "random_state": 0,
    }
    model = SeqForecaster(**options, hidden_size=16, target="a").fit(data[:1200])
    errors = (model.predict(data[1200:]) - data[["a"]][1200:]).to_numpy().reshape(-1, 5)
    assert rmse(errors[:, :3]) < 0.3
    assert rmse(errors[:, 3:]) > 0.8
    alone = SeqForecaster(**options, hidden_size=16).fit(data[["a"]][:1200])
    assert rmse(alone.predict(data[["a"]][1200:]) - data[["a"]][1200:]) > 0.8


def test_missing_values_cost_little():
    """A third of the rows is missing, but the sine can still be learned."""
    t = np.arange(600)
    series = pd.Series(np.sin(2 * np.pi * t / 24), pd.date_range("2024-01-01", periods=600, freq="h"))
    holed = series.mask(np.random.default_rng(0).random(600) < 1 / 3)
    model = SeqForecaster(random_state=0).fit(holed[:480])
    assert rmse(model.predict(holed[480:]) - series[480:]) < 0.3
