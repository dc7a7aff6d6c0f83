"""The gradient of relu below zero."""

from seqcast.cells.rnn import relu_backward


def test_the_gradient_of_relu_is_zero_below_zero():
    assert relu_backward((0.0,), (0.5,), (3.0,)) == ((0.0,), (0,))
    assert relu_backward((0.1,), (0.5,), (3.0,)) == ((3.0,), (0,))
