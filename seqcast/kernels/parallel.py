"""Running the shares of a batch side by side.

One small loop over `numba.prange` serves every kernel: its address is handed over as an argument, so that the
large body is compiled once, not again inside a parallel region (7 s more for an LSTM step). Its serial twin
is the same function without threads, and gives the same bits. It is used

- for one share or one thread;
- while another Python thread is inside the parallel one: numba's simplest threading layer aborts the
  process then;
- in a forked child of a process that has started numba's threads: those of the OpenMP layer do not survive
  a fork.
"""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numba as nb
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from .cache import KernelCache, is_writable
from .jit import FLAGS, JIT_DISABLED, kernel, silent
from .layout import LAYER, NETWORK


def kernel_types(dtype) -> tuple:
    """Types of a kernel's arguments: share, network, layers, rows, weights, inputs, outputs, states, work,
    gradients, sums."""
    real, rows = nb.from_dtype(dtype), types.int64[:, ::1]
    table = tuple(types.Array(nb.from_dtype(record), 1, "C") for record in (NETWORK, LAYER))
    return (
        *table,
        rows,
        real[::1],
        real[::1],
        real[::1],
        real[::1],
        real[:, ::1],
        real[:, ::1],
        types.float64[:, :, ::1],
    )


NOTICE_AFTER = 1.0  # seconds of compiling before a word is said


def compile_kernel(function, dtype, variant: str, cached: bool = True):
    """Compile `function` (share, *arrays), or load it, so that the driver can call it through its address."""
    if JIT_DISABLED:
        return silent(function)
    kernel = CFunc(
        function, ((types.intp, *kernel_types(dtype)), types.int64), {}, dict(nopython=True, **FLAGS)
    )
    # From a thread of its own, since only time tells what is slow; numba lets it run while LLVM works.
    notice = threading.Timer(NOTICE_AFTER, tell, [cached])
    notice.daemon = True
    cache = KernelCache(variant, on_miss=notice.start)
    if cached:
        kernel._cache = cache
    else:
        notice.start()
    try:
        with uncollected():
            kernel.compile()
    finally:
        _withdraw(notice)
        cache.release()
    return kernel


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which looks through a compiler's objects again and again: a tenth of the
    time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_told = threading.Lock()  # taken, for good, by the first who speaks


def tell(cached: bool) -> None:
    """Say, once a process, why the call takes seconds."""
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
    if notice.is_alive():  # or it never started
        notice.join()  # Python warns of a fork while other threads live


@kernel
def worker_of(share, n_workers):
    """Shares are dealt to and fro: the first ones hold the longest rows, and each worker gets its part."""
    turn, place = share // n_workers, share % n_workers
    return place if turn % 2 == 0 else n_workers - 1 - place


def _make_driver(dtype):
    call = _make_call(dtype)

    def driver(
        kernel,
        n_shards,
        n_threads,
        network,
        layers,
        rows,
        weights,
        inputs,
        outputs,
        states,
        work,
        gradients,
        sums,
    ):
        """kernel: the address of one. work: a space for each worker, or for each share."""
        status = 0
        n_workers = min(n_threads, n_shards) if work.shape[0] == n_shards else work.shape[0]
        for worker in nb.prange(n_workers):
            for share in range(n_shards):
                if worker_of(share, n_workers) == worker:
                    status += call(
                        kernel, nb.intp(share), network, layers, rows, weights, inputs, outputs, states, work,
                        gradients, sums,
                    )  # fmt: skip
        return status

    return driver


def _make_call(dtype):
    """Return ``call(address, share, *arrays)`` for compiled code: calls the kernel at an address.

    As numba calls first-class functions; but those it unboxes by asking Python, 20 us of every call.
    """

    @intrinsic
    def call(
        typingctx,
        kernel, share, network, layers, rows, weights, inputs, outputs, states, work, gradients, sums,
    ):  # fmt: skip
        arguments = (types.intp, *kernel_types(dtype))

        def codegen(context, builder, signature, args):
            values = [context.get_value_type(argument) for argument in arguments]
            pointer = ir.FunctionType(context.get_value_type(types.int64), values).as_pointer()
            return builder.call(builder.inttoptr(args[0], pointer), args[1:])

        return types.int64(types.intp, *arguments), codegen

    return call


