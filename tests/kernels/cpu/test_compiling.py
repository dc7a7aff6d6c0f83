"""The message that is printed while kernels are compiled."""

import threading
import time

import pytest

from seqcast.kernels.cpu import compiling
from seqcast.kernels.cpu_target import HOST

KEPT = "seqcast: compiling kernels for this machine; later runs find them in the cache\n"
NOT_KEPT = (
    "seqcast: compiling kernels for this machine; they are not kept on disk, so every process compiles its "
    "own\n"
)


@pytest.fixture
def compile_in(monkeypatch, tmp_path):
    """Return a function that compiles for a given time, with a notice after 50 ms."""
    monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "_told", threading.Lock())
    monkeypatch.setattr(compiling, "NOTICE_AFTER", 0.05)

    def run(seconds, cached=True, found=False):
        class Compiler:
            def __init__(self, *arguments):
                self._cache = None

            def compile(self):
                if self._cache is not None and not found:
                    self._cache._on_miss()
                time.sleep(seconds)

        monkeypatch.setattr(compiling, "CFunc", Compiler)
        compiling.compile_function(print, "made-up", cached)

    return run


def test_quick_compilation_prints_no_notice(compile_in, capsys):
    compile_in(0.0)
    compile_in(0.0, cached=False)
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_slow_loading_prints_no_notice(compile_in, capsys):
    compile_in(0.2, found=True)
    assert capsys.readouterr().err == ""


def test_slow_compilation_prints_one_notice(compile_in, capsys):
    compile_in(0.2)
    compile_in(0.2)
    compile_in(0.2, cached=False)
    assert capsys.readouterr().err == KEPT


@pytest.mark.parametrize("why", ["registered", "no folder"])
def test_the_notice_promises_no_cache_if_there_is_none(why, compile_in, capsys, monkeypatch, tmp_path):
    if why == "no folder":
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("SEQCAST_CACHE_DIR", str(tmp_path / "file"))
    compile_in(0.2, cached=why != "registered")
    assert capsys.readouterr().err == NOT_KEPT


def test_the_thread_of_the_notice_ends(compile_in):
    before = threading.active_count()
    compile_in(0.0)
    assert threading.active_count() == before


def test_the_notice_comes_while_numba_compiles(run_python, tmp_path):
    """Another thread prints the notice, and numba must let it run."""
    script = """
import sys
import numpy as np
from seqcast import Recurrent
from seqcast.kernels.cpu import cache, compiling
save = cache.KernelCache.save_overload
cache.KernelCache.save_overload = lambda self, *rest: (print("compiled", self.variant), save(self, *rest))
compiling.NOTICE_AFTER = 0.2
sys.stderr = sys.stdout
# The cell that compiles in the shortest time.
Recurrent("rnn", 3, 4, dtype="float64").forward(np.ones((2, 5, 3)))
"""
    lines = run_python(script, SEQCAST_CACHE_DIR=tmp_path).splitlines()
    assert lines.index(KEPT.strip()) < lines.index(f"compiled forward-rnn-float64-{8 * HOST.vector_bytes}")
    assert lines.count(KEPT.strip()) == 1
