"""Dropout masks from a counter."""

import numba as nb
import numpy as np
import pytest

from seqcast.kernels.cpu.dropout import drop_row
from seqcast.kernels.cpu.jit import FLAGS, JIT_DISABLED, silent

drop = silent(drop_row) if JIT_DISABLED else nb.njit(lambda *arguments: drop_row(*arguments), **FLAGS)
N = 4000


def mask(seed=1, layer=0, number=0, time=0, rate=0.25):
    values = np.ones(N)
    drop(values, N, np.uint32(seed), layer, number, time, rate)
    return values


@pytest.mark.nojit
def test_the_share_of_zeros_is_the_rate_and_the_mean_stays():
    values = mask()
    assert set(values) == {0.0, 1 / 0.75}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.03)


@pytest.mark.nojit
@pytest.mark.parametrize("change", ["seed", "layer", "number", "time"])
def test_every_counter_changes_the_mask(change):
    same = mask() == mask(**{change: 2})
    assert same.mean() == pytest.approx(0.25**2 + 0.75**2, abs=0.04)
    np.testing.assert_array_equal(mask(), mask())
