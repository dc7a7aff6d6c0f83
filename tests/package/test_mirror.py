"""Each module of the package has a test file of its name, or a row in tests/README.md."""

import re
from pathlib import Path

import pytest

import seqcast

TESTS = Path(__file__).parents[1]
PACKAGE = Path(seqcast.__file__).parent
ROW = re.compile(r"^\| `(?P<module>\S+\.py)` \| (?P<tests>.+) \| (?P<reason>.+) \|$", re.MULTILINE)
ROWS = {row["module"]: row for row in ROW.finditer((TESTS / "README.md").read_text(encoding="utf-8"))}
MODULES = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}


def find_test_file(module):
    """Return the path of the file that tests a module, if there is one."""
    folder = Path("cuda") if module.parent == Path("kernels/cuda") else module.parent
    return TESTS / folder / f"test_{module.stem.strip('_')}.py"


def test_modules_without_a_test_file_are_those_of_the_table():
    untested = {module.as_posix() for module in MODULES if not find_test_file(module).exists()}
    assert untested == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_rows_of_the_table_name_existing_tests(row):
    files = re.findall(r"`([^`]+)`", row["tests"])
    assert files
    assert [name for name in files if not (TESTS / name).is_file()] == []


def test_the_table_is_read_whole():
    lines = (TESTS / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(ROWS) == sum(line.startswith("| `") for line in lines)
