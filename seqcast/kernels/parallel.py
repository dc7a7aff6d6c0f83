"""Calls of a kernel for every shard of a batch, on one or several threads.

On several threads, numba's threading layer calls `cpu.workers.run_worker` once for each worker, which calls
the kernel for its shards. The shards depend on the batch only, so any number of threads gives the same bits.
One thread is used, without importing numba,

- for one shard or one thread;
- while another Python thread runs the threading layer, because numba's simplest layer would abort the
  process;
- in a forked child of a process that has started numba's threads, because threads of the OpenMP layer do not
  survive a fork.
"""

import ctypes
import os
import threading
from functools import cache
from typing import Any

from .arguments import Arguments
from .registry import Kernel, get_worker_address, is_jit_disabled

# void parallel_for(function, arrays, dimensions, steps, data, n_inner_dimensions, n_arrays, n_threads): the
# function that numba calls for its own parallel loops. Each threading layer of numba brings it along.
_PARALLEL_FOR = "numba_parallel_for"
_ParallelFor = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_size_t] * 2, ctypes.c_int)
_Integers = ctypes.c_int64 * 4

# Held while the threading layer runs.
_entered = threading.Lock()
# The process that has started numba's threads.
_parallel_process: int | None = None

# GNU OpenMP's threads spin while they wait for work, 300,000 rounds by default, and keep other processes from
# the core. Milliseconds per training step of a small LSTM on two cores, with 300,000, 1,000 and 0 rounds:
# 0.18, 0.19, 0.23 alone; 0.60, 0.37, 0.33 beside a second fit; 1.65, 0.60, 0.61 beside two other fits.
_SPIN = "1000"


@cache
def _load_threads() -> Any:
    """Import numba and start its threads; those of OpenMP spin less, unless the user set a value."""
    global _parallel_process
    import numba

    _parallel_process = os.getpid()
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        numba.get_num_threads()
        return numba
    # The variable is read once, when the library is loaded.
    os.environ["GOMP_SPINCOUNT"] = _SPIN
    try:
        numba.get_num_threads()
    finally:
        # Not `del`: another thread may have removed it.
        os.environ.pop("GOMP_SPINCOUNT", None)
    return numba


@cache
def _find_parallel_for() -> Any:
    """Return the function of numba's threading layer that runs a loop on threads; None if there is none."""
    _load_threads()
    from llvmlite import binding

    address = binding.address_of_symbol(_PARALLEL_FOR)
    return _ParallelFor(address) if address else None


def run(kernel: Kernel, arguments: Arguments, n_threads: int) -> None:
    """Call a kernel for every shard, on up to `n_threads` threads."""
    if min(arguments.n_shards, n_threads) < 2 or not _run_parallel(kernel, arguments, n_threads):
        for shard in range(arguments.n_shards):
            kernel.call(shard, arguments.address)


def _run_parallel(kernel: Kernel, arguments: Arguments, n_threads: int) -> bool:
    """Run in parallel and return True, or return False if only one thread is possible or safe."""
    if not kernel.address or _parallel_process not in (None, os.getpid()):
        return False
    parallel_for = _find_parallel_for()
    if parallel_for is None or not _entered.acquire(blocking=False):
        return False
    try:
        numba = _load_threads()
        n_threads = min(n_threads, numba.config.NUMBA_NUM_THREADS)
        n_workers = _count_workers(arguments, n_threads)
        call = _Integers(kernel.address, arguments.n_shards, n_workers, arguments.address)
        _, arrays, dimensions, steps = _describe_loop(n_workers)
        # The layer sets the number of threads that numba uses in this thread.
        before = numba.get_num_threads()
        try:
            parallel_for(get_worker_address(), arrays, dimensions, steps, call, 0, 1, n_threads)
        finally:
            numba.set_num_threads(before)
    finally:
        _entered.release()
    return True


@cache
def _describe_loop(n_workers: int) -> tuple[Any, Any, Any, Any]:
    """Return the numbers of the workers as an array, its address, its length and its stride."""
    numbers = (ctypes.c_int64 * n_workers)(*range(n_workers))
    address = (ctypes.c_void_p * 1)(ctypes.addressof(numbers))
    return numbers, address, (ctypes.c_size_t * 1)(n_workers), (ctypes.c_size_t * 1)(8)


def _count_workers(arguments: Arguments, n_threads: int) -> int:
    """Return the number of workers, of which no two may use the same workspace."""
    if arguments.n_workspaces == arguments.n_shards:
        return min(n_threads, arguments.n_shards)
    return arguments.n_workspaces


def thread_count(n_jobs: int | None, n_shards: int | None = None) -> int:
    """Return the number of threads that `n_jobs` means.

    None means the number passed to numba.set_num_threads, or all threads if it was not called. -1 means all
    threads and -2 all but one, as in joblib. With one shard, the result is 1, and numba is not imported.
    """
    if n_shards == 1 or n_jobs == 1 or is_jit_disabled():
        return 1
    if n_jobs is None:
        # Otherwise the next line would start the threads with the default settings of OpenMP.
        return _load_threads().get_num_threads()
    available = _load_threads().config.NUMBA_NUM_THREADS
    return max(1, available + 1 + n_jobs) if n_jobs < 0 else n_jobs
