"""Scorers of forecasts for scikit-learn's searches."""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..estimators.base_forecaster import BaseForecaster
from ..forecasting.rolling import compare_rows
from .metrics import crps, mae, mape, pinball, rmse, smape

# Metrics in the unit of the target, and metrics without a unit.
IN_UNITS = {"mae": mae, "rmse": rmse, "pinball": pinball, "crps": crps}
WITHOUT_UNITS = {"smape": smape, "mape": mape}
# Metric before scaling, and the attribute of a forecaster that it is divided by.
SCALED = {"mase": (mae, "naive_mae_"), "rmsse": (rmse, "naive_rmse_")}
NAMES = (*IN_UNITS, *WITHOUT_UNITS, *SCALED, "skill")


def make_forecast_scorer(
    metric: str, *, target: Hashable | None = None, quantile: float = 0.5
) -> ForecastScorer:
    """Make a scorer for ``GridSearchCV(scoring=...)``, ``cross_val_score`` and similar tools.

    scikit-learn's own scorers need a ``y``. This one reads the truth from the target columns of `X`.

    Parameters
    ----------
    metric : {"mae", "rmse", "smape", "mape", "mase", "rmsse", "pinball", "crps", "skill"}
        A function of `seqcast.evaluation.metrics`, or "skill" for the forecaster's own ``score``. The CRPS of
        a point forecast is its absolute error, and its pinball loss at 0.5 half of that.
    target : label, default=None
        The target to score. None means all: the score is the mean over them, which needs a metric without a
        unit.
    quantile : float, default=0.5
        Probability of the pinball loss, for example 0.9 if forecasts below the truth cost nine times as much
        as forecasts above it.

    Returns
    -------
    callable
        ``scorer(forecaster, X, y=None)``. Greater is better, so errors are negative.

    Raises
    ------
    ValueError
        If the metric is unknown or `quantile` is not between 0 and 1. The scorer raises it if there are
        several targets and the metric has a unit.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> from seqcast import SeqForecaster, make_forecast_scorer
    >>> search = GridSearchCV(
    ...     SeqForecaster(),
    ...     {"hidden_size": [16, 32]},
    ...     cv=TimeSeriesSplit(3),
    ...     scoring=make_forecast_scorer("mase"),
    ... )
    """
    if metric not in NAMES:
        raise ValueError(
            f"The 'metric' parameter of make_forecast_scorer must be one of {', '.join(map(repr, NAMES))}. "
            f"Got {metric!r} instead."
        )
    if not isinstance(quantile, Real) or not 0 < quantile < 1:
        raise ValueError(
            f"The 'quantile' parameter of make_forecast_scorer must be above 0 and below 1. Got {quantile!r} "
            f"instead."
        )
    return ForecastScorer(metric, target, quantile)


class ForecastScorer:
    """A scorer of forecasters, made by `make_forecast_scorer`."""

    def __init__(self, metric: str, target: Hashable | None, quantile: float) -> None:
        self.metric = metric
        self.target = target
        self.quantile = quantile

    def __repr__(self) -> str:
        options = [repr(self.metric)]
        options += [] if self.target is None else [f"target={self.target!r}"]
        options += [f"quantile={self.quantile}"] if self.metric == "pinball" else []
        return f"make_forecast_scorer({', '.join(options)})"

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score a fitted forecaster on rows that follow its training rows.

        Parameters
        ----------
        estimator : SeqForecaster, or a Pipeline that ends in one
        X : Series, DataFrame or array-like
        y : Series, DataFrame or array-like, optional
            The truth. It is needed only if the targets are not columns of `X`.

        Returns
        -------
        float
            The skill, or the negative error.
        """
        forecaster, X = _unwrap(estimator, X)
        if not isinstance(forecaster, BaseForecaster):
            raise TypeError(
                f"A scorer of make_forecast_scorer must be called with a forecaster, or a pipeline or search "
                f"that ends in one. Got {type(forecaster).__name__} instead. Use a string scorer of "
                f"scikit-learn for it."
            )
        if self.metric == "skill":
            return forecaster.score(X, y)
        truth, forecasts, _, series = compare_rows(forecaster.fitted_, X, y, "score")
        names = list(forecaster.target_names_)
        errors = [
            self._compute_error(forecaster, truth[:, k], forecasts[:, k], series, k)
            for k in map(names.index, self._choose_targets(names))
        ]
        return -float(np.mean(errors))

    def _choose_targets(self, names: list[Hashable]) -> list[Hashable]:
        """Return the targets to score."""
        if self.target is not None:
            if self.target not in names:
                raise ValueError(
                    f"The 'target' parameter of make_forecast_scorer must be one of the forecaster's "
                    f"targets, {names}. Got {self.target!r} instead."
                )
            return [self.target]
        if len(names) > 1 and self.metric in IN_UNITS:
            raise ValueError(
                f"The 'target' parameter of make_forecast_scorer must be given for several targets and the "
                f"metric {self.metric!r}, whose unit is that of the target. Got the targets {names}. Name "
                f"one with make_forecast_scorer({self.metric!r}, target=...), or use 'mase' or 'rmsse'."
            )
        return names

    def _compute_error(
        self, forecaster: Any, y: np.ndarray, y_hat: np.ndarray, series: np.ndarray, number: int
    ) -> float:
        """Return the error of the target with this number.

        A scaled error is the mean over the series, because each series has its own scale.
        """
        if self.metric in SCALED:
            error, attribute = SCALED[self.metric]
            scales = np.atleast_2d(getattr(forecaster, attribute))[:, number]
            rows = {k: series == k for k in np.unique(series[np.isfinite(y)])}
            return float(
                np.mean([_scale(error(y[of], y_hat[of]), scales[k], self.metric) for k, of in rows.items()])
            )
        if self.metric == "pinball":
            return pinball(y, y_hat, self.quantile)
        return {**IN_UNITS, **WITHOUT_UNITS}[self.metric](y, y_hat)


def _unwrap(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the last estimator within searches and pipelines, and the rows that it reads.

    Forecasts within a pipeline have the units of the transformed rows.
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        else:
            return estimator, X


def _scale(error: float, naive_error: float, metric: str) -> float:
    """Return an error divided by that of the naive forecast on the training rows."""
    if not naive_error > 0:
        raise ValueError(
            f"The metric {metric!r} needs training rows whose values change from season to season, because "
            f"it divides by the mean change. Got a target whose mean change is {naive_error}. Use 'mae' or "
            f"'rmse'."
        )
    return error / naive_error
