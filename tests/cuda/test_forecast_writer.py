"""Forecasts on the device against the CPU's kernels, number by number."""

import numpy as np
import pytest
from stage_batches import Batch, assert_close, on_cpu

from seqcast.kernels.cpu import windows as cpu
from seqcast.kernels.cuda.forecast_writer import ForecastWriter
from seqcast.kernels.cuda.window_reader import WindowReader
from seqcast.kernels.samples import LENGTH, TARGET

N_PARAMETERS = {"none": 1, "quantile": 4, "gaussian": 2, "student_t": 3, "negative_binomial": 2}


# One distribution in float64, since each case compiles the stages of the CPU.
CASES = [*((name, "float32") for name in N_PARAMETERS), ("student_t", "float64")]


@pytest.mark.parametrize(("distribution", "dtype"), CASES)
def test_forecasts_are_in_unit_of_values(queue, distribution, dtype):
    n_outputs = 4 * N_PARAMETERS[distribution]
    normalize = distribution != "negative_binomial"
    b = Batch(
        dtype,
        (4, 3, 1),
        n_outputs=n_outputs,
        distribution=distribution,
        probabilities=(0.1, 0.5, 0.8, 0.9) if distribution == "quantile" else (),
        window={"n_channels": 3, "n_targets": 2, "normalize": normalize, "scale": "mean"},
    )
    out = b.draw(b.n_samples, n_outputs)
    b.work[:] = b.rng.random(b.work.size) + 1
    b.part(b.net.readout.out, b.n_samples, (n_outputs, b.net.readout.out_stride))[:] = out
    reader = WindowReader(queue, b.packed_layout, b.window, b.n_samples)
    for to, offset in ((reader.offsets, b.net.window.offsets), (reader.scales, b.net.window.scales)):
        queue.copy(to, np.ascontiguousarray(b.part(offset, b.n_samples, (3, 3)).ravel()))
    on_cpu(cpu.add_offsets if distribution == "none" else cpu.place_distributions)(b.net, b.n_samples, b.work)
    expected = np.zeros(b.n_samples * n_outputs, dtype)
    on_cpu(cpu.scatter_predictions)(b.net, b.batch_table, 0, b.work, expected)
    forecasts = queue.zeros(b.n_samples * n_outputs, dtype)
    writer = ForecastWriter(queue, b.packed_layout, b.window, b.n_samples)
    batch_table = queue.upload(b.batch_table.ravel())
    writer.write(batch_table, queue.upload(out.ravel()), reader, forecasts)
    assert_close(queue.download(forecasts), expected)


@pytest.mark.parametrize("distribution", N_PARAMETERS)
def test_forecasts_of_every_step_match_cpu(queue, distribution):
    n_outputs = 4 * N_PARAMETERS[distribution]
    b = Batch(
        "float64",
        (4, 3, 1),
        n_outputs=n_outputs,
        pooling="none",
        distribution=distribution,
        probabilities=(0.1, 0.5, 0.8, 0.9) if distribution == "quantile" else (),
        window={"n_channels": 3, "n_targets": 2},
    )
    b.batch_table[:, TARGET] *= b.n_steps
    out = b.draw(b.n_steps, b.n_samples, n_outputs)
    expected = np.zeros(out.size)
    on_host = b.part(b.net.readout.out, b.n_samples, (n_outputs, b.net.readout.out_stride))
    for t in range(b.n_steps):
        running = b.batch_table[b.batch_table[:, LENGTH] > t]
        on_host[: len(running)] = out[t, : len(running)]
        if distribution != "none":
            on_cpu(cpu.place_distributions)(b.net, len(running), b.work)
        on_cpu(cpu.scatter_predictions)(b.net, running, t, b.work, expected)
    assert np.count_nonzero(expected) == n_outputs * sum(b.lengths)

    reader = WindowReader(queue, b.packed_layout, b.window, b.n_samples)
    queue.copy(reader.scales, np.ones(b.n_samples * 3))
    forecasts = queue.zeros(out.size, b.dtype)
    writer = ForecastWriter(queue, b.packed_layout, b.window, b.n_samples)
    writer.write(queue.upload(b.batch_table.ravel()), queue.upload(out.ravel()), reader, forecasts)
    assert_close(queue.download(forecasts), expected)
