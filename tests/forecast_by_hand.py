"""Forecasts by the equations in plain NumPy, for each part of a forecaster, and series to forecast.

Scaled rows have the targets' columns first. The first training row of `hourly` is step `FIRST` of all hours
since 1970, from which the phases of the calendar are counted.
"""

import naive
import numpy as np
import pandas as pd
from fitted_parts import linear_map_of, networks_of, recurrent_of

START = pd.Timestamp("2024-01-01")
FIRST = int((START - pd.Timestamp(0)) / pd.Timedelta("1h"))
LEAST_DEVIATION = 0.1  # that a window is divided by


def hourly(n, columns="a", seed=0):
    """Daily waves with noise, each column at a level and with a height of its own."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: 10.0 * k + (k + 1) * (np.sin(2 * np.pi * t / 24 + k) + 0.3 * rng.normal(size=n))
        for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, pd.date_range(START, periods=n, freq="h", name="time"))


def walk(n, seed):
    """A random walk: nothing is better than its last value."""
    return pd.Series(np.random.default_rng(seed).normal(size=n).cumsum(), pd.RangeIndex(n), name="walk")


def with_holes(frame, share=0.2, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def last_observed(column):
    observed = column[~np.isnan(column)]
    return observed[-1] if len(observed) else 0.0


def deviation(columns):
    """Of what was observed of each, (n, n_columns); 1 where nothing was."""
    return [np.nanstd(column) if np.isfinite(column).any() else np.nan for column in columns.T]


# -- the parts


def training_end(model, n):
    return n - max(model.horizon_, round(model.validation_fraction * n)) if model.early_stopping else n


def scales(model, train):
    """Mean and deviation of the columns, of the steps that were trained on."""
    fitted = train[: training_end(model, len(train))]
    return np.nanmean(fitted, axis=0), np.nanstd(fitted, axis=0)


def forecast_by_hand(model, train, known):
    """The forecast from the last steps of `known`, by the equations; both with the targets' columns first.

    Of the training rows a model remembers one window or season, and a step before it. A target of which
    nothing was observed in the window goes on from its last value.
    """
    (center, scale), k = scales(model, train), len(model.target_names_)
    forgotten = min(len(train), len(known)) - max(model.window_, model.season_length_) - 1
    scaled = (known[max(0, forgotten) :] - center) / scale
    parts = parts_by_hand(model, scaled, np.isnan(train).any(), FIRST + len(known))
    forecast = sum(weight * parts[name] for name, weight in model.chosen_.items())
    silent = np.isnan(scaled[-model.window_ :, :k]).all(axis=0)
    last = [last_observed(column) for column in ((known - center) / scale)[:, :k].T]
    return np.where(silent, last, forecast) * scale[:k] + center[:k]


def parts_by_hand(model, scaled, masked, clock):
    """What the forecast may be made of, from the last steps of `scaled`: each (horizon, n_targets).

    clock : the number of the first step that is forecast.
    """
    window = scaled[-model.window_ :]
    windows = [window[:, group] for group in groups_of(model, scaled.shape[1])]
    parts = {"recurrent": [network_by_hand(model, own, masked) for own in windows]}
    if model.linear:
        parts["linear"] = [linear_by_hand(model, own, clock) for own in windows]
    for name, season in ("naive", 1), ("seasonal_naive", model.season_length_):
        parts[name] = naives_by_hand(model, scaled, [len(scaled)], season)
    return {name: np.hstack(columns) for name, columns in parts.items()}


def groups_of(model, n_columns):
    """Columns that forecasts are made of together: of all targets, or of each, with all covariates."""
    k = len(model.target_names_)
    return [list(range(n_columns))] if model.multivariate else [[j, *range(k, n_columns)] for j in range(k)]


def n_targets_of(model):
    """Targets of such a group."""
    return len(model.target_names_) if model.multivariate else 1


def network_by_hand(model, scaled, masked):
    """Scaled forecasts of the networks, from a window: their mean."""
    if model.linear and linear_map_of(model).window_scaling.covariates == "none":
        scaled = scaled[:, : n_targets_of(model)]
    x, offset, unit = read_by_hand(model, scaled, masked)
    k = n_targets_of(model)
    outs = [
        output_by_hand(model, network.weights, x).reshape(model.horizon_, -1)
        for network in networks_of(model)
    ]
    return np.mean(outs, axis=0) * unit[:k] + offset[:k]


def read_by_hand(model, scaled, masked):
    """The last steps of a window in segments side by side, (1, n_steps, n_inputs); offset and unit of each
    column."""
    segment = recurrent_of(model).reading.segment
    steps = len(scaled) // segment
    scaled = scaled[len(scaled) - steps * segment :]
    offset, unit = np.zeros(scaled.shape[1]), np.ones(scaled.shape[1])
    if model.normalization != "none":
        offset = np.array([last_observed(column) for column in scaled.T])
    if model.normalization == "instance":
        unit = np.fmax(deviation(scaled), LEAST_DEVIATION)
        unit[np.isnan(scaled).all(axis=0)] = 1.0
    x = np.nan_to_num((scaled - offset) / unit)
    if masked:
        x = np.hstack([x, ~np.isnan(scaled)])
    return x.reshape(1, steps, -1), offset, unit


def output_by_hand(model, weights, x):
    options = {"n_layers": model.n_layers, "bidirectional": model.bidirectional}
    _, state = naive.recurrent(weights=weights, x=x, **naive.CELLS[model.cell], **options)
    h = state[0] if model.cell == "lstm" else state
    last = np.concatenate(h[-1 - model.bidirectional :, 0])
    return naive.head(last, weights["head_weight"], weights["head_bias"])


def linear_by_hand(model, scaled, clock):
    """Scaled forecasts of the linear map, from a window; a missing value counts as the last observed one."""
    linear, k = linear_map_of(model), n_targets_of(model)
    relative, offset, unit = np.zeros(scaled.shape[1], bool), np.zeros(scaled.shape[1]), 1.0
    if linear.window_scaling.normalization != "none":
        relative[: None if linear.window_scaling.covariates == "relative" else k] = True
    offset[relative] = [last_observed(column) for column in scaled.T[relative]]
    if linear.window_scaling.normalization == "instance":
        squares = np.square(deviation(scaled[:, :k]))
        unit = max(np.sqrt(np.nanmean(squares)), LEAST_DEVIATION) if np.isfinite(squares).any() else 1.0
    x = (scaled[-linear.n_steps :] - offset) / np.where(relative, unit, 1.0)
    if linear.window_scaling.covariates == "none":
        x = x[:, :k]
    out = np.nan_to_num(x).ravel() @ linear.weights + linear.intercept + calendar_by_hand(linear, clock)
    return out.reshape(model.horizon_, -1) * unit + offset[:k]


def calendar_by_hand(linear, clock):
    """What the phase of the first step says; waves of the year need more than a year of rows."""
    assert linear.seasonal_features.year is None
    rows = np.split(linear.seasonal_weights, np.cumsum(linear.seasonal_features.periods)[:-1].astype(int))
    return sum(
        own[clock % period] for own, period in zip(rows, linear.seasonal_features.periods, strict=False)
    )


def naive_by_hand(column, season, n):
    """At each step the last value that was observed at the same place in the season, or else the last one."""
    forecast = []
    for k in range(n):
        first = len(column) - season + k % season
        places = column[first::-season] if first >= 0 else np.empty(0)
        seen = places[~np.isnan(places)]
        forecast.append(seen[0] if len(seen) else last_observed(column))
    return np.array(forecast)


def naives_by_hand(model, scaled, cutoffs, season):
    """Of all targets at each cutoff, (n_cutoffs, horizon, n_targets)."""
    columns = scaled[:, : len(model.target_names_)].T
    forecasts = [[naive_by_hand(column[:at], season, model.horizon_) for column in columns] for at in cutoffs]
    return np.array(forecasts).swapaxes(1, 2)


# -- windows


def cutoffs_between(model, scaled, begin, end):
    """First steps that are forecast, from `begin` on, by windows that end by `end` and of which something is
    known."""
    k = len(model.target_names_)
    return [
        cutoff
        for cutoff in range(max(begin, model.window_), end - model.horizon_ + 1)
        if np.isfinite(scaled[cutoff - model.window_ : cutoff, :k]).any()
        and np.isfinite(scaled[cutoff : cutoff + model.horizon_, :k]).any()
    ]


def truth_at(model, scaled, cutoffs):
    k = len(model.target_names_)
    return np.stack([scaled[cutoff : cutoff + model.horizon_, :k] for cutoff in cutoffs])


def scaled_rows(model, rows):
    known = rows[[*model.target_names_, *model.covariate_names_]].to_numpy()
    center, scale = scales(model, known)
    return (known - center) / scale


def truth_and_parts(model, rows):
    """Of each window that the parts were weighed by: scaled truths (n, horizon, n_targets), and forecasts."""
    scaled = scaled_rows(model, rows)
    cutoffs = cutoffs_between(model, scaled, training_end(model, len(rows)), len(rows))
    masked = np.isnan(scaled).any()
    parts = [parts_by_hand(model, scaled[:cutoff], masked, FIRST + cutoff) for cutoff in cutoffs]
    forecasts = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    return truth_at(model, scaled, cutoffs), forecasts
