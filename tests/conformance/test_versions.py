"""The versions that the package promises are those that `make conformance` runs."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def minor_versions(requirements, sign):
    """Name -> major and minor version of lines such as ``numpy>=1.26``; each must be of this form."""
    found = [re.fullmatch(rf"([\w-]+){sign}(\d+\.\d+)(?:\.\d+)?", line) for line in requirements]
    assert all(found), requirements
    return {match[1]: match[2] for match in found}


def test_the_oldest_versions_that_are_run_are_those_promised():
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    run = (HERE / "oldest.txt").read_text().splitlines()
    promised = minor_versions(project["dependencies"], ">=")
    # The oldest numba and scikit-learn install these themselves, in versions of their own.
    brought = {"joblib", "llvmlite", "scipy", "threadpoolctl"}
    assert minor_versions(run, "==") == {name: promised[name] for name in promised.keys() - brought}
