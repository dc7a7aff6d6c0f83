"""A test that users can put among their own: no forecast may depend on what comes after it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..exceptions import LeakError

TRAINING_SHARE = 0.7


def check_no_leak(
    estimator: Any,
    X: pd.DataFrame | pd.Series | np.ndarray,
    y: pd.Series | np.ndarray | None = None,
    *,
    n_cuts: int = 50,
    future_cols: Iterable[Hashable] = (),
) -> None:
    """Fail if forecasts read rows that they can not know.

    A copy of the estimator is fitted on the first 70 % of the rows and predicts the others. Then the rows
    from some time on are disturbed: the forecasts up to that time must not move by one bit (or, if they do so
    by themselves, as sums over threads may, by a billionth).

    Parameters
    ----------
    estimator : estimator with ``fit`` and a row-aligned ``predict``
        A forecaster, or a pipeline; it is cloned, not changed.
    X : DataFrame, Series or ndarray, shape (n,) or (n, n_columns)
        Rows in the order of time.
    y : Series or ndarray, optional
        Passed to ``fit``, if given. Never to ``predict``, so it is not disturbed.
    n_cuts : int, default=50
        How many times to disturb from, at equal distances; the first is that of the first forecast. Beside
        them, up to as many of those at which a forecaster begins a block.
    future_cols : iterable of labels, default=()
        Columns that are known beforehand, such as holidays, or that are no data, such as ids: they stay as
        they are. Numbers of columns for arrays.

    Raises
    ------
    LeakError
        An ``AssertionError`` that names the forecast that moved and the rows that moved it.
    ValueError
        If there are fewer than ten rows, `n_cuts` is not a positive integer, or `X` has no such column as
        `future_cols` names.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from seqcast import SeqForecaster, check_no_leak
    >>> hours = pd.date_range("2024", periods=200, freq="h")
    >>> load = pd.DataFrame({"load": np.sin(np.arange(200) / 4)}, hours)
    >>> check_no_leak(SeqForecaster(horizon=6, window=12, max_iter=1, n_iter_no_change=1), load)
    """
    rows = _as_frame(X)
    n_train = int(TRAINING_SHARE * len(rows))
    known = set(future_cols)
    _check(n_cuts, len(rows), known, rows)
    train, later = rows.iloc[:n_train], rows.iloc[n_train:]
    as_given = _as_given(X)
    fitted = clone(estimator)
    fitted.fit(as_given(train)) if y is None else fitted.fit(as_given(train), _first(y, n_train))
    expected, again = (_predict(fitted, as_given(later)) for _ in range(2))
    rtol = 0.0 if np.array_equal(expected, again, equal_nan=True) else 1e-9
    for cut in _cuts(len(later), n_cuts, getattr(_last_step(fitted), "horizon_", None)):
        found = _predict(fitted, as_given(_disturbed(later, cut, known)))
        _compare(found[: cut + 1], expected[: cut + 1], later.index, cut, rtol)


def _last_step(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _cuts(n: int, n_cuts: int, horizon: int | None) -> np.ndarray:
    """Rows to disturb from: what a step sees ahead of its own row moves the first row of a block only."""
    cuts = np.linspace(0, n - 1, n_cuts).astype(int)
    return np.unique(cuts if horizon is None else np.append(cuts, np.arange(0, n, horizon)[:n_cuts]))


def _check(n_cuts: int, n_rows: int, known: set[Hashable], rows: pd.DataFrame) -> None:
    if not isinstance(n_cuts, Integral) or isinstance(n_cuts, bool) or n_cuts < 1:
        raise ValueError(
            f"The 'n_cuts' parameter of check_no_leak must be an int of at least 1. Got {n_cuts!r} instead."
        )
    if n_rows < 10:
        raise ValueError(
            f"The 'X' parameter of check_no_leak must have at least 10 rows. Got {n_rows} instead. Pass as "
            f"many as the estimator needs to be fitted and to forecast several blocks."
        )
    unknown = sorted(map(repr, known - set(rows.columns)))
    if unknown:
        raise ValueError(
            f"The 'future_cols' parameter of check_no_leak must name columns of X: {list(rows.columns)}. Got "
            f"{', '.join(unknown)} as well."
        )


def _as_frame(X: Any) -> pd.DataFrame:
    """A frame whose whole numbers can be disturbed too."""
    frame = X.to_frame("") if isinstance(X, pd.Series) else pd.DataFrame(X)
    whole = [name for name in frame.columns if is_integer_dtype(frame[name].dtype)]
    return frame.astype(dict.fromkeys(whole, np.float64))


def _as_given(X: Any) -> Callable[[pd.DataFrame], Any]:
    """From a frame to what `X` is."""
    if isinstance(X, pd.DataFrame):
        return lambda frame: frame
    if isinstance(X, pd.Series):
        return lambda frame: pd.Series(frame.iloc[:, 0].array, frame.index, name=X.name)
    ndim = np.ndim(X)
    return lambda frame: frame.to_numpy()[:, 0] if ndim == 1 else frame.to_numpy()


def _first(y: Any, n: int) -> Any:
    return y.iloc[:n] if isinstance(y, pd.Series | pd.DataFrame) else y[:n]


def _disturbed(rows: pd.DataFrame, cut: int, known: set[Hashable]) -> pd.DataFrame:
    """Rows from `cut` on with other values, on either side of their own."""
    rng = np.random.default_rng(cut)
    columns = {name: column if name in known else _spoilt(column, cut, rng) for name, column in rows.items()}
    return pd.DataFrame(columns, rows.index)


def _spoilt(column: pd.Series, cut: int, rng: np.random.Generator) -> pd.Series:
    column = column.copy()
    later, n = column.iloc[cut:], len(column) - cut
    if not is_float_dtype(column.dtype):  # truth values, categories, words: any of them
        column.iloc[cut:] = column.drop_duplicates().sample(n, replace=True, random_state=cut).array
        return column
    size = np.nan_to_num(later.abs().max())
    moved = later.fillna(0) + (1 + size) * rng.uniform(1, 3, n) * rng.choice([-1, 1], n)
    column.iloc[cut:] = moved.astype(column.dtype)
    return column


def _predict(fitted: Any, rows: Any) -> np.ndarray:
    predictions = np.asarray(fitted.predict(rows), np.float64)
    return predictions.reshape(len(predictions), -1)


def _compare(found: np.ndarray, expected: np.ndarray, labels: pd.Index, cut: int, rtol: float) -> None:
    moved = ~np.isclose(found, expected, rtol=rtol, atol=0, equal_nan=True).all(axis=1)
    if not moved.any():
        return
    row = int(np.argmax(moved))
    raise LeakError(
        f"The forecast of row {labels[row]} moved from {expected[row].tolist()} to {found[row].tolist()} "
        f"when the rows from {labels[cut]} on were disturbed: it reads what it can not know. Look for a step "
        f"that looks ahead, such as a centred rolling mean, interpolation, or a column that holds the target "
        f"of its own row; name columns that are known beforehand with future_cols."
    )
