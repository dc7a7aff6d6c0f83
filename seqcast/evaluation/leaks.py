"""A test that users can put among their own: no forecast may depend on what comes after it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..exceptions import LeakError

TRAINING_SHARE = 0.7


def check_no_leak(
    estimator: Any,
    X: pd.DataFrame | pd.Series | np.ndarray,
    y: pd.Series | np.ndarray | None = None,
    *,
    n_cuts: int = 5,
    future_cols: Iterable[Hashable] = (),
) -> None:
    """Fail if forecasts read rows that they can not know.

    A copy of the estimator is fitted on the first 70 % of the rows and predicts the others. Then all numbers
    in the rows from some time on are disturbed: the forecasts up to that time must not move by one bit.

    Parameters
    ----------
    estimator : estimator with ``fit`` and a row-aligned ``predict``
        A forecaster, or a pipeline; it is cloned, not changed.
    X : DataFrame, Series or ndarray, shape (n,) or (n, n_columns)
        Rows in the order of time.
    y : Series or ndarray, optional
        Passed to ``fit``, if given. Never to ``predict``, so it is not disturbed.
    n_cuts : int, default=5
        How many times to disturb from, at equal distances; the first is that of the first forecast.
    future_cols : iterable of labels, default=()
        Columns that are known beforehand, such as holidays: they stay as they are.

    Raises
    ------
    LeakError
        An ``AssertionError`` that names the forecast that moved and the rows that moved it.
    ValueError
        If there are fewer than ten rows, or `n_cuts` is not a positive integer.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from seqcast import SeqForecaster, check_no_leak
    >>> hours = pd.date_range("2024", periods=200, freq="h")
    >>> load = pd.DataFrame({"load": np.sin(np.arange(200) / 4)}, hours)
    >>> check_no_leak(SeqForecaster(horizon=6, window=12, max_iter=1, n_iter_no_change=1), load)
    """
    rows = _as_floats(X)
    n_train = int(TRAINING_SHARE * len(rows))
    _check(n_cuts, len(rows))
    train, later = rows[:n_train], rows[n_train:]
    fitted = clone(estimator)
    fitted.fit(train) if y is None else fitted.fit(train, y[:n_train])
    expected = _predict(fitted, later)
    for cut in np.unique(np.linspace(0, len(later) - 1, n_cuts).astype(int)):
        found = _predict(fitted, _disturbed(later, cut, set(future_cols)))
        _compare(found[: cut + 1], expected[: cut + 1], later, cut)


def _check(n_cuts: int, n_rows: int) -> None:
    if not isinstance(n_cuts, Integral) or isinstance(n_cuts, bool) or n_cuts < 1:
        raise ValueError(
            f"The 'n_cuts' parameter of check_no_leak must be an int of at least 1. Got {n_cuts!r} instead."
        )
    if n_rows < 10:
        raise ValueError(
            f"The 'X' parameter of check_no_leak must have at least 10 rows. Got {n_rows} instead. Pass as "
            f"many as the estimator needs to be fitted and to forecast several blocks."
        )


def _as_floats(X: Any) -> pd.DataFrame | pd.Series | np.ndarray:
    """A copy whose numbers can be disturbed; other columns, such as ids, stay."""
    if isinstance(X, pd.DataFrame):
        numeric = X.select_dtypes("number").columns
        return X.astype(dict.fromkeys(numeric, np.float64))
    return X.astype(np.float64) if isinstance(X, pd.Series) else np.array(X, np.float64)


def _disturbed(rows: Any, cut: int, known: set[Hashable]) -> Any:
    """Rows from `cut` on with other numbers, far from their own."""
    rows, rng = rows.copy(), np.random.default_rng(cut)
    if isinstance(rows, pd.DataFrame):
        columns = [name for name in rows.select_dtypes("number").columns if name not in known]
        for name in columns:
            rows[name] = _spoilt(rows[name].to_numpy(), cut, rng)
        return rows
    if isinstance(rows, pd.Series):
        return pd.Series(_spoilt(rows.to_numpy(), cut, rng), rows.index, name=rows.name)
    return _spoilt(rows, cut, rng)


def _spoilt(values: np.ndarray, cut: int, rng: np.random.Generator) -> np.ndarray:
    values = values.copy()
    later = values[cut:]
    size = np.nanmax(np.abs(later)) if np.isfinite(later).any() else 1.0
    later[:] = np.where(np.isnan(later), 0, later) + (1 + size) * rng.uniform(1, 3, later.shape)
    return values


def _predict(fitted: Any, rows: Any) -> np.ndarray:
    predictions = np.asarray(fitted.predict(rows), np.float64)
    return predictions.reshape(len(predictions), -1)


def _compare(found: np.ndarray, expected: np.ndarray, rows: Any, cut: int) -> None:
    moved = ((found != expected) & ~(np.isnan(found) & np.isnan(expected))).any(axis=1)
    if not moved.any():
        return
    labels = getattr(rows, "index", np.arange(len(rows)))
    row = int(np.argmax(moved))
    raise LeakError(
        f"The forecast of row {labels[row]} moved from {expected[row].tolist()} to {found[row].tolist()} "
        f"when the rows from {labels[cut]} on were disturbed: it reads what it can not know. Look for a step "
        f"that looks ahead, such as a centred rolling mean, interpolation, or a column that holds the target "
        f"of its own row; name columns that are known beforehand with future_cols."
    )
