"""The vector registers of the processor that kernels are compiled for."""

from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np


@dataclass(frozen=True)
class CpuTarget:
    """Vector registers of a processor.

    The width of the vectors decides how weights are packed and how rows are padded. A layout and the kernels
    that read it must therefore be made for the same target.

    Parameters
    ----------
    vector_bytes : {16, 32, 64}
        Bytes of one vector register: 16 for SSE and NEON, 32 for AVX, 64 for AVX-512.
    """

    vector_bytes: int

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


def _host_target() -> CpuTarget:
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return CpuTarget(64)
    return CpuTarget(32 if features.get("avx") else 16)


HOST = _host_target()
