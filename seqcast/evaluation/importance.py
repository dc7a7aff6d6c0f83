"""Permutation importance of the columns that a forecaster reads."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from ..data.panel import Panel
from ..data.schema import Schema
from ..estimators.base_forecaster import BaseForecaster
from ..forecasting.fitted import FittedForecaster
from ..forecasting.rolling import MAX_NUMBERS
from .counts import check_count

__all__ = ["permutation_importance"]


def permutation_importance(
    forecaster: Any,
    X: Any,
    y: Any = None,
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
) -> Bunch:
    """Compute how much worse a fitted forecaster scores if the histories of one column are exchanged.

    The forecasts of `predict` are computed again. For one column, each forecast reads the values of another
    forecast of the same series. If the column is in `future_cols`, this includes the values of the steps that
    are forecast. The other columns and the truth are not changed. This removes the relation between the
    column and the target, as the permutation of a feature does [1]_, but each history remains one that was
    observed. The lags of a column are exchanged as a group [2]_, because values that are shuffled one by one
    form histories that do not occur, on which a model extrapolates [3]_. Static columns are exchanged between
    all forecasts. No forecast keeps its own history, unlike in a shuffle.

    ``sklearn.inspection.permutation_importance`` shuffles values over the rows of `X`. It can be used if the
    targets are not columns of `X`, and for covariates with ``y=X[targets]``. If it reads the truth from `X`,
    it shuffles the truth and the history of the naive forecasts of ``score`` too. It never shuffles the
    training rows that the first forecasts read.

    Parameters
    ----------
    forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
        A fitted forecaster whose targets were columns of `X` in ``fit``.
    X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
        Rows that follow the training rows, enough for at least two forecasts of a series.
    y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
        The truth. None means the target columns of `X`.
    scoring : str, callable or None, default=None
        A scorer as in scikit-learn, for example one of ``make_forecast_scorer``. None means the forecaster's
        ``score``.
    n_repeats : int, default=5
        Number of exchanges of each column.
    random_state : int, RandomState instance or None, default=None
        Seed of the exchanges, which are the same for all columns.
    n_jobs : int or None, default=None
        Number of columns that are processed in parallel, as in joblib. The result does not depend on it.

    Returns
    -------
    Bunch
        ``names`` holds the columns of `X`. ``importances``, of shape (n_columns, n_repeats), holds the score
        minus the score with the column exchanged. ``importances_mean`` and ``importances_std`` have shape
        (n_columns,). The importance of a column that is not read is 0.

    Raises
    ------
    NotFittedError
        If the forecaster is not fitted.
    TypeError
        If `forecaster` is not a forecaster, for example a pipeline or a search.
    ValueError
        If the targets were not columns of `X` in ``fit``, no series has two forecasts, or a parameter is out
        of its range.

    References
    ----------
    .. [1] L. Breiman, "Random Forests", Machine Learning 45, 2001; without fixed points as in A. Fisher, C.
       Rudin and F. Dominici, "All Models are Wrong, but Many are Useful", JMLR 20 (177), 2019.
    .. [2] B. Gregorutti, B. Michel and P. Saint-Pierre, "Grouped variable importance with random forests and
       application to multiple functional data analysis", Computational Statistics & Data Analysis 90, 2015.
    .. [3] G. Hooker, L. Mentch and S. Zhou, "Unrestricted permutation forces extrapolation", Statistics and
       Computing 31, 2021.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from seqcast import LinearForecaster
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"cause": rng.normal(size=300), "noise": rng.normal(size=300)})
    >>> rows["load"] = 2 * rows["cause"].shift(1) + 0.1 * rng.normal(size=300)
    >>> model = LinearForecaster(horizon=1, window=3, target="load").fit(rows[:200])
    >>> result = permutation_importance(model, rows[200:], random_state=0)
    >>> max(zip(result.importances_mean, result.names))[1]
    'cause'
    """
    _check_forecaster(forecaster)
    n_repeats = check_count(n_repeats, "n_repeats", "permutation_importance")
    schema = forecaster.fitted_.schema
    _check_targets(schema)
    seed = check_random_state(random_state).randint(2**32, dtype=np.uint32)
    if y is None:
        y = schema.read_targets(schema.read(X, "score"), None, "score")
    scorer = check_scoring(forecaster, scoring=scoring)
    columns = _find_columns(schema)
    if effective_n_jobs(n_jobs) > 1 and hasattr(forecaster, "n_jobs"):
        forecaster = copy.copy(forecaster).set_params(n_jobs=1)
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_score)(forecaster, scorer, X, y, positions, np.random.default_rng([seed, repeat]))
        for positions in ([], *columns.values())
        for repeat in range(n_repeats if positions else 1)
    )
    importances = scores[0] - np.reshape(scores[1:], (-1, n_repeats))
    return Bunch(
        names=list(columns),
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
    )


def _check_forecaster(forecaster: Any) -> None:
    if not isinstance(forecaster, BaseForecaster):
        raise TypeError(
            f"The 'forecaster' parameter of permutation_importance must be a forecaster of seqcast. Got "
            f"{type(forecaster).__name__} instead. Pass the best_estimator_ of a search, or the last step of "
            f"a pipeline with the transformed rows."
        )
    check_is_fitted(forecaster)


def _check_targets(schema: Schema) -> None:
    if schema.separate_targets:
        raise ValueError(
            "The 'forecaster' parameter of permutation_importance must be fitted with its targets as columns "
            "of X. Got one whose targets were passed as y only, whose forecasts have no histories to "
            "exchange. Use sklearn.inspection.permutation_importance, which shuffles rows."
        )


def _find_columns(schema: Schema) -> dict[Hashable, list[int]]:
    """Return, for each column of X, its positions among the columns that a forecaster reads.

    A column of categories has several. Static columns are counted from the end, because calendar features
    come before them.
    """
    roles = schema.roles
    positions = dict(zip(roles.all, range(len(roles.all)), strict=True))
    positions |= dict(zip(roles.static, range(-len(roles.static), 0), strict=True))
    own = [column for column in schema.columns if column not in schema.column_spec.keys]
    return {column: [positions[name] for name in schema.categories.column_names([column])] for column in own}


def _score(
    forecaster: Any, scorer: Any, X: Any, y: Any, positions: list[int], rng: np.random.Generator
) -> float:
    """Return the score with the columns at `positions` exchanged."""
    exchanged = copy.copy(forecaster)
    model = _ExchangedHistories(forecaster.fitted_, positions, rng)
    exchanged.fitted_ = replace(forecaster.fitted_, model=model)
    return scorer(exchanged, X, y)


@dataclass(frozen=True)
class _ExchangedHistories:
    """A model that forecasts with some columns as they are around other cutoffs.

    Attributes
    ----------
    fitted : FittedForecaster
    positions : list of int
        The columns.
    rng : Generator
        Draws the other cutoffs.
    """

    fitted: FittedForecaster
    positions: list[int]
    rng: np.random.Generator

    @property
    def needs_residuals(self) -> bool:
        """Whether quantiles come from residuals."""
        return self.fitted.model.needs_residuals

    @property
    def n_residuals(self) -> float:
        """The number of residuals; see `Model.n_residuals`."""
        return self.fitted.model.n_residuals

    @property
    def target_scales(self) -> np.ndarray:
        """Standard deviations of the targets in training, shape (n_series, n_targets)."""
        return self.fitted.model.target_scales

    def forecast(
        self, panel: Panel, cutoffs: np.ndarray, probabilities: tuple[float, ...] = ()
    ) -> np.ndarray:
        """Return forecasts; see `Model.forecast`."""
        series, horizon = panel.find_series(cutoffs), self.fitted.lengths.horizon
        if len(np.unique(series)) == len(series):
            raise ValueError(
                f"permutation_importance needs two forecasts of a series, which are made every {horizon} "
                f"steps. Got one of each. Pass more rows."
            )
        is_static = bool(self.positions) and min(self.positions) < 0
        groups = np.zeros_like(series) if is_static else series
        others = _exchange_cutoffs(cutoffs, groups, self.rng) if self.positions else cutoffs
        n_before = self.fitted.memory.n_steps
        size = max(1, MAX_NUMBERS // ((n_before + horizon) * panel.values.shape[1]))
        parts = []
        for first in range(0, len(cutoffs), size):
            near, own = panel.cut_around(cutoffs[first : first + size], n_before, horizon)
            far, _ = panel.cut_around(others[first : first + size], n_before, horizon)
            near.values[:, self.positions] = far.values[:, self.positions]
            parts.append(self.fitted.model.forecast(near, own, probabilities))
        return np.concatenate(parts, axis=1)

    def draw(
        self, panel: Panel, begins: np.ndarray, steps: int, n_paths: int, rngs: list[np.random.Generator]
    ) -> np.ndarray:
        """Return sample paths of the model itself; see `Model.draw`."""
        return self.fitted.model.draw(panel, begins, steps, n_paths, rngs)

    def gradient(self, panel: Panel, cutoff: np.ndarray) -> np.ndarray:
        """Return derivatives of the model itself; see `Model.gradient`."""
        return self.fitted.model.gradient(panel, cutoff)


def _exchange_cutoffs(cutoffs: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return, for each cutoff, another cutoff of its group.

    The cutoffs of each group form one random cycle, so that a cutoff is never exchanged with itself unless it
    is the only one.
    """
    order = np.lexsort((rng.random(len(cutoffs)), groups))
    firsts = np.unique(groups[order], return_index=True)[1]
    before = np.arange(len(cutoffs)) - 1
    before[firsts] = np.append(firsts[1:], len(cutoffs)) - 1
    others = np.empty_like(cutoffs)
    others[order] = cutoffs[order[before]]
    return others
