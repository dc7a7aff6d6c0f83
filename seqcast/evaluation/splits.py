"""Cross-validation in the order of time, for scikit-learn: no fold trains on rows after its test rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import _num_samples

__all__ = ["PanelTimeSeriesSplit"]

OWNER = "PanelTimeSeriesSplit"
# Kinds of dtype that stamps may have: numbers, timedeltas, timestamps.
STAMP_KINDS = "iufmM"
N_EXAMPLES = 3


class PanelTimeSeriesSplit(BaseCrossValidator):
    """Cross-validation in the order of time, for one series or a panel in a long frame.

    The rows are split at time stamps, which are the same for all series. The test part of the last fold is
    the last `horizon` stamps. That of each earlier fold lies `step_size` stamps before the next. Each fold
    trains on the stamps before its test part, so that no series gives information on the time at which
    another one is forecast.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds. 1 is a hold-out.
    horizon : int, default=1
        Number of stamps in each test part.
    step_size : int, default=None
        Number of stamps from one test part to the next. None means `horizon`, so that no row is tested twice.
    gap : int, default=0
        Number of stamps left out between the training and the test part.
    max_train_size : int, default=None
        Maximum number of stamps (not rows) to train on, the latest ones. None means all.
    time_col : label, default=None
        Column of a DataFrame that holds the stamps: timestamps, periods, timedeltas or numbers. None means
        its index or, for arrays, the number of the row.
    id_col : label, default=None
        Column of a DataFrame that holds the series id of each row. If it is given, two rows of one series
        with the same stamp and missing ids are errors, and a series without a training row in a fold is left
        out of its test part. If it is None, all rows are tested.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : The same folds for the sorted rows of one series.
    seqcast.backtest : Forecasts from several past cutoffs.

    Notes
    -----
    A stamp counts once, regardless of the number of series that have a row there. Series may begin and end at
    any time. Rows may be in any order. The splits are positions in that order.

    Examples
    --------
    >>> panel = pd.DataFrame({"id": ["a"] * 4 + ["b"] * 3, "day": [1, 2, 3, 4, 2, 3, 4]})
    >>> splitter = PanelTimeSeriesSplit(n_splits=2, time_col="day", id_col="id")
    >>> for train, test in splitter.split(panel):
    ...     print(train, test)
    [0 1 4] [2 5]
    [0 1 2 4 5] [3 6]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_splits": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Integral, 1, None, closed="left")],
        "step_size": [None, Interval(Integral, 1, None, closed="left")],
        "gap": [Interval(Integral, 0, None, closed="left")],
        "max_train_size": [None, Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        horizon: int = 1,
        step_size: int | None = None,
        gap: int = 0,
        max_train_size: int | None = None,
        time_col: Hashable = None,
        id_col: Hashable = None,
    ) -> None:
        self.n_splits = n_splits
        self.horizon = horizon
        self.step_size = step_size
        self.gap = gap
        self.max_train_size = max_train_size
        self.time_col = time_col
        self.id_col = id_col

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored, exist for compatibility with scikit-learn.

        Returns
        -------
        int
        """
        self._check_parameters()
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the positions of the training and the test rows of each fold, the earliest fold first.

        Parameters
        ----------
        X : DataFrame, Series or array-like of n rows
            The rows to split. It must be a DataFrame if `time_col` or `id_col` is given.
        y : object
            Ignored, exists for compatibility with scikit-learn.
        groups : None
            Exists for compatibility with scikit-learn. Use `id_col` instead.

        Returns
        -------
        iterator of pairs of ndarray
            Increasing positions. No part is empty.

        Raises
        ------
        TypeError
            If `X` must be a DataFrame and is not, or its stamps have no order in time.
        ValueError
            If a parameter is out of its range, `X` has too few stamps, lacks a column, a stamp or an id, has
            a stamp twice in one series, a fold tests new series only, or `groups` are given.
        """
        self._check_parameters()
        if groups is not None:
            raise ValueError(
                f"The 'groups' parameter of {OWNER} must be None. Got {type(groups).__name__} instead. "
                f"Pass the name of the column of series ids as id_col."
            )
        stamps, labels = self._number_stamps(X)
        ids = None if self.id_col is None else self._number_series(X, stamps, labels)
        return (self._split_at(first, stamps, labels, ids) for first in self._find_test_starts(len(labels)))

    def _check_parameters(self) -> None:
        parameters = {name: getattr(self, name) for name in self._parameter_constraints}
        validate_parameter_constraints(self._parameter_constraints, parameters, OWNER)

    def _number_stamps(self, X: Any) -> tuple[np.ndarray, pd.Index]:
        """Return the number of each row's stamp in the order of time, shape (n,), and the distinct stamps."""
        index = self._get_times(X)
        if index.dtype.kind not in STAMP_KINDS and not isinstance(index, pd.PeriodIndex):
            rule = "have timestamps, periods, timedeltas or numbers as stamps"
            way_out = "Convert the column with pd.to_datetime."
            if self.time_col is None:
                way_out = "Name the column of stamps in time_col; reset_index() turns an index into a column."
            raise TypeError(_describe_error(rule, f"dtype {index.dtype}", way_out))
        stamps, labels = _number_labels(index, "stamp", sort=True)
        if self.time_col is None and self.id_col is None and len(labels) < len(stamps):
            got = f"{_list_examples(index[index.duplicated()].unique())} more than once"
            way_out = "For a panel, name the columns of stamps and series in time_col and id_col."
            raise ValueError(_describe_error("have unique stamps in its index", got, way_out))
        return stamps, labels

    def _number_series(self, X: Any, stamps: np.ndarray, labels: pd.Index) -> np.ndarray:
        """Return the number of each row's series, shape (n,), after checking that it has each stamp once."""
        ids, names = _number_labels(pd.Index(self._get_column(X, "id_col")), "id", sort=False)
        pairs = pd.Index(ids * len(labels) + stamps)
        twice = pairs[pairs.duplicated()].unique()
        if len(twice):
            series, stamp = divmod(twice[:N_EXAMPLES].to_numpy(), len(labels))
            examples = [
                f"{name} at {label}" for name, label in zip(names[series], labels[stamp], strict=True)
            ]
            got = f"{len(twice)} that have more, such as {_list_examples(examples)},"
            way_out = "Aggregate such rows, or drop all but one."
            raise ValueError(_describe_error("have one row for each series and stamp", got, way_out))
        return ids

    def _get_times(self, X: Any) -> pd.Index:
        if self.time_col is not None:
            return pd.Index(self._get_column(X, "time_col"))
        return X.index if isinstance(X, pd.DataFrame | pd.Series) else pd.RangeIndex(_num_samples(X))

    def _get_column(self, X: Any, parameter: str) -> pd.Series:
        label = getattr(self, parameter)
        if not isinstance(X, pd.DataFrame):
            way_out = f"Pass one with that column, or no {parameter}."
            raise TypeError(
                _describe_error(f"be a DataFrame for {parameter}={label!r}", type(X).__name__, way_out)
            )
        columns = list(X.columns)
        if columns.count(label) != 1:
            raise ValueError(
                f"The {parameter!r} parameter of {OWNER} must name one column of X. Got {label!r} instead, "
                f"the name of {columns.count(label)} among the columns {columns}."
            )
        return X[label]

    def _find_test_starts(self, n_stamps: int) -> range:
        """Return the number of the first test stamp of each fold."""
        step_size = self.horizon if self.step_size is None else self.step_size
        tested = self.horizon + (self.n_splits - 1) * step_size
        needed = tested + self.gap + 1
        if n_stamps < needed:
            raise ValueError(
                f"{OWNER} needs at least {needed} stamps for n_splits={self.n_splits}, "
                f"horizon={self.horizon}, step_size={step_size} and gap={self.gap}. Got {n_stamps} instead. "
                f"Pass more rows, fewer splits or a shorter horizon."
            )
        return range(n_stamps - tested, n_stamps - self.horizon + 1, step_size)

    def _split_at(
        self, first_test: int, stamps: np.ndarray, labels: pd.Index, ids: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the training and test rows of the fold with this first test stamp."""
        end = first_test - self.gap
        begin = 0 if self.max_train_size is None else end - self.max_train_size
        train = np.flatnonzero((stamps >= begin) & (stamps < end))
        test = np.flatnonzero((stamps >= first_test) & (stamps < first_test + self.horizon))
        if ids is not None:
            test = test[np.isin(ids[test], ids[train])]
        if not test.size:
            rule = "have a series with training rows in the test part of each fold"
            got = f"none in the one that starts at {labels[first_test]}"
            way_out = "Pass fewer splits or, to test new series too, no id_col."
            raise ValueError(_describe_error(rule, got, way_out))
        return train, test


def _number_labels(index: pd.Index, what: str, sort: bool) -> tuple[np.ndarray, pd.Index]:
    """Return each label's number among the distinct labels of an index, shape (n,), and these."""
    numbers, labels = index.factorize(sort=sort)
    missing = np.flatnonzero(numbers < 0)
    if missing.size:
        got = f"{index[missing[0]]} in row {missing[0]} ({missing.size} such rows)"
        raise ValueError(_describe_error(f"have a known {what} in every row", got, "Drop these rows."))
    return numbers, pd.Index(labels)


def _describe_error(rule: str, got: str, way_out: str) -> str:
    return f"The 'X' parameter of {OWNER} must {rule}. Got {got} instead. {way_out}"


def _list_examples(things: Iterable[object]) -> str:
    return ", ".join(str(thing) for thing in islice(things, N_EXAMPLES))
