"""Fixtures of the estimators' tests."""

import pytest
from forecast_by_hand import (
    hourly,
    with_holes,
)
from forecaster_tasks import SMALL, WAYS

from seqcast import SeqForecaster


@pytest.fixture(scope="module")
def frame():
    return hourly(168, "ab")


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def model(frame, request):
    """Return a forecaster of two targets, fitted on the first 120 rows of `frame`."""
    return SeqForecaster(**{**SMALL, **request.param}).fit(frame[:120])


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def guided(request):
    """Return a float64 forecaster of c and a with the covariate b, and its training rows."""
    rows = with_holes(hourly(120, "abc"))
    options = {**SMALL, **request.param, "target": ["c", "a"], "dtype": "float64"}
    return SeqForecaster(**options).fit(rows), rows
