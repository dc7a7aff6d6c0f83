"""The lock between processes that compile."""

import pytest

from seqcast.kernels.cpu import locks
from seqcast.kernels.cpu.locks import Lock

pytest.importorskip("fcntl")
HOLD = """
import sys
from pathlib import Path
from seqcast.kernels.cpu.locks import Lock
lock = Lock(Path({path!r}))
lock.acquire()
"""


def is_held(lock):
    return lock._file is not None


def test_one_at_a_time_and_nothing_is_left(tmp_path):
    one, other = Lock(tmp_path / "a.lock"), Lock(tmp_path / "a.lock")
    one.acquire()
    assert is_held(one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "LONGEST_WAIT", 0.1)
        other.acquire()
        assert not is_held(other)
    one.release()
    other.acquire()
    assert is_held(other)
    other.release()
    other.release()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_process_that_died_is_free(tmp_path, run_python, monkeypatch):
    path = tmp_path / "a.lock"
    run_python(HOLD.format(path=str(path)) + "import os; os._exit(0)")
    assert path.exists()
    monkeypatch.setattr(locks, "LONGEST_WAIT", 1.0)
    lock = Lock(path)
    lock.acquire()
    assert is_held(lock)
    lock.release()


def test_without_a_folder_or_locks_one_goes_on(tmp_path, monkeypatch):
    lock = Lock(tmp_path / "none" / "a.lock")
    lock.acquire()
    assert not is_held(lock)
    monkeypatch.setattr(locks, "fcntl", None)
    lock = Lock(tmp_path / "a.lock")
    lock.acquire()
    assert not is_held(lock)
    lock.release()
