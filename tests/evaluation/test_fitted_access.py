"""Access to the fitted state of forecasters."""

import ast
from pathlib import Path

import numpy as np
import pytest

import seqcast
from seqcast import LinearForecaster
from seqcast.evaluation import fitted_access

PACKAGE = Path(seqcast.__file__).parent
FILES = [path for name in ("evaluation", "cli", "plotting") for path in (PACKAGE / name).rglob("*.py")]


def find_private_attributes(path):
    """Return the private attributes that a file reads and does not define."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    return {name for name in read - own if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_other_module_reads_private_attributes(path):
    # scikit-learn's name for the constraints of parameters.
    allowed = {"_parameter_constraints"}
    if path.name != "fitted_access.py":
        assert find_private_attributes(path) <= allowed


def test_only_forecasters_of_this_library_are_forecasters():
    assert fitted_access.is_forecaster(LinearForecaster())
    assert not fitted_access.is_forecaster(LinearForecaster)


def test_replaced_forecast_is_used_by_the_copy_only():
    values = np.sin(np.arange(60.0))
    model = LinearForecaster(2, 6, season_length=1).fit(values[:50])
    expected = model.predict(values[50:])

    def forecast(panel, cutoffs, probabilities=()):
        return fitted_access.forecast_panel(model, panel, cutoffs, probabilities) + 1

    changed = fitted_access.replace_panel_forecast(model, forecast)
    np.testing.assert_array_equal(changed.predict(values[50:]), expected + 1)
    np.testing.assert_array_equal(model.predict(values[50:]), expected)
