"""The functions that a fit calls while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..learning.fitting import Monitor

Result = TypeVar("Result")
Other = TypeVar("Other")


@dataclass(frozen=True)
class FitCallbacks(Generic[Result]):
    """The functions that a fit calls with its results, complete or not.

    Attributes
    ----------
    monitor : Monitor
        Called with the maximum number of epochs, and with a function that returns the result of the fit as if
        it ended with a given epoch. It returns a context, in which each epoch is reported.
    keep : callable
        Called with each result, also if training was interrupted.
    """

    monitor: Monitor[Result]
    keep: Callable[[Result], None]

    def convert(self, function: Callable[[Other], Result]) -> FitCallbacks[Other]:
        """Return callbacks for a stage of the fit, whose results `function` turns into results of the fit."""
        return FitCallbacks(
            lambda max_iter, result: self.monitor(max_iter, lambda epoch: function(result(epoch))),
            lambda other: self.keep(function(other)),
        )
