"""Past windows as features: any regressor becomes a forecaster."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from pandas.api.types import is_string_dtype
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from ..data.calendar import infer_calendar
from ..data.conversion import convert_input
from ..data.tables import Table, read_table
from ..data.time_steps import insert_missing_steps


class WindowTransformer(TransformerMixin, BaseEstimator):
    """Turn one or several series into rows of past windows.

    Row t of the output holds the `window` steps of every column that were known `lead` steps before t: the
    steps from ``t - lead - window + 1`` to ``t - lead``. So any regressor behind it in a pipeline forecasts a
    row from rows before it, and from nothing else.

    Parameters
    ----------
    window : int, default=12
        Past steps that a row is made from.
    lead : int, default=1
        How many steps before the row its newest step lies. 1: all that was known just before the row; 24, for
        hourly rows: what was known a day before.

    Attributes
    ----------
    n_features_in_, feature_names_in_ : int, ndarray of str
        As everywhere in scikit-learn.

    See Also
    --------
    SeqForecaster : Windows and network in one, with forecasts of several steps.
    SeqRegressor : Reads these rows as sequences, with ``n_channels`` the number of columns.

    Notes
    -----
    **Steps.** The index seen in fit tells the steps; what it leaves out of a regular pattern is a step of
    which nothing is known. Where it is irregular or one of trading days, rows are counted, and rows left out
    after the training rows are not noticed.

    **Across the border.** fit remembers the last training rows, as many as a window reaches back. Rows that
    come after them have their first windows from there, so forecasts of a test fold of ``TimeSeriesSplit``
    begin with its first row. Other rows, such as the training rows themselves, see the rows of their own `X`
    and those remembered rows that are older than all of them.

    **Arrays** have no index: their rows are counted from 0, in fit as in transform, so they never follow the
    training rows. The same holds for a frame whose index is text. Use ``set_output(transform="pandas")`` on
    the steps of a pipeline before this one, so that the index of a frame reaches it.

    **Missing values.** What is not known is NaN: before the first row, in gaps, and where `X` is NaN.
    SeqRegressor and scikit-learn's HistGradientBoostingRegressor take NaN; before others put a SimpleImputer,
    or drop the first rows of output and target.

    **Memory.** The output is dense: ``8 * n * window * n_columns`` bytes.

    Examples
    --------
    >>> import pandas as pd
    >>> from seqcast import WindowTransformer
    >>> load = pd.Series([10.0, 20.0, 30.0, 40.0], name="load")
    >>> WindowTransformer(window=2).set_output(transform="pandas").fit_transform(load)
       load_lag2  load_lag1
    0        NaN        NaN
    1        NaN       10.0
    2       10.0       20.0
    3       20.0       30.0

    The row after the last is made from all that is known; itself it may be unknown:

    >>> windows = WindowTransformer(window=2).fit(load)
    >>> windows.transform(pd.Series([float("nan")], index=[4], name="load"))
    array([[30., 40.]])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "window": [Interval(Integral, 1, None, closed="left")],
        "lead": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, window: int = 12, *, lead: int = 1) -> None:
        self.window = window
        self.lead = lead

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the steps of the index, and remember the last rows.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n, n_columns)
            One row a step of time, in order. NaN where nothing was observed.
        y : ignored
            For scikit-learn's tools.

        Returns
        -------
        WindowTransformer
            Itself.

        Raises
        ------
        ValueError
            If a parameter or a value is out of its range, or rows are out of order.
        TypeError
            If a column holds no numbers.
        """
        self._validate_params()
        table = self._read(X, "fit")
        self._calendar = infer_calendar(table.index)
        positions = self._calendar.positions(table.index)
        reached = positions > positions[-1] - self._furthest_lag  # from the step after the last one
        self._last_positions, self._last_values = positions[reached], table.values[reached]
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Give each row the window of steps before it.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n, n_columns)
            The columns of fit, rows in order, on the steps of fit.

        Returns
        -------
        ndarray, shape (n, window * n_columns), float64
            Step after step, the oldest first, the columns of a step side by side; a frame after `set_output`.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If a stamp is not on the steps of fit, rows are out of order, a value is infinite, or the columns
            are others or in another order.
        TypeError
            If the index is of another kind than in fit, or a column holds no numbers.
        """
        check_is_fitted(self)
        table = self._read(X, "transform")
        positions = self._calendar.positions(table.index)
        older = self._last_positions < positions[0]
        known = np.concatenate([self._last_values[older], table.values])
        known_positions = np.concatenate([self._last_positions[older], positions])
        return _windows(known, known_positions, positions - self.lead, self.window)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the output columns: ``load_lag2``, ``load_lag1`` for a column ``load`` and two steps.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of `X`, where fit saw none; otherwise they must be those of fit. Without
            names, ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str, shape (window * n_columns,)
            Lags are counted in steps before the row.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the names are not those of fit, or not as many.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        lags = range(self._furthest_lag, self.lead - 1, -1)
        return np.array([f"{name}_lag{lag}" for lag in lags for name in names], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _furthest_lag(self) -> int:
        return self.lead + self.window - 1

    def _read(self, X: ArrayLike, method: str) -> Table:
        owner, data = f"{type(self).__name__}.{method}", convert_input(_framed(X))
        table = read_table(data, owner=owner, require_observed=False)
        if table.kind == "array" and np.asarray(data).ndim == 1:
            # A Series is one column; an array could be one row as well. scikit-learn's checks look for the
            # first three words of the way out.
            raise ValueError(
                f"The 'X' parameter of {owner} must be a Series, a DataFrame or an array-like of shape (n, "
                f"n_columns). Got shape ({len(table.values)},) instead. Reshape your data with "
                f"X.reshape(-1, 1) if it is one column."
            )
        validate_data(self, data, reset=method == "fit", skip_check_array=True)
        return table


def _framed(X: ArrayLike) -> ArrayLike:
    """Return a Series as a frame; number the rows of a frame whose index is text, which tells no time."""
    data = X.to_frame() if isinstance(X, pd.Series) else X
    if isinstance(data, pd.DataFrame) and is_string_dtype(data.index):
        return data.reset_index(drop=True)
    return data


def _windows(values: np.ndarray, positions: np.ndarray, newest: np.ndarray, window: int) -> np.ndarray:
    """Return the `window` steps that end with each of the steps `newest`, shape (len(newest), window * c).

    values: (n, c); positions: (n,), the steps of their rows, of which the last is later than any of `newest`.
    """
    n_columns = values.shape[1]
    # Gaps longer than a window are closed up to just that, so that the grid is no larger than the output.
    steps = np.cumsum(np.minimum(np.diff(positions, prepend=positions[0]), window + 1))
    grid = insert_missing_steps(values, steps + window)  # its first `window` steps are unknown
    rows = np.maximum(np.searchsorted(positions, newest, side="right") - 1, 0)
    starts = steps[rows] + np.minimum(newest - positions[rows], window) + 1
    # A window is one stretch of the flat grid, so that taking the rows is the only copy.
    flat_windows = sliding_window_view(grid.ravel(), window * n_columns)
    return flat_windows[np.maximum(starts, 0) * n_columns]
