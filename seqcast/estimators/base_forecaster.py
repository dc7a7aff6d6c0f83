"""The base class of the forecasters."""

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
    """Base of the forecasters. Subclasses define their parameters and how a model is fitted.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "horizon": [None, Interval(Integral, 1, None, closed="left")],
        # Any label or list of labels. Reading X raises an error that names a label without a column.
        "target": "no_validation",
        "id_col": "no_validation",
        "time_col": "no_validation",
        "season_length": [None, Interval(Integral, 1, None, closed="left")],
    }
    # Advice on how to get more residuals, for messages.
    _residual_hint: ClassVar[str] = "Pass more rows."

    fitted_: FittedForecaster

    # -- what subclasses define

    @abstractmethod
    def _column_spec(self) -> ColumnSpec:
        """Return the columns that the parameters name."""

    @abstractmethod
    def _length_rules(self, season_length: int) -> LengthRules:
        """Return the rules by which horizon and window are chosen."""

    @abstractmethod
    def _input_options(self, lengths: Lengths) -> InputOptions:
        """Return the options of the preparation of inputs."""

    @abstractmethod
    def _fit_model(self, plan: FitPlan, keep: Callable[[ForecastModel], None]) -> None:
        """Fit one model to all series of the plan, and pass it to `keep` when it is complete."""

    # -- fit

    def fit(self, X: Data, y: Data | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the forecaster to the past of one or several series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            One row for each time step; unsorted rows are sorted by their index. NaN where nothing was
            observed. With `id_col`, one row for each series and step.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            Targets. If None, they are the columns of `X` that `target` names. If `y` has the name of a column
            of `X` and equals it, that column is the target; this is for tools that need a ``y``. Otherwise
            `y` is a target outside of `X`, whose values are unknown in `predict`, and all columns of `X` are
            covariates.
        sample_weight : array-like, shape (n,), optional
            Weight of each row of `X` as a target in the fit of the parts, at least 0. It has no effect on
            rows as inputs, on scaling, on the weights of the parts and on residuals. The linear map learns
            all steps of a horizon at once, so it weights a window by the mean over its targets.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        ValueError
            If a parameter or a value is invalid, if the data are too short (the message says how many rows
            are needed), or if `y` differs from the column of its name.
        TypeError
            If a column is not numeric.
        TrainingDivergedError
            If no epoch has a finite loss.
        KeyboardInterrupt
            On Ctrl-C, after the best weights so far were kept.
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
        """Fit a model to each series, in `n_jobs` processes."""
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
        # scikit-learn's common tests use independent rows, which cannot be forecast.
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
            Number of steps, by default the fitted horizon. Beyond it, forecasts are fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            Values of the columns in `future_cols` at every step that is forecast.
        level : float or list of float, optional
            Coverage of prediction intervals in percent, such as ``[80, 95]``, which adds the columns
            ``name-lo-80``, ``name-hi-80``, ... They are based on residuals of the last training rows and,
            beyond the horizon, on sample paths.
        quantiles : float or list of float, optional
            Probabilities of quantiles, between 0 and 1, which add the columns ``name-q0.1``, ...

        Returns
        -------
        DataFrame, shape (horizon, n_targets)
            Forecasts in the units of the targets, never NaN. The index continues that of the training rows.
            For a long frame, one row for each series and step, with the columns `id_col` and `time_col`.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If `horizon` is not a positive integer, a future value is missing, or quantiles are requested but
            there are no residuals of rows that the model was not fitted to.
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
        """Draw sample paths, which are forecasts plus residuals of rows that the model was not fitted to.

        The residuals of all steps of a horizon, and of all targets, are drawn together from one sample. Sums
        and maxima over steps therefore reflect the dependence between steps. With
        ``intervals="distribution"``, paths are drawn from the distribution that the network forecasts.

        Parameters
        ----------
        n_paths : int, default=100
            Number of paths.
        horizon : int, optional
            Number of steps, by default the fitted horizon. Beyond it, each path is fed back as if observed.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.

        Returns
        -------
        DataFrame, shape (n_paths * horizon, n_targets)
            Paths with the index levels ``path`` and time. For a long frame, they are columns, next to
            `id_col`.

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
        """Forecast each row of `X` from earlier rows.

        Cutoffs are every `horizon_` steps, beginning at the end of the training rows. The first forecast is
        made from training rows only, later ones also from the rows of `X` before their cutoffs.
        ``predict()`` and ``predict(24)`` are ``forecast()`` and ``forecast(24)``.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns), or int or None
            Rows that follow the training rows, with the columns of `fit`.

        Returns
        -------
        Series, DataFrame or ndarray, shape (n,) or (n, n_targets)
            Forecasts, never NaN, aligned with the rows of `X`, in the form of the `y` of `fit` or, without
            one, of `X`.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If rows are not after the training rows (as in shuffled folds), or a column is missing.
        """
        check_is_fitted(self)
        if X is None or isinstance(X, int | np.integer):
            return self.forecast(X)
        rows = self.fitted_.schema.read(X, "predict")
        forecasts, _ = forecast_rows(self.fitted_, rows)
        return self.fitted_.schema.format_like_fit(forecasts, rows)

    def score(self, X: Data, y: Data | None = None) -> float:
        """Return the skill score relative to the seasonal naive forecast.

        The score is ``1 - error / naive_error``: 1 for perfect forecasts, 0 for forecasts no better than the
        naive one. An error is the root mean squared error of a target over the rows of all series, in units
        of its standard deviation in training, averaged over targets. Both forecasts have the same cutoffs. If
        the naive forecast is perfect, the score is 0 for a perfect forecast, and otherwise minus infinity.

        The naive forecast repeats the last season of `season_length_` steps. For data with hardly any season,
        such as share prices, repeating the last value is harder to beat: set ``season_length=1``.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            Observed targets. They can be omitted if they are columns of `X`.

        Returns
        -------
        float

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; ValueError also if no target is observed.
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
        """Add later rows without training, so that forecasts start after them.

        Rows that are known are skipped, and an empty frame changes nothing. A value that was missing in one
        of the last steps is filled in. Known values cannot be changed.

        A series that was not in `fit` is added after the others. Its scale and transform are fitted to these
        rows and then stay, so pass all of its rows at once. Everything else was learned from the other
        series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
            Rows that follow the training rows and those of earlier updates, with the columns of `fit`.
            Earlier rows may come again. For a long frame, the new rows of some or all series, and any rows
            of series that were not in `fit`, with their static columns.
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            Targets, if they are not columns of `X`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`; the forecaster is then unchanged. ValueError also if a known row has another value,
            for a series that was not in `fit` if ``scope="local"``, or as `fit` would raise it for its rows.
        TypeError
            If the id of a new series is of another type than those of `fit`.
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
        """Compute the derivative of each step of the forecast with respect to each input value.

        These are exact derivatives by the chain rule, including scaling and transforms, in the units of the
        columns: 0.5 means that a value larger by one unit makes the forecast larger by half a unit, as long
        as the change is small. At a kink, such as that of an "rnn_relu" cell, it is a one-sided derivative.

        Parameters
        ----------
        X : Series, DataFrame or array-like, optional
            Rows that follow the training rows, as for `update`. The forecast is the one after these rows. The
            forecaster itself does not change. If None, the forecast is that of `forecast`.
        y : Series, DataFrame or array-like, optional
            Targets, if they are not columns of `X`.
        X_future : Series, DataFrame or array-like, optional
            As in `forecast`.
        ids : list, optional
            Ids of the series, by default all.

        Returns
        -------
        DataFrame, shape (n_targets * horizon_, n_values)
            One row for each target and step of the horizon, with the index levels ``target`` and ``lead``
            (1 to `horizon_`), for a long frame after the level of the ids. The columns have the levels
            ``column`` and ``lag``, in temporal order. Lag 1 is the last row before the forecast, lag 2 the
            one before it. For columns in `future_cols`, lag 0 is the first forecast step, -1 the second, and
            so on. Static columns have lag 1 only. NaN where nothing was observed, 0 where a value has no
            influence. Calendar features have no columns. Categories have one column for each one-hot column.

        Raises
        ------
        NotFittedError, ValueError
            As `update` and `forecast`; ValueError also for unknown `ids`.

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
