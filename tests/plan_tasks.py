"""Plans of fits and prepared examples of small series."""

import numpy as np
import pandas as pd

from seqcast.data.roles import ColumnSpec
from seqcast.forecasting.examples import FitPlan, make_examples
from seqcast.forecasting.lengths import LengthRules
from seqcast.forecasting.series_preparer import InputOptions
from seqcast.forecasting.training_data import read_training_data

KEYS = {"id_col": "id", "time_col": "time"}


def daily(values, name="y", start="2024-01-01"):
    """Return a daily series; 2024-01-01 is a Monday."""
    index = pd.date_range(start, periods=len(values), freq="D", name="time")
    return pd.Series(np.asarray(values, float), index, name=name)


def long(**series):
    """Return a long frame of daily series."""
    parts = [one.reset_index().assign(id=id_) for id_, one in series.items()]
    return pd.concat(parts, ignore_index=True)


def read(X, y=None, sample_weight=None, season_length=None, **columns):
    return read_training_data(X, y, sample_weight, ColumnSpec(**columns), season_length, "Test")


def make_plan(X, horizon=2, window=4, season_length=1, fraction=0.2, sample_weight=None, **options):
    columns = KEYS if "id" in getattr(X, "columns", []) else {}
    data = read(X, None, sample_weight, season_length, **columns)
    rules = LengthRules("Test", horizon, window, season_length, fraction)
    options = InputOptions(target_transform="none", **options)
    return FitPlan.make(data, rules, rules.choose(data.n_steps), options)


def examples_of(X, window=4, **options):
    return make_examples(make_plan(X, window=window, **options), window)
