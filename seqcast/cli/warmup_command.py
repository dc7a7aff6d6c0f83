"""The command ``warmup``: compilation of kernels ahead of their first use."""

from __future__ import annotations

import argparse
import sys

from .messages import CommandError
from .report import Report

DEFAULT_CELLS = ("rnn", "lstm", "gru")
DEFAULT_DTYPES = ("float32",)


def run_warmup(arguments: argparse.Namespace) -> None:
    """Compile the kernels of the given cells, and print the directory of the cache."""
    from ..kernels.cpu.cache import cache_directory, is_writable
    from ..learning.warmup import warm_up

    if not is_writable():
        raise CommandError(
            "no compiled kernel can be kept: no cache directory is writable. Set SEQCAST_CACHE_DIR to one"
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
