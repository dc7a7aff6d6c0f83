"""How tables show numbers; what was not measured, because a peer is missing, says so."""

MISSING = "not installed"


def milliseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{_three_digits(1e3 * seconds)}"


def microseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{_three_digits(1e6 * seconds)}"


def ratio(of: float | None, to: float) -> str:
    """How many times `of` is `to`."""
    return MISSING if of is None else f"{of / to:.2f}x" if of / to < 10 else f"{of / to:.0f}x"


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
