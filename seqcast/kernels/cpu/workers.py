"""The loop of one worker over its shards, which numba's threading layer calls on each thread."""

from functools import cache
from typing import Any

import numba as nb
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling import KERNEL_TYPE, compile_function
from .jit import kernel
from .views import INTEGERS, compile_view

# The signature of a loop of a generalized ufunc of NumPy, with addresses as integers.
LOOP_TYPE = types.void(types.intp, types.intp, types.intp, types.intp)
_integers_at = compile_view(INTEGERS)


@kernel
def worker_of(shard, n_workers):
    """Return the worker that takes a shard.

    The order of the workers is reversed in every other round. The first shards hold the longest samples, and
    this divides them evenly.
    """
    turn, place = shard // n_workers, shard % n_workers
    return place if turn % 2 == 0 else n_workers - 1 - place


def run_worker(arrays, dimensions, steps, call):
    """Call a kernel for every shard of one worker.

    arrays: address of the address of the worker's number. call: address of the kernel's address, the number
    of shards, the number of workers and the table. The other arguments are not read, since numba's threading
    layers call the loop once for each element.
    """
    worker = _integers_at(_integers_at(arrays, 1)[0], 1)[0]
    described = _integers_at(call, 4)
    function, n_shards, n_workers, table = described[0], described[1], described[2], described[3]
    for shard in range(n_shards):
        if worker_of(shard, n_workers) == worker:
            _call(function, nb.intp(shard), table)


@intrinsic
def _call(typingctx, function, shard, table):
    """Call the kernel at an address.

    numba calls first-class functions in the same way, but gets their address from Python, which takes 20 us a
    call.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [context.get_value_type(argument) for argument in KERNEL_TYPE.args]
        pointer = ir.FunctionType(context.get_value_type(KERNEL_TYPE.return_type), values).as_pointer()
        return builder.call(builder.inttoptr(args[0], pointer), args[1:])

    return types.int64(types.intp, types.intp, types.intp), codegen


@cache
def compile_worker() -> Any:
    """Compile `run_worker`, or load it from the cache on disk."""
    return compile_function(run_worker, "run_worker", signature=LOOP_TYPE)
