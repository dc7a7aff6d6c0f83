"""Constants for the kernels and for modules that must not import numba."""

# The smallest standard deviation that a window is divided by, in units of the deviation of the training data,
# which is 1. With a smaller bound, the noise of a nearly constant window would be scaled up to the size of a
# signal, and its forecast scaled down to almost nothing.
LEAST_DEVIATION = 0.1
