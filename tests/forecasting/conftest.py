"""Fixtures of the tests of forecasting."""

import pytest
from interval_tasks import MODELS, wander


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request):
    """A forecaster of each kind, fitted to one series."""
    kind, options = request.param
    return kind(**options).fit(wander())
