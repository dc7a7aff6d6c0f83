"""The command ``info``: versions, processor, and where the code of each kernel comes from."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from typing import Any

from .report import Report

PACKAGES = ("numpy", "numba", "llvmlite", "pandas", "scikit-learn", "scipy")


def run_info(arguments: argparse.Namespace) -> None:
    """Print what this installation computes with."""
    found = collect_info()
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    report = Report(sys.stdout)
    versions = found["versions"]
    report.item("seqcast", f"{versions.pop('seqcast')}, Python {versions.pop('python')}")
    report.item("uses", ", ".join(f"{name} {number}" for name, number in versions.items()))
    processor = found["processor"]
    report.item("cpu", f"{processor['name']}, {processor['cores']} cores, target {processor['target']}")
    kernels = found["kernels"]
    if kernels["shipped"]:
        report.item("kernels", f"{kernels['shipped']} shipped in {kernels['library']}; others are compiled")
    else:
        report.item("kernels", f"compiled on first use: {kernels['reason']}")
    cache = found["cache"]
    state = f"{cache['kernels']} kernels" if cache["writable"] else "not writable: nothing is kept"
    report.item("cache", f"{cache['directory']}: {state}")


def collect_info() -> dict[str, Any]:
    """Return versions, processor, kernels and cache as a dict of texts and numbers."""
    from .. import __version__
    from ..kernels.cpu.cache import cache_directory, is_writable
    from ..kernels.cpu_target import HOST, find_supported_targets
    from ..kernels.registry import is_jit_disabled
    from ..kernels.shipped import load_shipped

    shipped = load_shipped()
    directory = cache_directory()
    return {
        "versions": {
            "seqcast": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "processor": {
            "name": _processor_name(),
            "cores": os.cpu_count(),
            "target": HOST.name,
            "supported_targets": [target.name for target in find_supported_targets()],
            "threads": os.environ.get("NUMBA_NUM_THREADS") or os.cpu_count(),
        },
        "kernels": {
            "shipped": 0 if is_jit_disabled() else len(shipped.symbols),
            "library": None if shipped.path is None else str(shipped.path),
            "reason": "NUMBA_DISABLE_JIT is set" if is_jit_disabled() else shipped.reason,
            "built_with": {name: shipped.manifest.get(name) for name in ("numba", "llvmlite")},
        },
        "cache": {
            "directory": str(directory),
            "writable": is_writable(),
            "kernels": len(list(directory.glob("*.kernel"))) if directory.is_dir() else 0,
        },
    }


def _processor_name() -> str:
    """Return the name of the processor as Linux gives it, else the name of the architecture."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
