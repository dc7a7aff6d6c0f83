"""Restoring an estimator after a failed fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Name of no attribute: the estimator is restored after every error.
NOTHING = "nothing"


@contextmanager
def rollback_on_error(estimator: Any, essence: str) -> Iterator[None]:
    """Restore all attributes of an estimator after an error, unless the attribute `essence` was replaced.

    A replaced `essence` means that the estimator can predict, as after Ctrl-C. Attributes of two fits must
    not be mixed.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        if estimator.__dict__.get(essence) is before.get(essence):
            estimator.__dict__ = before
        raise
