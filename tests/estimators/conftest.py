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
    """Fitted on the first 120 rows of `frame`: two targets, no covariate."""
    return SeqForecaster(**{**SMALL, **request.param}).fit(frame[:120])


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def guided(request):
    """A model of targets c and a with covariate b, in double precision, and the rows it was fitted on."""
    rows = with_holes(hourly(120, "abc"))
    options = {**SMALL, **request.param, "target": ["c", "a"], "dtype": "float64"}
    return SeqForecaster(**options).fit(rows), rows
