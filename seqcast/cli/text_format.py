"""Numbers and times as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def describe_rows(data: pd.DataFrame) -> str:
    """Return the number of rows, and the first and the last label."""
    return f"{len(data):,} rows, {format_range(data.index)}"


def format_range(labels: Any) -> str:
    """Return the first and the last label."""
    return " to ".join(format_labels([labels[0], labels[-1]]))


def format_labels(labels: Sequence[Any]) -> list[str]:
    """Return labels as text, without the times of day or the seconds if these are zero in all labels."""
    texts = [str(label) for label in labels]
    for zeros in (" 00:00:00", ":00"):
        if all(text.endswith(zeros) and text.count(":") == 2 for text in texts):
            return [text.removesuffix(zeros) for text in texts]
    return texts


def count_decimals(size: float) -> int:
    """Return the number of decimals to print: 2, or as many as give three digits of a number of this size."""
    if size == 0 or 1 <= size < 1000 or not math.isfinite(size):
        return 2
    return max(0, 2 - math.floor(math.log10(size)))


def describe_skill(skill: float) -> str:
    """Return a skill, and the relative difference of the errors in words."""
    if math.isinf(skill):
        return "none: the seasonal naive forecast makes no error"
    side = "below" if skill >= 0 else "above"
    return f"{skill:.2f}: an RMSE {abs(skill):.0%} {side} that of the seasonal naive forecast"
