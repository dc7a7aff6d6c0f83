"""Kernels by name, and where their code comes from."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels import registry
from seqcast.kernels.registry import get_kernel, is_jit_disabled

real = np.dtype("float64")


@pytest.mark.nojit
def test_only_compiled_kernels_have_an_address():
    kernel = get_kernel("predict", find_cell("rnn"), real)
    assert kernel.origin == ("python" if is_jit_disabled() else "compiled")
    assert (kernel.address == 0) == is_jit_disabled()
    assert get_kernel("predict", find_cell("rnn"), real) is kernel


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("0", False), ("", False), ("1", True)])
def test_the_environment_disables_compilation(value, expected, monkeypatch):
    monkeypatch.delitem(registry.sys.modules, "numba.core.config")
    if value is None:
        monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    else:
        monkeypatch.setenv("NUMBA_DISABLE_JIT", value)
    assert is_jit_disabled() is expected


def test_the_setting_of_an_imported_numba_counts(monkeypatch):
    config = registry.sys.modules["numba.core.config"]
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    assert is_jit_disabled() is True
