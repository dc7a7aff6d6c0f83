"""Format numbers for tables. Values that were not measured, because a library is missing, are marked."""

MISSING = "not installed"


def milliseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{_three_digits(1e3 * seconds)}"


def microseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{_three_digits(1e6 * seconds)}"


def ratio(numerator: float | None, denominator: float) -> str:
    """Return a ratio such as "2.34x", or "12x" from 10 on."""
    if numerator is None:
        return MISSING
    value = numerator / denominator
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
