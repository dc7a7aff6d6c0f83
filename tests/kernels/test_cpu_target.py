"""The choice of the CPU target, its vectors, and the padding that follows from them."""

import numpy as np
import pytest

from seqcast.kernels import cpu_target
from seqcast.kernels.cpu_target import HOST, CpuTarget


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_widths_are_whole_vectors(vector_bytes, dtype):
    target = CpuTarget(vector_bytes)
    lanes = target.lanes(dtype)
    assert lanes * np.dtype(dtype).itemsize == vector_bytes
    assert target.panel_width(dtype) == 2 * lanes
    assert [target.pad(n, dtype) for n in (0, 1, lanes, lanes + 1)] == [0, lanes, lanes, 2 * lanes]


def test_the_host_has_vectors_of_a_known_width():
    assert HOST.vector_bytes in (16, 32, 64)
    assert HOST.n_registers in (16, 32)


@pytest.fixture
def flags(monkeypatch):
    """Return a function that sets the features of the processor."""
    return lambda found: monkeypatch.setattr(cpu_target, "_read_cpu_flags", lambda: set(found))


V4, V3 = cpu_target.TARGETS


def test_the_best_supported_target_is_chosen(flags, monkeypatch):
    monkeypatch.delenv(cpu_target.VARIABLE, raising=False)
    flags(V4.flags)
    assert cpu_target._choose_target() == V4
    flags(V3.flags)
    assert cpu_target._choose_target() == V3
    flags(set(V3.flags) - {"fma"})
    assert cpu_target._choose_target().name == "host"


def test_the_environment_selects_a_target(flags, monkeypatch):
    flags(V4.flags)
    monkeypatch.setenv(cpu_target.VARIABLE, "x86-64-v3")
    assert cpu_target._choose_target() == V3


def test_a_target_that_the_processor_lacks_is_refused(flags, monkeypatch):
    flags(V3.flags)
    monkeypatch.setenv(cpu_target.VARIABLE, "x86-64-v4")
    message = (
        "The environment variable SEQCAST_CPU_TARGET must name a CPU target that this processor supports: "
        "x86-64-v3. Got 'x86-64-v4' instead. Unset it for the best one."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        cpu_target._choose_target()
