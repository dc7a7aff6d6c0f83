"""Text and categories as columns of zeros and ones."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data.categories import Categories, check_static

NAN = np.nan


def learn(frame, columns=None):
    return Categories.fit(frame, frame.columns if columns is None else columns, "Test.fit")


def apply(categories, frame):
    return categories.transform(frame, "Test.predict")


FRAME = pd.DataFrame(
    {
        "load": [1, 2, 3, 4],
        "sky": ["wet", "dry", None, "wet"],
        "on": [True, False, True, False],
        "size": pd.Categorical(["S", "L", "S", "M"], categories=["S", "M", "L", "XL"], ordered=True),
    },
    index=pd.date_range("2024-01-01", periods=4, freq="h"),
)


def test_each_category_becomes_a_column():
    expected = pd.DataFrame(
        {
            "load": [1, 2, 3, 4],
            "sky=dry": [0, 1, NAN, 0],
            "sky=wet": [1, 0, NAN, 1],
            "on": [True, False, True, False],
            "size=S": [1.0, 0.0, 1.0, 0.0],
            "size=M": [0.0, 0.0, 0.0, 1.0],
            "size=L": [0.0, 1.0, 0.0, 0.0],
        },
        index=FRAME.index,
    )
    pd.testing.assert_frame_equal(apply(learn(FRAME), FRAME), expected)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series(["b", "a", "B"]), ["B", "a", "b"]),
        (pd.Series(["b", None, "a"], dtype="string"), ["a", "b"]),
        (pd.Series(pd.Categorical(["b", "a", "b"], categories=["b", "a", "z"])), ["a", "b"]),
        (pd.Series(pd.Categorical([10, 9, None])), [9, 10]),
        (pd.Series(pd.Categorical([1, "x"])), [1, "x"]),
        (pd.Series(pd.Categorical(["b", "a"], categories=["z", "b", "a"], ordered=True)), ["b", "a"]),
    ],
    ids=["text", "missing", "categories", "numbers", "mixed", "ordered"],
)
def test_categories_are_sorted_unless_they_have_an_order(column, expected):
    categories = learn(column.to_frame("c"))
    assert list(categories.by_column["c"]) == expected
    assert list(apply(categories, column.to_frame("c")).columns) == [f"c={entry}" for entry in expected]


NO_CATEGORIES = {
    "floats": [1.0, 2.0],
    "integers": [1, 2],
    "booleans": [True, False],
    "nullable": pd.array([True, None], dtype="boolean"),
    "objects": pd.Series([True, None], dtype=object),
    "dates": [pd.Timestamp("2024"), pd.NaT],
}


@pytest.mark.parametrize("column", NO_CATEGORIES.values(), ids=NO_CATEGORIES)
def test_other_columns_stay_as_they_are(column):
    frame = pd.DataFrame({"c": column})
    assert learn(frame).by_column == {}
    assert apply(learn(frame), frame) is frame


def test_columns_that_were_not_named_are_not_looked_at():
    categories = learn(FRAME, ["load", "size"])
    assert list(categories.by_column) == ["size"]
    assert list(apply(categories, FRAME).columns) == ["load", "sky", "on", "size=S", "size=M", "size=L"]


def test_names_of_columns_follow():
    categories = learn(FRAME)
    assert categories.column_names(["size", "load", "sky"]) == [
        "size=S",
        "size=M",
        "size=L",
        "load",
        "sky=dry",
        "sky=wet",
    ]
    assert categories.column_names([]) == []


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_later_rows_may_have_another_dtype(dtype):
    later = pd.DataFrame({"sky": pd.Series(["dry", None, "wet"]).astype(dtype), "load": [1, 2, 3]})
    found = apply(learn(FRAME, ["sky"]), later.set_axis([7, 8, 8]))
    expected = pd.DataFrame({"sky=dry": [1, NAN, 0], "sky=wet": [0, NAN, 1], "load": [1, 2, 3]}, [7, 8, 8])
    pd.testing.assert_frame_equal(found, expected)


def test_a_later_column_may_be_missing_all_through():
    found = apply(learn(FRAME, ["sky"]), pd.DataFrame({"sky": [None, None]}))
    assert found.isna().all(axis=None)
    assert found.shape == (2, 2)


def test_numbers_as_categories_are_compared_by_value():
    categories = learn(pd.DataFrame({"store": pd.Categorical([10, 2])}))
    assert apply(categories, pd.DataFrame({"store": [10, 2]})).to_numpy().tolist() == [[0, 1], [1, 0]]


def test_arrays_are_returned_as_they_are():
    array = np.ones((3, 2))
    assert apply(learn(FRAME, ["sky"]), array) is array


def test_errors_of_new_categories_name_their_row():
    categories = learn(FRAME)
    rows = FRAME.assign(sky=["dry", "snow", None, "hail"])
    message = (
        r"^The 'X' parameter of Test\.predict must have in column 'sky' only categories that fit has seen, "
        r"'dry', 'wet'\. Got 'snow' at 2024-01-01 01:00:00, in row 1, instead\. Fit with rows"
    )
    with pytest.raises(ValueError, match=message):
        apply(categories, rows)
    with pytest.raises(ValueError, match=r"Got 'hail' in row 2, instead"):
        apply(categories, rows.iloc[[0, 2, 3]].reset_index(drop=True))


def test_a_declared_category_that_was_never_seen_is_new():
    later = FRAME.assign(size=FRAME["size"].where(FRAME["load"] < 4, "XL"))
    with pytest.raises(ValueError, match=r"seen, 'S', 'M', 'L'\. Got 'XL' at"):
        apply(learn(FRAME), later)


def test_a_missing_column_raises():
    message = r"Test\.predict must have the columns 'sky', 'size'\. Got the columns 'load' instead"
    with pytest.raises(ValueError, match=message):
        apply(learn(FRAME), FRAME[["load"]])
    with pytest.raises(ValueError, match=r"Test\.fit must have the column 'sky'"):
        learn(FRAME[["load"]], ["sky"])


def test_a_column_that_is_there_twice_is_refused():
    twice = pd.concat([FRAME, FRAME[["sky"]]], axis=1)
    for read in (learn, lambda frame: apply(learn(FRAME), frame)):
        with pytest.raises(ValueError, match=r"unique column names\. Got 'sky' more than once"):
            read(twice)


def test_more_than_a_hundred_categories_are_refused():
    labels = [f"s{number}" for number in range(101)]
    message = (
        r"at most 100 categories in a column.*Got 101 in column 'sku' instead\. If it tells series.*id_col"
    )
    with pytest.raises(ValueError, match=message):
        learn(pd.DataFrame({"sku": labels}))
    assert len(learn(pd.DataFrame({"sku": labels[1:]})).by_column["sku"]) == 100


@pytest.mark.parametrize("dtype", ["string", "category"])
def test_a_column_without_a_value_is_refused(dtype):
    with pytest.raises(ValueError, match=r"observed value in every column\. Got nothing.*column 'sky'"):
        learn(pd.DataFrame({"sky": pd.Series([None, None], dtype=dtype)}))


@settings(max_examples=50)
@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ö", "=", ""])), min_size=1, max_size=20))
def test_columns_of_zeros_and_ones_identify_the_text(entries):
    frame = pd.DataFrame({"c": pd.Series(entries, dtype=object)})
    if all(entry is None for entry in entries):
        return
    categories = learn(frame)
    found = apply(categories, frame).to_numpy()
    assert list(categories.by_column["c"]) == sorted({entry for entry in entries if entry is not None})
    for entry, row in zip(entries, found, strict=True):
        if entry is None:
            assert np.isnan(row).all()
        else:
            assert row.tolist() == [float(label == entry) for label in categories.by_column["c"]]


# -- columns that do not change with time

STORES = pd.DataFrame(
    {
        "id": ["b", "a", "b", "a"],
        "city": ["Bonn", "Kiel", "Bonn", "Kiel"],
        "size": [1.0, NAN, 1.0, NAN],
        "price": [1, 5, 2, 5],
    }
)


def static(frame, columns, id_col="id"):
    check_static(frame, id_col, columns, "Test.fit")


def test_columns_with_one_value_in_each_series_are_static():
    static(STORES, ["city", "size"])
    static(STORES[["city"]][::2], ["city"], id_col=None)
    static(STORES, [])


@pytest.mark.parametrize(
    ("frame", "columns", "id_col", "message"),
    [
        (
            STORES,
            ["city", "price"],
            "id",
            r"one value of column 'price', which.*Got 1, 2 in series 'b' instead",
        ),
        (STORES, ["city"], None, r"Got 'Bonn', 'Kiel' in the series instead"),
        (STORES.assign(size=[1, 2, 1, NAN]), ["size"], "id", r"Got 2\.0, nan in series 'a'"),
        (STORES, ["town"], "id", r"have the column 'town', which static_cols names"),
    ],
    ids=["changes", "without ids", "missing", "no such column"],
)
def test_columns_that_change_within_a_series_are_refused(frame, columns, id_col, message):
    with pytest.raises(ValueError, match=message):
        static(frame, columns, id_col)
