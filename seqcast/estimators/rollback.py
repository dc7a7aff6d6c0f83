"""A fit that fails leaves the estimator as the last one left it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOTHING = "nothing"  # no attribute: all or nothing is changed


@contextmanager
def rollback_on_error(estimator: Any, essence: str) -> Iterator[None]:
    """Undo everything, unless the attribute `essence` is a new one: then there is something to predict with.

    Half of this fit beside half of the last would predict nonsense.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        if estimator.__dict__.get(essence) is before.get(essence):
            estimator.__dict__ = before
        raise
