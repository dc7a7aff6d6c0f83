"""Exceptions of seqcast."""

import pytest

from seqcast.exceptions import LeakError, SeqcastError, TrainingDivergedError


@pytest.mark.parametrize("kind", [LeakError, TrainingDivergedError])
def test_exceptions_are_value_errors_of_seqcast(kind):
    assert issubclass(kind, SeqcastError)
    assert issubclass(kind, ValueError)


def test_leak_error_is_an_assertion_error():
    assert issubclass(LeakError, AssertionError)
