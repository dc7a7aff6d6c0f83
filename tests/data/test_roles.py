"""The role of each column: what the parameters of a forecaster name, and where columns stand."""

import re

import numpy as np
import pandas as pd
import pytest

from seqcast.data.categories import Categories
from seqcast.data.roles import ColumnLayout, ColumnSpec, Roles, to_label_list

NO_CATEGORIES = Categories({})
FRAME = pd.DataFrame(
    {"id": ["a"], "load": [1.0], "sky": pd.Categorical(["dry"]), "kind": ["x"], "note": ["n"]}
)


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (None, []),
        ("load", ["load"]),
        (0, [0]),
        (["a", "b"], ["a", "b"]),
        (("a", 1), ["a", 1]),
        (np.array(["a", "b"], object), ["a", "b"]),
        (pd.Index(["a"]), ["a"]),
    ],
)
def test_labels_become_a_list(labels, expected):
    assert to_label_list(labels) == expected


def test_ids_or_stamps_make_a_frame_long():
    assert not ColumnSpec().is_long
    assert ColumnSpec(time_col="time").keys == ["time"]
    assert ColumnSpec(id_col="id", time_col="time").keys == ["id", "time"]
    assert ColumnSpec(id_col="id").is_long


def test_named_and_categorical_columns_may_hold_categories():
    spec = ColumnSpec(id_col="id", static_cols="kind")
    assert spec.find_category_columns(FRAME) == ["sky", "kind"]


def test_targets_are_all_columns_unless_some_are_named():
    frame = pd.DataFrame({"load": [1.0], "price": [2.0], "heat": [3.0]})
    assert ColumnSpec().choose_targets(frame, False, NO_CATEGORIES, "Test") is None
    assert ColumnSpec("price").choose_targets(frame, False, NO_CATEGORIES, "Test") == "price"
    spec = ColumnSpec(future_cols="heat")
    assert spec.choose_targets(frame, False, NO_CATEGORIES, "Test") == ["load", "price"]
    assert spec.choose_targets(frame, True, NO_CATEGORIES, "Test") is None
    assert ColumnSpec(future_cols="x1").choose_targets(np.ones((3, 2)), False, NO_CATEGORIES, "Test") == [
        "x0"
    ]


def test_a_target_must_not_be_known_ahead():
    message = (
        "The 'target' parameter of Test must name no column of categories, future_cols or static_cols. Got "
        "['heat'] in both."
    )
    with pytest.raises(ValueError, match=says(message)):
        ColumnSpec("heat", future_cols=["heat"]).choose_targets(FRAME, False, NO_CATEGORIES, "Test")


def test_columns_without_another_role_are_past_covariates():
    spec = ColumnSpec(future_cols=["heat"], static_cols="area")
    roles = spec.assign_roles(["load"], ["wind", "heat", "area"], NO_CATEGORIES, "Test")
    assert roles == Roles(["load"], ["wind"], ["heat"], ["area"])
    assert roles.all == ["load", "wind", "heat", "area"]
    assert roles.layout == ColumnLayout(1, past=1, future=1, static=1)


def test_columns_of_a_category_have_the_role_of_its_column():
    categories = Categories({"sky": pd.Index(["dry", "wet"])})
    roles = ColumnSpec(future_cols="sky").assign_roles(["load"], ["sky=dry", "sky=wet"], categories, "Test")
    assert roles.future == ["sky=dry", "sky=wet"]


@pytest.mark.parametrize("named", ["rain", ["heat", "heat"], "load"])
def test_covariates_are_named_once_and_are_no_targets(named):
    message = "The 'future_cols' parameter of Test must name columns of X that are no targets, each once: "
    with pytest.raises(ValueError, match=re.escape(message)):
        ColumnSpec(future_cols=named).assign_roles(["load"], ["heat"], NO_CATEGORIES, "Test")


def test_a_column_has_one_role():
    message = "The 'static_cols' parameter of Test must name no column of future_cols. Got ['heat'] in both."
    with pytest.raises(ValueError, match=says(message)):
        ColumnSpec(future_cols="heat", static_cols="heat").assign_roles(
            ["load"], ["heat"], NO_CATEGORIES, "Test"
        )


def test_columns_stand_side_by_side():
    layout = ColumnLayout(2, past=1, future=2, static=1, lags=3)
    assert layout.past_slice == slice(8, 9)
    assert layout.future_slice == slice(9, 11)
    assert layout.static_slice == slice(11, 12)


def test_a_target_is_read_with_its_lags_and_all_covariates():
    layout = ColumnLayout(2, past=1, static=1, lags=2)
    assert layout.target_columns(0) == [0, 2, 3, 6, 7]
    assert layout.target_columns(1) == [1, 4, 5, 6, 7]
