"""Shards, blocks and the workspace of a batch."""

import numpy as np
import pytest

from seqcast.cells import find_cell
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import BLOCK_SAMPLES, MAX_SHARDS, SHARD_SAMPLES, Window, plan_batch
from seqcast.kernels.layout import Layout


def make_plan(n_samples, **options):
    layout = Layout(compose(find_cell("lstm"), 2, 5, 2, True, 3), np.dtype("float64"))
    return plan_batch(layout, Window(7, 2), n_samples, **options)


@pytest.mark.parametrize("n_samples", [1, SHARD_SAMPLES, SHARD_SAMPLES + 1, 300, 5000])
@pytest.mark.parametrize("keep", [False, True])
def test_shards_cover_all_samples(n_samples, keep):
    plan = make_plan(n_samples, keep=keep)
    batch = plan.network[0].batch
    assert (plan.n_shards - 1) * batch.shard_samples < n_samples <= plan.n_shards * batch.shard_samples
    assert batch.block_samples <= min(BLOCK_SAMPLES, batch.shard_samples)
    assert keep or plan.n_shards <= MAX_SHARDS
    assert not keep or batch.block_samples == batch.shard_samples


def test_each_worker_has_a_workspace():
    plan = make_plan(100, keep=False)
    assert plan.allocate(np.dtype("float64"), 2).shape == (2, plan.size)
    assert plan.allocate(np.dtype("float64")).shape == (plan.n_shards, plan.size)
    assert make_plan(1).shape(8) == (1, make_plan(1).size)


def test_dropout_is_set_in_a_copy():
    plan = make_plan(3)
    dropped = plan.with_dropout(np.uint32(7), 0.5)
    assert (dropped.network[0].batch.seed, dropped.network[0].batch.dropout) == (7, 0.5)
    assert plan.network[0].batch.dropout == 0
    assert dropped.addresses["network"] != plan.addresses["network"]


def test_gradients_of_outputs_and_inputs_are_optional():
    plain, both = make_plan(3), make_plan(3, outputs=True, d_input=True)
    assert plain.network[0].stack.d_outputs == plain.layers[0].d_inputs == -1
    assert both.network[0].stack.d_outputs >= 0
    assert both.layers[0].d_inputs >= 0
    assert both.size > plain.size


@pytest.mark.parametrize(("segment", "masked", "expected"), [(1, False, 2), (3, False, 6), (3, True, 12)])
def test_inputs_of_a_step(segment, masked, expected):
    window = Window(4, 2, n_targets=2, segment=segment, masked=masked)
    assert (window.input_size, window.target_stride) == (expected, 2 * segment)
