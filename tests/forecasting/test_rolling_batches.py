"""Paths of many series and cutoffs in batches: the same bits in any batch, and limited memory."""

import copy
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from fitted_parts import residuals_of

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, backtest
from seqcast.forecasting import rolling
from seqcast.forecasting.model import ForecastModel
from seqcast.forecasting.recent_volatility import RecentVolatility

pytestmark = pytest.mark.filterwarnings(
    "ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning",
    "ignore:There are residuals of only:UserWarning",
)

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 6, "validation_fraction": 0.3, "target_transform": "none"}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 3, "season_length": 2}),
    "linear": (LinearForecaster, SMALL),
    "treated": (LinearForecaster, {**SMALL, "differences": 1, "lags": 7, "target_transform": "log"}),
    "calendar": (LinearForecaster, {**SMALL, "calendar_features": ["day_of_week"]}),
    "local": (LinearForecaster, {**SMALL, "scope": "local"}),
    "network": (SeqForecaster, TINY),
    "distribution": (SeqForecaster, {**TINY, "loss": "gaussian", "intervals": "distribution"}),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)


def series(name, n, seed):
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = 30 + 5 * seed + np.sin(t / 3) + 0.3 * rng.normal(size=n).cumsum()
    times = pd.date_range("2024-01-01", periods=n, freq="D")
    return pd.DataFrame({"id": name, "time": times, "y": y, "z": y[::-1]})


PANEL = pd.concat([series("b", 90, 1), series("a", 110, 0), series("c", 100, 2)], ignore_index=True)
KNOWN = PANEL["time"] < "2024-03-21"


def fitted(kind, options):
    return kind(**options, **KEYS).fit(PANEL[KNOWN])


def asked_of(model):
    """Return the results of all methods that draw paths."""
    yield model.sample_paths(4, 8, random_state=0)
    yield model.sample_paths(4, 2, random_state=0)
    yield model.forecast(8, level=[50, 80])
    yield backtest(model, PANEL, refit=False, horizon=5, level=80, step_size=3)


@models
def test_batches_of_any_size_have_the_same_bits(kind, options, monkeypatch):
    model = fitted(kind, options)
    monkeypatch.setattr(rolling, "N_PATHS", 20)
    expected = list(asked_of(model))
    for numbers in (1, 2000):  # one row at a time, and some
        monkeypatch.setattr(rolling, "MAX_NUMBERS", numbers)
        for one, other in zip(asked_of(model), expected, strict=True):
            pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_batches_are_as_large_as_memory_allows(monkeypatch):
    model, sizes = fitted(*MODELS["linear"]), []
    drawn = ForecastModel.draw

    def watched(self, panel, begins, *how):
        sizes.append(len(begins))
        return drawn(self, panel, begins, *how)

    monkeypatch.setattr(ForecastModel, "draw", watched)
    numbers = 10 * (model.fitted_.memory.n_steps + 9) * 2  # of ten paths of nine steps and two columns
    for room, expected in ((3 * numbers, [3]), (3 * numbers - 1, [2, 1]), (numbers - 1, [1, 1, 1])):
        monkeypatch.setattr(rolling, "MAX_NUMBERS", room)
        sizes.clear()
        model.sample_paths(10, 8)
        assert sizes == expected


@pytest.mark.parametrize("name", ["naive", "linear", "local", "network"])
def test_a_path_continues_like_a_forecast_after_an_update(name):
    """Each horizon of a path is a forecast after an update with the path, plus residuals of one window."""
    model = fitted(*MODELS[name])
    paths, seed = (
        model.sample_paths(3, 6, random_state=0),
        np.random.RandomState(0).randint(2**32, dtype=np.uint32),
    )
    for id_ in "bac":
        errors = residuals_of(model.models_[id_] if name == "local" else model)
        rng = np.random.default_rng([int(seed), crc32(repr(id_).encode())])
        windows = [errors.draw(3, rng) for _ in range(2)]
        for path in range(3):
            own = paths[(paths["id"] == id_) & (paths["path"] == path)].drop(columns="path")
            moved = copy.deepcopy(model)
            for block, drawn in zip((own[:3], own[3:]), windows, strict=True):
                forecast = moved.forecast(level=80)
                forecast = forecast[forecast["id"] == id_]
                for k, target in enumerate(["y", "z"]):
                    unit = (forecast[f"{target}-hi-80"] - forecast[target]) / errors.quantiles([0.9])[0, :, k]
                    expected = forecast[target] + unit * drawn[path, :, k]
                    np.testing.assert_allclose(block[target], expected, rtol=1e-9)
                moved.update(block)


def test_volatility_is_computed_only_for_intervals(monkeypatch):
    found = [fitted(*MODELS[name]) for name in ("naive", "linear", "network")]

    def at(self, *_):
        raise AssertionError

    monkeypatch.setattr(RecentVolatility, "measure", at)
    for model in found:
        model.forecast(8)
        with pytest.raises(AssertionError):
            model.forecast(level=80)
