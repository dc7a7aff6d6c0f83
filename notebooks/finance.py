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
# # What can be forecast of a share
#
# Not its price. This notebook shows that first, since a forecaster that hides it is worse than none. Then it
# forecasts what can be forecast: how much the price will move.
#
# The data are thirteen years of daily prices of IBM, 2000 to 2013, from the package bokeh_sampledata, which
# has them from Quandl's table WIKI, declared public domain: `pip install 'seqcast[notebooks]'`.

# %%
# %matplotlib inline
import numpy as np
import pandas as pd
from bokeh_sampledata import stocks
from matplotlib.figure import Figure
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import seqcast

pd.set_option("display.precision", 3)

prices = pd.DataFrame(stocks.IBM).assign(date=lambda rows: pd.to_datetime(rows["date"])).set_index("date")
prices.tail(3)

# %% [markdown]
# `adj_close` is free of the jumps that dividends and splits make; use such a column for anything that spans
# days. The others are what was paid on the day, in dollars.
#
# ## Prices
#
# We forecast ten trading days. `season_length=1` says that a price has no weekly pattern: the bar is then the
# last price, not that of a week before, which would be too easy to beat.

# %%
price, horizon = prices[["adj_close"]], 10
model = seqcast.SeqForecaster(horizon, season_length=1, random_state=0).fit(price[:-500])
print(model.chosen_)

# %% [markdown]
# That is all there is to know. `fit` trained a network and a linear map, compared both with the last price on
# rows that neither had seen, and kept what was best: the last price. So its skill is nought, by its own word.

# %%
print(f"skill over the last 500 days: {model.score(price[-500:]):.2f}")

# %% [markdown]
# Let us forbid it to fall back on the last price, and ask again at forty origins in the last 400 days,
# with four fits.

# %%
stubborn = seqcast.SeqForecaster(horizon, season_length=1, naive_fallback=False, random_state=0)
price_rows = seqcast.backtest(stubborn, price, n_windows=40, refit=10, n_jobs=2)
seqcast.summarize(price_rows)[["rmse", "rmse_persistence", "skill"]]

# %% [markdown]
# Errors are in dollars. Network and linear map gain next to nothing, or lose. Pictures of prices that seem to
# be forecast well show the last price, drawn one step late. Be wary of them, whatever the model.
#
# ## Volatility
#
# How much a price moves is another matter: calm days follow calm days, and storms last. The volatility of a
# day can be had from its high and low alone (Parkinson, *Journal of Business* 53, 1980): the logarithm of
# their ratio, divided by $\sqrt{4 \ln 2}$. Both are of the same day, so dividends and splits do not matter.

# %%
PARKINSON = np.sqrt(4 * np.log(2))


def volatility_of(prices):
    """In per cent a day; and the return of the day, in per cent."""
    in_percent = 100 * np.log(prices[["high", "low", "adj_close"]])
    volatility = (in_percent["high"] - in_percent["low"]) / PARKINSON
    return pd.DataFrame({"volatility": volatility, "return": in_percent["adj_close"].diff()})


volatility = volatility_of(prices)[["volatility"]]
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots()
axes.plot(volatility, color="#1d3557", linewidth=0.5)
axes.set(ylabel="volatility, % a day", title="IBM")
axes.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## A search in a pipeline
#
# The forecaster is an estimator as any other. Here a pipeline makes the volatility from the prices, and a
# grid search asks whether to read a quarter of a year or a half, and whether to read the returns too, since
# falls are said to stir more than rises. Each fold learns from the past and is judged by the year after it.
#
# `target_transform="log"` keeps forecasts and their intervals above zero. Where candidates differ by less
# than the folds of one do, the simplest is taken; the grid begins with that.


# %%
def features(prices, returns=True):
    made = volatility_of(prices)
    return made if returns else made[["volatility"]]


def simplest(results):
    best = results["mean_test_score"].argmax()
    enough = results["mean_test_score"][best] - results["std_test_score"][best]
    return (results["mean_test_score"] >= enough).argmax()


forecaster = seqcast.SeqForecaster(
    horizon, target="volatility", target_transform="log", max_iter=200, random_state=0
)
pipeline = make_pipeline(FunctionTransformer(features), forecaster)
grid = {
    "functiontransformer__kw_args": [{"returns": False}, {"returns": True}],
    "seqforecaster__window": [66, 132],
}
past, later = prices[:-horizon], prices[-horizon:]
search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(3, test_size=250), refit=simplest).fit(past)

