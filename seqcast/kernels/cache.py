"""Compiled code kept on disk between processes, in files that can not be stale.

numba's own cache looks only at the file of the function itself: a helper changed by an upgrade would be
served as it was, and a function made for one cell among several is never found again. Here the name of a file
is a hash over everything that the machine code depends on: every source of the compiled part of the package,
the versions, the processor, the kernel's variant and its signature. There is no index that two processes
could tear; files are written aside and moved into place. At the next compilation, files that no process has
asked for in 90 days, as those of earlier versions, are deleted.
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

from .. import __version__
from .locks import Lock

COMPILED_PACKAGES = ("cells", "kernels")
NO_FILE = (OSError, RuntimeError)  # the latter from Path.home() where the user has none
DAY = 24 * 3600.0
UNUSED_DAYS = 90


def cache_directory() -> Path:
    """Where compiled kernels are kept: $SEQCAST_CACHE_DIR, $NUMBA_CACHE_DIR/seqcast or the user's cache
    directory."""
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
    """Hash of every compiled source of the package, and of the versions, settings and processor that turn it
    into machine code.

    Raises OSError where there are no sources to read, in a zip file or beside .pyc files only: code that can
    not be told from that of another version is not cached."""
    versions = __version__, sys.version, numba.__version__, llvmlite.__version__, np.__version__
    # The features decide how wide the vectors of `matmul` are, whatever CPU numba is told to compile for.
    machine = config.OPT, config.BOUNDSCHECK, llvm.get_host_cpu_features().flatten()
    digest = hashlib.sha256(repr((versions, machine)).encode())
    package = Path(__file__).parents[1]
    for name in COMPILED_PACKAGES:
        sources = sorted((package / name).glob("*.py"))
        if not sources:
            raise FileNotFoundError(f"no sources in {package / name}")
        for path in sources:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def is_writable() -> bool:
    """Whether other processes will find what this one compiles."""
    try:
        source_stamp()
        cache_directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_directory()):
            return True
    except NO_FILE:
        return False


class KernelCache:
    """What numba asks of a function's cache, for one variant of one kernel.

    Parameters
    ----------
    variant : str
        Tells kernels apart that come from the same source, such as those of two cells.
    on_miss : callable, optional
        Called when the kernel is not there and has to be compiled.
    """

    def __init__(self, variant: str, on_miss: Callable[[], None] | None = None):
        self.variant, self._on_miss = variant, on_miss
        self._lock: Lock | None = None  # held from a miss until the kernel is saved

    @property
    def cache_path(self) -> str:
        return str(cache_directory())

    def _stamp(self) -> bytes:
        return source_stamp()

    def path(self, signature, codegen) -> Path:
        key = hashlib.sha256(self._stamp())
        key.update(repr((self.variant, str(signature), codegen.magic_tuple())).encode())
        return cache_directory() / f"{self.variant}-{key.hexdigest()[:32]}.kernel"

    def load_overload(self, signature, target_context):
        """Return the compiled kernel, or None if it is not there or can not be read.

        Where another process is compiling it, wait for that.
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
        """What another process has compiled meanwhile; or take the lock, so that others wait for this one."""
        self._miss()  # before the wait, which takes as long as compiling
        self.release()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(path.with_suffix(".lock"))
        self._lock.acquire()
        payload = _load(path)
        if payload is not None:
            self.release()
        return payload

    def release(self) -> None:
        """Let other processes compile what this one has not."""
        if self._lock is not None:
            self._lock.release()

    def save_overload(self, signature, result) -> None:
        """Write the compiled kernel and delete those long unused; do nothing where that is not allowed."""
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
    """Write beside `path` and move into place, so that no reader ever sees a part."""
    # A suffix like the others': what a killed process leaves behind is deleted with the unused.
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix="unfinished-", suffix=path.suffix)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(aside, path)  # of a closed file: Windows moves no open one
    except BaseException:  # an interrupt too
        with suppress(OSError):
            os.unlink(aside)
        raise


def _load(path: Path):
    """What `save_overload` wrote, or None."""
    try:
        return pickle.loads(_checked(_read(path)))
    except (OSError, ValueError):
        return None


def _read(path: Path) -> bytes:
    """The content of a file, which counts as used from now on; written down once a day, where that is
    allowed."""
    content = path.read_bytes()
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > DAY:
            os.utime(path)
    return content


def _delete_unused(directory: Path) -> None:
    """Delete the files that were last written or read long ago. Who is about to read one has read it or
    compiles anew."""
    limit = time.time() - UNUSED_DAYS * DAY
    for path in [*directory.glob("*.kernel"), *directory.glob("*.lock")]:
        with suppress(OSError):  # another process was quicker, or holds it open on Windows
            if path.stat().st_mtime < limit:
                path.unlink()


def _checked(content: bytes) -> bytes:
    """The payload behind its own hash: a torn or truncated file must not reach the processor."""
    digest, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("truncated kernel file")
    return payload
