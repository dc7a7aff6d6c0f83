"""What ``verbose=1`` shows of a backtest: a bar (tqdm, if installed), or one line a fit."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def shown(fits: Iterable[T], n: int, verbose: int) -> Iterable[T]:
    """The same, shown as they come."""
    if not verbose:
        return fits
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _printed(fits, n)
    return tqdm(fits, total=n, unit="fit", file=sys.stderr)


def _printed(fits: Iterable[T], n: int) -> Iterator[T]:
    for number, fit in enumerate(fits, 1):
        print(f"fit {number}/{n}", file=sys.stderr, flush=True)
        yield fit
