"""The naive forecaster: repeat the last season."""

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
    """Repeat the last season: what every other forecast has to beat.

    Parameters
    ----------
    horizon : int, default=None
        Steps that are forecast at once. None: one season of the index, 12 where it tells none, fewer for
        short data.
    target : str or list of str, default=None
        Columns to forecast; the others must hold numbers, too, but are not used. None: every column.
    season_length : int, default=None
        Steps of one season; 1 repeats the last observed value. None: what the index tells (hourly 24, daily
        7, monthly 12, ...), 1 where it tells none.
    id_col : label, default=None
        Column of a long frame that tells its series apart: each is forecast by itself. None: `X` is a wide
        frame, or one series.
    time_col : label, default=None
        Column of the stamps. None: the index tells the time.

    Attributes
    ----------
    fitted_ : FittedForecaster
        Frozen record of everything that fit leaves. The other attributes are derived from it.
    horizon_, season_length_ : int
        What was chosen where the parameter is None.
    window_ : int
        Steps that a forecast repeats: one season.
    target_names_, covariate_names_ : list
        Columns that are forecast, and columns that are not.
    naive_mae_, naive_rmse_ : ndarray, shape (n_targets,) or (n_series, n_targets)
        Errors of the seasonal naive forecast, one season ahead, within the training rows.
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.

    See Also
    --------
    LinearForecaster : The best linear function of the past.
    SeqForecaster : With a recurrent network.

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
