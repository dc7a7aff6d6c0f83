"""The interface that all forecasters share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..data.preparation import add_note
from ..data.roles import ColumnSpec
from ..forecasting.examples import FitPlan
from ..forecasting.fitted import FittedForecaster, make_series_states
from ..forecasting.lengths import LengthRules, Lengths
from ..forecasting.local import LocalModels
from ..forecasting.model import ForecastModel
from ..forecasting.panels import PanelBuilder
from ..forecasting.requested_quantiles import RequestedQuantiles
from ..forecasting.rolling import compare_rows, forecast_ahead, forecast_rows, sample_ahead
from ..forecasting.sensitivity import to_frame
from ..forecasting.series_preparer import InputOptions
from ..forecasting.training_data import read_training_data
from ..forecasting.updating import update

Data: TypeAlias = pd.DataFrame | pd.Series | ArrayLike


class BaseForecaster(RegressorMixin, BaseEstimator):
    """Base of the forecasters: they differ in how a model is fitted, and in nothing else.

    Attributes
    ----------
    fitted_ : FittedForecaster
        All that fit has left. The other attributes that end in an underscore tell what it holds.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        # Any label, or several: a label that X has no column for is named in an error.
        "target": "no_validation",
        "id_col": "no_validation",
        "time_col": "no_validation",
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
    }
    # What to do for more residuals, for messages.
    _residual_hint: ClassVar[str] = "Pass more rows."

    fitted_: FittedForecaster

    # -- what a forecaster is

    @abstractmethod
    def _column_spec(self) -> ColumnSpec:
        """Return what the parameters say about columns."""

    @abstractmethod
    def _length_rules(self, season_length: int) -> LengthRules:
        """Return what the parameters say about lengths."""

    @abstractmethod
    def _input_options(self, lengths: Lengths) -> InputOptions:
        """Return what the parameters say about inputs."""

    @abstractmethod
    def _fit_model(self, plan: FitPlan, keep: Callable[[ForecastModel], None]) -> None:
        """Fit one model of all series of the plan, and hand it to `keep` once it is complete."""

    # -- fit

    def fit(self, X: Data, y: Data | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the forecaster to the past of one or several series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            One row a step of time, in any strictly increasing index (unsorted rows are sorted). NaN where
            nothing was observed. With `id_col`, a row for each series and step.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            Left out, the targets are the columns of `X` that `target` names. With a y that bears the name of
            a column of `X`, which it must equal, that column is the target: for tools that need a ``y``. Any
            other y is a target beside `X`, of which nothing is known in the rows that `predict` gets; all
            columns of `X` are covariates.

        sample_weight : array-like, shape (n,), optional
            What each row of `X` counts as a target, 0 or more; as an input, it counts as ever. For the linear
            map, which learns all steps of a horizon at once, a window counts the mean of its targets.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        ValueError
            If a parameter or a value is out of its range, or the data are too short; the message says how
            many rows are needed. Also if `y` differs from the column that bears its name.
        TypeError
            If a column holds no numbers.
        TrainingDivergedError
            If not one epoch had a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after keeping the best weights so far.
        """
        self._validate_params()
        data = read_training_data(
            X, y, sample_weight, self._column_spec(), self.season_length, type(self).__name__
        )
        rules = self._length_rules(data.season_length)
        lengths = rules.choose(data.n_steps)
        data = data.select(rules.keep(data.ids, data.n_steps, lengths, "fit"))
        plan = FitPlan.make(data, rules, lengths, self._input_options(lengths))
        if data.schema.has_ids and getattr(self, "scope", "global") == "local":
            self._set_fitted(self._freeze(plan, self._fit_local(plan)))
        else:
            self._fit_model(plan, lambda model: self._set_fitted(self._freeze(plan, model)))
        return self

    def _fit_local(self, plan: FitPlan) -> LocalModels:
        """Fit a model to each series."""
        fitted = Parallel(n_jobs=getattr(self, "n_jobs", None))(
            delayed(_fit_one)(self._local_copy(), plan.select_series(number))
            for number in range(len(plan.data.ids))
        )
        return LocalModels(dict(zip(plan.data.ids, fitted, strict=True)))

    def _local_copy(self) -> Self:
        """Return an unfitted forecaster of one series."""
        serial = {"n_jobs": 1} if hasattr(self, "n_jobs") else {}
        return clone(self).set_params(scope="global", **serial)

    def _freeze(self, plan: FitPlan, model: ForecastModel | LocalModels) -> FittedForecaster:
        return FittedForecaster(
            plan.data.schema,
            plan.rules,
            plan.lengths,
            plan.memory,
            plan.calendar_columns,
            make_series_states(plan.data, plan.memory),
            model,
            plan.data.compute_naive_errors(),
            self._residual_hint,
        )

    def _set_fitted(self, fitted: FittedForecaster) -> None:
        """Replace the attributes of the last fit."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            del self.__dict__[name]
        self.__dict__ |= self._attributes(fitted)

    def _attributes(self, fitted: FittedForecaster) -> dict[str, Any]:
        """Return the attributes of a forecaster with this record."""
        schema, errors = (
            fitted.schema,
            fitted.naive_errors if fitted.schema.has_ids else fitted.naive_errors[:, 0],
        )
        attributes: dict[str, Any] = {
            "fitted_": fitted,
            "horizon_": fitted.lengths.horizon,
            "window_": fitted.lengths.window,
            "season_length_": fitted.lengths.season_length,
            "target_names_": schema.roles.targets,
            "covariate_names_": schema.roles.covariates,
            "naive_mae_": errors[0],
            "naive_rmse_": errors[1],
            "n_features_in_": len(schema.columns),
        }
        if schema.kind == "frame" and all(isinstance(column, str) for column in schema.columns):
            attributes["feature_names_in_"] = np.asarray(schema.columns, dtype=object)
        return attributes

    @property
    def models_(self) -> dict[Any, Self]:
        """The fitted forecaster of each series by its id, after a fit with ``scope="local"``."""
        if not isinstance(getattr(getattr(self, "fitted_", None), "model", None), LocalModels):
            raise AttributeError(f"{type(self).__name__} has models_ after a fit with scope='local' only.")
        models = {id_: self._local_copy() for id_ in self.fitted_.series}
        for id_, model in models.items():
            model._set_fitted(self.fitted_.select_series(id_))
        return models

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.target_tags.single_output, tags.target_tags.multi_output = True, True
        # Of rows that are independent, the past says nothing.
        tags.regressor_tags.poor_score = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    # -- forecast

    def forecast(
        self,
        horizon: int | np.integer | None = None,
        X_future: Data | None = None,
        *,
        level: float | Sequence[float] | None = None,
        quantiles: float | Sequence[float] | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the training rows, or after those of `update`.

        Parameters
        ----------
        horizon : int, optional
            Steps; as many as were trained if None. Beyond that, forecasts are fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            The columns that `future_cols` names, at every step that is forecast.
        level : float or list of float, optional
            Prediction intervals that cover the truth in so many percent of cases, such as ``[80, 95]``: the
            columns ``name-lo-80``, ``name-hi-80``, ... They come from the errors on the last rows of
            training; beyond the horizon, from sample paths.
        quantiles : float or list of float, optional
            Quantiles between 0 and 1: the columns ``name-q0.1``, ...

        Returns
        -------
        DataFrame, shape (horizon, n_targets)
            In the targets' own units, with the index that follows the training rows'. Of several series, a
            row for each and step, with the columns `id_col` and `time_col`. Never NaN.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If `horizon` is not a positive integer, a future value is missing, or quantiles are asked of a
            forecaster that held no rows back.
        """
        check_is_fitted(self)
        steps = self._check_steps(horizon, "forecast")
        asked = RequestedQuantiles.parse(level, quantiles, f"{type(self).__name__}.forecast")
        return forecast_ahead(self.fitted_, steps, X_future, asked)

    def sample_paths(
        self,
        n_paths: int = 100,
        horizon: int | np.integer | None = None,
        X_future: Data | None = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> pd.DataFrame:
        """Draw sample paths: forecasts plus residuals of samples that were not trained on.

        The residuals of all steps of a horizon, and of all targets, are drawn together from one sample. So
        sums and maxima over steps have the distribution that the dependence between steps gives them.

        Parameters
        ----------
        n_paths : int, default=100
        horizon : int, optional
            Steps; as many as were trained if None. Beyond that, each path is fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        random_state : int, RandomState instance or None
            Of the draws.

        Returns
        -------
        DataFrame, shape (n_paths * horizon, n_targets)
            With the index levels ``path`` and time; of a long frame with the columns `id_col`, `time_col` and
            ``path``.

        Raises
        ------
        NotFittedError, ValueError
            As `forecast`.
        """
        check_is_fitted(self)
        steps = self._check_steps(horizon, "sample_paths")
        n_paths = check_count("n_paths", n_paths, f"{type(self).__name__}.sample_paths")
        seed = check_random_state(random_state).randint(2**32, dtype=np.uint32)
        return sample_ahead(self.fitted_, steps, X_future, n_paths, int(seed))

    def predict(self, X: Data | int | np.integer | None = None) -> pd.DataFrame | pd.Series | np.ndarray:
        """Forecast each row of `X` from rows before it.

        Forecasts are made every `horizon_` steps from the end of the training rows on: the first block from
        training rows only, later ones from the rows of `X` before them as well. ``predict()`` and
        ``predict(24)`` are `forecast`.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows; the columns of fit.

        Returns
        -------
        Series, DataFrame or ndarray, shape (n,) or (n, n_targets)
            Aligned with the rows of `X`, in the form of the `y` of fit or, if there was none, of `X`. Never
            NaN.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If rows are from before the end of the training rows (as shuffled folds are), or a column is
            missing.
        """
        check_is_fitted(self)
        if X is None or isinstance(X, int | np.integer):
            return self.forecast(X)
        rows = self.fitted_.schema.read(X, "predict")
        forecasts, _ = forecast_rows(self.fitted_, rows)
        return self.fitted_.schema.format_like_fit(forecasts, rows)

    def score(self, X: Data, y: Data | None = None) -> float:
        """Compute the skill score against the seasonal naive forecast: 1 is perfect, 0 no better than naive.

        ``1 - error / naive_error``, each the root mean squared error of a target in units of its training
        deviation, over the rows of all series, averaged over targets; both forecasts are made at the same
        times from the same rows.

        The naive forecast repeats the last season, of `season_length_` steps. Where there is hardly a season,
        as in prices of shares, repeating the last value is harder to beat: ``season_length=1`` makes that the
        yardstick.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            The truth; where the targets are columns of `X`, it may be left out.

        Returns
        -------
        float

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; ValueError also if no target is observed in `X`.
        """
        check_is_fitted(self)
        rows = compare_rows(self.fitted_, X, y, "score")
        scales = self.fitted_.model.target_scales[rows.series]
        error, naive_error = (
            _mean_rmse((forecasts - rows.truth) / scales) for forecasts in (rows.forecasts, rows.naive)
        )
        if naive_error == 0:
            return 0.0 if error == 0 else -np.inf
        return float(1 - error / naive_error)

    def update(self, X: Data, y: Data | None = None) -> Self:
        """Take later rows as known: what was learned stays, forecasts start after them.

        Rows of a series that was not in fit add it to those that are forecast, after the others. Its scale,
        and its power if there is one, are learned of these rows as they would have been in fit, and then
        stay: give all rows that there are at once. All else is what was learned of the other series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows and those of earlier updates; the columns of fit. Of several
            series, those that have new rows. Of series that were not in fit, any rows, with the static
            columns.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            The targets, where they are no columns of `X`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; nothing is taken over then. ValueError also for a series that was not in fit where
            each has a model of its own (``scope="local"``), or as fit would raise it for these rows.
        TypeError
            If its id is of another type than those of fit.
        """
        check_is_fitted(self)
        fitted, _ = update(self.fitted_, X, y, "update")
        self._set_fitted(fitted)
        return self

    # -- what a forecast depends on

    def sensitivity(
        self,
        X: Data | None = None,
        y: Data | None = None,
        *,
        X_future: Data | None = None,
        ids: Sequence[Hashable] | None = None,
    ) -> pd.DataFrame:
        """Compute how much each step of the forecast changes with each value that it is made from.

        These are exact derivatives, by the chain rule through all that is done to the values, in the units of
        the columns: 0.5 says that one unit more there makes the forecast half a unit higher, as long as the
        change is small. At a kink, such as that of an "rnn_relu" cell, it is the derivative of one side.

        Parameters
        ----------
        X : Series, DataFrame or array-like, optional
            Rows that follow the training rows, as for `update`: the forecast is that made after them, and
            the forecaster stays as it is. None: the forecast is that of `forecast`.
        y : Series, DataFrame or array-like, optional
            The targets, where they are no columns of `X`.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        ids : list, optional
            Which of several series; all if None.

        Returns
        -------
        DataFrame, shape (n_targets * horizon_, n_values)
            A row for each target and step, with the index levels ``target`` and ``lead``, from 1 to
            `horizon_`; of series in a long frame with their ids as the outermost level. The columns have the
            levels ``column`` and ``lag``, in the order of time. Lag 1 is the last row before the forecast,
            lag 2 the one before it. Of columns that are known ahead, lag 0 is the first step that is
            forecast, -1 the second, and so on. A static column is read from the last row, so it has lag 1
            only. NaN where nothing was observed, 0 where a value has no influence. Features made of stamps
            have no columns; categories have those of zeros and ones that they are read as.

        Raises
        ------
        NotFittedError, ValueError
            As `update` and `forecast`; ValueError also if `ids` holds others than those of fit.

        Examples
        --------
        >>> from seqcast import LinearForecaster
        >>> model = LinearForecaster(horizon=2, window=4).fit([float(n % 5) for n in range(60)])
        >>> slopes = model.sensitivity().loc["y"]
        >>> slopes["y"].sum(axis=1).round(3).tolist()  # a level that is one higher stays one higher
        [1.0, 1.0]
        """
        check_is_fitted(self)
        fitted = self.fitted_ if X is None else update(self.fitted_, X, y, "sensitivity")[0]
        ahead = PanelBuilder(fitted).build_ahead(X_future, fitted.lengths.horizon, "sensitivity")
        chosen = fitted.ids if ids is None else self._check_ids(ids, fitted)
        begins = ahead.begins[fitted.find_numbers(chosen)]
        slopes = [fitted.model.gradient(ahead.panel, begins[[k]]) for k in range(len(chosen))]
        return to_frame(np.stack(slopes), fitted.schema, chosen)

    def _check_ids(self, ids: Sequence[Hashable], fitted: FittedForecaster) -> list[Any]:
        others = [id_ for id_ in ids if id_ not in fitted.series]
        if others or not len(ids):
            raise ValueError(
                f"The 'ids' parameter of {type(self).__name__}.sensitivity must hold series that are known. "
                f"Got {repr(others[0]) if others else 'none'} instead. Leave it out for all series."
            )
        return list(ids)

    def _check_steps(self, horizon: int | np.integer | None, method: str) -> int:
        if horizon is None:
            return self.fitted_.lengths.horizon
        return check_count("horizon", horizon, f"{type(self).__name__}.{method}")


def check_count(name: str, value: Any, caller: str) -> int:
    """Check that an argument is an int of at least 1, and return it."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"The {name!r} parameter of {caller} must be an int of at least 1. Got {value!r} instead."
        )
    return int(value)


def _fit_one(forecaster: BaseForecaster, plan: FitPlan) -> ForecastModel:
    """Fit one local model; in a worker process, if there are several."""
    with add_note(f"This was the local model of series {plan.data.ids[0]!r}."):
        forecaster._fit_model(plan, lambda model: forecaster._set_fitted(forecaster._freeze(plan, model)))
    return forecaster.fitted_.models[0]


def _mean_rmse(errors: np.ndarray) -> float:
    """Return the root mean squared error of each target, averaged over the targets that were observed."""
    observed = np.isfinite(errors).any(axis=0)
    return float(np.sqrt(np.nanmean(errors[:, observed] ** 2, axis=0)).mean())
