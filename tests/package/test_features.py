"""The table of features promises nothing that no test shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "features.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]
LINK = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_yes_names_tests_that_there_are(row):
    tests = LINK.findall(row[-1])
    assert bool(tests) == (not row[1].startswith("no"))
    for name, file in tests:
        assert re.search(rf"^def {name}\(", (PAGE.parent / file).read_text(encoding="utf-8"), re.M), name


def test_every_row_is_about_every_library():
    assert {len(row) for row in ROWS} == {7}
    answers = {re.sub(r"\[\^\d+\]", "", answer) for row in ROWS for answer in row[1:6]}
    assert answers == {"yes", "partly", "no", "–"}


def test_every_note_is_pointed_at_and_there():
    text = PAGE.read_text(encoding="utf-8")
    pointed_at, there = (
        re.findall(pattern, text, re.M) for pattern in (r"\[(\^\d+)\](?!:)", r"^\[(\^\d+)\]:")
    )
    assert set(pointed_at) == set(there)
    assert len(there) == len(set(there))
