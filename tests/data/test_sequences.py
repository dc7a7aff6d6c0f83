"""Sequences padded into one array, and samples merged."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import pad_sequences
from seqcast.data import sequences
from seqcast.data.sequences import Samples, sequence_lengths

NAN = np.nan


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


# -- padding


def test_shorter_sequences_are_padded_with_nan():
    padded = pad_sequences([[1, 2, 3], [4], [5, 6]])
    assert padded.dtype == np.float64
    expected = [[1, 2, 3], [4, NAN, NAN], [5, 6, NAN]]
    np.testing.assert_array_equal(padded, np.array(expected)[:, :, None])


def test_sequences_of_several_channels_keep_them():
    padded = pad_sequences([np.array([[1.0, 10.0], [2.0, 20.0]]), [[3.0, NAN]]])
    np.testing.assert_array_equal(padded, [[[1, 10], [2, 20]], [[3, NAN], [NAN, NAN]]])


@pytest.mark.parametrize("lengths", [[1, 3, 2], np.array([1, 3, 2], np.uint8), pd.Series([1, 3, 2])])
def test_steps_beyond_the_lengths_become_nan(lengths):
    """The longest sequence has 3 of 4 steps, so 3 are kept; the arguments are not changed."""
    whole = np.arange(24.0).reshape(3, 4, 2)
    before, padded = whole.copy(), pad_sequences(whole, lengths)
    expected = whole[:, :3].copy()
    expected[0, 1:], expected[2, 2:] = NAN, NAN
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(whole, before)


def test_rows_of_an_array_are_sequences_of_one_channel():
    rows = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(pad_sequences(rows), rows[:, :, None])


def test_padding_and_lengths_are_inverses():
    lengths = np.random.default_rng(0).integers(1, 9, 30)
    np.testing.assert_array_equal(
        sequence_lengths(pad_sequences([np.ones((n, 2)) for n in lengths])), lengths
    )


OF_SEQUENCES = "The 'sequences' parameter of pad_sequences must"
OF_LENGTHS = (
    "The 'lengths' parameter of pad_sequences must be 2 integers, each between 1 and the steps of its"
)
SHAPES = f"{OF_SEQUENCES} hold sequences of shape (n_steps,) or (n_steps, n_channels), none of them empty."
TWO = [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), f"{OF_SEQUENCES} hold at least one sequence. Got none instead."),
        (([[1.0], []],), f"{SHAPES} Got shape (0,) in sequence 1 instead."),
        (([5.0],), f"{SHAPES} Got shape () in sequence 0 instead."),
        (([np.ones((2, 3, 1))],), f"{SHAPES} Got shape (2, 3, 1) in sequence 0 instead."),
        (
            ([[[1, 2]], [[3, 4], [5, 6]], [[7], [8]]],),
            f"{OF_SEQUENCES} have the same channels in every sequence. Got 2 in sequence 0 and 1 in sequence "
            f"2 instead.",
        ),
        ((TWO, [2, 2]), f"{OF_LENGTHS} sequence. Got [2, 2] instead."),
        ((TWO, [0, 1]), f"{OF_LENGTHS} sequence. Got [0, 1] instead."),
        ((TWO, [1]), f"{OF_LENGTHS} sequence. Got [1] instead."),
        ((TWO, 1), f"{OF_LENGTHS} sequence. Got 1 instead."),
        ((TWO, [1.0, 1.0]), f"{OF_LENGTHS} sequence. Got [1.0, 1.0] instead."),
        ((TWO, [True, True]), f"{OF_LENGTHS} sequence. Got [True, True] instead."),
    ],
)
def test_sequences_that_can_not_be_padded_are_refused(arguments, message):
    with pytest.raises(ValueError, match=says(message)):
        pad_sequences(*arguments)


def test_a_sequence_ends_with_its_last_observed_step():
    """Gaps count as steps, and a sequence without values has one missing step."""
    rows = [[1, NAN, NAN, NAN], [NAN, NAN, 3, NAN], [1, 2, 3, 4], [NAN] * 4]
    assert sequence_lengths(np.array(rows)[:, :, None]).tolist() == [1, 3, 4, 1]
    of_either = [[[NAN, NAN], [NAN, 1], [NAN, NAN]], [[1, NAN], [NAN, NAN], [2, NAN]]]
    assert sequence_lengths(np.array(of_either)).tolist() == [2, 3]


def test_docstring_example_is_true():
    result = doctest.testmod(sequences)
    assert (result.failed, result.attempted) == (0, 2)


# -- merging


def samples_of(rows, weights):
    """Return samples of one step; the last column is the target."""
    rows = np.array(rows, float)
    return Samples(rows[:, :-1, None], rows[:, -1:], np.array(weights, float))


def as_table(samples):
    flat = samples.sequences.reshape(len(samples), -1)
    return np.column_stack([flat, samples.targets, samples.weights])


def test_equal_samples_are_merged_with_the_sum_of_weights():
    merged = samples_of([[2, 1, 0], [1, 1, 0], [2, 1, 0], [2, 1, 5]], [1, 2, 0.5, 4]).merge_duplicates()
    expected = [[1, 1, 0, 2], [2, 1, 0, 1.5], [2, 1, 5, 4]]
    np.testing.assert_array_equal(sorted(as_table(merged).tolist()), expected)


def test_zeros_of_either_sign_and_nan_of_any_bits_are_equal():
    other_nan = np.array([0x7FF8000000000001], np.uint64).view(float)[0]
    rows = [[0.0, NAN, 1], [-0.0, other_nan, 1], [0.0, -NAN, 1], [NAN, 0.0, 1]]
    merged = samples_of(rows, [1, 2, 4, 8]).merge_duplicates()
    assert sorted(merged.weights) == [7, 8]


values = st.sampled_from([0.0, -0.0, 1.0, -1.0, NAN, 1e300])


@given(
    rows=st.lists(st.tuples(values, values, values), min_size=1, max_size=12),
    weights=st.lists(st.integers(1, 40), min_size=12, max_size=12),
    seed=st.integers(0, 100),
)
@settings(max_examples=200)
def test_merged_samples_are_distinct_in_any_order(rows, weights, seed):
    weights = np.array(weights[: len(rows)]) / 8
    merged = samples_of(rows, weights).merge_duplicates()
    keys = [str(row + 0.0) for row in as_table(merged)[:, :-1]]
    assert set(keys) == {str(row + 0.0) for row in np.array(rows)}
    assert len(set(keys)) == len(keys)
    assert merged.weights.sum() == weights.sum()
    order = np.random.default_rng(seed).permutation(len(rows))
    shuffled = samples_of(np.array(rows)[order], weights[order]).merge_duplicates()
    np.testing.assert_array_equal(as_table(shuffled), as_table(merged))


def test_merged_weights_do_not_depend_on_the_order_of_samples():
    """The sum 0.1 + 0.2 + 0.3 has other bits than 0.3 + 0.2 + 0.1."""
    one, other = (
        samples_of([[1, 1]] * 3, weights).merge_duplicates() for weights in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    )
    assert one.weights == other.weights


def test_merging_does_not_depend_on_the_memory_order():
    """Keys are the bytes of a row, so rows must be contiguous."""
    rng = np.random.default_rng(0)
    steps, targets = rng.integers(0, 2, (50, 2, 2)).astype(float), rng.integers(0, 2, (50, 2)).astype(float)
    weights = rng.uniform(0.5, 2, 50)
    plain = Samples(steps, targets, weights).merge_duplicates()
    assert len(plain) < 50
    for order in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2], lambda a: a[::-1][::-1]):
        merged = Samples(order(steps), order(targets), order(weights)).merge_duplicates()
        np.testing.assert_array_equal(as_table(merged), as_table(plain))


def test_samples_without_targets_are_merged():
    """SeqEncoder has such samples."""
    steps = np.array([1.0, 2.0, 1.0]).reshape(3, 1, 1)
    merged = Samples(steps, np.empty((3, 0)), np.array([1.0, 2.0, 4.0])).merge_duplicates()
    np.testing.assert_array_equal(sorted(as_table(merged).tolist()), [[1, 5], [2, 2]])


def test_samples_of_weight_0_are_dropped():
    samples = samples_of([[1, 10], [2, 20], [3, 30]], [0, 5e-324, 2])
    np.testing.assert_array_equal(as_table(samples.drop_unweighted()), [[2, 20, 5e-324], [3, 30, 2]])
    all_count = samples_of([[1, 10], [2, 20]], [1, 2])
    assert all_count.drop_unweighted() is all_count  # no copy of what may be large
    assert len(samples_of([[1, 10]], [0]).drop_unweighted()) == 0
