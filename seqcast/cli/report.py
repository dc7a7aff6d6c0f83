"""What is printed: lines under headings, tables of errors, forecasts as lines of bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from .text_format import decimals, from_to, skill_in_words, skyline

if TYPE_CHECKING:
    import pandas as pd

BAR_WIDTH = 24  # characters


class Report:
    """Prints lines, each under a heading at the left; nothing if there is no stream."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self.bar, self.levels = ("█", "▁▂▃▄▅▆▇█") if encoding.startswith("utf") else ("#", "_.-=+*%#")

    def line(self, text: str = "") -> None:
        """Print a line as it is."""
        if self.stream is not None:
            print(text, file=self.stream)

    def item(self, heading: str, text: str) -> None:
        """Print a line under a heading; no heading if it goes on from the line above."""
        self.line(f"{heading:<8}{text}")

    def errors(self, errors: Mapping[Any, float], title: str = "") -> None:
        """Print a table of a target's errors, with bars as long as they are large, and the skill."""
        names = {"forecast": "", "seasonal naive": "_seasonal_naive", "persistence": "_persistence"}
        largest = max(errors[f"rmse{suffix}"] for suffix in names.values())
        digits = decimals(largest)
        self.line()
        width = max(16, len(title))
        self.line(f"{title:<{width}}{'RMSE':>10}{'MAE':>10}")
        for name, suffix in names.items():
            rmse, mae = errors[f"rmse{suffix}"], errors[f"mae{suffix}"]
            bar = self.bar * (round(BAR_WIDTH * rmse / largest) if largest else 0)
            self.line(f"{name:<{width}}{rmse:>10.{digits}f}{mae:>10.{digits}f}  {bar}".rstrip())
        self.line()
        self.item("skill", skill_in_words(errors["skill"]))

    def forecast(self, forecast: pd.DataFrame) -> None:
        """Print what is forecast, each target as a line of bars."""
        self.line()
        self.item("next", f"{len(forecast)} steps, {from_to(forecast.index)}")
        for name, values in forecast.items():
            low, high = values.min(), values.max()
            digits = decimals(high - low)
            self.item("", f"{name}: {low:.{digits}f} to {high:.{digits}f}")
            self.item("", skyline(values.to_numpy(), self.levels))

    def files(self, paths: list[str]) -> None:
        """Print the names of the files that were written."""
        if paths:
            self.line()
        for heading, path in zip(["wrote", ""], paths, strict=False):
            self.item(heading, path)
