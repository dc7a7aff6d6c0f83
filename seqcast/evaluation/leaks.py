"""A check that no forecast depends on later rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..exceptions import LeakError
from .counts import check_count

TRAINING_FRACTION = 0.7
MIN_ROWS = 10
# Relative tolerance if two calls of predict with the same rows differ, as sums over threads may.
RTOL = 1e-9


def check_no_leak(
    estimator: Any,
    X: pd.DataFrame | pd.Series | np.ndarray,
    y: pd.Series | np.ndarray | None = None,
    *,
    n_cuts: int = 50,
    future_cols: Iterable[Hashable] = (),
) -> None:
    """Raise LeakError if a forecast depends on rows that are not known when it is made.

    A clone of the estimator is fitted on the first 70 % of the rows and predicts the others. Then all rows
    from some position on are perturbed, for several positions. The forecasts up to that position must be the
    same, bit by bit. If two calls of ``predict`` with the same rows differ, as sums over threads may, a
    relative difference of 1e-9 is allowed.

    Parameters
    ----------
    estimator : estimator with ``fit`` and a row-aligned ``predict``
        A forecaster or a pipeline. It is cloned and not changed.
    X : DataFrame, Series or ndarray, shape (n,) or (n, n_columns)
        Rows in the order of time.
    y : Series or ndarray, optional
        Passed to ``fit``. It is neither passed to ``predict`` nor perturbed.
    n_cuts : int, default=50
        Number of positions from which rows are perturbed, at equal distances, beginning with the first row
        that is predicted. For a forecaster, up to as many positions at which a horizon begins are added.
    future_cols : iterable of labels, default=()
        Columns that are not perturbed: those that are known ahead, such as holidays, and those that hold no
        data, such as ids. Column numbers for arrays.

    Raises
    ------
    LeakError
        If a forecast changes. The message names the forecast and the perturbed rows. It is an
        ``AssertionError`` too.
    ValueError
        If there are fewer than ten rows, `n_cuts` is not a positive int, or `future_cols` names a column that
        `X` does not have.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from seqcast import SeqForecaster, check_no_leak
    >>> hours = pd.date_range("2024", periods=200, freq="h")
    >>> load = pd.DataFrame({"load": np.sin(np.arange(200) / 4)}, hours)
    >>> check_no_leak(SeqForecaster(horizon=6, window=12, max_iter=1, n_iter_no_change=1), load)
    """
    rows = _to_frame(X)
    n_train = int(TRAINING_FRACTION * len(rows))
    future_slice = set(future_cols)
    n_cuts = check_count(n_cuts, "n_cuts", "check_no_leak")
    _check_rows(rows, future_slice)
    train, later = rows.iloc[:n_train], rows.iloc[n_train:]
    to_given_type = _make_converter(X)
    fitted = clone(estimator)
    fitted.fit(to_given_type(train)) if y is None else fitted.fit(to_given_type(train), _head(y, n_train))
    expected, again = (_predict(fitted, to_given_type(later)) for _ in range(2))
    rtol = 0.0 if np.array_equal(expected, again, equal_nan=True) else RTOL
    for cut in _choose_cuts(len(later), n_cuts, getattr(_get_last_step(fitted), "horizon_", None)):
        found = _predict(fitted, to_given_type(_perturb_rows(later, cut, future_slice)))
        _compare(found[: cut + 1], expected[: cut + 1], later.index, cut, rtol)


def _get_last_step(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _choose_cuts(n: int, n_cuts: int, horizon: int | None) -> np.ndarray:
    """Return the positions from which rows are perturbed.

    The first row of each horizon is among them, because a transformer that reads one row ahead changes no
    other forecast.
    """
    cuts = np.linspace(0, n - 1, n_cuts).astype(int)
    return np.unique(cuts if horizon is None else np.append(cuts, np.arange(0, n, horizon)[:n_cuts]))


def _check_rows(rows: pd.DataFrame, future_slice: set[Hashable]) -> None:
    if len(rows) < MIN_ROWS:
        raise ValueError(
            f"The 'X' parameter of check_no_leak must have at least {MIN_ROWS} rows. Got {len(rows)} "
            f"instead. Pass enough rows to fit the estimator and to forecast several horizons."
        )
    unknown = sorted(map(repr, future_slice - set(rows.columns)))
    if unknown:
        raise ValueError(
            f"The 'future_cols' parameter of check_no_leak must name columns of X: {list(rows.columns)}. Got "
            f"{', '.join(unknown)} as well."
        )


def _to_frame(X: Any) -> pd.DataFrame:
    """Return a frame whose columns of integers are floats, so that they can be perturbed."""
    frame = X.to_frame("") if isinstance(X, pd.Series) else pd.DataFrame(X)
    integers = [name for name in frame.columns if is_integer_dtype(frame[name].dtype)]
    return frame.astype(dict.fromkeys(integers, np.float64))


def _make_converter(X: Any) -> Callable[[pd.DataFrame], Any]:
    """Return a function from a frame to the type of `X`."""
    if isinstance(X, pd.DataFrame):
        return lambda frame: frame
    if isinstance(X, pd.Series):
        return lambda frame: pd.Series(frame.iloc[:, 0].array, frame.index, name=X.name)
    ndim = np.ndim(X)
    return lambda frame: frame.to_numpy()[:, 0] if ndim == 1 else frame.to_numpy()


def _head(y: Any, n: int) -> Any:
    return y.iloc[:n] if isinstance(y, pd.Series | pd.DataFrame) else y[:n]


def _perturb_rows(rows: pd.DataFrame, cut: int, future_slice: set[Hashable]) -> pd.DataFrame:
    """Return rows with other values from position `cut` on, both larger and smaller ones."""
    rng = np.random.default_rng(cut)
    columns = {
        name: column if name in future_slice else _perturb_column(column, cut, rng)
        for name, column in rows.items()
    }
    return pd.DataFrame(columns, rows.index)


def _perturb_column(column: pd.Series, cut: int, rng: np.random.Generator) -> pd.Series:
    column = column.copy()
    later = column.iloc[cut:]
    if not is_float_dtype(column.dtype):
        # Booleans, categories and text are replaced by random values of the column.
        values = column.drop_duplicates()
        column.iloc[cut:] = values.sample(len(later), replace=True, random_state=cut).array
        return column
    size = np.nan_to_num(later.abs().max())
    shifts = (1 + size) * rng.uniform(1, 3, len(later)) * rng.choice([-1, 1], len(later))
    column.iloc[cut:] = (later.fillna(0) + shifts).astype(column.dtype)
    return column


def _predict(fitted: Any, rows: Any) -> np.ndarray:
    predictions = np.asarray(fitted.predict(rows), np.float64)
    return predictions.reshape(len(predictions), -1)


def _compare(found: np.ndarray, expected: np.ndarray, labels: pd.Index, cut: int, rtol: float) -> None:
    """Raise LeakError if a forecast is not the expected one."""
    changed = ~np.isclose(found, expected, rtol=rtol, atol=0, equal_nan=True).all(axis=1)
    if not changed.any():
        return
    row = int(np.argmax(changed))
    raise LeakError(
        f"The forecast of row {labels[row]} must not depend on later rows. It changed from "
        f"{expected[row].tolist()} to {found[row].tolist()} when the rows from {labels[cut]} on were "
        f"perturbed. Look for a step that reads ahead, such as a centred rolling mean, interpolation, or a "
        f"column that holds the target of its own row. Name columns that are known ahead in future_cols."
    )
