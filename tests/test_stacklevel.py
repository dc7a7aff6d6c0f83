"""Stack level of warnings, such that they name a line of the user's code."""

import warnings

import seqcast
from seqcast.stacklevel import find_stacklevel


def test_warning_names_the_line_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("text", stacklevel=find_stacklevel())
    assert caught[0].filename == __file__


# A module of the package with a function that calls another one.
MODULE = """
import warnings

def inner():
    warnings.warn('text', stacklevel=find_stacklevel())

def outer():
    inner()
"""


def test_lines_of_the_package_are_skipped():
    module = {"__name__": f"{seqcast.__name__}.module", "find_stacklevel": find_stacklevel}
    exec(MODULE, module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module["outer"]()
    assert caught[0].filename == __file__
