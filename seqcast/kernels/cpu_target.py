"""The processors that kernels are compiled for, and the one that this process uses."""

import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

# The variable that selects one of `TARGETS`.
VARIABLE = "SEQCAST_CPU_TARGET"


@dataclass(frozen=True)
class CpuTarget:
    """A kind of processor, with the vector registers that kernels use.

    The width of the vectors decides how weights are packed and how rows are padded. A layout and the kernels
    that read it must therefore be made for the same target.

    Parameters
    ----------
    vector_bytes : {16, 32, 64}
        Bytes of one vector register: 16 for SSE and NEON, 32 for AVX, 64 for AVX-512.
    name : str, default="host"
        LLVM's name of the processor; "host" for the one of this machine with all its features.
    flags : tuple of str
        Features that Linux lists for a processor that can run the code.
    """

    vector_bytes: int
    name: str = "host"
    flags: tuple[str, ...] = ()

    @property
    def n_registers(self) -> int:
        """Number of vector registers: AVX has 16, AVX-512 and NEON have 32."""
        return 16 if self.vector_bytes == 32 else 32

    def lanes(self, dtype: np.dtype | str) -> int:
        """Return how many numbers of `dtype` one vector register holds."""
        return self.vector_bytes // np.dtype(dtype).itemsize

    def panel_width(self, dtype: np.dtype | str) -> int:
        """Return the number of columns of a packed panel: two vectors."""
        return 2 * self.lanes(dtype)

    def pad(self, columns: int, dtype: np.dtype | str) -> int:
        """Return `columns` rounded up to whole vectors."""
        lanes = self.lanes(dtype)
        return -(-columns // lanes) * lanes

    def skew(self, columns: int, dtype: np.dtype | str) -> int:
        """Return `columns` rounded up to an odd number of vectors.

        Rows that lie a power of two apart would all fall into the same few cache sets (130 instead of 250
        GFLOP/s in the gradient of the weights at 256 units).
        """
        lanes = self.lanes(dtype)
        return (-(-columns // lanes) | 1) * lanes


_V3 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave")
_V4 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
# The targets of shipped kernels, the best first: the levels of the x86-64 psABI.
TARGETS = (
    CpuTarget(64, "x86-64-v4", (*_V3, *_V4)),
    CpuTarget(32, "x86-64-v3", _V3),
)


def _read_cpu_flags() -> set[str]:
    """Return the features of the first processor as Linux lists them; none on other systems."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return set()
    # Some containers have no /proc. Kernels are then compiled for the host.
    with suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    return set()


def find_supported_targets() -> list[CpuTarget]:
    """Return those of `TARGETS` that this processor can run, the best first."""
    flags = _read_cpu_flags()
    return [target for target in TARGETS if flags.issuperset(target.flags)]


def _choose_target() -> CpuTarget:
    """Return the target that `VARIABLE` names, or the best one that this processor supports."""
    supported = find_supported_targets()
    requested = os.environ.get(VARIABLE)
    if not requested:
        return supported[0] if supported else _host_target()
    for target in supported:
        if target.name == requested:
            return target
    names = ", ".join(target.name for target in supported) or "none"
    raise ValueError(
        f"The environment variable {VARIABLE} must name a CPU target that this processor supports: {names}. "
        f"Got {requested!r} instead. Unset it for the best one."
    )


def _host_target() -> CpuTarget:
    """Return the target of a machine that no kernels are shipped for."""
    # llvmlite takes 50 ms to import, and is not needed elsewhere.
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return CpuTarget(64)
    return CpuTarget(32 if features.get("avx") else 16)


HOST = _choose_target()
