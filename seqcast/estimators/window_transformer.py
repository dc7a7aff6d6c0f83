"""Past windows as features, so that any regressor can forecast."""

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
    """Transform one or several series into past windows.

    Row t of the output holds `window` steps of every column, from ``t - lead - window + 1`` to ``t - lead``.
    A regressor after this step in a pipeline therefore forecasts each row from earlier rows only.

    Parameters
    ----------
    window : int, default=12
        Number of past steps in a row.
    lead : int, default=1
        Number of steps between a row and its newest past step. With 1, the window ends just before the row;
        with 24 and hourly rows, a day before.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `X` was a frame with string column names.

    See Also
    --------
    SeqForecaster : Windows and network in one estimator, with forecasts of several steps.
    SeqRegressor : Regression on these windows, with ``n_channels`` set to the number of columns.

    Notes
    -----
    **Steps.** The index seen in `fit` defines the steps. A step of a regular index without a row is a missing
    step. If the index is irregular or has trading days only, steps are counted by rows, and rows missing
    after the training rows are not noticed.

    **First windows.** `fit` stores the last training rows, as many as a window reaches back. The first
    windows of later rows are taken from them, so the windows of a test fold of ``TimeSeriesSplit`` are
    complete from its first row. Windows of other rows, such as the training rows themselves, are taken from
    their own `X` and from stored rows that are older than all of it.

    **Arrays** have no index. Their rows are numbered from 0 in both `fit` and `transform`, so they never
    follow the training rows. The same holds for a frame with a text index. If earlier steps of a pipeline
    return arrays, call their ``set_output(transform="pandas")`` to keep the index.

    **Missing values.** Unknown values are NaN: before the first row, in gaps, and where `X` is NaN.
    SeqRegressor and scikit-learn's HistGradientBoostingRegressor accept NaN. For other regressors, add a
    SimpleImputer, or drop the first rows of output and target.

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

    The window of the step after the last row needs no value at that step:

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
        """Learn the steps of the index, and store the last rows.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n, n_columns)
            One row for each step, in temporal order. NaN where nothing was observed.
        y : None
            Ignored. It exists for compatibility with scikit-learn.

        Returns
        -------
        WindowTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter or a value is invalid, or rows are not in temporal order.
        TypeError
            If a column is not numeric.
        """
        self._validate_params()
        table = self._read(X, "fit")
        self._calendar = infer_calendar(table.index)
        positions = self._calendar.positions(table.index)
        reached = positions > positions[-1] - self._furthest_lag  # counted from the step after the last one
        self._last_positions, self._last_values = positions[reached], table.values[reached]
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the window of past steps of each row.

        Parameters
        ----------
        X : Series, DataFrame or array-like, shape (n, n_columns)
            Rows in temporal order, with the columns and at the steps of `fit`.

        Returns
        -------
        ndarray, shape (n, window * n_columns), float64
            Past steps, the oldest first, each with its columns side by side. A frame after
            ``set_output(transform="pandas")``.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If a time stamp is not at a step of `fit`, rows are not in temporal order, a value is infinite, or
            the columns or their order differ from `fit`.
        TypeError
            If the index is of another kind than in `fit`, or a column holds no numbers.
        """
        check_is_fitted(self)
        table = self._read(X, "transform")
        positions = self._calendar.positions(table.index)
        older = self._last_positions < positions[0]
        known = np.concatenate([self._last_values[older], table.values])
        known_positions = np.concatenate([self._last_positions[older], positions])
        return _take_windows(known, known_positions, positions - self.lead, self.window)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the output columns, such as ``load_lag2`` and ``load_lag1``.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the columns of `X`, if `fit` saw none; otherwise they must equal those of `fit`. The
            default is ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str, shape (window * n_columns,)
            Column and lag, in steps before the row.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If the names or their number differ from `fit`.
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
        owner, data = f"{type(self).__name__}.{method}", convert_input(_to_frame(X))
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


def _to_frame(X: ArrayLike) -> ArrayLike:
    """Return a Series as a frame, and number the rows of a frame with a text index, which has no time."""
    data = X.to_frame() if isinstance(X, pd.Series) else X
    if isinstance(data, pd.DataFrame) and is_string_dtype(data.index):
        return data.reset_index(drop=True)
    return data


def _take_windows(values: np.ndarray, positions: np.ndarray, newest: np.ndarray, window: int) -> np.ndarray:
    """Return the windows that end at the steps `newest`, shape (len(newest), window * n_columns).

    values: shape (n, n_columns). positions: shape (n,), the step of each row; the last one is after all of
    `newest`.
    """
    n_columns = values.shape[1]
    # Gaps longer than a window are shortened to one window, so that the grid is no larger than the output.
    steps = np.cumsum(np.minimum(np.diff(positions, prepend=positions[0]), window + 1))
    grid = insert_missing_steps(values, steps + window)  # its first `window` steps are unknown
    rows = np.maximum(np.searchsorted(positions, newest, side="right") - 1, 0)
    starts = steps[rows] + np.minimum(newest - positions[rows], window) + 1
    # A window is a contiguous part of the flat grid, so indexing makes the only copy.
    flat_windows = sliding_window_view(grid.ravel(), window * n_columns)
    return flat_windows[np.maximum(starts, 0) * n_columns]
