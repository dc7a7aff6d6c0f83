"""PanelTimeSeriesSplit: against TimeSeriesSplit for one series, against its definition for panels."""

import doctest
import inspect

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict, cross_val_score

from seqcast.evaluation import splits
from seqcast.evaluation.splits import PanelTimeSeriesSplit

# Ten days of three series, of which "late" begins on the 7th day and "ended" ends on the 4th.
DAYS = pd.date_range("2024-01-01", periods=10)


def make_panel(order=None):
    parts = {"full": DAYS, "late": DAYS[6:], "ended": DAYS[:4]}
    frame = pd.concat([pd.DataFrame({"id": name, "day": days}) for name, days in parts.items()])
    frame = frame.reset_index(drop=True)
    frame["x"] = np.arange(len(frame)) * 1.0
    return frame if order is None else frame.iloc[order]


def list_folds(splitter, X):
    return [(train.tolist(), test.tolist()) for train, test in splitter.split(X)]


def list_days(frame, rows):
    return sorted({int(day.day) for day in frame["day"].iloc[rows]})


@st.composite
def draw_parameters(draw):
    """Draw a number of rows, parameters that both splitters have, and a horizon."""
    return (
        draw(st.integers(3, 40)),
        {
            "n_splits": draw(st.integers(2, 5)),
            "gap": draw(st.integers(0, 3)),
            "max_train_size": draw(st.none() | st.integers(1, 20)),
        },
        draw(st.integers(1, 6)),
    )


@given(cut=draw_parameters(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_one_series_is_split_as_by_time_series_split(cut, seed):
    n, common, horizon = cut
    ours, theirs = (
        PanelTimeSeriesSplit(horizon=horizon, **common),
        TimeSeriesSplit(test_size=horizon, **common),
    )
    X = np.zeros((n, 1))
    if n < common["n_splits"] * horizon + common["gap"] + 1:
        with pytest.raises(ValueError, match=r"Too many splits|Cannot have number of folds"):
            list(theirs.split(X))
        with pytest.raises(ValueError, match=rf"needs at least \d+ stamps .* Got {n} instead"):
            ours.split(X)
        return
    expected = [(train.tolist(), test.tolist()) for train, test in theirs.split(X)]
    assert list_folds(ours, X) == expected
    days = pd.date_range("2024", periods=n)
    assert list_folds(ours, pd.DataFrame({"a": 0.0}, index=days)) == expected
    # Shuffled rows are split at the same stamps. Positions are sorted.
    order = np.random.default_rng(seed).permutation(n)
    place = np.argsort(order)
    shuffled = [(sorted(place[train]), sorted(place[test])) for train, test in expected]
    assert list_folds(ours, pd.Series(0.0, index=days[order])) == shuffled


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-03-30", periods=6, tz="Europe/Berlin"),
        pd.period_range("2024-01", periods=6, freq="M"),
        pd.timedelta_range("1h", periods=6),
        pd.Index([5, 10, 15, 20, 25, 30]),
        pd.Index([0.5, 1.0, 2.5, 3.0, 7.0, 8.0]),
        pd.Index([1, 2, 3, 4, 5, 6], dtype="Int64"),
    ],
)
def test_kinds_of_stamps(index):
    expected = [([0, 1, 2, 3], [4]), ([0, 1, 2, 3, 4], [5])]
    splitter = PanelTimeSeriesSplit(n_splits=2)
    assert list_folds(splitter, pd.Series(0.0, index)) == expected
    splitter = PanelTimeSeriesSplit(n_splits=2, time_col="when")
    assert list_folds(splitter, pd.DataFrame({"when": index[::-1]})) == [
        ([2, 3, 4, 5], [1]),
        ([1, 2, 3, 4, 5], [0]),
    ]


def test_arrays_and_lists_are_split_by_row():
    expected = [([0, 1], [2]), ([0, 1, 2], [3])]
    splitter = PanelTimeSeriesSplit(n_splits=2)
    assert list_folds(splitter, [9.0, 1.0, 8.0, 2.0]) == list_folds(splitter, np.zeros((4, 3))) == expected


