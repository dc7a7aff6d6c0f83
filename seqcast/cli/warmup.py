"""The command ``warmup``: compile ahead."""

from __future__ import annotations

import argparse
import sys

from .messages import CommandError
from .report import Report


def run_warmup(arguments: argparse.Namespace) -> None:
    """Compile the kernels of the cells that were named, and say where they are kept."""
    from ..kernels.cache import cache_directory, is_writable
    from ..learning.warmup import warm_up

    if not is_writable():
        raise CommandError(
            "no compiled kernel can be kept: there is no directory to write to. Set SEQCAST_CACHE_DIR to one"
        )
    report = Report(sys.stdout)
    warm_up(
        arguments.cell or DEFAULT_CELLS,
        arguments.dtype or DEFAULT_DTYPES,
        lambda cell, dtype, seconds: report.item(cell, f"{dtype}, {seconds:.1f} s"),
    )
    files = list(cache_directory().glob("*.kernel"))
    size = sum(path.stat().st_size for path in files) / 1e6
    report.item("cache", f"{cache_directory()}: {len(files)} kernels, {size:.1f} MB")


DEFAULT_CELLS, DEFAULT_DTYPES = ("rnn", "lstm", "gru"), ("float32",)
