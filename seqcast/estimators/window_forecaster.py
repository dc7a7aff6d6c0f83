"""What the forecasters share that learn from windows: how long they are, and which to judge by."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..data.windows import border, training_starts, validation_starts
from ..forecasting.blocks import Blocks
from ..forecasting.linear import LinearMap, fit_linear
from .base_forecaster import BaseForecaster

# The default window: so many seasons, but not more steps than that, ...
WINDOW_SEASONS, WINDOW_STEPS = 14, 336
# ... at least three seasons, and at most a third of the data.
FEWEST_SEASONS, SHARE_OF_DATA = 3, 3


class WindowForecaster(BaseForecaster):
    """Base of the forecasters that learn from windows, and choose by the last ones."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseForecaster._parameter_constraints,
        "window": [None, Interval(Integral, 1, None, closed="left")],
        "joint": ["boolean"],
        "normalization": [StrOptions({"last", "none", "auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    }

    def _lengths(self, n: int) -> tuple[int, int, int]:
        horizon = self.horizon or max(1, min(self._natural_horizon(), n // 8))
        room = self._training_end(n, horizon) - horizon
        natural = self._natural_horizon()
        wanted = max(FEWEST_SEASONS * natural, min(WINDOW_SEASONS * natural, WINDOW_STEPS))
        window = self.window or max(1, min(wanted, room // SHARE_OF_DATA))
        return horizon, window, room

    def _training_end(self, n: int, horizon: int) -> int:
        return border(n, horizon, self.validation_fraction) if self._holds_back() else n

    def _blocks(self, values: np.ndarray) -> Blocks:
        scaled = self._scaler.transform(values, np.dtype(np.float64))
        return Blocks.of(scaled, len(self.target_names_), self.joint)

    def _window_starts(self, grid: np.ndarray, end: int) -> tuple[np.ndarray, np.ndarray]:
        """First steps of the windows to learn from, and of those to judge by."""
        targets = grid[:, : len(self.target_names_)]
        train = training_starts(targets, self.window_, self.horizon_, end)
        validation = validation_starts(targets, self.window_, self.horizon_, end)
        if not len(train) or (self._holds_back() and not len(validation)):
            raise ValueError(
                f"{type(self).__name__}.fit needs windows of {self.window_} steps with observed targets in "
                f"them and in the {self.horizon_} steps after them, both before and after step {end}. Got "
                f"too few: most targets are missing there. Pass more rows, or a shorter window or horizon."
            )
        return train, validation if self._holds_back() else np.empty(0, np.int64)

    def _warn_constant(self) -> None:
        constant = [
            name for name, flat in zip(self.target_names_, self._scaler.constant, strict=False) if flat
        ]
        if constant:
            warnings.warn(
                f"Targets {constant} are constant in training and are forecast as such.", stacklevel=5
            )

    def _fit_linear(self, blocks: Blocks, train: np.ndarray, validation: np.ndarray) -> LinearMap | None:
        """The best linear map on the windows to judge by; None where no window is complete."""
        ways: tuple[bool, ...] = (self.normalization != "none",)
        if self.normalization == "auto" and len(validation):
            ways = (True, False)
        return fit_linear(blocks, train, validation, self.window_, self.horizon_, ways)