def test_step_size_is_the_distance_of_test_parts():
    X = np.zeros(10)
    overlapping = list_folds(PanelTimeSeriesSplit(n_splits=3, horizon=3, step_size=1), X)
    assert [test for _, test in overlapping] == [[5, 6, 7], [6, 7, 8], [7, 8, 9]]
    assert [len(train) for train, _ in overlapping] == [5, 6, 7]
    apart = list_folds(PanelTimeSeriesSplit(n_splits=2, horizon=2, step_size=5, gap=1), X)
    assert apart == [([0, 1], [3, 4]), ([0, 1, 2, 3, 4, 5, 6], [8, 9])]


def test_one_split_is_a_hold_out():
    assert list_folds(PanelTimeSeriesSplit(n_splits=1, horizon=2), np.zeros(5)) == [([0, 1, 2], [3, 4])]


def test_all_series_are_split_at_the_same_stamps():
    frame = make_panel()
    splitter = PanelTimeSeriesSplit(n_splits=2, horizon=3, gap=1, max_train_size=2, time_col="day")
    days = [(list_days(frame, train), list_days(frame, test)) for train, test in splitter.split(frame)]
    assert days == [([2, 3], [5, 6, 7]), ([5, 6], [8, 9, 10])]


def test_series_without_training_rows_are_not_tested():
    frame = make_panel()
    cut = {"n_splits": 2, "horizon": 2, "time_col": "day"}
    (_, first), (train, second) = PanelTimeSeriesSplit(id_col="id", **cut).split(frame)
    # The series "late" has training rows in the second fold only.
    assert frame["id"].iloc[first].tolist() == ["full", "full"]
    assert frame["id"].iloc[second].tolist() == ["full", "full", "late", "late"]
    assert set(frame["id"].iloc[train]) == {"full", "late", "ended"}
    (_, all_first), (_, all_second) = PanelTimeSeriesSplit(**cut).split(frame)
    assert frame["id"].iloc[all_first].tolist() == ["full", "full", "late", "late"]
    assert all_second.tolist() == second.tolist()


def test_training_rows_of_a_series_are_those_of_the_fold():
    frame = pd.DataFrame({"id": ["a", "b", "a", "a", "b"], "day": [1, 1, 2, 3, 3]})
    cut = {"n_splits": 1, "time_col": "day", "id_col": "id"}
    assert list_folds(PanelTimeSeriesSplit(**cut), frame) == [([0, 1, 2], [3, 4])]
    assert list_folds(PanelTimeSeriesSplit(max_train_size=1, **cut), frame) == [([2], [3])]


def test_fold_with_new_series_only_raises():
    frame = pd.DataFrame({"id": ["a", "a", "b"], "day": [1, 2, 3]})
    splitter = PanelTimeSeriesSplit(n_splits=1, time_col="day", id_col="id")
    with pytest.raises(
        ValueError, match=r"Got none in the one that starts at 3 instead. Pass fewer splits or"
    ):
        list(splitter.split(frame))
    assert list_folds(PanelTimeSeriesSplit(n_splits=1, time_col="day"), frame) == [([0, 1], [2])]


@given(
    seed=st.integers(0, 10_000),
    n_splits=st.integers(1, 4),
    horizon=st.integers(1, 3),
    step_size=st.none() | st.integers(1, 4),
    gap=st.integers(0, 2),
    max_train_size=st.none() | st.integers(1, 8),
)
@settings(max_examples=40)
def test_panels_are_split_by_stamps(seed, n_splits, horizon, step_size, gap, max_train_size):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"day": rng.choice(np.arange(0, 75, 3), 80), "id": rng.integers(0, 6, 80)})
    frame = frame.drop_duplicates().reset_index(drop=True)
    stamps = np.unique(frame["day"])
    parameters = {"horizon": horizon, "step_size": step_size, "gap": gap, "max_train_size": max_train_size}
    splitter = PanelTimeSeriesSplit(n_splits, time_col="day", **parameters)
    ends = [len(stamps) - fold * (step_size or horizon) for fold in reversed(range(n_splits))]
    for end, (train, test) in zip(ends, splitter.split(frame), strict=True):
        known = stamps[: end - horizon - gap][-(max_train_size or 0) :]
        assert train.tolist() == np.flatnonzero(frame["day"].isin(known)).tolist()
        assert test.tolist() == np.flatnonzero(frame["day"].isin(stamps[end - horizon : end])).tolist()


def test_rows_of_a_panel_may_be_in_any_order():
    order = np.random.default_rng(0).permutation(len(make_panel()))
    place = np.argsort(order)
    splitter = PanelTimeSeriesSplit(n_splits=3, horizon=2, gap=1, time_col="day", id_col="id")
    expected = [(sorted(place[train]), sorted(place[test])) for train, test in splitter.split(make_panel())]
    assert list_folds(splitter, make_panel(order)) == expected


