"""Compiled code kept on disk between processes, in files that can not be stale.

numba's own cache looks only at the file of the function itself: a helper changed by an upgrade would be
served as it was, and a function made for one cell among several is never found again. Here the name of a file
is a hash over everything that the machine code depends on: every source of the compiled part of the package,
the versions, the processor, the kernel's variant and its signature. There is no index that two processes
could tear; files are written aside and moved into place.
"""

import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import config
from numba.core.compiler import CompileResult

COMPILED_PACKAGES = ("cells", "kernels")
NO_FILE = (OSError, RuntimeError)  # the latter from Path.home() where the user has none


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
    into machine code."""
    versions = sys.version, numba.__version__, llvmlite.__version__, np.__version__
    # The features decide how wide the vectors of `matmul` are, whatever CPU numba is told to compile for.
    machine = config.OPT, config.BOUNDSCHECK, llvm.get_host_cpu_features().flatten()
    digest = hashlib.sha256(repr((versions, machine)).encode())
    package = Path(__file__).parents[1]
    for name in COMPILED_PACKAGES:
        for path in sorted((package / name).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


class KernelCache:
    """What numba asks of a function's cache, for one variant of one kernel.

    Parameters
    ----------
    variant : str
        Tells kernels apart that come from the same source, such as those of two cells.
    on_miss : callable, optional
        Called with the variant when the kernel is not there and has to be compiled.
    """

    def __init__(self, variant: str, on_miss: Callable[[str], None] | None = None):
        self.variant, self._on_miss = variant, on_miss

    @property
    def cache_path(self) -> str:
        return str(cache_directory())

    def path(self, signature, codegen) -> Path:
        key = hashlib.sha256(source_stamp())
        key.update(repr((self.variant, str(signature), codegen.magic_tuple())).encode())
        return cache_directory() / f"{self.variant}-{key.hexdigest()[:32]}.kernel"

    def load_overload(self, signature, target_context):
        """Return the compiled kernel, or None if it is not there or can not be read."""
        target_context.refresh()
        try:
            payload = pickle.loads(_checked(self.path(signature, target_context.codegen()).read_bytes()))
        except (*NO_FILE, ValueError):
            if self._on_miss is not None:
                self._on_miss(self.variant)
            return None
        return CompileResult._rebuild(target_context, *payload)

    def save_overload(self, signature, result) -> None:
        """Write the compiled kernel; without a writable directory, do nothing."""
        payload = pickle.dumps(result._reduce())
        try:
            path = self.path(signature, result.codegen)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, hashlib.sha256(payload).digest() + payload)
        except NO_FILE:
            return


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside `path` and move into place, so that no reader ever sees a part."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


def _checked(content: bytes) -> bytes:
    """The payload behind its own hash: a torn or truncated file must not reach the processor."""
    digest, payload = content[:32], content[32:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("truncated kernel file")
    return payload
