"""Compilation of kernels on this machine, with a cache on disk and a message if it takes long."""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import types
from numba.core.ccallback import CFunc

from .cache import KernelCache, is_writable
from .jit import FLAGS, JIT_DISABLED, silent

# A kernel: (shard, table) -> status.
KERNEL_TYPE = types.int64(types.intp, types.intp)
# Seconds of compiling before a message is printed.
NOTICE_AFTER = 1.0


def compile_function(
    function: Callable, variant: str, cached: bool = True, signature: Any = KERNEL_TYPE
) -> Any:
    """Compile a function, or load it from the cache, so that it can be called by its address."""
    if JIT_DISABLED:
        return silent(function)
    compiled = CFunc(function, (signature.args, signature.return_type), {}, dict(nopython=True, **FLAGS))
    # A timer's thread prints the message if compilation takes long. numba releases the GIL while LLVM runs.
    notice = threading.Timer(NOTICE_AFTER, tell, [cached])
    notice.daemon = True
    cache = KernelCache(variant, on_miss=notice.start)
    if cached:
        compiled._cache = cache
    else:
        notice.start()
    try:
        with garbage_collection_off():
            compiled.compile()
    finally:
        _withdraw(notice)
        cache.release()
    return compiled


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Disable the garbage collector, which scans the compiler's objects repeatedly (10 % of the time)."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# The first message of a process acquires it and never releases it.
_told = threading.Lock()


def tell(cached: bool) -> None:
    """Print, once in a process, why the call takes seconds."""
    if not _told.acquire(blocking=False):
        return
    outcome = (
        "later runs find them in the cache"
        if cached and is_writable()
        else "they are not kept on disk, so every process compiles its own"
    )
    print(f"seqcast: compiling kernels for this machine; {outcome}", file=sys.stderr, flush=True)


def _withdraw(notice: threading.Timer) -> None:
    notice.cancel()
    if notice.is_alive():
        # Python warns of a fork while other threads live.
        notice.join()
