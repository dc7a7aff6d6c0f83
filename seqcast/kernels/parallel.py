"""Parallel calls of a kernel, one for each shard of a batch.

One small loop over `numba.prange`, the driver, serves every kernel. The address of the kernel is an argument
of the driver, so the large body of the kernel is not compiled again inside a parallel region (7 s more for an
LSTM step). A serial driver is the same function without threads and gives the same bits. It is used

- for one shard or one thread;
- while another Python thread runs the parallel driver, because numba's simplest threading layer would abort
  the process;
- in a forked child of a process that has started numba's threads, because threads of the OpenMP layer do not
  survive a fork.
"""

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numba as nb
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from .arguments import Arguments
from .cache import KernelCache, is_writable
from .jit import FLAGS, JIT_DISABLED, kernel, silent

# A kernel: (shard, table) -> status.
KERNEL_TYPE = types.int64(types.intp, types.intp)
# Seconds of compiling before a message is printed.
NOTICE_AFTER = 1.0


def compile_kernel(function: Callable, variant: str, cached: bool = True) -> Any:
    """Compile ``function(shard, table)``, or load it, so that the driver can call it by its address."""
    if JIT_DISABLED:
        return silent(function)
    kernel = CFunc(function, (KERNEL_TYPE.args, KERNEL_TYPE.return_type), {}, dict(nopython=True, **FLAGS))
    # A timer's thread prints the message if compilation takes long. numba releases the GIL while LLVM runs.
    notice = threading.Timer(NOTICE_AFTER, tell, [cached])
    notice.daemon = True
    cache = KernelCache(variant, on_miss=notice.start)
    if cached:
        kernel._cache = cache
    else:
        notice.start()
    try:
        with garbage_collection_off():
            kernel.compile()
    finally:
        _withdraw(notice)
        cache.release()
    return kernel


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


@kernel
def worker_of(shard, n_workers):
    """Return the worker that takes a shard.

    The order of the workers is reversed in every other round. The first shards hold the longest samples, and
    this divides them evenly.
    """
    turn, place = shard // n_workers, shard % n_workers
    return place if turn % 2 == 0 else n_workers - 1 - place


def _driver(kernel, n_shards, n_workers, table):
    """Call the kernel at an address for every shard."""
    status = 0
    for worker in nb.prange(n_workers):
        for shard in range(n_shards):
            if worker_of(shard, n_workers) == worker:
                status += _call(kernel, nb.intp(shard), table)
    return status


@intrinsic
def _call(typingctx, kernel, shard, table):
    """Call the kernel at an address.

    numba calls first-class functions in the same way, but gets their address from Python, which takes 20 us a
    call.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [context.get_value_type(argument) for argument in KERNEL_TYPE.args]
        pointer = ir.FunctionType(context.get_value_type(KERNEL_TYPE.return_type), values).as_pointer()
        return builder.call(builder.inttoptr(args[0], pointer), args[1:])

    return types.int64(types.intp, types.intp, types.intp), codegen


_compiled: dict[bool, Callable] = {}
# Held while the parallel driver runs.
_entered = threading.Lock()
# The process that has started numba's threads.
_parallel_process: int | None = None


# GNU OpenMP's threads spin while they wait for work, 300,000 rounds by default, and keep other processes from
# the core. Milliseconds per training step of a small LSTM on two cores, with 300,000, 1,000 and 0 rounds:
# 0.18, 0.19, 0.23 alone; 0.60, 0.37, 0.33 beside a second fit; 1.65, 0.60, 0.61 beside two other fits.
_SPIN = "1000"


@cache
def _load_threads() -> None:
    """Start numba's threads; OpenMP's threads spin less than by default, unless the user set a value."""
    global _parallel_process
    _parallel_process = os.getpid()
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        nb.get_num_threads()
        return
    # The variable is read once, when the library is loaded.
    os.environ["GOMP_SPINCOUNT"] = _SPIN
    try:
        nb.get_num_threads()
    finally:
        # Not `del`: another thread may have removed it.
        os.environ.pop("GOMP_SPINCOUNT", None)


def _compiled_driver(parallel: bool) -> Callable:
    if parallel:
        _load_threads()
    if parallel not in _compiled:
        driver = nb.njit(parallel=parallel, nogil=True)(_driver)
        driver._cache = KernelCache(f"driver-{'parallel' if parallel else 'serial'}")
        try:
            with garbage_collection_off():
                driver.compile((types.intp, types.intp, types.intp, types.intp))
        finally:
            driver._cache.release()
        # The entry point is called directly, because the dispatcher would inspect the type of each argument.
        _compiled[parallel] = driver.overloads[driver.signatures[0]].entry_point
    return _compiled[parallel]


def compile_drivers() -> None:
    """Compile both drivers, or load them."""
    if not JIT_DISABLED:
        for parallel in (False, True):
            _compiled_driver(parallel)


def run(kernel: Any, arguments: Arguments, n_threads: int) -> None:
    """Call ``kernel(shard, table)`` for every shard, on up to `n_threads` threads."""
    n_shards = arguments.n_shards
    if JIT_DISABLED:
        for shard in range(n_shards):
            kernel(shard, arguments.address)
    elif min(n_shards, n_threads) < 2 or not _run_parallel(kernel, arguments, n_threads):
        _compiled_driver(parallel=False)(kernel.address, n_shards, 1, arguments.address)


def _run_parallel(kernel: Any, arguments: Arguments, n_threads: int) -> bool:
    """Run in parallel and return True, or return False if only one thread is safe."""
    if _parallel_process not in (None, os.getpid()):
        return False
    driver = _compiled_driver(parallel=True)
    if not _entered.acquire(blocking=False):
        return False
    try:
        before = nb.get_num_threads()
        nb.set_num_threads(min(n_threads, nb.config.NUMBA_NUM_THREADS))
        try:
            n_workers = _count_workers(arguments, n_threads)
            driver(kernel.address, arguments.n_shards, n_workers, arguments.address)
        finally:
            nb.set_num_threads(before)
    finally:
        _entered.release()
    return True


def _count_workers(arguments: Arguments, n_threads: int) -> int:
    """Return the number of workers, of which no two may use the same workspace."""
    if arguments.n_workspaces == arguments.n_shards:
        return min(n_threads, arguments.n_shards)
    return arguments.n_workspaces


def thread_count(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` means.

    None means the number passed to numba.set_num_threads, or all threads if it was not called. -1 means all
    threads and -2 all but one, as in joblib.
    """
    if n_jobs is None:
        # Otherwise the next line would start the threads with the default settings of OpenMP.
        _load_threads()
        return nb.get_num_threads()
    available = nb.config.NUMBA_NUM_THREADS
    return max(1, available + 1 + n_jobs) if n_jobs < 0 else n_jobs
