"""Numbers and times as text."""

import numpy as np
import pandas as pd
import pytest

from seqcast.cli.text_format import count_decimals, describe_rows, describe_skill, format_labels


@pytest.mark.parametrize(
    ("skill", "words"),
    [
        (0.256, "0.26: an RMSE 26% below that of the seasonal naive forecast"),
        (-0.5, "-0.50: an RMSE 50% above that of the seasonal naive forecast"),
        (-np.inf, "none: the seasonal naive forecast makes no error"),
    ],
)
def test_skill_is_described_in_words(skill, words):
    assert describe_skill(skill) == words


@pytest.mark.parametrize(
    ("size", "digits"), [(0.0, 2), (9.4, 2), (999.0, 2), (12345.6, 0), (0.0512, 4), (1000.0, 0), (np.inf, 2)]
)
def test_decimals_give_three_digits(size, digits):
    assert count_decimals(size) == digits


def test_times_are_shortened_if_all_can_be():
    days = pd.date_range("2024-01-01", periods=3)
    assert format_labels(days) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert format_labels(days[:1] + pd.Timedelta("90min")) == ["2024-01-01 01:30"]
    assert format_labels(days[:1] + pd.Timedelta("1s")) == ["2024-01-01 00:00:01"]
    assert format_labels([0, 59]) == ["0", "59"]


def test_rows_are_described_by_number_and_range():
    index = pd.date_range("2024-01-01", periods=1000, freq="h")
    assert (
        describe_rows(pd.DataFrame({"a": 0.0}, index)) == "1,000 rows, 2024-01-01 00:00 to 2024-02-11 15:00"
    )
