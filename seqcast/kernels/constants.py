"""The least deviation that a window is divided by, for the kernels and for what must not import numba."""

# Of the deviation in training, which is 1: divided by less than this, the noise of a window that is all but
# flat would be read as loud as any signal, and what the head adds would vanish.
LEAST_DEVIATION = 0.1
