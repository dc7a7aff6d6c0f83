"""Names of the losses, and the units that they are measured in."""

from .distributions import DISTRIBUTIONS, GAUSSIAN

# In the place of a power: the loss is minus the log of a density.
LOG_DENSITY = None
# Each loss, and the power of the targets' unit that it is measured in. The other lists of losses are derived
# from this one: those before the cross-entropy are point losses, those after it belong to distributions.
LOSS_UNITS = {
    "squared": 2,
    "absolute": 1,
    "huber": 2,
    "cross_entropy": 0,
    "quantile": 1,
    **dict.fromkeys(DISTRIBUTIONS[GAUSSIAN:], LOG_DENSITY),
}
# The position of a name is its number in `readout.loss`.
LOSSES = tuple(LOSS_UNITS)
CROSS_ENTROPY = LOSSES.index("cross_entropy")
# The losses of one error, see `point_loss`.
POINT_LOSSES = LOSSES[:CROSS_ENTROPY]
