"""Compiled kernels, run on the CPU with a check of every memory access; no GPU is needed.

numba-cuda compiles a kernel to PTX, as for an H100. The PTX is translated to C, one statement for each
instruction, and compiled for the CPU. Threads of a block run one after the other, each up to its next
barrier. Their order changes from launch to launch, and so does the order of blocks. A test fails if in any
launch

- an access is outside the arrays that the kernel was given, or outside its shared or local memory, or is
  misaligned;
- two threads access the same four bytes, at least one of them writes, and there is no barrier between the
  accesses, as there never is between two blocks;
- shared memory is read that the block has not written;
- threads of a block wait at different barriers, or only some of them wait.

Not detected are accesses that leave one shared array for another (a block has one memory for all) or one part
of an array for another part; memory of the device or of a thread that is read before it is written, except
that it is NaN; and anything below PTX: the assembler, caches, streams, graphs, cuBLAS, and the rounding of
ex2.approx and rcp.approx. Stricter than a GPU: two barriers at different places are not the same barrier.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .machine import emulator, install

__all__ = ["LaunchError", "check_launches", "emulator", "install"]


class LaunchError(AssertionError):
    """The emulator found mistakes in launches."""


@contextmanager
def check_launches() -> Iterator[None]:
    """Raise a LaunchError if launches in this context made mistakes."""
    emulator.begin()
    try:
        yield
    except BaseException as error:
        for report in emulator.take_reports():
            error.add_note(report)
        raise
    if reports := emulator.take_reports():
        raise LaunchError("\n".join(reports))
