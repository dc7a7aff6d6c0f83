"""Scales of the residuals of each series, by hand, and the coverage that they give."""

import numpy as np
import pandas as pd
import pytest
from fitted_parts import residuals_of

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, backtest
from seqcast.data.panel import Panel
from seqcast.forecasting.conformal import ConformalResiduals
from seqcast.forecasting.residual_scale import PRIOR, compute_residual_scales

KEYS = {"id_col": "id", "time_col": "time"}
N = 3000


def panel_of(*lengths):
    return Panel.stack([np.zeros((n, 1)) for n in lengths])


def errors_of(n, horizon, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).normal(size=(n, horizon, 2))


# -- by hand


def test_scales_are_squared_means_of_roots_shrunk_to_one():
    """There are two series, two targets, two groups of the same weight, and missing values."""
    horizon, levels = 4, panel_of(30, 50)
    groups = [
        (np.array([12, 13, 22, 40, 50]), errors_of(5, horizon)),
        (np.array([4, 5, 60, 63]), errors_of(4, horizon, 3.0, seed=1)),
    ]
    groups[0][1][1, 2:, 0] = np.nan
    groups[1][1][3, :, 1] = np.nan
    news = [np.array([1, 1 / 4, 1, 1, 1]), np.array([1, 1 / 4, 1, 3 / 4])]
    found = compute_residual_scales(levels, groups)
    assert found.shape == (2, 1, 2)
    for number, target in np.ndindex(2, 2):
        roots, weights, of_one, n = [], [], [], 0.0
        for (cutoffs, errors), new in zip(groups, news, strict=True):
            for cutoff, window, counts in zip(cutoffs, errors[:, :, target], new, strict=True):
                seen = np.sqrt(np.abs(window[~np.isnan(window)]))
                own = (cutoff > 30) == number
                roots, weights = [*roots, *seen], [*weights, *[1 / len(errors)] * len(seen)]
                of_one += [own] * len(seen)
                n += counts * own * (len(seen) > 0)
        mean = np.average(roots, weights=weights)
        own_mean = np.average(roots, weights=np.array(weights) * of_one)
        expected = (PRIOR + n * (own_mean / mean) ** 2) / (PRIOR + n)
        assert found[number, 0, target] == pytest.approx(expected, rel=1e-12)


def test_residuals_are_divided_by_the_scale_of_their_series():
    levels, cutoffs = panel_of(400, 400), np.arange(20, 780, 2)
    cutoffs = cutoffs[(cutoffs < 396) | (cutoffs > 420)]
    values = errors_of(len(cutoffs), 4) * np.where(cutoffs > 400, 4.0, 1.0)[:, None, None]
    errors = ConformalResiduals.from_series(levels, [(cutoffs, values)])
    series = levels.find_series(cutoffs)
    expected = (values / errors.scales[series]).astype(np.float32)
    np.testing.assert_array_equal(errors.values, expected)
    ratio = errors.scales[1] / errors.scales[0]
    assert ((ratio > 2.5) & (ratio < 4)).all()  # they were drawn to 1, but not far


def test_a_single_series_has_the_scale_one():
    """The bits of the residuals do not change."""
    groups = [(np.arange(30, 130), errors_of(100, 7)), (np.arange(5, 25, 2), errors_of(10, 7, 0.1))]
    errors = ConformalResiduals.from_series(panel_of(150), groups)
    assert (errors.scales == 1).all()
    np.testing.assert_array_equal(
        errors.values, ConformalResiduals.from_groups([values for _, values in groups]).values
    )


def test_unknown_residual_scales_are_one():
    """This holds for a series without residuals, and for series that were added after fit."""
    groups = [(np.array([12, 22, 112]), errors_of(3, 4))]
    errors = ConformalResiduals.from_series(panel_of(50, 40, 60), groups)
    assert (errors.scales[1] == 1).all()
    assert (errors.scales[[0, 2]] != 1).all()
    found = errors.select_scales(np.array([2, 7, 0, 3]))
    np.testing.assert_array_equal(found[[0, 2]], errors.scales[[2, 0]])
    assert (found[[1, 3]] == 1).all()


