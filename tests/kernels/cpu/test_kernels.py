"""The kernels compiled for vectors of other widths than the host's."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels import parallel
from seqcast.kernels.architecture import compose
from seqcast.kernels.arguments import Arguments
from seqcast.kernels.batch_plan import Window, plan_batch
from seqcast.kernels.cpu_target import CpuTarget
from seqcast.kernels.layout import Layout
from seqcast.kernels.registry import get_kernel
from seqcast.kernels.samples import sample_table


def predict(target):
    """Return forecasts of ten samples by a kernel and a layout compiled for one CPU target."""
    dtype = np.dtype("float64")
    rng, window, cell = np.random.default_rng(0), Window(6, 2), find_cell("gru_reset_before")
    layout = Layout(compose(cell, 2, 9, 2, n_outputs=3), dtype, target)
    flat = np.append(rng.normal(size=layout.zero) / 3, 0)
    weights = flat[layout.index]
    weights[: layout.second.size] += flat[layout.second]
    plan = plan_batch(layout, window, 10, keep=False)
    predictions = np.zeros((10, 3))
    arguments = Arguments(
        dtype,
        plan,
        samples=sample_table(np.arange(10) * 6, np.full(10, 6), np.arange(10) * 3),
        weights=weights,
        values=rng.normal(size=(60, 2)),
        predictions=predictions,
        workspaces=plan.allocate(dtype, 1),
    )
    parallel.run(get_kernel("predict", cell, dtype, target), arguments, 1)
    return predictions


@pytest.mark.nojit
def test_forecasts_do_not_depend_on_the_width_of_vectors():
    narrow, middle, wide = (predict(CpuTarget(vector_bytes)) for vector_bytes in (16, 32, 64))
    assert np.ptp(narrow) > 0.1
    np.testing.assert_allclose(middle, narrow, rtol=1e-12)
    np.testing.assert_allclose(wide, narrow, rtol=1e-12)
