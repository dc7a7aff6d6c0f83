"""Errors and warnings in one line."""

import warnings

from seqcast.cli.messages import fail, print_warnings_in_one_line


def test_error_is_one_line(capsys):
    assert fail(2, "error: two\n  lines") == 2
    assert capsys.readouterr() == ("", "seqcast: error: two lines\n")


def test_equal_warnings_are_printed_once(capsys):
    with print_warnings_in_one_line():
        for text in ("first\nline", "second", "first\nline"):
            warnings.warn(text, stacklevel=1)
    assert capsys.readouterr() == ("", "seqcast: warning: first line\nseqcast: warning: second\n")
