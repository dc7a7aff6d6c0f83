"""`scope="local"`: each series of a panel has a model of its own."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from seqcast import LinearForecaster, SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 8}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0}
MODELS = {"linear": (LinearForecaster, SMALL), "network": (SeqForecaster, TINY)}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)


def series(seed, n):
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = 10 * seed + 5 + np.sin(t / 3 + seed) + 0.2 * rng.normal(size=n)
    index = pd.date_range("2024-01-01", periods=n, freq="D", name="time")
    return pd.DataFrame({"y": y, "x": rng.normal(size=n)}, index)


def long(**of):
    return pd.concat([one.reset_index().assign(id=name) for name, one in of.items()], ignore_index=True)


SERIES = {"b": series(1, 60), "a": series(0, 75), "c": series(2, 66)}
LATER = {name: series(seed, len(SERIES[name]) + 12)[-12:] for name, seed in (("b", 1), ("a", 0), ("c", 2))}
PANEL = long(**SERIES)


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def local(kind, options, **more):
    return kind(**options, **more, **KEYS, target="y", scope="local").fit(PANEL)


def of(frame, name):
    return frame.loc[frame["id"] == name, [column for column in frame if column not in ("id", "time")]]


@models
def test_each_model_is_a_fitted_forecaster_of_its_series(kind, options):
    model = local(kind, options)
    assert list(model.models_) == ["b", "a", "c"]
    for name, own in model.models_.items():
        alone = kind(**options, target="y").fit(SERIES[name])
        assert type(own) is kind
        assert_same_bits(own.forecast(3, level=60).iloc[:, 2:], alone.forecast(3, level=60))
        assert_same_bits(own.forecast(7)["y"], alone.forecast(7)["y"])
        assert own.forecast(2)["id"].tolist() == [name] * 2
        later = long(**{name: LATER[name]})
        assert_same_bits(own.predict(later)["y"], alone.predict(LATER[name])["y"])
        assert own.score(later) == alone.score(LATER[name])
        assert_same_bits(own.naive_mae_[0], alone.naive_mae_)
        assert (own.n_features_in_, own.horizon_, own.window_) == (model.n_features_in_, 3, 8)
        assert_same_bits(of(model.forecast(7, level=60), name), own.forecast(7, level=60).iloc[:, 2:])


def test_chosen_parts_are_reported_for_each_series():
    model = local(*MODELS["network"])
    alone = {name: SeqForecaster(**TINY, target="y").fit(one).chosen_ for name, one in SERIES.items()}
    assert model.chosen_ == alone
    assert list(model.chosen_) == ["b", "a", "c"]


def test_attributes_of_single_models_are_in_models():
    model = local(*MODELS["network"])
    for name in ("n_iter_", "loss_curve_", "weights_"):
        assert not hasattr(model, name)
        assert all(hasattr(own, name) for own in model.models_.values())
    with pytest.raises(AttributeError, match=r"models_\[id\]\.weights_"):
        model.weights_  # noqa: B018


@models
def test_models_move_on_with_the_forecaster(kind, options):
    model = local(kind, options).update(long(a=LATER["a"][:5]))
    for name, n_new in (("a", 5), ("b", 0)):
        begin = len(SERIES[name]) + n_new
        stamp = SERIES[name].index[0] + pd.Timedelta(begin, "D")
        assert model.models_[name].forecast(1)["time"].tolist() == [stamp]
        assert_same_bits(of(model.forecast(), name), model.models_[name].forecast().iloc[:, 2:])


def test_parallel_fits_equal_serial_ones():
    one, two = (local(*MODELS["network"], n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.forecast(7, level=60), two.forecast(7, level=60), check_exact=True)
    assert one.chosen_ == two.chosen_
    for name, own in two.models_.items():
        assert own.n_jobs == 1  # for they share the cores
        for weight, same in zip(own.weights_.values(), one.models_[name].weights_.values(), strict=True):
            assert_same_bits(weight, same)


@models
def test_a_series_informs_no_other(kind, options):
    before = local(kind, options).forecast()
    changed = long(**(SERIES | {"a": -100 * SERIES["a"] ** 2}))
    after = kind(**options, **KEYS, target="y", scope="local").fit(changed).forecast()
    assert_same_bits(of(after, "b"), of(before, "b"))
    assert_same_bits(of(after, "c"), of(before, "c"))
    assert not np.array_equal(of(after, "a"), of(before, "a"))


@models
def test_local_models_have_the_lengths_of_all_series(kind, options):
    """The horizon is that of the median length, so that all forecasts have the same steps."""
    options = {name: value for name, value in options.items() if name not in SMALL}
    model, together = (
        kind(**options, **KEYS, target="y", scope=scope).fit(PANEL) for scope in ("local", "global")
    )
    lengths = {(m.horizon_, m.window_, m.season_length_) for m in (model, together, *model.models_.values())}
    assert len(lengths) == 1


@models
def test_fits_of_one_kind_forget_those_of_the_other(kind, options):
    model, fresh = kind(**options, **KEYS, target="y"), {}
    for scope in ("global", "local"):
        fresh[scope] = clone(model).set_params(scope=scope).fit(PANEL)
    for scope in ("global", "local", "global"):
        model.set_params(scope=scope).fit(PANEL)
        assert set(vars(model)) == set(vars(fresh[scope]))
        assert_same_bits(model.forecast(7, level=60), fresh[scope].forecast(7, level=60))


@models
def test_of_a_wide_frame_there_is_one_series(kind, options):
    wide = SERIES["a"].assign(z=SERIES["a"]["y"] ** 2)
    one, other = (kind(**options, scope=scope).fit(wide) for scope in ("local", "global"))
    assert not hasattr(one, "models_")
    pd.testing.assert_frame_equal(one.forecast(7), other.forecast(7), check_exact=True)


@models
def test_pickled_local_models_forecast_and_update(kind, options):
    model = local(kind, options)
    copied = pickle.loads(pickle.dumps(model))
    for begin in (0, 4):
        pd.testing.assert_frame_equal(copied.forecast(7), model.forecast(7), check_exact=True)
        rows = long(c=LATER["c"][begin : begin + 4])
        copied.update(rows)
        assert not np.array_equal(copied.forecast(), model.forecast())
        model.update(rows)


@models
def test_a_failed_fit_leaves_the_last_one(kind, options):
    model = local(kind, options)
    before = model.forecast(7, level=60)
    with pytest.raises(ValueError, match=r"must have an observed value"):
        model.fit(long(a=SERIES["a"], b=SERIES["b"] * np.nan))
    pd.testing.assert_frame_equal(model.forecast(7, level=60), before, check_exact=True)
    assert list(model.models_) == ["b", "a", "c"]


# -- quantiles

DISTRIBUTION = {"loss": "gaussian", "intervals": "distribution", "naive_fallback": False}


@pytest.mark.parametrize("way", [{}, {"early_stopping": False, "linear": False}], ids=["usual", "no errors"])
def test_distributions_of_local_models_need_no_errors(way):
    options = {**TINY, **DISTRIBUTION, **way}
    model = local(SeqForecaster, options)
    forecast = model.forecast(level=80)
    for name, one in SERIES.items():
        alone = SeqForecaster(**options, target="y").fit(one)
        assert_same_bits(of(forecast, name), alone.forecast(level=80))


def test_without_errors_of_some_series_there_are_no_quantiles():
    """Results do not depend on the ids."""
    options = {**TINY, "early_stopping": False, "linear": False, "naive_fallback": False}
    frame = PANEL.assign(id=PANEL["id"].replace({"a": "recurrent"}))
    model = SeqForecaster(**options, **KEYS, target="y", scope="local").fit(frame)
    with pytest.raises(ValueError, match=r"There were none in fit\. Fit with early_stopping=True\.$"):
        model.forecast(level=80)


def test_local_models_start_anew():
    with pytest.raises(ValueError, match=r"'scope' parameter .* only with warm_start=False"):
        SeqForecaster(**TINY, **KEYS, target="y", scope="local", warm_start=True).fit(PANEL)


def test_sensitivity_to_later_rows_does_not_change_local_models():
    model = LinearForecaster(4, 8, **KEYS, target="y", scope="local").fit(PANEL)
    name = next(iter(model.models_))
    own = model.models_[name].forecast()
    later = pd.concat(
        [
            pd.DataFrame({"id": id_, "t": past.future(5), "y": 1.0, "x": 0.0})
            for id_, past in model.fitted_.series.items()
        ]
    ).rename(columns={"id": KEYS["id_col"], "t": KEYS["time_col"]})
    model.sensitivity(later)
    pd.testing.assert_frame_equal(model.models_[name].forecast(), own, check_exact=True)
