"""Each feature that the feature comparison claims is verified by tests that exist."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "features.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]
LINK = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_supported_features_name_existing_tests(row):
    tests = LINK.findall(row[-1])
    assert bool(tests) == (not row[1].startswith("no"))
    for name, file in tests:
        assert re.search(rf"^def {name}\(", (PAGE.parent / file).read_text(encoding="utf-8"), re.M), name


def test_each_row_has_an_answer_for_each_library():
    assert {len(row) for row in ROWS} == {7}
    answers = {re.sub(r"\[\^\d+\]", "", answer) for row in ROWS for answer in row[1:6]}
    assert answers == {"yes", "partly", "no", "–"}


def test_notes_and_references_to_them_match():
    references = re.findall(r"\[(\^\d+)\](?!:)", TEXT)
    notes = re.findall(r"^\[(\^\d+)\]:", TEXT, re.MULTILINE)
    assert set(references) == set(notes)
    assert len(notes) == len(set(notes))
