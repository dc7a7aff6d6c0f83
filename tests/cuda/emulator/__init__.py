"""Kernels as they are compiled, run on the CPU and checked at every access: no GPU is needed.

numba-cuda compiles a kernel to PTX, as for an H100; that is translated to C, a statement for an instruction,
and compiled for the CPU. Threads of a block run one after the other, each up to its next barrier, in an order
that changes from launch to launch, as does that of blocks. A test fails if in any launch

- an access lies outside the arrays that the kernel was given, its shared or local memory, or is misaligned;
- two threads touch the same four bytes, one of them to write, and no barrier lies between, as there never is
  between two blocks;
- shared memory is read that the block has not written;
- threads of a block wait at different barriers, or some of them at none.

Not seen is what leaves one shared array for another, as a block has one memory for all, or a part of an array
for the rest of it; memory of the device or of a thread that is read before it is written, but by NaN; nor
anything below PTX: the assembler, caches, streams, graphs, cuBLAS, and how a GPU rounds ex2.approx and
rcp.approx. Stricter than a GPU: two barriers at different places are not one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .machine import emulator, install

__all__ = ["LaunchError", "checked", "emulator", "install"]


class LaunchError(AssertionError):
    """Launches did wrong."""


@contextmanager
def checked() -> Iterator[None]:
    """Raise an error that says what was wrong with launches meanwhile."""
    emulator.begin()
    try:
        yield
    except BaseException as error:
        for report in emulator.take_reports():
            error.add_note(report)
        raise
    if reports := emulator.take_reports():
        raise LaunchError("\n".join(reports))
