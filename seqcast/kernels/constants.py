"""Constants for the kernels and for modules that must not import numba."""

# The smallest standard deviation that a window is divided by, in units of the deviation of the training data,
# which is 1. With a smaller one, the noise of a nearly flat window would be read as loud as any signal, and
# the forecast would vanish.
LEAST_DEVIATION = 0.1
