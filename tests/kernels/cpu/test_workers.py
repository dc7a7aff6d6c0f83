"""The assignment of shards to workers."""

import pytest

from seqcast.kernels.cpu.workers import worker_of


@pytest.mark.nojit
@pytest.mark.parametrize(("n_shards", "n_workers"), [(16, 2), (7, 3), (4, 4), (1, 1), (5, 8)])
def test_shards_are_assigned_back_and_forth(n_shards, n_workers):
    """The first shards hold the longest samples: two workers get 0, 3, 4, 7, ... and 1, 2, 5, 6, ..."""
    # Python cannot call the compiled function.
    deal = getattr(worker_of, "py_func", worker_of)
    workers = [deal(shard, n_workers) for shard in range(n_shards)]
    turns = [list(range(n_workers)), list(range(n_workers))[::-1]] * n_shards
    assert workers == [worker for turn in turns for worker in turn][:n_shards]
