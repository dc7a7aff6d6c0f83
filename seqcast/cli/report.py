"""The report that a command prints: lines under headings, and tables of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from .text_format import count_decimals, describe_skill, format_range

if TYPE_CHECKING:
    import pandas as pd

# Rows of a table of errors, and the suffix of the names of their errors.
FORECASTS = {"forecast": "", "seasonal naive": "_seasonal_naive", "persistence": "_persistence"}


class Report:
    """A report that is printed to a stream line by line, or not printed if the stream is None."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def line(self, text: str = "") -> None:
        """Print a line."""
        if self.stream is not None:
            print(text, file=self.stream)

    def item(self, heading: str, text: str) -> None:
        """Print a line under a heading. An empty heading continues the item before."""
        self.line(f"{heading:<8}{text}")

    def errors(self, errors: Mapping[Any, float], title: str = "") -> None:
        """Print a table of the errors of one target, and the skill."""
        digits = count_decimals(max(errors[f"rmse{suffix}"] for suffix in FORECASTS.values()))
        width = max(16, len(title))
        self.line()
        self.line(f"{title:<{width}}{'RMSE':>10}{'MAE':>10}")
        for name, suffix in FORECASTS.items():
            rmse, mae = errors[f"rmse{suffix}"], errors[f"mae{suffix}"]
            self.line(f"{name:<{width}}{rmse:>10.{digits}f}{mae:>10.{digits}f}")
        self.line()
        self.item("skill", describe_skill(errors["skill"]))

    def forecast(self, forecast: pd.DataFrame) -> None:
        """Print the steps of a forecast, and the range of each target."""
        self.line()
        self.item("next", f"{len(forecast)} steps, {format_range(forecast.index)}")
        for name, values in forecast.items():
            low, high = values.min(), values.max()
            digits = count_decimals(high - low)
            self.item("", f"{name}: {low:.{digits}f} to {high:.{digits}f}")

    def files(self, paths: list[str]) -> None:
        """Print the names of the files that were written."""
        if paths:
            self.line()
        for heading, path in zip(["wrote", ""], paths, strict=False):
            self.item(heading, path)
