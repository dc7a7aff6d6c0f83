"""Train and test rows in the order of time, for scikit-learn: no fold learns from what comes after it."""

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
STAMP_KINDS = "iufmM"  # of a dtype: numbers, timedeltas, timestamps
SHOWN = 3  # examples in a message


class PanelTimeSeriesSplit(BaseCrossValidator):
    """Cross-validation in the order of time, for one series or a panel of many, one below the other.

    The data are cut between stamps, at the same moments for all series: the test part of the last fold is the
    last `horizon` stamps, those of earlier folds lie `step_size` stamps before each other, and each fold
    trains on what came before its test part. A series never tells the model what another one has yet to
    forecast.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds; 1 is a plain hold-out.
    horizon : int, default=1
        Stamps in each test part.
    step_size : int, default=None
        Stamps from one test part to the next. None: `horizon`, so that no row is tested twice.
    gap : int, default=0
        Stamps left out between the training and the test part.
    max_train_size : int, default=None
        Most stamps (not rows) to train on, the latest ones. None: all.
    time_col : label, default=None
        Column of a DataFrame that holds the stamps: timestamps, periods, timedeltas or numbers. None: its
        index or, for arrays, the number of the row.
    id_col : label, default=None
        Column of a DataFrame that says which series a row belongs to. With it, two rows of one series at one
        stamp are an error, and so is a missing id. A series without a training row in a fold is then left out
        of its test part: it has no past to be forecast from. Without it, all rows are tested.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : the same folds for the sorted rows of one series.
    seqcast.backtest : forecasts of one table from many cutoffs.

    Notes
    -----
    A stamp counts once, however many series have a row there; and where a series has none, it counts
    nevertheless. Series may begin and end at any time. Rows may come in any order: positions do in the order
    of the rows.

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
        """Number of folds.

        Parameters
        ----------
        X, y, groups : object
            Not needed; they stand here for scikit-learn.

        Returns
        -------
        int
        """
        self._check_parameters()
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Positions of the training and the test rows of each fold, the earliest fold first.

        Parameters
        ----------
        X : DataFrame, Series or array-like of n rows
            A DataFrame, where `time_col` or `id_col` is set.
        y : object
            Not needed; it stands here for scikit-learn.
        groups : None
            Stands here for scikit-learn: `id_col` tells the series.

        Returns
        -------
        iterator of pairs of ndarray
            Increasing row numbers, none of the parts empty.

        Raises
        ------
        TypeError
            If `X` is no DataFrame, where it must be one, or its stamps have no order in time.
        ValueError
            If a parameter is out of its range, `X` has too few stamps, lacks a column or a stamp or an id,
            has a stamp twice in one series, a fold tests nothing but new series, or `groups` are given.
        """
        self._check_parameters()
        if groups is not None:
            raise ValueError(
                f"The 'groups' parameter of {OWNER} must be None. Got {type(groups).__name__} instead. "
                f"Name the column of X that tells the series with id_col."
            )
        stamps, labels = self._stamps(X)
        ids = None if self.id_col is None else self._ids(X, stamps, labels)
        return (self._fold(first, stamps, labels, ids) for first in self._first_tests(len(labels)))

    def _check_parameters(self) -> None:
        parameters = {name: getattr(self, name) for name in self._parameter_constraints}
        validate_parameter_constraints(self._parameter_constraints, parameters, OWNER)

    # ---- rows come in ----

    def _stamps(self, X: Any) -> tuple[np.ndarray, pd.Index]:
        """Number of each row's stamp (n,) in the order of time, and the stamps themselves."""
        index = self._index(X)
        if index.dtype.kind not in STAMP_KINDS and not isinstance(index, pd.PeriodIndex):
            rule = "have timestamps, periods, timedeltas or numbers for stamps"
            way_out = "Convert the column with pd.to_datetime."
            if self.time_col is None:
                way_out = "Name the column of the stamps with time_col; reset_index() makes one of an index."
            raise TypeError(_refusal(rule, f"dtype {index.dtype}", way_out))
        stamps, labels = _numbered(index, "stamp", sort=True)
        if self.time_col is None and self.id_col is None and len(labels) < len(stamps):
            got = f"{_some(index[index.duplicated()].unique())} more than once"
            way_out = "For a panel, name the columns of stamps and series with time_col and id_col."
            raise ValueError(_refusal("have unique stamps in its index", got, way_out))
        return stamps, labels

    def _ids(self, X: Any, stamps: np.ndarray, labels: pd.Index) -> np.ndarray:
        """Number of each row's series (n,), which has each stamp once."""
        ids, names = _numbered(pd.Index(self._column(X, "id_col")), "id", sort=False)
        pairs = pd.Index(ids * len(labels) + stamps)
        twice = pairs[pairs.duplicated()].unique()
        if len(twice):
            series, stamp = divmod(twice[:SHOWN].to_numpy(), len(labels))
            examples = [
                f"{name} at {label}" for name, label in zip(names[series], labels[stamp], strict=True)
            ]
            got = f"{len(twice)} that have more, such as {_some(examples)},"
            way_out = "Aggregate such rows, or drop all but one."
            raise ValueError(_refusal("have one row for each series and stamp", got, way_out))
        return ids

    def _index(self, X: Any) -> pd.Index:
        if self.time_col is not None:
            return pd.Index(self._column(X, "time_col"))
        return X.index if isinstance(X, pd.DataFrame | pd.Series) else pd.RangeIndex(_num_samples(X))

    def _column(self, X: Any, parameter: str) -> pd.Series:
        label = getattr(self, parameter)
        if not isinstance(X, pd.DataFrame):
            way_out = f"Pass one with that column, or no {parameter}."
            raise TypeError(_refusal(f"be a DataFrame for {parameter}={label!r}", type(X).__name__, way_out))
        columns = list(X.columns)
        if columns.count(label) != 1:
            raise ValueError(
                f"The {parameter!r} parameter of {OWNER} must name one column of X. Got {label!r} instead, "
                f"the name of {columns.count(label)} among the columns {columns}."
            )
        return X[label]

    # ---- folds go out ----

    def _first_tests(self, n_stamps: int) -> range:
        """Number of the first tested stamp of each fold."""
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

    def _fold(
        self, first_test: int, stamps: np.ndarray, labels: pd.Index, ids: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        end = first_test - self.gap
        begin = 0 if self.max_train_size is None else end - self.max_train_size
        train = np.flatnonzero((stamps >= begin) & (stamps < end))
        test = np.flatnonzero((stamps >= first_test) & (stamps < first_test + self.horizon))
        if ids is not None:
            test = test[np.isin(ids[test], ids[train])]
        if not test.size:
            rule = "have a series with training rows in the test part of each fold"
            got = f"none in the one that starts at {labels[first_test]}"
            raise ValueError(_refusal(rule, got, "Pass fewer splits or, to test new series too, no id_col."))
        return train, test


def _numbered(index: pd.Index, what: str, sort: bool) -> tuple[np.ndarray, pd.Index]:
    """Each row's number (n,) among the distinct labels of an index, and these."""
    numbers, labels = index.factorize(sort=sort)
    missing = np.flatnonzero(numbers < 0)
    if missing.size:
        got = f"{index[missing[0]]} in row {missing[0]} ({missing.size} such rows)"
        raise ValueError(_refusal(f"have a known {what} in every row", got, "Drop these rows."))
    return numbers, pd.Index(labels)


def _refusal(rule: str, got: str, way_out: str) -> str:
    return f"The 'X' parameter of {OWNER} must {rule}. Got {got} instead. {way_out}"


def _some(things: Iterable[object]) -> str:
    return ", ".join(str(thing) for thing in islice(things, SHOWN))
