"""The rows of a backtest, numbered by their time stamps, which are the same for all series."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ...data.conversion import convert_input
from ...data.long import check_long_frame
from ...data.tables import Argument, check_known_stamps, check_stamp_kind, read_table
from ...estimators.base_forecaster import BaseForecaster
from .comparison import OWN_COLUMNS, ForecastComparison

BACKTEST = Argument("X", "backtest")


@dataclass(frozen=True)
class BacktestData:
    """The rows that `backtest` is given, of one or several series.

    Attributes
    ----------
    X : DataFrame of n rows
        In the order of time. A frame with a column of ids or stamps keeps its own order.
    y : Series, DataFrame, ndarray or None
        Targets of these rows.
    key_columns : tuple of (label or None)
        Names of the columns of ids and of stamps.
    stamp_numbers : ndarray of int, shape (n,)
        Position of each row's stamp among `stamps`.
    stamps : pandas.Index
        Distinct time stamps in their order. A cutoff is given by the number of stamps that it knows.
    after_training : bool
        Whether the training rows of a fitted forecaster were dropped. The first stamp is then that of the
        last training row, so that each cutoff knows one stamp at least.
    """

    X: pd.DataFrame
    y: Any
    key_columns: tuple[Hashable | None, Hashable | None]
    stamp_numbers: np.ndarray
    stamps: pd.Index
    after_training: bool = False

    @classmethod
    def from_arguments(
        cls, X: Any, y: Any, id_col: Hashable | None, time_col: Hashable | None
    ) -> BacktestData:
        """Read the arguments `X` and `y` of `backtest`, and check what the backtest itself uses of them."""
        _check_id_name(id_col)
        X = _to_frame(X)
        y = convert_input(y)
        key_columns = (id_col, time_col)
        is_long = key_columns != (None, None)
        if is_long:
            X = check_long_frame(X, *key_columns, BACKTEST)
        _check_length(y, len(X))
        times = _get_times(X, time_col)
        check_stamp_kind(times, BACKTEST, time_col)
        check_known_stamps(times, BACKTEST)
        data = cls(X, y, key_columns, *_number_stamps(times))
        return data if is_long else data._sort()

    @property
    def unit(self) -> str:
        """The word for what a cutoff counts: rows of one series, stamps of several."""
        return "rows" if self.key_columns[0] is None else "stamps"

    @property
    def times(self) -> pd.Index:
        """The time stamp of each row."""
        return _get_times(self.X, self.key_columns[1])

    def training_arguments(self, n_known: int) -> tuple[Any, ...]:
        """Return the arguments of ``fit``: the rows of the first `n_known` stamps."""
        known = self._take(np.flatnonzero(self.stamp_numbers < n_known))
        return (known.X,) if known.y is None else (known.X, known.y)

    def drop_training_rows(self, forecaster: BaseForecaster) -> BacktestData:
        """Return the rows that come after those that a fitted forecaster knows of their series."""
        timed = self._with_stamps_after(forecaster)
        schema = forecaster.fitted_.schema
        states = forecaster.fitted_.series
        rows = schema.read(timed.X, "predict")
        schema.check_known(rows.ids, states, "predict")
        last_stamps: list[Any] = [states[series_id].last for series_id in rows.ids]
        later = [
            positions[table.index > last]
            for positions, table, last in zip(rows.row_numbers, rows.tables, last_stamps, strict=True)
        ]
        return timed._take(np.sort(np.concatenate(later)))._start_after(max(last_stamps))

    def label_comparison(self, comparison: ForecastComparison) -> pd.DataFrame:
        """Return the result of `backtest`: a comparison with stamps and ids in place of numbers."""
        id_col = self.key_columns[0]
        ids = {} if id_col is None else {id_col: pd.Index(self.X[id_col])}
        return comparison.to_frame(self.stamps, self.times, ids)

    def _start_after(self, end: Any) -> BacktestData:
        """Let the stamps begin with `end`, the last stamp of training.

        Series whose training rows end earlier may have rows up to `end`. All cutoffs know these.
        """
        numbers, stamps = _number_stamps(self.times)
        n_known = int((stamps <= end).sum())
        stamps = pd.Index([end]).astype(stamps.dtype).append(stamps[n_known:])
        return replace(self, stamp_numbers=numbers - n_known + 1, stamps=stamps, after_training=True)

    def _take(self, positions: np.ndarray) -> BacktestData:
        """Return the rows at these positions."""
        y = self.y
        if y is not None:
            y = y.iloc[positions] if hasattr(y, "iloc") else np.asarray(y)[positions]
        return replace(self, X=self.X.iloc[positions], y=y, stamp_numbers=self.stamp_numbers[positions])

    def _sort(self) -> BacktestData:
        """Return the rows in the order of time."""
        if (np.diff(self.stamp_numbers) >= 0).all():
            return self
        return self._take(np.argsort(self.stamp_numbers, kind="stable"))

    def _with_stamps_after(self, forecaster: BaseForecaster) -> BacktestData:
        """Give rows without stamps those that follow the training rows."""
        schema = forecaster.fitted_.schema
        if not schema.lacks_time_index(schema.read(self.X, "predict")):
            return self
        index = forecaster.fitted_.series[None].future(len(self.X))
        y = self.y.set_axis(index) if hasattr(self.y, "set_axis") else self.y
        return replace(self, X=self.X.set_axis(index), y=y)


def _to_frame(data: Any) -> pd.DataFrame:
    """Return a frame as it is, with its columns of text, and a series or an array as a frame of numbers."""
    data = convert_input(data)
    if isinstance(data, pd.DataFrame):
        return data
    table = read_table(data, owner="backtest", parameter="X", unsorted="keep", require_observed=False)
    return pd.DataFrame(table.values, table.index, list(table.columns))


def _check_id_name(id_col: Hashable | None) -> None:
    if id_col in OWN_COLUMNS:
        raise ValueError(
            f"The 'id_col' parameter of the forecaster must not be one of {', '.join(OWN_COLUMNS)}, the "
            f"columns of the result of backtest. Got {id_col!r} instead. Rename that column."
        )


def _check_length(y: Any, n: int) -> None:
    if y is not None and len(y) != n:
        raise ValueError(
            f"The 'y' parameter of backtest must have a row for each of the {n} rows of X. Got {len(y)} "
            f"instead."
        )


def _get_times(X: pd.DataFrame, time_col: Hashable | None) -> pd.Index:
    return X.index if time_col is None else pd.Index(X[time_col])


def _number_stamps(times: pd.Index) -> tuple[np.ndarray, pd.Index]:
    """Return the position of each row's stamp among the distinct stamps, and these in their order."""
    numbers, stamps = times.factorize(sort=True)
    return numbers, pd.Index(stamps)
