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
# # Tomorrow's temperature
#
# A year of hourly weather at JFK airport, New York, forecast two days ahead. The data come with the package;
# 24 hours are missing from them, and so are many values of the air pressure. Nothing needs to be filled in.

# %%
# %matplotlib inline
from pathlib import Path

import seqcast

weather = seqcast.datasets.load_weather()
weather.tail(3)

# %% [markdown]
# The last month is held back. What the forecaster learns from ends before it.

# %%
past, recent = weather[:-720], weather[-720:]

# %% [markdown]
# `target` names what to forecast; the other columns are read, but not forecast. Everything else is left to
# the defaults: one day at once (the index is hourly, so a season is 24 steps), from the two weeks before.

# %%
model = seqcast.SeqForecaster(target="temp", random_state=0).fit(past)
print(
    f"forecasts {model.horizon_} steps from {model.window_}, epoch {model.best_iter_} of {model.n_iter_} was "
    f"best"
)

# %% [markdown]
# `score` asks how much smaller the error is than that of repeating yesterday. Zero would be no better.

# %%
print(f"skill: {model.score(recent):.2f}")

# %% [markdown]
# `predict` gives one forecast for each row, each made from rows before it, a day at a time.

# %%
predicted = model.predict(recent)
error = (predicted["temp"] - recent["temp"]).abs().mean()
print(f"mean absolute error: {error:.1f} F")

# %% [markdown]
# `forecast` goes on where the training rows end. Two days are more than the one that was trained, so the
# second day is made from the first.

# %%
forecast = model.forecast(48)
figure = seqcast.plot_forecast(past[["temp"]], forecast, recent[["temp"]])
if "__file__" in globals():  # as a script: keep the picture that the README shows
    figure.savefig(Path(__file__).with_name("forecast.png"), dpi=110)
figure
