"""Stack level of warnings, such that they name a line of the user's code."""

import warnings

import seqcast
from seqcast.stacklevel import find_stacklevel


def test_warning_names_the_line_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("text", stacklevel=find_stacklevel())
    assert caught[0].filename == __file__


def test_lines_of_the_package_are_skipped():
    # A function of a module of the package that calls another one.
    module = {
        "__name__": f"{seqcast.__name__}.module",
        "find_stacklevel": find_stacklevel,
        "warnings": warnings,
    }
    exec(
        "import warnings\n\ndef inner():\n    warnings.warn('text', stacklevel=find_stacklevel())\n\ndef outer():\n    inner()\n",
        module,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module["outer"]()
    assert caught[0].filename == __file__
