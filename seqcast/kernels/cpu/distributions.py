"""Parameters, densities and losses of distributions, and their derivatives; see `kernels.distributions`."""

import math

import numpy as np

from ..distributions import (
    GAUSSIAN,
    LEAST_COUNT,
    LEAST_FREEDOM,
    LEAST_SCALE,
    NEGATIVE_BINOMIAL,
    QUANTILE,
    STUDENT_T,
)
from .jit import inlined, kernel

# From this number on, Stirling's series is exact to 2e-16.
SERIES_FROM = 15.0
HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
# In float32, so that float32 numbers are not promoted to float64.
ONE = np.float32(1)


@inlined
def sign(x):
    """Return -1, 0, 1 or NaN in the type of `x`, as np.sign, which numba does not compile for GPUs."""
    return ONE if x > 0 else -ONE if x < 0 else abs(x)


# -- from outputs to parameters


@inlined
def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@inlined
def softplus_slope(y):
    """Return the derivative of softplus where its value is `y`."""
    return -math.expm1(-y)


@kernel
def least(kind, k):
    """Return the lower bound of parameter k, which must have one."""
    if kind == NEGATIVE_BINOMIAL:
        return LEAST_COUNT
    return LEAST_SCALE if k == 1 else LEAST_FREEDOM


@kernel
def towards_median(probabilities, k):
    """Return the number of the neighbor of quantile k > 0 that is closer to the median."""
    return 0 if probabilities[k] < probabilities[0] < probabilities[k - 1] else k - 1


@kernel
def to_parameters(kind, probabilities, p):
    """Turn outputs (IN) into parameters (OUT) of one step and target."""
    if kind == NEGATIVE_BINOMIAL:
        p[0] = least(kind, 0) + softplus(np.float64(p[0]))
    for k in range(1, p.size):
        step = softplus(np.float64(p[k]))
        if kind == QUANTILE:
            above = probabilities[k] > probabilities[0]
            p[k] = p[towards_median(probabilities, k)] + (step if above else -step)
        else:
            p[k] = least(kind, k) + step


@kernel
def to_values_unit(kind, p, offset, scale):
    """Turn parameters in the unit of the window (IN) into the unit of the values (OUT)."""
    p[0] = p[0] * scale + offset
    if kind == QUANTILE:
        for k in range(1, p.size):
            p[k] = p[k] * scale + offset
    elif kind == NEGATIVE_BINOMIAL:
        # Salinas et al., "DeepAR", International Journal of Forecasting 36 (2020), section 3.3.
        p[1] /= math.sqrt(scale)
    else:
        p[1] *= scale


# -- losses of a value `y`, and their derivatives with respect to the parameters


@inlined
def pinball(probability, d):
    """Return twice the pinball loss of a quantile `d` below the value, and its derivative in `d`."""
    slope = 2.0 * probability if d > 0 else 2.0 * (probability - 1.0) if d < 0 else 0.0 * d
    return slope * d, slope


@kernel
def gaussian(y, mean, deviation):
    z = (y - mean) / deviation
    return HALF_LOG_2_PI + math.log(deviation) + 0.5 * z * z, -z / deviation, (1.0 - z * z) / deviation


@kernel
def student_t(y, location, scale, freedom):
    z = (y - location) / scale
    power, slope = rising(0.5 * freedom, 0.5)
    tail, pull = math.log1p(z * z / freedom), (freedom + 1.0) * z / (freedom + z * z)
    loss = HALF_LOG_2_PI + math.log(scale) - power + 0.5 * (freedom + 1.0) * tail
    return loss, -pull / scale, (1.0 - pull * z) / scale, 0.5 * (tail - slope - pull * z / freedom)


@kernel
def negative_binomial(y, mean, alpha):
    r, more = 1.0 / alpha, 1.0 + alpha * mean
    power, slope = rising(r, y)
    tail = math.log1p(alpha * mean)
    loss = math.lgamma(y + 1.0) - power - y * math.log(mean) + (y + r) * tail
    return loss, (mean - y) / (mean * more), r * r * (slope - tail) + (y + r) * mean / more


@kernel
def rising(r, y):
    """Return log(Gamma(r + y) / (Gamma(r) r^y)), which tends to 0 for large r, and its derivative in r.

    For large r, the log-gammas are much larger than their difference, so Stirling's series is used instead.
    """
    if r < SERIES_FROM:
        value = math.lgamma(r + y) - math.lgamma(r) - y * math.log(r)
        return value, digamma(r + y) - digamma(r) - y / r
    (rest, d_rest), (more, d_more) = stirling(r), stirling(r + y)
    power = math.log1p(y / r)
    value = (r + y - 0.5) * power - y + more - rest
    return value, power - y / r + 0.5 * y / (r * (r + y)) + d_more - d_rest


@kernel
def digamma(x):
    """Return the derivative of log(Gamma(x)), for x > 0.

    ``digamma(x) = digamma(x + 1) - 1 / x`` is applied until the series is exact.
    """
    total = 0.0
    while x < SERIES_FROM:
        total -= 1.0 / x
        x += 1.0
    return total + math.log(x) - 0.5 / x + stirling(x)[1]


@kernel
def stirling(x):
    """Return the error of Stirling's formula for log(Gamma(x)), and its derivative.

    See Abramowitz and Stegun, 6.1.41 and 6.3.18.
    """
    s = 1.0 / (x * x)
    value = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x
    return value, -s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))


# -- losses, and their derivatives with respect to the outputs


@kernel
def distribution_loss(kind, probabilities, p, scale, y):
    """Return the loss of a value that lies `y` above the window's offset.

    The parameters (IN) become the derivatives with respect to the outputs (OUT).
    """
    if kind == QUANTILE:
        return quantile_loss(probabilities, p, scale, y)
    unit = 1.0 / math.sqrt(scale) if kind == NEGATIVE_BINOMIAL else scale
    location, spread = np.float64(p[0]), np.float64(p[1])
    if kind == GAUSSIAN:
        loss, d_location, d_spread = gaussian(y, scale * location, unit * spread)
    elif kind == STUDENT_T:
        freedom = np.float64(p[2])
        loss, d_location, d_spread, d_freedom = student_t(y, scale * location, unit * spread, freedom)
        p[2] = d_freedom * softplus_slope(freedom - least(kind, 2))
    else:
        loss, d_location, d_spread = negative_binomial(y, scale * location, unit * spread)
        d_location *= softplus_slope(location - least(kind, 0))
    p[0] = d_location * scale
    p[1] = d_spread * unit * softplus_slope(spread - least(kind, 1))
    return loss


@kernel
def quantile_loss(probabilities, p, scale, y):
    """Return the loss of quantiles, as `distribution_loss` does.

    Each output moves its own quantile and all beyond it.
    """
    loss, beyond, middle, n = 0.0, 0.0, 0.0, p.size
    for k in range(n - 1, 0, -1):
        before = towards_median(probabilities, k)
        one, slope = pinball(probabilities[k], y - scale * p[k])
        loss, beyond = loss + one, beyond - slope
        step = np.float64(p[k]) - p[before]
        p[k] = sign(probabilities[k] - probabilities[0]) * beyond * scale * softplus_slope(abs(step)) / n
        if before == 0:
            middle, beyond = middle + beyond, 0.0
    one, slope = pinball(probabilities[0], y - scale * p[0])
    p[0] = (middle - slope) * scale / n
    return (loss + one) / n
