"""The linear part."""

import numpy as np
import pandas as pd
from plan_tasks import examples_of

from seqcast.forecasting.parts.linear import LinearPart

# The sum of two values five steps apart is constant, so the next ones follow by a linear rule.
WAVE = np.sin(np.arange(80) * np.pi / 5) + 3
CUTOFFS = np.array([20, 70])


def test_a_wave_is_forecast_by_a_linear_rule():
    examples = examples_of(WAVE, window=10)
    part = LinearPart.fit(examples, "last")
    truth = examples.prepared.cut_targets(CUTOFFS)
    np.testing.assert_allclose(part.forecast(examples.prepared, CUTOFFS).center, truth, atol=1e-4)


def test_differences_are_forecast_and_summed_up():
    examples = examples_of(WAVE, window=10, differences=(1,))
    part = LinearPart.fit(examples, "last")
    truth = examples.prepared.cut_targets(CUTOFFS)
    np.testing.assert_allclose(part.forecast(examples.prepared, CUTOFFS).center, truth, atol=1e-3)


def test_forecasts_out_of_fold_are_of_training_samples():
    examples = examples_of(WAVE, window=10)
    cutoffs, found = LinearPart.fit(examples, "last").forecast_out_of_fold(examples)
    np.testing.assert_array_equal(cutoffs, examples.train)
    np.testing.assert_allclose(found, examples.prepared.cut_targets(cutoffs), atol=1e-3)


def test_without_a_complete_horizon_there_is_no_part():
    values = WAVE.copy()
    values[::2] = np.nan
    assert LinearPart.fit(examples_of(values, window=10), "last") is None


def test_targets_of_several_columns_are_forecast_side_by_side():
    frame = pd.DataFrame({"a": WAVE, "b": np.roll(WAVE, 2)})
    for multivariate in (True, False):
        examples = examples_of(frame, window=10, multivariate=multivariate)
        found = LinearPart.fit(examples, "none").forecast(examples.prepared, CUTOFFS).center
        np.testing.assert_allclose(found, examples.prepared.cut_targets(CUTOFFS), atol=1e-3)
