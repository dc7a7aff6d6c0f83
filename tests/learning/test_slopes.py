"""Derivatives of forecasts with respect to window values, compared with central differences."""

import naive
import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning.network import Network
from seqcast.learning.samples import SampleSource
from seqcast.learning.slopes import window_slopes

STEPS, CHANNELS = 4, 2


@pytest.mark.nojit
@pytest.mark.parametrize(
    "reading",
    [{}, {"normalize": True, "scale": "deviation"}, {"scale": "mean", "segment": 2}],
    ids=lambda reading: "-".join(map(str, reading.values())) or "plain",
)
def test_slopes_equal_central_differences(reading):
    window = Window(STEPS, CHANNELS, CHANNELS, **reading)
    network = Network(compose(find_cell("gru"), window.input_size, 3, n_outputs=CHANNELS), "float64")
    network.initialize(np.random.RandomState(0))
    values = np.random.default_rng(0).normal(size=(STEPS * window.segment, CHANNELS)) + 3
    source, starts = SampleSource(values, values, window), np.array([0])
    samples = sample_table(starts, np.array([STEPS]), starts)
    (found,) = window_slopes(network, source, starts, 1)
    for k in range(CHANNELS):
        expected = naive.central_differences(lambda k=k: network.predict(source, samples, 1)[0, k], values)
        np.testing.assert_allclose(found[k], expected, rtol=1e-6, atol=1e-8)
