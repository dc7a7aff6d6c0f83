"""The command info."""

import json
import platform
from pathlib import Path

import numba
import numpy as np
from command_line import run_command

import seqcast
from seqcast.kernels import shipped
from seqcast.kernels.cpu.cache import cache_directory
from seqcast.kernels.cpu_target import HOST


def test_info_prints_versions_target_kernels_and_cache(capsys):
    code, out, err = run_command(capsys, "info")
    assert (code, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["seqcast"] == f"{seqcast.__version__}, Python {platform.python_version()}"
    assert f"numpy {np.__version__}, numba {numba.__version__}" in lines["uses"]
    assert lines["cpu"].endswith(f"target {HOST.name}")
    assert lines["cache"].startswith(f"{cache_directory()}: ")


def test_info_says_why_kernels_are_compiled(capsys, monkeypatch):
    none = shipped.Shipped(None, frozenset(), "the reason", {"numba": "0.1"})
    monkeypatch.setattr(shipped, "load_shipped", lambda: none)
    assert "kernels compiled on first use: the reason\n" in run_command(capsys, "info")[1]
    found = json.loads(run_command(capsys, "info", "--json")[1])
    assert found["kernels"] == {
        "shipped": 0,
        "library": None,
        "reason": "the reason",
        "built_with": {"numba": "0.1", "llvmlite": None},
    }


def test_info_counts_shipped_kernels(capsys, monkeypatch):
    path = Path("x86-64-v3.so")
    found = shipped.Shipped(object(), frozenset({"a", "b"}), "", {}, path)
    monkeypatch.setattr(shipped, "load_shipped", lambda: found)
    assert "kernels 2 shipped in x86-64-v3.so" in run_command(capsys, "info")[1]
