"""Networks that forecast distributions, and intervals from them: by hand, from the parameters they give."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted_parts import model_of, recurrent_of, residuals_of
from forecast_by_hand import (
    FIRST,
    cutoffs_between,
    groups_of,
    hourly,
    linear_by_hand,
    scaled_rows,
    scales,
    training_end,
    truth_at,
    walk,
    with_holes,
)
from scipy import stats

from seqcast import SeqForecaster
from seqcast.data.panel import Panel

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SMALL = {
    **{"horizon": 4, "window": 10, "hidden_size": 6, "max_iter": 3, "random_state": 0, "dropout": 0.0},
    **{"dtype": "float64", "naive_fallback": False},
}
COUNTING = {"loss": "negative_binomial", "normalization": "none", "scaling": "none"}
LEVELS = (0.05, 0.25, 0.5, 0.7, 0.75, 0.95)
LOSSES = {
    "quantile": {"loss": "quantile", "quantiles": [0.95, 0.5, 0.05, 0.7, 0.25, 0.75]},  # in any order
    "gaussian": {"loss": "gaussian"},
    "student_t": {"loss": "student_t"},
    "negative_binomial": COUNTING,
}
losses = pytest.mark.parametrize("loss", LOSSES)
of_numbers = pytest.mark.parametrize("loss", ["quantile", "gaussian", "student_t"])
ASKED = {"lo-80": 0.1, "hi-80": 0.9, "q0.3": 0.3, "q0.5": 0.5}


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def says(message):
    return f"^{re.escape(message)}$"


def counts(n=150, columns="a", seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: rng.poisson(2 + k + np.sin(2 * np.pi * t / 24)).astype(float) for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, hourly(n).index)


def rows_for(loss, columns="a", n=150):
    return counts(n, columns) if loss == "negative_binomial" else hourly(n, columns)


# -- by hand


def units_of(model, train):
    """Return center and scale of the columns; for counts, of the covariates only."""
    center, scale = scales(model, train)
    if model.scaling == "none":
        k = len(model.target_names_)
        center[:k], scale[:k] = 0, 1
    return center, scale


def distribution_by_hand(model, scaled, cutoffs):
    """Return centers (n, horizon, n_targets) and parameters (n, n_parameters, horizon, n_targets)."""
    prepared = model_of(model).preparer.prepare_scaled(Panel.stack([scaled]))
    p = recurrent_of(model).forecast(prepared, np.array(cutoffs)).parameters.astype(float)
    centre = p[:, 0]
    if model.linear:
        linear = [
            np.hstack(
                [
                    linear_by_hand(model, scaled[at - model.window_ : at, group], FIRST + at)
                    for group in groups_of(model, scaled.shape[1])
                ]
            )
            for at in cutoffs
        ]
        centre = model.chosen_["recurrent"] * centre + model.chosen_["linear"] * np.array(linear)
    if model.loss == "quantile":
        return centre, p + (centre - p[:, 0])[:, None]
    if model.loss == "negative_binomial":
        centre = np.maximum(centre, 1e-6)
    return centre, np.concatenate([centre[:, None], p[:, 1:]], axis=1)


def quantile_by_hand(loss, p, level):
    """Return the distribution of parameters (n_parameters, ...)."""
    if loss == "gaussian":
        return stats.norm.ppf(level, p[0], p[1])
    if loss == "student_t":
        return stats.t.ppf(level, p[2], p[0], p[1])
    if loss == "negative_binomial":
        return stats.nbinom.ppf(level, 1 / p[1], 1 / (1 + p[1] * p[0]))
    upwards = [k for k, known in enumerate(LEVELS) if known >= 0.5]
    downwards = [k for k, known in enumerate(LEVELS) if known < 0.5][::-1]
    ascending = p[np.argsort(upwards + downwards)]
    assert (np.diff(ascending, axis=0) > 0).all()
    return np.apply_along_axis(lambda column: np.interp(level, LEVELS, column), 0, ascending)


def spread_by_hand(loss, p):
    return np.maximum(quantile_by_hand(loss, p, 0.75) - quantile_by_hand(loss, p, 0.25), 1e-3)


def size_by_hand(errors, level):
    """Return the k-th smallest of n sizes, where k / (n + 1) is the level."""
    sizes = np.sort(np.abs(errors))
    return sizes[min(int(np.ceil((len(sizes) + 1) * level - 1e-9)), len(sizes)) - 1]


CASES = [
    (loss, {"normalization": normalization, **options})
    for loss in ("quantile", "gaussian", "student_t")
    for normalization, options in [
        ("last", {}),
        ("none", {"multivariate": True}),
        ("instance", {"multivariate": True, "linear": False}),
        ("instance", {"n_models": 2}),
    ]
] + [("negative_binomial", options) for options in ({}, {"multivariate": True}, {"linear": False})]


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize(("loss", "options"), CASES)
def test_quantiles_of_the_distribution_about_the_forecast(loss, options, holes):
    rows = with_holes(rows_for(loss, "abc"), holes)
    options = {**SMALL, **LOSSES[loss], **options, "target": ["c", "a"], "intervals": "distribution"}
    model = SeqForecaster(**options).fit(rows)
    known = rows[["c", "a", "b"]].to_numpy()
    center, scale = units_of(model, known)
    centre, p = distribution_by_hand(model, (known - center) / scale, [len(known)])
    found = model.forecast(level=80, quantiles=[0.3, 0.5])
    np.testing.assert_allclose(found[["c", "a"]], centre[0] * scale[:2] + center[:2], rtol=1e-9)
    for name, level in ASKED.items():
        expected = quantile_by_hand(loss, p[0], level) * scale[:2] + center[:2]
        np.testing.assert_allclose(found[[f"c-{name}", f"a-{name}"]], expected, rtol=1e-9)
    if loss != "negative_binomial":  # whose median is no mean
        np.testing.assert_allclose(found[["c-q0.5", "a-q0.5"]], found[["c", "a"]], rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"linear": False, "multivariate": True}, {"normalization": "instance"}]
)
@of_numbers
def test_conformal_intervals_scale_with_the_forecast_spread(loss, options):
    rows = hourly(150, "ab")
    options = {**SMALL, **LOSSES[loss], **options, "validation_fraction": 0.3}
    model = SeqForecaster(**options, intervals="conformal").fit(rows)
    known, scaled = rows.to_numpy(), scaled_rows(model, rows)
    center, scale = scales(model, known)
    cutoffs = cutoffs_between(model, scaled, training_end(model, 150), 150)
    centres, p = distribution_by_hand(model, scaled, cutoffs)
    unit = spread_by_hand(loss, p.swapaxes(0, 1))
    errors = (truth_at(model, scaled, cutoffs) - centres) / unit
    np.testing.assert_allclose(residuals_of(model).values, errors, rtol=1e-5, atol=1e-6)
    centre, p = distribution_by_hand(model, scaled, [150])
    unit = spread_by_hand(loss, p[0])
    found = model.forecast(level=80, quantiles=[0.3, 0.5])
    for name, level in ASKED.items():
        share, sign = abs(2 * level - 1), np.sign(level - 0.5)
        sizes = sign * np.apply_along_axis(lambda own, of=share: size_by_hand(own, of), 0, errors)
        expected = (centre[0] + sizes * unit) * scale + center
        np.testing.assert_allclose(found[[f"a-{name}", f"b-{name}"]], expected, rtol=1e-5)


@losses
def test_auto_is_conformal_but_for_counts(loss):
    rows = rows_for(loss)
    found = {
        intervals: SeqForecaster(**SMALL, **LOSSES[loss], intervals=intervals).fit(rows).forecast(level=80)
        for intervals in ("auto", "conformal", "distribution")
    }
    same, other = "conformal", "distribution"
    if loss == "negative_binomial":
        same, other = other, same
    pd.testing.assert_frame_equal(found["auto"], found[same], check_exact=True)
    assert not found["auto"].equals(found[other])
    if loss == "negative_binomial":  # the mean of which must be one of a distribution
        assert (found[same]["a"] > 0).all()
    else:
        assert_same_bits(found[same]["a"], found[other]["a"])


def test_several_networks_have_the_mean_of_their_parameters():
    rows, options = hourly(150), {**SMALL, "loss": "gaussian", "linear": False, "intervals": "distribution"}
    model = SeqForecaster(**options, n_models=3).fit(rows)
    scaled = scaled_rows(model, rows)
    prepared, part = model_of(model).preparer.prepare_scaled(Panel.stack([scaled])), recurrent_of(model)
    apart = [
        replace(part, members=(member,)).forecast(prepared, np.array([150])).parameters[0]
        for member in part.members
    ]
    assert not np.allclose(apart[0], apart[1])
    (mean, spread), (center, scale) = np.mean(apart, axis=0), scales(model, rows.to_numpy())
    found = model.forecast(quantiles=0.9)
    np.testing.assert_allclose(found[["a"]], mean * scale + center, rtol=1e-9)
    expected = stats.norm.ppf(0.9, mean, spread) * scale + center
    np.testing.assert_allclose(found[["a-q0.9"]], expected, rtol=1e-9)


# -- counts


def test_bounds_of_counts_are_counts_and_means_are_positive():
    rows = counts(200, "ab")
    rows["a"] = (rows["a"] > 4) * rows["a"]  # mostly 0
    model = SeqForecaster(**SMALL, **COUNTING).fit(rows)
    found = model.forecast(level=[50, 90])
    bounds = found[[name for name in found if "-" in name]]
    assert (bounds >= 0).all(axis=None)
    assert_same_bits(bounds, bounds.round())
    assert (found[["a", "b"]] > 0).all(axis=None)
    later = rows[:20].set_axis(pd.date_range(rows.index[-1], periods=21, freq="h")[1:])
    assert (model.predict(later) > 0).all(axis=None)


def test_paths_of_counts_are_counts():
    model = SeqForecaster(**SMALL, **COUNTING).fit(counts(200))
    paths = model.sample_paths(50, 7, random_state=0)
    assert_same_bits(paths, paths.round())
    assert (paths >= 0).all(axis=None)


def test_counts_are_learned_without_a_logarithm():
    """The value "auto" would choose this for several positive series."""
    rows = 1 + counts()
    long = pd.concat([rows.reset_index().assign(id=name) for name in "st"], ignore_index=True)
    keys = {"id_col": "id", "time_col": "time"}
    assert SeqForecaster(**SMALL, **COUNTING, **keys).fit(long).target_transform_ == "none"
    assert SeqForecaster(**SMALL, **keys).fit(long).target_transform_ == "log"


# -- where the forecast is a naive one


@of_numbers
def test_intervals_of_the_fallback_come_from_its_own_residuals(loss):
    options = {**SMALL, "naive_fallback": True, "season_length": 1}
    rows = walk(300, 0)
    expected = SeqForecaster(**options).fit(rows)
    for intervals in ("auto", "conformal", "distribution"):
        model = SeqForecaster(**options, **LOSSES[loss], intervals=intervals).fit(rows)
        assert model.chosen_ == expected.chosen_ == {"naive": 1.0}
        pd.testing.assert_frame_equal(model.forecast(6, level=80), expected.forecast(6, level=80))
        same = (m.sample_paths(5, 6, random_state=0) for m in (model, expected))
        pd.testing.assert_frame_equal(*same)


# -- paths


@of_numbers
def test_paths_of_distributions_keep_the_ranks_of_residuals(loss):
    """Paths have the spread of the distributions and the dependence of the residuals."""
    rows = walk(400, 1).to_frame()
    options = {**SMALL, **LOSSES[loss], "linear": False, "validation_fraction": 0.4, "season_length": 1}
    model = SeqForecaster(**options, intervals="distribution").fit(rows)
    paths = model.sample_paths(4000, random_state=0).to_numpy().reshape(4000, 4)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        below = paths < model.forecast(quantiles=level).iloc[:, 1].to_numpy()
        assert below.mean(axis=0) == pytest.approx(level, abs=4 * 0.5 / 4000**0.5)
    drawn = stats.spearmanr(paths).statistic
    seen = stats.spearmanr(residuals_of(model).values[:, :, 0]).statistic
    assert seen[0, 1] > 0.5
    np.testing.assert_allclose(drawn, seen, atol=0.15)


def test_paths_need_no_errors_where_there_is_a_distribution():
    options = {**SMALL, "loss": "gaussian", "intervals": "distribution"}
    model = SeqForecaster(**options, early_stopping=False, linear=False).fit(hourly(150))
    assert residuals_of(model) is None
    paths = model.sample_paths(4000, random_state=0).to_numpy().reshape(4000, 4)
    low, high = (model.forecast(quantiles=q).iloc[:, 1].to_numpy() for q in (0.1, 0.9))
    assert (paths < low).mean(axis=0) == pytest.approx(0.1, abs=0.02)
    assert (paths > high).mean(axis=0) == pytest.approx(0.1, abs=0.02)
    assert np.abs(np.corrcoef(paths.T) - np.eye(4)).max() < 0.1


@of_numbers
def test_no_number_of_errors_is_too_few_for_a_distribution(loss):
    options = {**SMALL, **LOSSES[loss], "intervals": "distribution"}
    found = SeqForecaster(**options).fit(hourly(60)).forecast(level=90)  # conformal: 9 errors, of 3 windows
    assert (found["a-lo-90"] < found["a"]).all()
    assert (found["a"] < found["a-hi-90"]).all()


# -- without rows held back


@of_numbers
def test_a_distribution_has_no_residuals_out_of_fold(loss):
    """Such series have no spread of a distribution, which is the unit of residuals."""
    options = {**SMALL, **LOSSES[loss], "early_stopping": False}
    model = SeqForecaster(**options).fit(hourly(150))
    assert model.chosen_ == {"recurrent": 0.5, "linear": 0.5}
    with pytest.raises(ValueError, match=r"There were none in fit\. Fit with early_stopping=True\.$"):
        model.forecast(level=80)
    found = SeqForecaster(**options, intervals="distribution").fit(hourly(150)).forecast(level=80)
    assert (found["a-lo-80"] < found["a"]).all()
    assert (found["a"] < found["a-hi-80"]).all()


# -- what is learned


@of_numbers
def test_the_spread_that_is_learned_follows_what_is_known_ahead(loss):
    """A column shows where the noise is large; both kinds of intervals are wide there."""
    rng = np.random.default_rng(0)
    loud = rng.random(600) < 0.4
    y = rng.normal(size=600) * np.where(loud, 3.0, 0.3)
    rows = pd.DataFrame({"y": y, "loud": loud.astype(float)}, hourly(600).index)
    options = {"horizon": 4, "window": 8, "segment": 4, "hidden_size": 8, "dropout": 0.0, "random_state": 0}
    options |= {
        "max_iter": 100,
        "learning_rate_init": 0.01,
        "ema": None,
        "linear": False,
        "naive_fallback": False,
    }
    for intervals in ("conformal", "distribution"):
        model = SeqForecaster(
            **options, **LOSSES[loss], intervals=intervals, target="y", future_cols="loud"
        ).fit(rows[:500])
        steps = rows[["loud"]][500:504].assign(loud=[1.0, 0.0, 1.0, 0.0])
        found = model.forecast(X_future=steps, level=80)
        width = (found["y-hi-80"] - found["y-lo-80"]).to_numpy()
        assert min(width[[0, 2]]) > 2 * max(width[[1, 3]])


# -- what is refused


@pytest.mark.parametrize(
    "change",
    [
        {"normalization": "last"},
        {"scaling": "standard"},
        {"differences": 1},
        {"target_transform": "log1p"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_counts_refuse_scaling_and_transforms(change):
    name, value = next(iter(change.items()))
    message = (
        "The 'loss' parameter of SeqForecaster can be 'negative_binomial' only with normalization='none', "
        "scaling='none', differences=None and no target_transform, since it is the loss of counts. Got "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*{name}.*{value!r}"):
        SeqForecaster(**SMALL, **(COUNTING | change)).fit(counts())


def test_counts_are_not_negative():
    rows = counts(150, "ab")
    rows.iloc[7, 1] = -1
    message = (
        "The target 'b' must be a count, 0 or more, for loss='negative_binomial' of SeqForecaster. Got -1. "
        "Use another loss, such as 'student_t'."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**SMALL, **COUNTING).fit(rows)
    model = SeqForecaster(**SMALL, **COUNTING, target="a").fit(rows)  # a covariate may be
    assert (model.forecast()["a"] > 0).all()


@pytest.mark.parametrize(
    "options",
    [{"loss": "absolute"}, {"loss": "huber"}, {"loss": "gaussian", "differences": 1}],
    ids=["absolute", "huber", "differences"],
)
def test_a_distribution_that_there_is_not_is_refused(options):
    message = (
        "The 'intervals' parameter of SeqForecaster can be 'distribution' only with a loss that learns "
        "one ('quantile', 'gaussian', 'student_t', 'negative_binomial') and without differences. Got "
        f"{options['loss']!r} and {options.get('differences')!r}. Use 'conformal'."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**SMALL, **options, intervals="distribution").fit(hourly(150))
    options = options | {"intervals": "conformal"}
    assert np.isfinite(SeqForecaster(**SMALL, **options).fit(hourly(150)).forecast(level=80)).all(axis=None)


@pytest.mark.parametrize(
    "quantiles", [[0.1, 0.9], [0.5, 0.5], [0.1, 0.5, 1.9], [0, 0.5], [], ["a", 0.5], [True, 0.5]], ids=str
)
def test_quantiles_that_can_not_be_learned_are_refused(quantiles):
    message = r"^The 'quantiles' parameter of SeqForecaster must .* Got .* instead"
    with pytest.raises(ValueError, match=message):
        SeqForecaster(**SMALL, loss="quantile", quantiles=quantiles).fit(hourly(150))


@pytest.mark.parametrize("quantiles", [[0.4, 0.5, 0.6], [0.5], [0.5, 0.9]], ids=str)
def test_quantiles_need_not_reach_the_quarters(quantiles):
    model = SeqForecaster(**SMALL, loss="quantile", quantiles=quantiles).fit(hourly(150))
    found = model.forecast(level=80)
    assert (found["a-lo-80"] < found["a"]).all()
    assert (found["a"] < found["a-hi-80"]).all()


def test_quantiles_further_out_than_those_of_the_fit_are_refused():
    options = {**SMALL, "loss": "quantile", "quantiles": [0.1, 0.5, 0.9]}
    model = SeqForecaster(**options, intervals="distribution").fit(hourly(150))
    model.forecast(7, level=80)
    for asked, outermost in (({"level": 90}, "0.05 and 0.95"), ({"quantiles": [0.5, 0.05]}, "0.05 and 0.5")):
        message = (
            "The 'level' and 'quantiles' parameters of SeqForecaster.forecast must not reach beyond the "
            f"quantiles that were learned, 0.1 to 0.9. Got {outermost}. Fit with quantiles as far out, or "
            "intervals='conformal'."
        )
        with pytest.raises(ValueError, match=says(message)):
            model.forecast(**asked)
    beyond = SeqForecaster(**options).fit(hourly(150)).forecast(level=85)  # conformal
    assert (beyond["a-lo-85"] < beyond["a-hi-85"]).all()


@losses
def test_warm_start_refuses_another_distribution(loss):
    rows = rows_for(loss)
    model = SeqForecaster(**SMALL, warm_start=True).fit(rows)
    with pytest.raises(ValueError, match="continues from the weights of the last fit"):
        model.set_params(**LOSSES[loss]).fit(rows)
