"""Options of training as the optimizers read them."""

import numpy as np
import pytest

from seqcast.learning.options import TrainingOptions


@pytest.mark.parametrize(
    ("optimizer", "expected"), [("sgd", (0.7, 0.999)), ("rmsprop", (0.9, 0.99)), ("adam", (0.9, 0.999))]
)
def test_settings_of_each_optimizer(optimizer, expected):
    options = TrainingOptions(optimizer=optimizer, learning_rate_init=0.5, momentum=0.7, clip_norm=None)
    settings = options.settings(np.dtype("float64"))
    assert settings.tolist() == [0.5, *expected, 1e-8, 0.0, 0.0]
    assert TrainingOptions().settings(np.dtype("float32")).dtype == np.float32
