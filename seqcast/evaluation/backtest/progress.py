"""Progress of a backtest: a bar of tqdm if it is installed, else one line for each fit."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def show_progress(fits: Iterable[T], n: int, verbose: int) -> Iterable[T]:
    """Return an iterable over `fits` that shows on stderr how many of `n` are done if `verbose` is not 0."""
    if not verbose:
        return fits
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _print_lines(fits, n)
    return tqdm(fits, total=n, unit="fit", file=sys.stderr)


def _print_lines(fits: Iterable[T], n: int) -> Iterator[T]:
    for number, fit in enumerate(fits, 1):
        print(f"fit {number}/{n}", file=sys.stderr, flush=True)
        yield fit