def test_residuals_of_zero_have_the_scale_one():
    sizes = compute_residual_scales(panel_of(50, 40), [(np.array([12, 22, 72]), np.zeros((3, 4, 1)))])
    assert (sizes == 1).all()


@pytest.mark.parametrize("wild", [1e3, 1e6])
def test_one_extreme_residual_changes_scales_little(wild):
    levels, cutoffs = panel_of(500, 500), np.concatenate([np.arange(20, 490), np.arange(520, 990)])
    values = errors_of(len(cutoffs), 4)
    calm = compute_residual_scales(levels, [(cutoffs, values)])
    values[7, 1] = wild
    moved = compute_residual_scales(levels, [(cutoffs, values)]) / calm
    assert moved.max() < 1 + 2 * np.sqrt(wild) / 1000


# -- in forecasts


def moving(phi, n, rng):
    """Return a series of deviation 1, whose changes from step to step are small if `phi` is near 1."""
    noise, values = rng.normal(size=n), np.zeros(n)
    for t in range(1, n):
        values[t] = phi * values[t - 1] + noise[t]
    return values / values.std()


@pytest.fixture(scope="module")
def panel():
    """Return two series that change slowly and two that change fast."""
    rng = np.random.default_rng(0)
    series = {name: moving(phi, N, rng) for name, phi in zip("abcd", (0.95, 0.95, 0.0, 0.0), strict=True)}
    times = pd.date_range("2024-01-01", periods=N, freq="D")
    return pd.concat([pd.DataFrame({"id": name, "time": times, "y": y}) for name, y in series.items()])


@pytest.mark.parametrize(
    "model",
    [
        LinearForecaster(12, 24, **KEYS),
        pytest.param(
            SeqForecaster(12, 24, hidden_size=4, max_iter=2, naive_fallback=False, random_state=0, **KEYS),
            marks=pytest.mark.filterwarnings(
                "ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning"
            ),
        ),
    ],
    ids=["linear", "network"],
)
def test_intervals_of_each_series_have_their_coverage(panel, model):
    """Without scales, intervals of slow series have too low a coverage, and the others too high a one."""
    known = panel["time"] < "2029-05-01"
    model = model.fit(panel[known])

    def coverage():
        rows = backtest(model, panel[~known], refit=False, level=80, step_size=8)
        inside = (rows["y_hat-lo-80"] <= rows["y"]) & (rows["y"] <= rows["y_hat-hi-80"])
        return inside.groupby(rows["id"]).mean().to_numpy()

    assert np.abs(coverage() - 0.8).max() < 0.06
    sizes = residuals_of(model).scales.ravel()
    assert sizes[:2].min() > 1.3 * sizes[2:].max()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ConformalResiduals,
            "from_series",
            classmethod(lambda cls, _, groups: cls.from_groups([e for _, e in groups])),
        )
        model.fit(panel[known])
    alike = coverage()
    assert alike[:2].max() < 0.72
    assert alike[2:].min() > 0.9


def test_a_model_of_one_series_has_the_scale_one(panel):
    rows = panel[panel["time"] < "2024-08-01"]
    local = LinearForecaster(4, 8, scope="local", **KEYS).fit(rows)
    assert all((residuals_of(model).scales == 1).all() for model in local.models_.values())
    assert (residuals_of(NaiveForecaster(4, season_length=7, **KEYS).fit(rows)).scales != 1).all()


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
def test_a_periodic_series_does_not_widen_other_intervals(noise):
    """Its change over a horizon is nearly 0. As the only unit, it made other intervals 15 times as wide."""
    rng, t = np.random.default_rng(0), np.arange(300)
    pattern = 10 * np.sin(2 * np.pi * t / 7)
    series = {name: pattern + 2 * rng.normal(size=300) for name in "abc"}
    times = pd.date_range("2024-01-01", periods=300, freq="D")

    def width(of):
        rows = pd.concat([pd.DataFrame({"id": name, "time": times, "y": y}) for name, y in of.items()])
        found = LinearForecaster(7, 21, **KEYS).fit(rows).forecast(level=80)
        others = found[found["id"] != "same"]
        return (others["y-hi-80"] - others["y-lo-80"]).mean()

    same = {"same": pattern + noise * rng.normal(size=300)}
    assert width(same | series) == pytest.approx(width(series), rel=0.3)
