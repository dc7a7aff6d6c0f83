"""The naive forecaster, which repeats the last season."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Self

from ..data.roles import ColumnSpec
from ..forecasting.examples import FitPlan
from ..forecasting.fit_baselines import fit_naive
from ..forecasting.lengths import LengthRules, Lengths
from ..forecasting.model import ForecastModel
from ..forecasting.series_preparer import InputOptions
from .base_forecaster import BaseForecaster, Data


class NaiveForecaster(BaseForecaster):
    """Repeat the last season, as a baseline for every other forecast.

    Parameters
    ----------
    horizon : int, default=None
        Number of steps that are forecast at once. If None, one season of the index, or 12 if the index has
        none; less if the data are short.
    target : str or list of str, default=None
        Columns to forecast. The other columns must be numeric, but are not used. If None, every column is a
        target.
    season_length : int, default=None
        Number of steps of one season; 1 repeats the last observed value. If None, it follows from the index
        (hourly 24, daily 7, monthly 12, ...), and is 1 if the index has no season.
    id_col : label, default=None
        Column of a long frame that identifies its series. If None, `X` is one series or a wide frame.
    time_col : label, default=None
        Column of the time stamps. If None, they are the index.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    horizon_, season_length_ : int
        Values of the parameters of these names, or the values chosen if the parameter is None.
    window_ : int
        Number of steps that a forecast repeats: one season.
    target_names_ : list
        Columns that are forecast.
    covariate_names_ : list
        Columns that are not forecast.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, in the training data. MASE and RMSSE divide
        by them. 0 if a target has no two observed values a season apart.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `X` was a frame with string column names.

    See Also
    --------
    LinearForecaster : A linear function of the past.
    SeqForecaster : A recurrent network and a linear map together.

    Examples
    --------
    >>> from seqcast import NaiveForecaster
    >>> model = NaiveForecaster(horizon=4, season_length=3).fit([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> model.forecast()["y"].tolist()
    [3.0, 4.0, 5.0, 3.0]
    """

    def __init__(
        self,
        horizon: int | None = None,
        *,
        target: Hashable | Sequence[Hashable] | None = None,
        season_length: int | None = None,
        id_col: Hashable | None = None,
        time_col: Hashable | None = None,
    ) -> None:
        self.horizon = horizon
        self.target = target
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col

    def fit(self, X: Data, y: Data | None = None) -> Self:  # type: ignore[override]  # nothing is weighted
        """Keep the last season of each series.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n,) or (n, n_columns)
        y : Series, DataFrame or array-like, shape (n,) or (n, n_targets), optional
            As in `SeqForecaster.fit`.

        Returns
        -------
        self
            The forecaster.

        Raises
        ------
        ValueError, TypeError
            As `SeqForecaster.fit`.
        """
        return super().fit(X, y)

    def _column_spec(self) -> ColumnSpec:
        return ColumnSpec(self.target, self.id_col, self.time_col)

    def _length_rules(self, season_length: int) -> LengthRules:
        return LengthRules(type(self).__name__, self.horizon, season_length, season_length, learns=False)

    def _input_options(self, lengths: Lengths) -> InputOptions:
        return InputOptions(target_transform="none")

    def _fit_model(self, plan: FitPlan, keep: Callable[[ForecastModel], None]) -> None:
        keep(fit_naive(plan))
