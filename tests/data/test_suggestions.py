"""Suggestions of existing names."""

import pytest

from seqcast.data.suggestions import suggest


@pytest.mark.parametrize(
    ("unknown", "known", "found"),
    [
        ("tmp", ["temp", "humid"], " Did you mean 'temp'?"),
        ("Load", ["load", "price"], " Did you mean 'load'?"),
        ("2021", [2020, 2021], " Did you mean 2021?"),
        ("wind", ["load", "price"], ""),
        ("x", [], ""),
    ],
)
def test_the_closest_name_is_suggested(unknown, known, found):
    assert suggest(unknown, known) == found
