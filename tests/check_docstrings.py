"""Check that no docstring begins with a fragment; `make check` runs it.

The first line of a docstring stands by itself. ruff's D401 asks for an imperative verb in functions. This
check covers modules, classes and properties, too, and beginnings that ruff does not know.
"""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "seqcast"
FRAGMENTS = frozenset(
    {"and", "as", "at", "but", "by", "for", "from", "how", "if", "in", "of", "on", "than", "that", "to"}
    | {"what", "when", "where", "whether", "which", "who", "whose", "why", "with"}
)
LEANING = ("The same", "Likewise", "Ditto", "Also")
# A property is described by a noun or, if it is a flag, by "Whether ...".
FLAGS = frozenset({"whether"})


def documented(tree):
    """Yield each module, class and function that has a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            yield node


def is_property(node):
    names = {ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())}
    return bool(names & {"property", "cached_property"})


def is_fragment(node):
    """Return whether the first line of the docstring does not stand by itself."""
    line = ast.get_docstring(node).splitlines()[0]
    first = line.split()[0].strip(",.:;").lower()
    allowed = FLAGS if is_property(node) else frozenset()
    return first in FRAGMENTS - allowed or line.startswith(LEANING)


def find_fragments(path):
    """Return a message for each docstring of a file that begins with a fragment."""
    found = documented(ast.parse(path.read_text(encoding="utf-8")))
    return [
        f"{path}:{getattr(node, 'lineno', 1)}: {ast.get_docstring(node).splitlines()[0]}"
        for node in found
        if is_fragment(node)
    ]


if __name__ == "__main__":
    messages = [message for path in sorted(PACKAGE.rglob("*.py")) for message in find_fragments(path)]
    print(*messages, sep="\n")
    sys.exit(f"{len(messages)} docstrings begin with a fragment" if messages else 0)
