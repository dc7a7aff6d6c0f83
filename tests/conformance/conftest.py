"""Says which versions a run has proved."""

from importlib.metadata import version


def pytest_report_header():
    return "seqcast runs with " + ", ".join(
        f"{name} {version(name)}" for name in ("numba", "numpy", "pandas", "scikit-learn")
    )
