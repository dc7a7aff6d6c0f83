"""Parameters of the forecasters that learn from windows."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from ..data.calendar_features import check_names
from ..data.roles import ColumnSpec
from ..data.transforms import KINDS
from ..forecasting.lengths import LengthRules, Lengths, to_steps
from ..forecasting.series_preparer import InputOptions

WINDOW_CONSTRAINTS: dict[str, Any] = {
    "future_cols": "no_validation",
    "static_cols": "no_validation",
    "window": [None, Interval(Integral, 1, None, closed="left")],
    "multivariate": ["boolean"],
    "normalization": [StrOptions({"last", "instance", "none", "auto"})],
    "target_transform": [StrOptions({"auto", *KINDS})],
    "scaling": [StrOptions({"standard", "robust", "none"})],
    "differences": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
    "lags": [None, Interval(Integral, 1, None, closed="left"), list, tuple],
    "half_life": [None, Interval(Real, 0, None, closed="neither")],
    "scope": [StrOptions({"global", "local"})],
    "calendar_features": [None, StrOptions({"auto"}), list, tuple],
    "short_series": [StrOptions({"pad", "drop", "error"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
}


def column_spec(estimator: Any) -> ColumnSpec:
    """Return the columns that the parameters of a forecaster name."""
    return ColumnSpec(
        estimator.target,
        estimator.id_col,
        estimator.time_col,
        estimator.future_cols,
        estimator.static_cols,
    )


def check_window_parameters(estimator: Any) -> None:
    """Check the parameters that hold lists, before any row is read."""
    _check_steps_back(estimator, "differences", 1, "each at least 1")
    _check_lags(estimator, estimator.horizon or 1)
    check_names(estimator.calendar_features, type(estimator).__name__)


def length_rules(estimator: Any, season_length: int, holds_back: bool = True) -> LengthRules:
    """Return the rules by which a forecaster chooses horizon and window."""
    return LengthRules(
        type(estimator).__name__,
        estimator.horizon,
        estimator.window,
        season_length,
        estimator.validation_fraction if holds_back else None,
        sum(to_steps(estimator.differences)),
        estimator.short_series,
    )


def input_options(estimator: Any, lengths: Lengths, counts: bool = False) -> InputOptions:
    """Return the options of the preparation of inputs from the parameters of a forecaster."""
    _check_lags(estimator, lengths.horizon)
    return InputOptions(
        estimator.target_transform,
        estimator.scaling,
        to_steps(estimator.differences),
        to_steps(estimator.lags),
        estimator.calendar_features,
        estimator.multivariate,
        estimator.half_life,
        counts,
    )


def _check_lags(estimator: Any, horizon: int) -> None:
    rule = f"each at least the horizon, {horizon}, since nearer ones are not known of all steps"
    _check_steps_back(estimator, "lags", horizon, rule)


def _check_steps_back(estimator: Any, parameter: str, least: int, rule: str) -> None:
    given = getattr(estimator, parameter)
    steps = to_steps(given)
    fits = all(isinstance(n, Integral) and not isinstance(n, bool) and n >= least for n in steps)
    if not fits or len(set(steps)) < len(steps):
        raise ValueError(
            f"The {parameter!r} parameter of {type(estimator).__name__} must hold ints, {rule}, and none "
            f"twice. Got {given!r} instead."
        )