def test_stamps_of_a_panel_may_be_in_the_index():
    splitter = PanelTimeSeriesSplit(n_splits=3, horizon=2, time_col="day", id_col="id")
    expected = list_folds(splitter, make_panel())
    splitter.time_col = None
    assert list_folds(splitter, make_panel().set_index("day")) == expected


def test_column_labels_may_be_of_any_kind():
    frame = make_panel().set_axis([0, ("a", 1), 2], axis=1)
    splitter = PanelTimeSeriesSplit(n_splits=2, time_col=("a", 1), id_col=0)
    assert list_folds(splitter, frame) == list_folds(
        PanelTimeSeriesSplit(2, time_col="day", id_col="id"), make_panel()
    )


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("n_splits", 0, r"an int in the range \[1, inf\)"),
        ("horizon", 1.5, r"an int in the range \[1, inf\)"),
        ("step_size", 0, r"None or an int in the range \[1, inf\)"),
        ("gap", -1, r"an int in the range \[0, inf\)"),
        ("max_train_size", 0, r"None or an int in the range \[1, inf\)"),
    ],
)
def test_parameters_are_checked_when_used(name, value, rule):
    splitter = PanelTimeSeriesSplit(**{name: value})
    message = rf"The '{name}' parameter of PanelTimeSeriesSplit must be {rule}. Got {value} instead"
    with pytest.raises(ValueError, match=message):
        splitter.split(np.zeros(9))
    with pytest.raises(ValueError, match=message):
        splitter.get_n_splits()


def test_too_few_stamps_raise():
    splitter = PanelTimeSeriesSplit(n_splits=3, horizon=4, step_size=2, gap=1)
    assert len(list_folds(splitter, np.zeros(10))) == 3
    message = r"at least 10 stamps for n_splits=3, horizon=4, step_size=2 and gap=1. Got 9 instead"
    with pytest.raises(ValueError, match=message):
        splitter.split(np.zeros(9))
    splitter.time_col = "day"
    two_of_each = pd.DataFrame({"day": [*DAYS[:9], *DAYS[:9]]})
    with pytest.raises(ValueError, match=message):
        splitter.split(two_of_each)


@pytest.mark.parametrize("parameter", ["time_col", "id_col"])
def test_columns_must_exist_once(parameter):
    splitter = PanelTimeSeriesSplit(**{"time_col": "day", parameter: "where"})
    message = (
        rf"'{parameter}' parameter of PanelTimeSeriesSplit must name one column of X. Got 'where' instead"
    )
    with pytest.raises(ValueError, match=rf"{message}, the name of 0 among the columns \['id', 'day', 'x'\]"):
        splitter.split(make_panel())
    twice = make_panel().assign(where=0)[["id", "day", "where", "where"]]
    with pytest.raises(ValueError, match=rf"{message}, the name of 2 among"):
        splitter.split(twice)


@pytest.mark.parametrize("X", [np.zeros((9, 2)), [1.0, 2.0], pd.Series([1.0, 2.0])])
@pytest.mark.parametrize("parameter", ["time_col", "id_col"])
def test_columns_need_a_data_frame(X, parameter):
    splitter = PanelTimeSeriesSplit(**{parameter: "day"})
    message = rf"must be a DataFrame for {parameter}='day'. Got {type(X).__name__} instead"
    with pytest.raises(TypeError, match=message):
        splitter.split(X)


def test_stamps_must_be_known():
    frame = make_panel()
    frame.loc[[2, 5], "day"] = pd.NaT
    with pytest.raises(
        ValueError, match=r"known stamp in every row. Got NaT in row 2 \(2 such rows\) instead"
    ):
        PanelTimeSeriesSplit(time_col="day").split(frame)
    holed = pd.Series(0.0, index=[1.0, np.nan, 2.0, np.nan])
    with pytest.raises(
        ValueError, match=r"known stamp in every row. Got nan in row 1 \(2 such rows\) instead"
    ):
        PanelTimeSeriesSplit(n_splits=1).split(holed)


def test_ids_must_be_known():
    frame = make_panel()
    frame.loc[3, "id"] = None
    with pytest.raises(
        ValueError, match=r"known id in every row. Got (None|nan) in row 3 \(1 such rows\) instead"
    ):
        PanelTimeSeriesSplit(time_col="day", id_col="id").split(frame)


