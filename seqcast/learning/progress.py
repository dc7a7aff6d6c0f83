"""The progress of a fit for ``verbose=1``: a bar of tqdm, if it is installed, or a line for each epoch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .history import EpochReport


@contextmanager
def progress(verbose: int, max_iter: int) -> Iterator[Callable[[EpochReport], None]]:
    """Yield a function that displays the report of an epoch."""
    if not verbose:
        yield lambda epoch: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield _print_epoch
        return
    with tqdm(total=max_iter, unit="epoch", file=sys.stderr, leave=True) as bar:

        def show(epoch: EpochReport) -> None:
            bar.set_postfix_str(_losses(epoch), refresh=False)
            bar.update()

        yield show


def _print_epoch(epoch: EpochReport) -> None:
    left = epoch.seconds / epoch.number * (epoch.max_iter - epoch.number)
    print(
        f"epoch {epoch.number}/{epoch.max_iter}  {_losses(epoch)}  at most {left:.0f} s left",
        file=sys.stderr,
        flush=True,
    )


def _losses(epoch: EpochReport) -> str:
    validation = "" if epoch.validation_loss is None else f"  validation {epoch.validation_loss:.4g}"
    return f"loss {epoch.loss:.4g}{validation}"
