"""Series one below the other, against loops over blocks and windows."""

import numpy as np
import pytest

from seqcast.forecasting import blocks as module
from seqcast.data.roles import Columns
from seqcast.forecasting.blocks import Blocks, to_wide

GRID = np.random.default_rng(0).normal(size=(11, 5))  # three targets, two covariates
GRID[4, 1] = GRID[7, 4] = np.nan
COLUMNS = Columns(3, 2)
both = pytest.mark.parametrize("joint", [True, False])


def test_joint_targets_are_one_block():
    blocks = Blocks.of(GRID, COLUMNS, joint=True)
    assert (len(blocks), blocks.n_rows, blocks.n_columns, blocks.n_targets) == (1, 11, 5, 3)
    np.testing.assert_array_equal(blocks.values[0], GRID)
    np.testing.assert_array_equal(blocks.targets[0], GRID[:, :3])


def test_otherwise_each_target_is_one_with_all_covariates():
    blocks = Blocks.of(GRID, COLUMNS, joint=False)
    assert (len(blocks), blocks.n_rows, blocks.n_columns, blocks.n_targets) == (3, 11, 3, 1)
    for k in range(3):
        np.testing.assert_array_equal(blocks.values[k], GRID[:, [k, 3, 4]])
        np.testing.assert_array_equal(blocks.targets[k], GRID[:, [k]])


def test_a_single_target_is_the_same_block_either_way():
    one, other = (Blocks.of(GRID, Columns(1, 4), joint) for joint in (True, False))
    assert (len(one), one.n_columns, one.n_targets) == (len(other), other.n_columns, other.n_targets)
    np.testing.assert_array_equal(one.values, other.values)


@both
def test_rows_are_where_windows_start_in_the_stacked_values(joint):
    blocks = Blocks.of(GRID, COLUMNS, joint)
    stacked, starts = blocks.values.reshape(-1, blocks.n_columns), np.array([0, 3, 8])
    cut = [stacked[row : row + 3] for row in blocks.rows(starts)]
    expected = [values[start : start + 3] for values in blocks.values for start in starts]
    np.testing.assert_array_equal(cut, expected)


@both
@pytest.mark.parametrize("numbers", [1, 40, 2**21])  # windows of one chunk: 1, 2 or 4, all
def test_chunks_are_all_windows_in_their_places(joint, numbers, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_NUMBERS", numbers)
    blocks, starts = Blocks.of(GRID, COLUMNS, joint), np.array([5, 0, 1, 7, 2])
    found = np.full((len(blocks), 5, 4, blocks.n_columns), np.inf)
    for block, places, windows in blocks.chunks(starts, 4):
        assert windows.size <= max(numbers, 4 * blocks.n_columns)
        found[block, places] = windows
    expected = [[values[start : start + 4] for start in starts] for values in blocks.values]
    np.testing.assert_array_equal(found, expected)


@both
def test_forecasts_of_blocks_lie_side_by_side_as_the_targets_did(joint):
    """The truth, cut from the blocks, is the truth cut from the grid."""
    blocks, starts, horizon = Blocks.of(GRID, COLUMNS, joint), np.array([0, 2, 7]), 4
    stacked = blocks.values.reshape(-1, blocks.n_columns)
    truth = np.stack([stacked[row : row + horizon, : blocks.n_targets] for row in blocks.rows(starts)])
    expected = np.stack([GRID[start : start + horizon, :3] for start in starts])
    np.testing.assert_array_equal(to_wide(truth, len(blocks)), expected)


def test_targets_of_all_blocks_stand_side_by_side_again():
    grid = np.arange(24.0).reshape(6, 4)
    for joint in (False, True):
        np.testing.assert_array_equal(Blocks.of(grid, COLUMNS, joint).wide_targets(), grid[:, :3])


def test_blocks_since_a_step_leave_out_the_steps_before():
    blocks = Blocks.of(np.arange(24.0).reshape(6, 4), Columns(3, 1), joint=False)
    later = blocks.since(2)
    assert (len(later), later.n_rows, later.n_targets) == (3, 4, 1)
    np.testing.assert_array_equal(later.values, blocks.values[:, 2:])
