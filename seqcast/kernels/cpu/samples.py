"""Positions of samples in a block, and the order of a sample's steps in time."""

from ..samples import LENGTH
from .jit import kernel


@kernel
def count_running(block, step, count):
    """Return how many samples of a block have more than `step` steps.

    count: the result for a neighboring step, from which the search begins.
    """
    while count > 0 and block[count - 1, LENGTH] <= step:
        count -= 1
    while count < block.shape[0] and block[count, LENGTH] > step:
        count += 1
    return count


@kernel
def natural_time(reverse, s, length):
    """Return the time, within a chunk, of step s of a direction over `length` steps.

    It is negative if the sample has ended.
    """
    if reverse:
        return length - 1 - s
    return s if s < length else -1
