"""Names of the modes of kernels. The position of a name is its number in the tables."""

POOLINGS = ("last", "mean", "max")
READOUT_MODES = (*POOLINGS, "none")
LAST, MEAN, MAX, EVERY_STEP = range(4)
# What a window is divided by.
SCALES = ("none", "deviation", "mean")
OPTIMIZERS = ("sgd", "rmsprop", "adam")