_compiled: dict[tuple[str, bool], object] = {}
_entered = threading.Lock()  # held while the parallel driver runs
_parallel_process: int | None = None  # the process that has started numba's threads


# GNU OpenMP's threads spin while they wait for work: 300,000 rounds of its own accord, which takes the core
# from others. Measured on two cores, ms a step of a small LSTM: alone 0.18 with 300,000 rounds, 0.19 with
# 1,000, 0.23 with none; beside a second fit 0.60, 0.37, 0.33; with two others 1.65, 0.60, 0.61.
_SPIN = "1000"


@cache
def _load_threads() -> None:
    """Have numba start its threads, and those of OpenMP, where the user left it open, spin less."""
    global _parallel_process
    _parallel_process = os.getpid()
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        nb.get_num_threads()
        return
    os.environ["GOMP_SPINCOUNT"] = _SPIN  # read once, as the library is loaded
    try:
        nb.get_num_threads()
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)  # not `del`: another thread may have been here


def _compiled_driver(dtype, parallel: bool):
    key = (dtype.name, parallel)
    if parallel:
        _load_threads()
    if key not in _compiled:
        driver = nb.njit(parallel=parallel, nogil=True)(_make_driver(dtype))
        driver._cache = KernelCache(f"driver-{'parallel' if parallel else 'serial'}-{dtype.name}")
        try:
            with uncollected():
                driver.compile((types.intp, types.intp, types.intp, *kernel_types(dtype)))
        finally:
            driver._cache.release()
        # Called past the dispatcher, which would look at every argument's type. Nothing converts or checks
        # the arrays then: they must be contiguous and of the dtypes above.
        _compiled[key] = driver.overloads[driver.signatures[0]].entry_point
    return _compiled[key]


def compile_drivers(dtype) -> None:
    """Compile both drivers, or load them."""
    if not JIT_DISABLED:
        for parallel in (False, True):
            _compiled_driver(dtype, parallel)


def run(kernel, n_shards: int, dtype, arrays: tuple, n_threads: int) -> None:
    """Call ``kernel(share, *arrays)`` for every share, on up to `n_threads` threads."""
    if JIT_DISABLED:
        for share in range(n_shards):
            kernel(share, *arrays)
    elif min(n_shards, n_threads) < 2 or not _run_parallel(kernel, n_shards, dtype, arrays, n_threads):
        _compiled_driver(dtype, parallel=False)(kernel.address, n_shards, 1, *arrays)


def _run_parallel(kernel, n_shards: int, dtype, arrays: tuple, n_threads: int) -> bool:
    """Run in parallel and return True, or return False where only one thread is safe."""
    if _parallel_process not in (None, os.getpid()):
        return False
    driver = _compiled_driver(dtype, parallel=True)
    if not _entered.acquire(blocking=False):
        return False
    try:
        before = nb.get_num_threads()
        nb.set_num_threads(min(n_threads, nb.config.NUMBA_NUM_THREADS))
        try:
            driver(kernel.address, n_shards, n_threads, *arrays)
        finally:
            nb.set_num_threads(before)
    finally:
        _entered.release()
    return True


def thread_count(n_jobs: int | None) -> int:
    """How many threads `n_jobs` means: None what numba.set_num_threads said, all unless it was called;
    negative counted from the end of all, as in joblib."""
    if n_jobs is None:
        _load_threads()  # or asking would, with OpenMP's own settings
        return nb.get_num_threads()
    available = nb.config.NUMBA_NUM_THREADS
    return max(1, available + 1 + n_jobs) if n_jobs < 0 else n_jobs
