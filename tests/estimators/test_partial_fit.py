"""Training of a fitted forecaster on later rows in one pass."""

import copy
import pickle
import re

import numba
import numpy as np
import pandas as pd
import pytest
from fitted_parts import linear_map_of, networks_of, residuals_of

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, TrainingDivergedError
from seqcast.estimators import network_parameters
from seqcast.kernels import parallel
from seqcast.learning import fitting, trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
OPTIONS = {
    **{"horizon": 4, "window": 10, "segment": 5, "hidden_size": 4, "max_iter": 2, "random_state": 0},
    **{"naive_fallback": False},
}
WAYS = {
    "plain": {},
    "network alone": {"linear": False, "dropout": 0.0},
    "several networks": {"n_models": 2},
    "distribution": {"loss": "gaussian"},
    "treated": {"differences": 1, "lags": 6, "normalization": "instance", "target_transform": "log"},
    "without validation": {"early_stopping": False},
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
N, ALL = 120, 160


def series(seed=0, n=ALL):
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = 20 + 5 * seed + np.sin(t / 4 + seed) + 0.2 * rng.normal(size=n)
    index = pd.date_range("2024-01-01", periods=n, freq="h", name="time")
    return pd.DataFrame({"y": y, "x": rng.normal(size=n)}, index)


def long(**of):
    return pd.concat([one.reset_index().assign(id=name) for name, one in of.items()], ignore_index=True)


ROWS = series()


def fitted(rows=ROWS[:N], **options):
    keys = KEYS if "id" in rows else {}
    return SeqForecaster(**OPTIONS, **keys, target="y", **options).fit(rows)


def flats_of(model):
    return [network.flat.copy() for network in networks_of(model)]


def moved(model, before):
    """Return which of the networks have changed weights."""
    return [not np.array_equal(*pair) for pair in zip(flats_of(model), before, strict=True)]


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same(one, other):
    """Return forecasts, and those after more training."""
    for model, again in [(one, other), (copy.deepcopy(one), copy.deepcopy(other))]:
        pd.testing.assert_frame_equal(model.forecast(9), again.forecast(9), check_exact=True)
        assert model.loss_curve_ == again.loss_curve_
        assert not any(moved(model, flats_of(again)))
        if model is not one:
            rows = ROWS[-3:].set_axis(model.forecast(3).index)
            assert not any(moved(model.partial_fit(rows), flats_of(again.partial_fit(rows))))


# -- it moves on, and it learns


@ways
def test_forecasts_start_after_the_rows_as_after_an_update(way):
    """A tiny learning rate changes nothing, so forecasts equal those after an update."""
    model = fitted(**way, learning_rate_init=1e-300, ema=None)
    updated = copy.deepcopy(model)
    for stop in (N + 1, N + 7, N + 30):
        rows = ROWS[updated.fitted_.series[None].n_steps : stop]
        assert model.partial_fit(rows) is model
        pd.testing.assert_frame_equal(model.forecast(9), updated.update(rows).forecast(9), check_exact=True)
        assert_same_bits(model.predict(ROWS[stop:]), updated.predict(ROWS[stop:]))
        assert model.score(ROWS[stop:]) == updated.score(ROWS[stop:])


@ways
def test_every_network_learns_and_nothing_else_changes(way):
    model = fitted(**way)
    before, old = flats_of(model), copy.deepcopy(model)
    model.partial_fit(ROWS[N : N + 10])
    assert moved(model, before) == [True] * way.get("n_models", 1)
    assert (model.chosen_, model.n_features_in_) == (old.chosen_, old.n_features_in_)
    assert_same_bits(model.naive_mae_, old.naive_mae_)
    if linear_map_of(model) is not None:
        assert_same_bits(linear_map_of(model).weights, linear_map_of(old).weights)
    if residuals_of(model) is not None:
        assert_same_bits(residuals_of(model).values, residuals_of(old).values)
    # a network that has learned forecasts otherwise
    assert not np.array_equal(model.forecast(), old.update(ROWS[N : N + 10]).forecast())


@pytest.mark.parametrize("n_models", [1, 3])
def test_each_pass_is_one_more_loss(n_models):
    model = fitted(n_models=n_models)
    first = model.loss_curve_
    for n in (1, 2):
        model.partial_fit(ROWS[N : N + 8].shift(8 * (n - 1), freq="h"))
        assert (len(model.loss_curve_), model.n_iter_, model.best_iter_) == (2 + n, 2 + n, 2 + n)
        assert model.loss_curve_[:2] == first
        assert model.validation_loss_curve_ is None


def seen_by(model, rows, monkeypatch):
    """Return the windows that partial_fit trains on, and their targets, in scaled units."""
    seen, real = [], fitting.train_epoch

    def watched(network, windows, table, *arguments, **more):
        rows = table[:]
        steps = windows.window.n_steps * windows.window.segment
        cut = rows[:, :1] + np.arange(steps)
        values = windows.values.reshape(-1, windows.window.n_channels)
        seen.append((values[cut], windows.targets.ravel()[rows[:, 2:3] + np.arange(model.horizon_)]))
        return real(network, windows, table, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "train_epoch", watched)
        model.partial_fit(rows)
    assert len(seen) == len(flats_of(model))
    return seen[0]


@pytest.mark.parametrize("n_new", [1, 3, 4, 17])
def test_windows_that_end_in_the_new_rows_are_learned_from(n_new, monkeypatch):
    model = fitted(dtype="float64")
    stop = N
    for _ in range(2):
        rows = ROWS[stop : stop + n_new]
        windows, targets = seen_by(model, rows, monkeypatch)
        # scaling is that of fit
        known = ROWS[["y", "x"]].to_numpy()
        center, scale = (of(known[: N - 12], axis=0) for of in (np.mean, np.std))
        scaled = (known - center) / scale
        last = range(stop + 1, stop + n_new + 1)  # where targets end
        read = 1 if linear_map_of(model).window_scaling.covariates == "none" else 2
        expected = [scaled[end - 14 : end - 4, :read] for end in last]
        np.testing.assert_allclose(windows, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(targets, [scaled[end - 4 : end, 0] for end in last], rtol=1e-9, atol=1e-12)
        stop += n_new


def test_an_update_between_is_known_but_not_learned_from(monkeypatch):
    model = fitted().update(ROWS[N : N + 6])
    windows, _ = seen_by(model, ROWS[N + 6 : N + 9], monkeypatch)
    assert len(windows) == 3


@pytest.mark.parametrize("multivariate", [True, False])
def test_many_passes_adapt_to_a_changed_series(multivariate):
    """Return a series that is mirrored after fit."""
    t = np.arange(800)
    y = np.sin(t / 3) + 0.1 * np.random.default_rng(0).normal(size=800)
    frame = pd.DataFrame({"a": y, "b": y[::-1]}, pd.date_range("2024-01-01", periods=800, freq="h"))
    frame.iloc[400:] = np.sign(frame.iloc[400:]) * np.abs(frame.iloc[400:]) ** 0.2
    options = {
        **OPTIONS,
        "learning_rate_init": 0.01,
        "linear": False,
        "multivariate": multivariate,
        "max_iter": 15,
    }
    model = SeqForecaster(**options).fit(frame[:400])
    still = copy.deepcopy(model).update(frame[400:700])
    for begin in range(400, 700, 10):
        model.partial_fit(frame[begin : begin + 10])
    errors = [np.abs(m.predict(frame[700:]) - frame[700:]).mean(axis=None) for m in (model, still)]
    assert errors[0] < 0.8 * errors[1]


# -- the same bits


@ways
def test_rows_may_come_in_any_order_and_with_gaps(way):
    rows = ROWS[N : N + 20].drop(ROWS.index[[N + 3, N + 11]])
    blank = ROWS[N : N + 20].copy()
    blank.iloc[[3, 11]] = np.nan
    one, *others = (copy.deepcopy(fitted(**way)).partial_fit(r) for r in (rows, rows[::-1], blank))
    for other in others:
        assert_same(one, other)


@ways
def test_a_pickled_forecaster_learns_on_as_the_original(way):
    model = fitted(**way)
    copied = pickle.loads(pickle.dumps(model))
    before = model.forecast()
    copied.partial_fit(ROWS[N : N + 10])
    assert_same_bits(model.forecast(), before)  # of which nothing was shared
    assert_same(copied, model.partial_fit(ROWS[N : N + 10]))


@pytest.mark.parametrize("way", [{}, {"n_models": 2}, {"dropout": 0.5}])
def test_results_do_not_depend_on_the_number_of_threads(way):
    one, two = (
        fitted(**way, n_jobs=n_jobs).partial_fit(ROWS[N:]).partial_fit(ROWS[-30:].shift(30, freq="h"))
        for n_jobs in (1, 2)
    )
    assert_same(one, two)


def test_fit_discards_what_partial_fit_learned():
    model = fitted()
    first = copy.deepcopy(model)
    assert_same(model.partial_fit(ROWS[N:]).fit(ROWS[:N]), first)


def test_warm_start_continues_from_partial_fit():
    model = fitted(warm_start=True, learning_rate_init=1e-3, ema=None)
    model.partial_fit(ROWS[N : N + 10])
    before = flats_of(model)
    model.set_params(learning_rate_init=1e-300).fit(ROWS[:N])
    assert moved(model, before) == [False]


# -- before fit


@ways
def test_before_fit_it_is_fit(way):
    options = {**OPTIONS, **way, "target": "y"}
    assert_same(SeqForecaster(**options).partial_fit(ROWS[:N]), SeqForecaster(**options).fit(ROWS[:N]))
    beside = SeqForecaster(**options).partial_fit(ROWS[:N], ROWS["y"][:N])
    assert_same(beside, SeqForecaster(**options).fit(ROWS[:N]))


def test_only_the_recurrent_forecaster_has_partial_fit():
    assert hasattr(SeqForecaster(), "partial_fit")
    for kind in (LinearForecaster, NaiveForecaster):
        assert not hasattr(kind(), "partial_fit")


# -- few rows


def test_windows_without_an_observed_target_are_known_only():
    blank = ROWS[N : N + 7] * np.nan
    model = fitted().update(blank[:4])
    before, updated = copy.deepcopy(model), copy.deepcopy(model).update(blank[4:])
    model.partial_fit(blank[4:])
    assert moved(model, flats_of(before)) == [False]
    assert model.loss_curve_ == before.loss_curve_
    assert_same_bits(model.forecast(), updated.forecast())


def test_one_row_is_enough():
    model = fitted()
    before = flats_of(model)
    assert moved(model.partial_fit(ROWS[N : N + 1]), before) == [True]


# -- targets and covariates


@pytest.mark.parametrize(
    "covariates", [{"future_cols": "x"}, {"static_cols": "s"}, {"calendar_features": "auto"}]
)
def test_partial_fit_takes_columns_of_all_roles(covariates):
    rows = ROWS.assign(s=1.0)[["y", "s" if "static_cols" in covariates else "x"]]
    model = fitted(rows[:N], **covariates, learning_rate_init=1e-300, ema=None)
    updated = copy.deepcopy(model).update(rows[N : N + 10])
    model.partial_fit(rows[N : N + 10])
    ahead = {"X_future": rows[["x"]][N + 10 : N + 14]} if "future_cols" in covariates else {}
    assert_same_bits(model.forecast(**ahead), updated.forecast(**ahead))
    assert_same_bits(model.predict(rows[N + 10 :]), updated.predict(rows[N + 10 :]))


def test_a_separate_target_is_passed_as_y():
    x, y = ROWS[["x"]], ROWS["y"].rename("z")
    model = SeqForecaster(**OPTIONS).fit(x[:N], y[:N])
    before = flats_of(model)
    with pytest.raises(ValueError, match=r"'y' parameter of SeqForecaster\.partial_fit must be given"):
        model.partial_fit(x[N : N + 5])
    model.partial_fit(x[N : N + 5], y[N : N + 5])
    assert moved(model, before) == [True]
    assert model.forecast().index[0] == ROWS.index[N + 5]


def test_y_must_equal_the_column_of_its_name():
    model = fitted()
    rows = ROWS[N : N + 5]
    with pytest.raises(ValueError, match=r"'y' parameter of SeqForecaster\.partial_fit must equal"):
        model.partial_fit(rows, rows["y"] + 1)
    assert_same(copy.deepcopy(model).partial_fit(rows, rows["y"]), model.partial_fit(rows))


# -- several series

PANEL = {"a": series(0), "b": series(1, 130), "c": series(2, 140)}
ENDS = {"a": N, "b": 100, "c": 110}


def panel(begin=0, stop=0, names="abc"):
    """Return rows of each series that begin some steps after its end."""
    if not stop:
        return long(**{name: PANEL[name][: ENDS[name]] for name in names})
    return long(**{name: PANEL[name][ENDS[name] + begin : ENDS[name] + stop] for name in names})


@pytest.mark.parametrize("way", [{}, {"n_models": 2}])
def test_the_one_network_of_all_series_learns(way):
    model = fitted(panel(), **way)
    before, updated = flats_of(model), copy.deepcopy(model)
    model.partial_fit(panel(0, 6))
    assert all(moved(model, before))
    assert model.forecast()["time"].equals(updated.update(panel(0, 6)).forecast()["time"])


def test_only_series_with_new_rows_move_on(monkeypatch):
    model = fitted(panel())
    windows, _ = seen_by(model, panel(0, 6, "ca"), monkeypatch)
    assert len(windows) == 12
    starts = model.forecast().groupby("id")["time"].min()
    for name, n_new in zip("abc", (6, 0, 6), strict=True):
        assert starts[name] == PANEL[name].index[ENDS[name] + n_new]


def test_each_series_has_the_scale_of_its_own(monkeypatch):
    model = fitted(panel(), dtype="float64", target_transform="none")
    _, targets = seen_by(model, panel(0, 1, "cb"), monkeypatch)
    for row, name in zip(targets, "cb", strict=True):
        y, end = PANEL[name]["y"].to_numpy(), ENDS[name]
        known = y[: end - max(4, round(0.1 * end))]
        np.testing.assert_allclose(row, (y[end - 3 : end + 1] - known.mean()) / known.std(), rtol=1e-9)


@pytest.mark.parametrize("way", [{}, {"n_models": 2}, {"linear": False}])
def test_local_models_learn_on_as_each_alone(way):
    model = fitted(panel(), scope="local", **way)
    alone = {name: fitted(PANEL[name][: ENDS[name]], **way) for name in "abc"}
    for begin, stop, learns in ((0, 5, True), (5, 6, True), (6, 9, False), (9, 12, True)):
        method = "partial_fit" if learns else "update"
        getattr(model, method)(panel(begin, stop, "ab"))
        for name in "ab":
            end = ENDS[name]
            getattr(alone[name], method)(PANEL[name][end + begin : end + stop])
        forecast = model.forecast(6)
        for name, one in alone.items():
            assert not any(moved(model.models_[name], flats_of(one)))
            assert_same_bits(forecast.loc[forecast["id"] == name, "y"], one.forecast(6)["y"])


# -- what fails leaves everything as it was

REFUSED = {
    "changed rows": (ROWS[N - 1 : N + 3] + 1, {}, ValueError, "must have the known values"),
    "without a column": (ROWS[["x"]][N:], {}, ValueError, "Missing: 'y'|must have the column 'y'"),
    "infinite": (ROWS[N:].replace(ROWS["y"].iloc[-1], np.inf), {}, ValueError, "finite numbers or NaN"),
    "another network": (ROWS[N:], {"hidden_size": 5}, ValueError, "partial_fit continues from the weights"),
    "another type": (ROWS[N:], {"dtype": "float64"}, ValueError, "partial_fit continues from the weights"),
    "a bad parameter": (ROWS[N:], {"dropout": 2}, ValueError, "The 'dropout' parameter"),
    "divergence": (
        ROWS[N:],
        {"learning_rate_init": 1e38, "optimizer": "sgd", "loss": "squared", "clip_norm": None},
        TrainingDivergedError,
        "Training diverged",
    ),
}


@pytest.mark.parametrize(("rows", "change", "error", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("way", [{}, {"n_models": 2}, {"scope": "local"}], ids=["one", "two", "local"])
def test_a_failure_leaves_everything_as_it_was(way, rows, change, error, message):
    is_local = "scope" in way
    model = fitted(long(a=ROWS[:N]) if is_local else ROWS[:N], **way)
    models = [model, *model.models_.values()] if is_local else [model]
    before = copy.deepcopy(models)
    with pytest.raises(error, match=message):
        model.set_params(**change).partial_fit(long(a=rows) if is_local else rows)
    for name, value in before[0].get_params().items():
        setattr(model, name, value)
    after = [model, *model.models_.values()] if is_local else [model]
    for one, other in zip(after, before, strict=True):
        assert vars(one).keys() == vars(other).keys()
        assert_same_bits(one.forecast(9), other.forecast(9))
    assert not any(moved(after[-1], flats_of(before[-1])))
    assert after[-1].loss_curve_ == before[-1].loss_curve_
    more = long(a=ROWS[N : N + 3]) if is_local else ROWS[N : N + 3]
    assert_same_bits(model.partial_fit(more).forecast(), before[0].partial_fit(more).forecast())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("n_models", [1, 2])
def test_a_pass_that_is_interrupted_leaves_everything_as_it_was(n_models, error, monkeypatch):
    """The last network fails, after the others were trained."""
    model = fitted(n_models=n_models)
    before, calls, real = copy.deepcopy(model), [], trainer.CpuTrainer.run_epoch

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == n_models:
            raise error
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.CpuTrainer, "run_epoch", interrupted)
        with pytest.raises(error):
            model.partial_fit(ROWS[N : N + 5])
    assert len(calls) == n_models
    assert_same(model, before)


@pytest.mark.parametrize(("n_models", "in_network"), [(1, 1), (2, 1), (2, 2)])
def test_partial_fit_continues_an_interrupted_fit(n_models, in_network, monkeypatch):
    """The forecaster keeps its networks."""
    begun, real = [], network_parameters.progress

    def interrupting(*arguments):
        begun.append(None)
        return real(*arguments)

    epochs, run = [], trainer.CpuTrainer.run_epoch

    def interrupted(*arguments):
        epochs.append(len(begun))
        if epochs.count(in_network) == 2:  # in the second epoch of this network
            raise KeyboardInterrupt
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(network_parameters, "progress", interrupting)
        patch.setattr(trainer.CpuTrainer, "run_epoch", interrupted)
        model = SeqForecaster(**{**OPTIONS, "max_iter": 5}, target="y", n_models=n_models)
        with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
            model.fit(ROWS[:N])
    before = flats_of(model)
    assert len(before) == in_network
    assert moved(model.partial_fit(ROWS[N : N + 5]), before) == [True] * in_network
    again = flats_of(model)
    assert moved(model.partial_fit(ROWS[N + 5 : N + 9]), again) == [True] * in_network


def test_n_jobs_sets_the_number_of_threads(monkeypatch):
    model, asked, compiled = fitted(), [], parallel.run

    def run(kernel, arguments, n_threads):
        asked.append(n_threads)
        compiled(kernel, arguments, 1)

    monkeypatch.setattr(parallel, "run", run)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    model.set_params(n_jobs=2).partial_fit(ROWS[N : N + 3])
    assert set(asked) == {2}


def test_the_message_names_the_method():
    model = fitted()
    with pytest.raises(TypeError, match=re.escape("SeqForecaster.partial_fit")):
        model.partial_fit(None)
