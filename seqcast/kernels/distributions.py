"""Forecasts that are distributions: the readout gives the parameters of one for each step and target.

The outputs are ordered by parameter: one for each step and target, in the order of point forecasts, then the
same number of the next parameter::

    quantile            the median; the quantiles above it, upwards; those below it, downwards
    gaussian            mean; deviation
    student_t           location; scale; degrees of freedom
    negative_binomial   mean; dispersion alpha, the variance being mean + alpha mean^2

A location is the output itself. A parameter that must be positive is ``least + softplus(output)``. A quantile
lies ``softplus(output)`` beyond its neighbor that is closer to the median, so quantiles never cross.

Parameters are in the unit of the window: the offset is subtracted, and the result divided by the scale. The
loss of a distribution with a density is minus the log of the density of the observed value. The loss of
quantiles is twice the pinball loss, averaged over their probabilities; that of the median alone is the
absolute error. All losses are computed in float64.
"""

import numpy as np

DISTRIBUTIONS = ("none", "quantile", "gaussian", "student_t", "negative_binomial")
# The position of a name is its number in `readout.distribution`.
QUANTILE, GAUSSIAN, STUDENT_T, NEGATIVE_BINOMIAL = range(1, 5)
# The readout's table has room for all percentiles.
MAX_QUANTILES = 99

# In units of a target's standard deviation. Without a bound, the density of an exact forecast is infinite.
LEAST_SCALE = 1e-3
# With fewer degrees of freedom the variance is infinite.
LEAST_FREEDOM = 2.0
# Bound of the mean and of alpha. With mean 0, every positive count has probability 0; with alpha 0, the
# distribution is Poisson's.
LEAST_COUNT = 1e-6


def parameter_count(distribution: str, probabilities: tuple[float, ...] = ()) -> int:
    """Return the number of outputs for each step and target."""
    counts = {
        "none": 1,
        "quantile": len(probabilities),
        "gaussian": 2,
        "student_t": 3,
        "negative_binomial": 2,
    }
    return counts[distribution]


def output_probabilities(probabilities: tuple[float, ...]) -> np.ndarray:
    """Return the probabilities of quantiles in the order of the outputs: the median, upwards, downwards.

    probabilities: ascending, 0.5 among them.
    """
    ascending = np.array(probabilities, float)
    return np.concatenate([ascending[ascending >= 0.5], ascending[ascending < 0.5][::-1]])
