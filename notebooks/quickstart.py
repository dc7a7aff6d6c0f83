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
# # Quick start: forecast the temperature
#
# This notebook forecasts the temperature at JFK airport, New York, for two days. The data are one year of
# hourly weather and are part of the package. 24 hours and many values of the air pressure are missing,
# which requires no preparation.

# %%
# %matplotlib inline
from pathlib import Path

import seqcast

weather = seqcast.datasets.load_weather()
weather.tail(3)

# %% [markdown]
# We hold out the last 30 days as test data. The forecaster is fitted to the data before them.

# %%
past, recent = weather[:-720], weather[-720:]

# %% [markdown]
# `target` selects the column to forecast. The other columns are covariates. All other parameters keep
# their default values: the horizon is one season, which is 24 steps for hourly data, and the window is
# fourteen seasons, or two weeks.

# %%
model = seqcast.SeqForecaster(target="temp", random_state=0).fit(past)
print(f"horizon {model.horizon_}, window {model.window_}, best epoch {model.best_iter_} of {model.n_iter_}")

# %% [markdown]
# `score` returns the skill score: one minus the error, divided by the error of the seasonal naive
# forecast, which repeats the previous day. A score of 0 means no improvement over the naive forecast.

# %%
print(f"skill score: {model.score(recent):.2f}")

# %% [markdown]
# `predict` returns one forecast for each row of the test data. A new forecast is made every 24 hours from
# all earlier rows.

# %%
predicted = model.predict(recent)
mae = (predicted["temp"] - recent["temp"]).abs().mean()
print(f"mean absolute error: {mae:.1f} °F")

# %% [markdown]
# `forecast` continues the training data. Two days are longer than the horizon of 24 steps, so the second
# day is forecast recursively, from the forecast of the first day.

# %%
forecast = model.forecast(48)
figure = seqcast.plot_forecast(past[["temp"]], forecast, recent[["temp"]])
if "__file__" in globals():
    # when run as a script, save the figure for the README
    figure.savefig(Path(__file__).with_name("forecast.png"), dpi=110)
figure

# %% [markdown]
# Continue with the [forecasting guide](../docs/forecasting.md), or with the notebook on [three
# airports](weather.ipynb), which covers panels, prediction intervals and backtests.