def test_stamps_of_a_series_must_be_unique():
    frame = pd.concat([make_panel(), make_panel().iloc[[1, 11, 11]]])
    message = (
        r"one row for each series and stamp. Got 2 that have more, such as full at 2024-01-02 .*, late at"
    )
    with pytest.raises(ValueError, match=message):
        PanelTimeSeriesSplit(time_col="day", id_col="id").split(frame)
    assert len(list_folds(PanelTimeSeriesSplit(time_col="day"), frame)) == 5


def test_stamps_in_an_index_must_be_unique():
    frame = make_panel().set_index("day")
    message = (
        r"unique stamps in its index. Got 2024-01-07 .*, 2024-01-08 .* more than once instead. For a panel"
    )
    with pytest.raises(ValueError, match=message):
        PanelTimeSeriesSplit().split(frame)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(list("abcdef")),
        pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]]),
        pd.Index([True, False]),
    ],
)
def test_index_must_have_an_order_in_time(index):
    message = r"numbers as stamps. Got dtype \w+ instead. Name the column .* in time_col; reset_index\(\)"
    with pytest.raises(TypeError, match=message):
        PanelTimeSeriesSplit().split(pd.Series(0.0, index))


def test_column_must_have_an_order_in_time():
    with pytest.raises(TypeError, match=r"Got dtype (object|str) instead. Convert .* with pd.to_datetime"):
        PanelTimeSeriesSplit(time_col="day").split(make_panel().astype({"day": str}))


def test_groups_raise():
    with pytest.raises(
        ValueError, match=r"'groups' parameter .* must be None. Got ndarray instead. .* as id_col"
    ):
        PanelTimeSeriesSplit().split(np.zeros(9), groups=np.zeros(9))


def test_none_raises():
    with pytest.raises(TypeError, match="NoneType"):
        PanelTimeSeriesSplit().split(None)


def test_repr_and_clone():
    splitter = PanelTimeSeriesSplit(3, horizon=2, time_col="day")
    expected = (
        "PanelTimeSeriesSplit(gap=0, horizon=2, id_col=None, max_train_size=None, n_splits=3, "
        "step_size=None, time_col='day')"
    )
    assert " ".join(repr(splitter).split()) == expected
    assert repr(clone(splitter, safe=False)) == repr(splitter)


def test_init_stores_parameters():
    given_ = dict.fromkeys(inspect.signature(PanelTimeSeriesSplit).parameters, object())
    assert vars(PanelTimeSeriesSplit(**given_)) == given_


def make_regression_panel():
    """Make shuffled rows of 4 series over 30 days."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.repeat(np.arange(4), 30), "day": np.tile(np.arange(30), 4)})
    frame["x"] = rng.normal(size=120)
    frame = frame.sample(frac=1, random_state=0)
    return frame, 2.0 * frame["x"] + 0.1 * frame["day"] + rng.normal(size=120)


def test_cross_val_score_scores_each_fold():
    X, y = make_regression_panel()
    splitter = PanelTimeSeriesSplit(n_splits=3, horizon=5, gap=2, time_col="day", id_col="id")
    scores = cross_val_score(Ridge(), X, y, cv=splitter)
    expected = []
    for last in (19, 24, 29):
        known, tested = X["day"] <= last - 7, X["day"].between(last - 4, last)
        expected.append(Ridge().fit(X[known], y[known]).score(X[tested], y[tested]))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_grid_search_uses_the_folds():
    X, y = make_regression_panel()
    splitter = PanelTimeSeriesSplit(n_splits=3, horizon=5, time_col="day", id_col="id")
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1000.0]}, cv=splitter).fit(X, y)
    assert search.n_splits_ == splitter.get_n_splits(X, y) == 3
    assert search.best_params_ == {"alpha": 0.1}
    scores = cross_val_score(Ridge(0.1), X, y, cv=splitter)
    assert search.best_score_ == pytest.approx(scores.mean(), rel=1e-12)


def test_cross_val_predict_raises():
    X, y = make_regression_panel()
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(Ridge(), X, y, cv=PanelTimeSeriesSplit(time_col="day"))


def test_docstring_examples_are_correct():
    result = doctest.testmod(splits)
    assert (result.failed, result.attempted) == (0, 3)
