"""A cache of compiled kernels on disk, whose files cannot be stale.

numba's own cache checks only the file that defines a function. It would return old code if a function called
from another file has changed, and it cannot distinguish functions that are made for several cells. Here, the
name of a file is a hash of everything that the machine code depends on: all sources of the compiled part of
the package, the versions, the processor, the kernel's variant and its signature. There is no index that two
processes could corrupt. Files are written under another name and then moved. Each compilation deletes files
that no process has read for 90 days, such as those of earlier versions.
"""

import hashlib
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import config
from numba.core.compiler import CompileResult

from ..source_hash import hash_sources
from .locks import Lock

# Path.home() raises RuntimeError if the user has no home directory.
NO_FILE = (OSError, RuntimeError)
DAY = 24 * 3600.0
UNUSED_DAYS = 90


def cache_directory() -> Path:
    """Return the directory of compiled kernels.

    It is $SEQCAST_CACHE_DIR, $NUMBA_CACHE_DIR/seqcast or the user's cache directory.
    """
    if own := os.environ.get("SEQCAST_CACHE_DIR"):
        return Path(own)
    if numba_directory := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(numba_directory) / "seqcast"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "seqcast"


@cache
def source_stamp() -> bytes:
    """Return the hash of every compiled source of the package, and of the versions, settings and processor.

    Raises OSError if the sources cannot be read, as in a zip file or an installation of .pyc files only. Then
    versions cannot be distinguished, and nothing is cached.
    """
    versions = sys.version, numba.__version__, llvmlite.__version__, np.__version__
    # The features of the host determine the default target, even if numba compiles for another CPU.
    machine = config.OPT, config.BOUNDSCHECK, llvm.get_host_cpu_features().flatten()
    digest = hashlib.sha256(repr((versions, machine)).encode())
    digest.update(hash_sources())
    return digest.digest()


def is_writable() -> bool:
    """Return whether kernels that this process compiles are kept for other processes."""
    try:
        source_stamp()
        cache_directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_directory()):
            return True
    except NO_FILE:
        return False


class KernelCache:
    """The cache of one variant of one kernel, with the methods that numba calls.

    Parameters
    ----------
    variant : str
        Distinguishes kernels that come from the same source, such as those of two cells.
    on_miss : callable, optional
        Called if the kernel is not on disk and has to be compiled.
    """

    def __init__(self, variant: str, on_miss: Callable[[], None] | None = None):
        self.variant = variant
        self._on_miss = on_miss
        # Held from a miss until the kernel is saved.
        self._lock: Lock | None = None

    @property
    def cache_path(self) -> str:
        return str(cache_directory())

    def _stamp(self) -> bytes:
        return source_stamp()

    def path(self, signature, codegen) -> Path:
        """Return the file of the kernel for one signature and processor."""
        key = hashlib.sha256(self._stamp())
        key.update(repr((self.variant, str(signature), codegen.magic_tuple())).encode())
        return cache_directory() / f"{self.variant}-{key.hexdigest()[:32]}.kernel"

    def load_overload(self, signature, target_context):
        """Return the compiled kernel, or None if it is not on disk or cannot be read.

        If another process is compiling it, wait for that process.
        """
        target_context.refresh()
        try:
            path = self.path(signature, target_context.codegen())
            payload = _load(path) or self._load_after_others(path)
        except NO_FILE:
            self._miss()
            payload = None
        return None if payload is None else self._rebuild(target_context, payload)

    def _reduce(self, result):
        return result._reduce()

    def _rebuild(self, target_context, payload):
        return CompileResult._rebuild(target_context, *payload)

    def _miss(self) -> None:
        if self._on_miss is not None:
            self._on_miss()

    def _load_after_others(self, path: Path):
        """Return what another process has compiled meanwhile, or None after acquiring the lock."""
        self.release()
        # Before the message, which the caller prints if this fails.
        path.parent.mkdir(parents=True, exist_ok=True)
        # The message comes before the wait, which takes as long as compiling.
        self._miss()
        self._lock = Lock(path.with_suffix(".lock"))
        self._lock.acquire()
        payload = _load(path)
        if payload is not None:
            self.release()
        return payload

    def release(self) -> None:
        """Let other processes compile the kernel."""
        if self._lock is not None:
            self._lock.release()

    def save_overload(self, signature, result) -> None:
        """Write the compiled kernel and delete unused ones; do nothing if the directory cannot be written."""
        try:
            payload = pickle.dumps(self._reduce(result))
            path = self.path(signature, result.codegen)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, hashlib.sha256(payload).digest() + payload)
            _delete_unused(path.parent)
        except NO_FILE:
            return
        finally:
            self.release()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and move it to `path`, so that no reader ever sees a part of it."""
    # With the usual suffix, a file of a killed process is deleted with the unused files.
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix="unfinished-", suffix=path.suffix)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        # The file is closed: Windows does not move open ones.
        os.replace(aside, path)
    # Interrupts are caught too.
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise


def _load(path: Path):
    """Return what `save_overload` wrote, or None."""
    try:
        return pickle.loads(_check_payload(_read(path)))
    except (OSError, ValueError):
        return None


def _read(path: Path) -> bytes:
    """Return the content of a file, and mark it as used, once a day and if that is allowed."""
    content = path.read_bytes()
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > DAY:
            os.utime(path)
    return content


def _delete_unused(directory: Path) -> None:
    """Delete the files that were last written or read long ago.

    A process that was about to read one of them compiles the kernel again.
    """
    limit = time.time() - UNUSED_DAYS * DAY
    for path in [*directory.glob("*.kernel"), *directory.glob("*.lock")]:
        # Another process may have deleted it, or hold it open on Windows.
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()


def _check_payload(content: bytes) -> bytes:
    """Return the payload that follows its hash, after checking that the file is not truncated."""
    digest, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("truncated kernel file")
    return payload
