"""Scores for scikit-learn's searches: errors of a forecaster on rows that follow its training rows."""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from ..estimators.base_forecaster import BaseForecaster
from ..forecasting.rolling import compare_rows
from .metrics import crps, mae, mape, pinball, rmse, smape

IN_UNITS = {"mae": mae, "rmse": rmse, "pinball": pinball, "crps": crps}
WITHOUT_UNITS = {"smape": smape, "mape": mape}
SCALED = {"mase": (mae, "naive_mae_"), "rmsse": (rmse, "naive_rmse_")}
NAMES = (*IN_UNITS, *WITHOUT_UNITS, *SCALED, "skill")


def make_forecast_scorer(
    metric: str, *, target: Hashable | None = None, quantile: float = 0.5
) -> ForecastScorer:
    """Make a scorer for ``GridSearchCV(scoring=...)``, ``cross_val_score`` and their kind.

    scikit-learn's own scorers need a ``y``; this one finds the truth in the target's columns of `X`.

    Parameters
    ----------
    metric : {"mae", "rmse", "smape", "mape", "mase", "rmsse", "pinball", "crps", "skill"}
        A function of `seqcast.evaluation.metrics`; "skill" is the forecaster's own ``score``. Of a point
        forecast, the CRPS is the absolute error, and the pinball loss at 0.5 half of it.
    target : label, default=None
        The target to judge by. None: all; the score is the mean over them, for metrics without a unit.
    quantile : float, default=0.5
        Level of the pinball loss that the forecast is judged by: 0.9 where forecasts below the truth cost
        nine times those above.

    Returns
    -------
    callable
        ``scorer(forecaster, X, y=None)``: greater is better, so errors come negative.

    Raises
    ------
    ValueError
        If the metric is unknown or the level is not between 0 and 1; when called, if several targets are to
        be judged by a metric that has their units.

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
    """What `make_forecast_scorer` makes."""

    def __init__(self, metric: str, target: Hashable | None, quantile: float) -> None:
        self.metric, self.target, self.quantile = metric, target, quantile

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
            The truth; needed only where the targets are no columns of `X`.

        Returns
        -------
        float
            The skill, or the negative error.
        """
        estimator, X = _unwrapped(estimator, X)
        if not isinstance(estimator, BaseForecaster):
            raise TypeError(
                f"A scorer of make_forecast_scorer scores forecasters, and pipelines and searches that end "
                f"in one. Got {type(estimator).__name__} instead. Use a string scorer of scikit-learn for it."
            )
        if self.metric == "skill":
            return estimator.score(X, y)
        truth, forecasts, _, series = compare_rows(estimator.fitted_, X, y, "score")
        names = list(estimator.target_names_)
        judged = [
            self._judged(estimator, truth[:, k], forecasts[:, k], series, k)
            for k in map(names.index, self._chosen(names))
        ]
        return -float(np.mean(judged))

    def _chosen(self, names: list[Hashable]) -> list[Hashable]:
        if self.target is not None:
            if self.target not in names:
                raise ValueError(
                    f"The 'target' parameter of make_forecast_scorer must be one of the forecaster's "
                    f"targets, {names}. Got {self.target!r} instead."
                )
            return [self.target]
        if len(names) > 1 and self.metric in IN_UNITS:
            raise ValueError(
                f"The metric {self.metric!r} has the unit of the target, and units do not add up. Got the "
                f"targets {names}. Name one with make_forecast_scorer({self.metric!r}, target=...), or use "
                f"'mase' or 'rmsse'."
            )
        return names

    def _judged(
        self, estimator: Any, y: np.ndarray, y_hat: np.ndarray, series: np.ndarray, number: int
    ) -> float:
        """The error of a target; of scaled metrics the mean over series, as each has its own scale."""
        if self.metric in SCALED:
            error, name = SCALED[self.metric]
            scales = np.atleast_2d(getattr(estimator, name))[:, number]
            rows = {k: series == k for k in np.unique(series[np.isfinite(y)])}
            return float(
                np.mean([_scaled(error(y[of], y_hat[of]), scales[k], self.metric) for k, of in rows.items()])
            )
        if self.metric == "pinball":
            return pinball(y, y_hat, self.quantile)
        return {**IN_UNITS, **WITHOUT_UNITS}[self.metric](y, y_hat)


def _unwrapped(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The forecaster within searches and pipelines, and what it reads: its forecasts are in those units."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X, estimator = estimator[:-1].transform(X) if len(estimator) > 1 else X, estimator[-1]
        else:
            return estimator, X


def _scaled(error: float, naive_error: float, metric: str) -> float:
    if not naive_error > 0:
        raise ValueError(
            f"The metric {metric!r} needs training rows that change from season to season, since it divides "
            f"by these changes. Got a target whose mean change is {naive_error}. Use 'mae' or 'rmse'."
        )
    return error / naive_error
