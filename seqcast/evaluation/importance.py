"""What forecasts owe to each column: how much worse they become with another time's history of it."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from ..data.panel import Panel
from ..estimators.base_forecaster import BaseForecaster
from ..forecasting.fitted import FittedForecaster
from ..forecasting.rolling import MAX_NUMBERS

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
    """How much worse a fitted forecaster scores with the histories of one column exchanged.

    The forecasts of `predict` are made again, each with all that it reads of the column (of one that is known
    ahead also the steps that are forecast) taken from another forecast of the same series; all other columns,
    and the truth, stay. So the column is cut off from them, as in Breiman's permutation of a feature [1]_,
    but it remains a history that there was: its lags are one group [2]_, and single values shuffled over
    rows would make histories like no other, on which a model extrapolates [3]_. Static columns are exchanged
    between all forecasts. No forecast keeps its own history, which a shuffle would let happen now and then.

    ``sklearn.inspection.permutation_importance`` shuffles values over the rows of `X`. Where the targets are
    no columns of `X` it works as it is, and so it does for covariates with ``y=X[targets]``; but it shuffles
    the truth too where that is read from `X`, the history that the naive forecasts of ``score`` repeat, and
    nothing that the first forecasts read of the training rows.

    Parameters
    ----------
    forecaster : SeqForecaster, LinearForecaster or NaiveForecaster
        Fitted on rows that hold its targets.
    X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
        Rows that follow the training rows, for at least two forecasts of a series.
    y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
        The truth; the targets' columns of `X` if None.
    scoring : str, callable or None, default=None
        As in scikit-learn; ``make_forecast_scorer`` makes such callables. None: the forecaster's ``score``.
    n_repeats : int, default=5
        How often each column is exchanged.
    random_state : int, RandomState instance or None, default=None
        Of the exchanges, which are the same for all columns.
    n_jobs : int or None, default=None
        Columns that are worked on at once, as joblib counts them. The result does not depend on it.

    Returns
    -------
    Bunch
        With ``names``, the columns of `X`, and in their order ``importances``, shape (n_columns, n_repeats):
        score less the score with the column exchanged; ``importances_mean`` and ``importances_std``, shape
        (n_columns,). 0 for a column that is not read.

    Raises
    ------
    NotFittedError
        Before fit.
    TypeError
        If it is no forecaster, such as a pipeline or a search around one.
    ValueError
        If the targets were no columns of `X` in fit, there are fewer than two forecasts of every series, or a
        parameter is out of its range.

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
    >>> found = permutation_importance(model, rows[200:], random_state=0)
    >>> max(zip(found.importances_mean, found.names))[1]
    'cause'
    """
    _check(forecaster, n_repeats)
    schema, seed = forecaster.fitted_.schema, check_random_state(random_state).randint(2**32, dtype=np.uint32)
    if y is None:
        y = schema.read_targets(schema.read(X, "score"), None, "score")
    scorer, columns = check_scoring(forecaster, scoring=scoring), _columns(schema)
    if effective_n_jobs(n_jobs) > 1 and hasattr(forecaster, "n_jobs"):
        forecaster = copy.copy(forecaster).set_params(n_jobs=1)
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_score)(forecaster, scorer, X, y, places, np.random.default_rng([seed, repeat]))
        for places in ([], *columns.values())
        for repeat in range(n_repeats if places else 1)
    )
    importances = scores[0] - np.reshape(scores[1:], (-1, n_repeats))
    return Bunch(
        names=list(columns),
        importances=importances,
        importances_mean=importances.mean(axis=1),
        importances_std=importances.std(axis=1),
    )


def _check(forecaster: Any, n_repeats: Any) -> None:
    if not isinstance(forecaster, BaseForecaster):
        raise TypeError(
            f"The 'forecaster' parameter of permutation_importance must be a forecaster of this library. Got "
            f"{type(forecaster).__name__} instead. Pass the best_estimator_ of a search; of a pipeline the "
            f"last step, with the rows that this one gets."
        )
    check_is_fitted(forecaster)
    if not isinstance(n_repeats, Integral) or isinstance(n_repeats, bool) or n_repeats < 1:
        raise ValueError(
            f"The 'n_repeats' parameter of permutation_importance must be an int of at least 1. Got "
            f"{n_repeats!r} instead."
        )
    if forecaster.fitted_.schema.separate_targets:
        raise ValueError(
            "The 'forecaster' parameter of permutation_importance must be fitted on rows that hold its "
            "targets. Got one whose targets were in y only: its forecasts are made from earlier ones, and "
            "have no histories to exchange. Use sklearn.inspection.permutation_importance, which shuffles "
            "rows."
        )


def _columns(schema: Any) -> dict[Hashable, list[int]]:
    """Where what was made of each column of X stands among the columns that a forecaster reads.

    Static columns are counted from the end, as features made of stamps stand before them.
    """
    roles = schema.roles
    places = dict(zip(roles.all, range(len(roles.all)), strict=True))
    places |= dict(zip(roles.static, range(-len(roles.static), 0), strict=True))
    own = [column for column in schema.columns if column not in schema.column_spec.keys]
    return {column: [places[name] for name in schema.categories.column_names([column])] for column in own}


def _score(
    forecaster: Any, scorer: Any, X: Any, y: Any, places: list[int], rng: np.random.Generator
) -> float:
    """With these columns from other forecasts' histories."""
    exchanged = copy.copy(forecaster)
    model = _ExchangedHistories(forecaster.fitted_, places, rng)
    exchanged.fitted_ = replace(forecaster.fitted_, model=model)
    return scorer(exchanged, X, y)


@dataclass(frozen=True)
class _ExchangedHistories:
    """A model that forecasts with some columns as they are around other cutoffs.

    Attributes
    ----------
    fitted : FittedForecaster
    places : list of int
        The columns.
    rng : Generator
        Draws the other cutoffs.
    """

    fitted: FittedForecaster
    places: list[int]
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
        is_static = bool(self.places) and min(self.places) < 0
        of_whom = np.zeros_like(series) if is_static else series
        others = _others(cutoffs, of_whom, self.rng) if self.places else cutoffs
        n_before = self.fitted.memory.n_steps
        size = max(1, MAX_NUMBERS // ((n_before + horizon) * panel.values.shape[1]))
        parts = []
        for first in range(0, len(cutoffs), size):
            near, own = panel.cut_around(cutoffs[first : first + size], n_before, horizon)
            far, _ = panel.cut_around(others[first : first + size], n_before, horizon)
            near.values[:, self.places] = far.values[:, self.places]
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


def _others(cutoffs: np.ndarray, series: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each origin's predecessor in a random circle through the cutoffs of its series.

    So it is never the cutoff itself, unless that is the only one.
    """
    order = np.lexsort((rng.random(len(cutoffs)), series))
    firsts = np.unique(series[order], return_index=True)[1]
    before = np.arange(len(cutoffs)) - 1
    before[firsts] = np.append(firsts[1:], len(cutoffs)) - 1
    others = np.empty_like(cutoffs)
    others[order] = cutoffs[order[before]]
    return others