found = pd.DataFrame(search.cv_results_)
found.filter(regex="param_|mean_test|std_test")

# %% [markdown]
# The score is the skill against repeating the last week: all are well above zero, and they hardly differ. The
# search has fitted its choice on all rows that it got. Here it is, and the weights of its parts.

# %%
print(search.best_params_)
transformer, forecaster = search.best_estimator_
print({part: round(weight, 2) for part, weight in forecaster.chosen_.items()})

# %% [markdown]
# ## The trading calendar
#
# No frequency was set. The rows tell that they are trading days, so the forecast leaves weekends out. The
# holidays to come can not be told from rows of the past. Here is one that the exchange kept and the forecast
# does not know: Presidents' Day.

# %%
forecast = forecaster.forecast(level=[80, 95])
forecast.index.difference(later.index)

# %% [markdown]
# Steps are trading days all the same: whoever has the exchange's calendar puts its days in the place of ours.

# %%
forecast.index = later.index
figure = seqcast.plot_forecast(volatility, forecast, volatility)
figure.axes[0].set(ylabel="volatility of IBM, % a day", xlabel="")
figure

# %% [markdown]
# A single day is mostly chance. What is forecast is the level around which days will scatter, and how widely;
# these ten turned out livelier than the weeks before them.
#
# ## How good is it?
#
# A backtest over the last 600 days: sixty origins, with a fresh fit at every sixth of them, on all rows up to
# there and none after.

# %%
table = transformer.transform(prices)
rows = seqcast.backtest(forecaster, table, n_windows=60, refit=6, level=[80, 95], n_jobs=2)
seqcast.summarize(rows)[["coverage_80", "width_80", "coverage_95", "width_95"]]

# %% [markdown]
# The intervals hold about what they promise: these are the shares of days that lay within them.
#
# And the forecast itself? The bar in this trade is one line of pandas: an average that forgets 6 per cent a
# day, the decay of RiskMetrics (1996). Beside it the mean of a month, and the last day.

# %%
known = pd.DataFrame(
    {
        "mean of 22 days": volatility["volatility"].rolling(22).mean(),
        "decay of 0.94": volatility["volatility"].ewm(alpha=0.06).mean(),
    }
)
forecasts = (
    known.loc[rows["cutoff"]]
    .set_index(rows.index)
    .assign(**{"last day": rows["persistence"], "SeqForecaster": rows["y_hat"]})
)
errors = forecasts.sub(rows["y"], axis=0)
pd.DataFrame({"mae": errors.abs().mean(), "rmse": (errors**2).mean() ** 0.5})

# %% [markdown]
# Far better than the last day; about as good as the average that forgets. That is what is known of daily
# volatility: the simple average is hard to beat. What it does not give is the rest of this notebook:
# intervals that hold, a word where nothing can be forecast, and answers about several days at once.

# %%
figure = seqcast.plot_backtest(rows, last=12)
figure.axes[0].set(ylabel="volatility of IBM, % a day", xlabel="")
figure

# %% [markdown]
# ## How bad can the worst day be?
#
# The widest day of the next ten is no question to intervals of single days: they do not say how days go
# together. Sample paths do. Each is a future as it may be; of each we take the widest day, as the distance
# from low to high.

# %%
paths = forecaster.sample_paths(2000, random_state=0)
widest = paths["volatility"].groupby("path").max() * PARKINSON
limits = widest.quantile([0.5, 0.9, 0.99])
limits

# %%
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots()
axes.hist(widest, bins=40, color="#7d94b5")
for share, limit in limits.items():
    axes.axvline(limit, color="#e76f1c")
    axes.text(limit, axes.get_ylim()[1], f" {share:.0%}", va="bottom", color="#e76f1c")
axes.set(xlabel="from low to high on the widest of ten days, %", ylabel="paths of 2000")
axes.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# One forecast proves nothing. Here is the same question at forty origins in the last 400 days, which the fit
# had not seen: of how many was the widest day within the limit?

# %%
start = len(volatility) - 400
forecaster.fit(table[:start])
within = []
for origin in range(start, len(volatility), horizon):
    block = volatility["volatility"].iloc[origin : origin + horizon]
    paths = forecaster.sample_paths(500, random_state=0)
    within.append(block.max() <= paths["volatility"].groupby("path").max().quantile([0.5, 0.9]))
    forecaster.update(table[origin : origin + horizon])
pd.concat(within, axis=1).mean(axis=1).rename("share of origins within the limit")

# %% [markdown]
# None of this says which way the price will go.
