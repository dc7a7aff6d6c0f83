"""evaluation, cli and plotting use public attributes of forecasters only."""

import ast
from pathlib import Path

import pytest

import seqcast

PACKAGE = Path(seqcast.__file__).parent
FILES = [path for name in ("evaluation", "cli", "plotting") for path in (PACKAGE / name).rglob("*.py")]


def find_private_attributes(path):
    """Return the private attributes that a file reads and does not define."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    return {name for name in read - own if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_private_attributes_of_others_are_read(path):
    # scikit-learn's name for the constraints of parameters.
    assert find_private_attributes(path) <= {"_parameter_constraints"}
