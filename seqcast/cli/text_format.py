"""Times and numbers as the words of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SKYLINE_WIDTH = 64  # characters


def span(df: pd.DataFrame) -> str:
    """Tell how many rows there are, from when to when."""
    return f"{len(df):,} rows, {from_to(df.index)}"


def from_to(labels: Any) -> str:
    """Tell the first and the last label."""
    return " to ".join(stamps([labels[0], labels[-1]]))


def stamps(labels: Sequence[Any]) -> list[str]:
    """Return labels as text, without the times of day or the seconds that are zero in all of them."""
    texts = [str(label) for label in labels]
    for zeros in (" 00:00:00", ":00"):
        if all(text.endswith(zeros) and text.count(":") == 2 for text in texts):
            return [text.removesuffix(zeros) for text in texts]
    return texts


def decimals(size: float) -> int:
    """Return how many decimals to show: two, or as many as it takes for three digits of a number."""
    if size == 0 or 1 <= size < 1000 or not math.isfinite(size):
        return 2
    return max(0, 2 - math.floor(math.log10(size)))


def skill_in_words(skill: float) -> str:
    """Tell a skill, and what it says of the error."""
    if math.isinf(skill):
        return "none: the seasonal naive forecast makes no error"
    side = "below" if skill >= 0 else "above"
    return f"{skill:.2f}: an RMSE {abs(skill):.0%} {side} that of the seasonal naive forecast"


def skyline(values: np.ndarray, levels: str) -> str:
    """Draw numbers as bars of eight heights, the means of stretches where there are many."""
    import numpy as np

    heights = np.array([part.mean() for part in np.array_split(values, min(len(values), SKYLINE_WIDTH))])
    spread = np.ptp(heights) or 1.0
    return "".join(
        levels[int(height)] for height in (heights - heights.min()) / spread * (len(levels) - 1) + 0.5
    )
