"""What is given, cut at moments of time: the same ones for all series."""

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

BACKTEST = Argument("df", "backtest")


@dataclass(frozen=True)
class Rows:
    """Rows of one or several series.

    Attributes
    ----------
    X : DataFrame of n rows
        In the order of time; if they have columns of ids or stamps, as they came.
    y : Series, DataFrame, ndarray or None
        Targets that are no columns of `X`, or equal them.
    keys : tuple of (label or None)
        Names of the columns of ids and stamps.
    numbers : ndarray of int, shape (n,)
        Of each row's stamp.
    stamps : pandas.Index
        In the order of time. A cutoff is told by how many of them it knows, one at least.
    after_fit : bool
        Whether rows that a forecaster was fitted on have been left out. Then the first stamp is that of the
        last one of them.
    """

    X: pd.DataFrame
    y: Any
    keys: tuple[Hashable | None, Hashable | None]
    numbers: np.ndarray
    stamps: pd.Index
    after_fit: bool = False

    @classmethod
    def of(cls, df: Any, y: Any, id_col: Hashable | None, time_col: Hashable | None) -> Rows:
        """From the arguments of `backtest`, checked as far as they are used here."""
        _check_name(id_col)
        X, y, keys = _frame(df), convert_input(y), (id_col, time_col)
        if keys != (None, None):
            X = check_long_frame(X, *keys, BACKTEST)
        _check_length(y, len(X))
        index = _times(X, time_col)
        check_stamp_kind(index, BACKTEST, time_col)
        check_known_stamps(index, BACKTEST)
        rows = cls(X, y, keys, *_numbered(index))
        return rows if any(key is not None for key in keys) else rows._in_order()

    @property
    def noun(self) -> str:
        """What a cutoff counts."""
        return "rows" if self.keys[0] is None else "stamps"

    def before(self, end: int) -> tuple[Any, ...]:
        """What ``fit`` takes, of the rows that a cutoff knows."""
        known = self._at(np.flatnonzero(self.numbers < end))
        return (known.X,) if known.y is None else (known.X, known.y)

    def after(self, forecaster: BaseForecaster) -> Rows:
        """Only rows that come after those of their series that the forecaster knows."""
        rows, schema = self._timed(forecaster), forecaster.fitted_.schema
        given = schema.read(rows.X, "predict")
        schema.check_known(given.ids, forecaster.fitted_.series, "predict")
        lasts: list[Any] = [forecaster.fitted_.series[id_].last for id_ in given.ids]
        later = [
            places[table.index > last]
            for places, table, last in zip(given.row_numbers, given.tables, lasts, strict=True)
        ]
        rows, end = rows._at(np.sort(np.concatenate(later))), max(lasts)
        numbers, stamps = _numbered(rows.times)
        n = int((stamps <= end).sum())  # of rows that all cutoffs know, of series that ended earlier
        stamps = pd.Index([end]).astype(stamps.dtype).append(stamps[n:])
        return replace(rows, numbers=numbers - n + 1, stamps=stamps, after_fit=True)

    @property
    def times(self) -> pd.Index:
        """The stamp of each row."""
        return _times(self.X, self.keys[1])

    def labelled(self, compared: ForecastComparison) -> pd.DataFrame:
        """With labels for the numbers."""
        id_col = self.keys[0]
        ids = {} if id_col is None else {id_col: pd.Index(self.X[id_col])}
        return compared.frame(self.stamps, self.times, ids)

    def _at(self, places: np.ndarray) -> Rows:
        y = self.y
        if y is not None:
            y = y.iloc[places] if hasattr(y, "iloc") else np.asarray(y)[places]
        return replace(self, X=self.X.iloc[places], y=y, numbers=self.numbers[places])

    def _in_order(self) -> Rows:
        if (np.diff(self.numbers) >= 0).all():
            return self
        return self._at(np.argsort(self.numbers, kind="stable"))

    def _timed(self, forecaster: BaseForecaster) -> Rows:
        """Rows without stamps follow those that the forecaster knows."""
        if not forecaster.fitted_.schema.lacks_time_index(forecaster.fitted_.schema.read(self.X, "predict")):
            return self
        index = forecaster.fitted_.series[None].future(len(self.X))
        y = self.y.set_axis(index) if hasattr(self.y, "set_axis") else self.y
        return replace(self, X=self.X.set_axis(index), y=y)


def _frame(data: Any) -> pd.DataFrame:
    """Frames as they are, with text if there is any; series and arrays as frames of their columns."""
    data = convert_input(data)
    if isinstance(data, pd.DataFrame):
        return data
    table = read_table(data, owner="backtest", parameter="df", unsorted="keep", require_observed=False)
    return pd.DataFrame(table.values, table.index, list(table.columns))


def _check_name(id_col: Hashable | None) -> None:
    if id_col in OWN_COLUMNS:
        raise ValueError(
            f"The 'id_col' parameter of the forecaster must not be one of {', '.join(OWN_COLUMNS)}, as the "
            f"columns of backtest are called. Got {id_col!r} instead. Rename that column."
        )


def _check_length(y: Any, n: int) -> None:
    if y is not None and len(y) != n:
        raise ValueError(
            f"The 'y' parameter of backtest must have a row for each of the {n} rows of df. Got {len(y)} "
            f"instead."
        )


def _times(X: pd.DataFrame, time_col: Hashable | None) -> pd.Index:
    return X.index if time_col is None else pd.Index(X[time_col])


def _numbered(index: pd.Index) -> tuple[np.ndarray, pd.Index]:
    numbers, stamps = index.factorize(sort=True)
    return numbers, pd.Index(stamps)
