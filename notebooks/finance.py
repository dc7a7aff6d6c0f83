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
# # Forecast the volatility of a share
#
# This notebook shows two things. The price of a share can hardly be forecast better than by its last
# value, and a forecaster should report this. The volatility of the price can be forecast.
#
# The data are daily prices of IBM from 2000 to 2013. They are part of the package bokeh_sampledata, which
# `pip install 'seqcast[notebooks]'` installs. They come from the table WIKI of Quandl and are in the
# public domain.

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
# The column `adj_close` is adjusted for dividends and splits. Use such a column to compare different
# days. The other columns are the prices in dollars that were paid on the day.
#
# ## Forecast the price
#
# We forecast ten trading days. `season_length=1` states that prices have no weekly pattern. The naive
# forecast is then the last price, which is harder to beat than the price of a week ago.

# %%
price, horizon = prices[["adj_close"]], 10
model = seqcast.SeqForecaster(horizon, season_length=1, random_state=0).fit(price[:-500])
print(model.chosen_)

# %% [markdown]
# `fit` trained a network and a linear model, and compared both with the last price on data that neither
# was fitted to. The last price was the best forecast. The skill score is therefore 0:

# %%
print(f"skill score over the last 500 days: {model.score(price[-500:]):.2f}")

# %% [markdown]
# With `naive_fallback=False`, the forecaster uses the network and the linear model in any case. We
# evaluate it at forty cutoffs in the last 400 days, with four fits.

# %%
no_fallback = seqcast.SeqForecaster(horizon, season_length=1, naive_fallback=False, random_state=0)
price_results = seqcast.backtest(no_fallback, price, n_windows=40, refit=10, n_jobs=2)
seqcast.summarize(price_results)[["rmse", "rmse_persistence", "skill"]]

# %% [markdown]
# Errors are in dollars. The network and the linear model are about as accurate as the last price. Figures
# that seem to show accurate price forecasts usually show the last price, shifted by one step. Compare
# with the last price, whatever model you use.
#
# ## Compute the volatility
#
# Volatility can be forecast, because days of high volatility tend to follow each other. The volatility of
# a day can be estimated from its highest and lowest price (Parkinson, *Journal of Business* 53, 1980): it
# is the logarithm of their ratio, divided by $\sqrt{4 \ln 2}$. Dividends and splits have no influence,
# because both prices belong to the same day.

# %%
PARKINSON = np.sqrt(4 * np.log(2))


def compute_volatility(prices):
    """Return the volatility and the return of each day, in percent."""
    in_percent = 100 * np.log(prices[["high", "low", "adj_close"]])
    volatility = (in_percent["high"] - in_percent["low"]) / PARKINSON
    return pd.DataFrame({"volatility": volatility, "return": in_percent["adj_close"].diff()})


volatility = compute_volatility(prices)[["volatility"]]
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots()
axes.plot(volatility, color="#1d3557", linewidth=0.5)
axes.set(ylabel="volatility, % per day", title="IBM")
axes.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# ## Search in a pipeline
#
# The forecaster is a scikit-learn estimator. Here, a pipeline computes the volatility from the prices,
# and a grid search compares two windows (a quarter and half a year) with and without the returns as a
# covariate, because falling prices are said to increase volatility more than rising prices. Each fold is
# fitted to the past and evaluated on the following year.
#
# `target_transform="log"` keeps forecasts and prediction intervals positive. Among candidates whose score
# is within one standard deviation of the best score, `refit` selects the first one, which is the
# simplest.


# %%
def compute_features(prices, returns=True):
    features = compute_volatility(prices)
    return features if returns else features[["volatility"]]


def select_simplest(results):
    best = results["mean_test_score"].argmax()
    threshold = results["mean_test_score"][best] - results["std_test_score"][best]
    return (results["mean_test_score"] >= threshold).argmax()


forecaster = seqcast.SeqForecaster(
    horizon, target="volatility", target_transform="log", max_iter=200, random_state=0
)
pipeline = make_pipeline(FunctionTransformer(compute_features), forecaster)
grid = {
    "functiontransformer__kw_args": [{"returns": False}, {"returns": True}],
    "seqforecaster__window": [66, 132],
}
train, test = prices[:-horizon], prices[-horizon:]
search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(3, test_size=250), refit=select_simplest).fit(train)

candidates = pd.DataFrame(search.cv_results_)
candidates.filter(regex="param_|mean_test|std_test")

# %% [markdown]
# The scores are skill scores against the seasonal naive forecast, which repeats the last week. All are
# clearly positive and differ little from each other. The selected candidate was fitted again to all rows
# passed to the search. These are its parameters, and the weights of the two parts of the forecast:

# %%
print(search.best_params_)
transformer, forecaster = search.best_estimator_
print({part: round(weight, 2) for part, weight in forecaster.chosen_.items()})

# %% [markdown]
# ## Trading calendar
#
# No frequency was specified. The forecaster recognises from the index that the rows are trading days, and
# leaves out weekends. Future holidays cannot be derived from past rows. One holiday of the exchange,
# Presidents' Day, is therefore part of the forecast:

# %%
forecast = forecaster.forecast(level=[80, 95])
forecast.index.difference(test.index)

# %% [markdown]
# Each step of the forecast is still one trading day. If the calendar of the exchange is known, its dates
# can replace the index.

# %%
forecast.index = test.index
figure = seqcast.plot_forecast(volatility, forecast, volatility)
figure.axes[0].set(ylabel="volatility of IBM, % per day", xlabel="")
figure

# %% [markdown]
# The volatility of a single day is mostly random. The forecast describes its average level and its
# spread. In these ten days, the volatility was higher than in the weeks before.
#
# ## Measure the accuracy
#
# The backtest covers the last 600 days. It has sixty cutoffs, and the forecaster is fitted again at every
# sixth cutoff, to all rows up to the cutoff.

# %%
features = transformer.transform(prices)
results = seqcast.backtest(forecaster, features, n_windows=60, refit=6, level=[80, 95], n_jobs=2)
seqcast.summarize(results)[["coverage_80", "width_80", "coverage_95", "width_95"]]

# %% [markdown]
# The coverage is the fraction of days within the intervals. It is close to the nominal levels.
#
# The common reference for volatility forecasts is an exponentially weighted average with a decay of 0.94
# per day (RiskMetrics, 1996). We compare the forecaster with this average, with the mean of 22 days (one
# month), and with the last day.

# %%
averages = pd.DataFrame(
    {
        "mean of 22 days": volatility["volatility"].rolling(22).mean(),
        "decay of 0.94": volatility["volatility"].ewm(alpha=0.06).mean(),
    }
)
forecasts = (
    averages.loc[results["cutoff"]]
    .set_index(results.index)
    .assign(**{"last day": results["persistence"], "SeqForecaster": results["y_hat"]})
)
errors = forecasts.sub(results["y"], axis=0)
pd.DataFrame({"mae": errors.abs().mean(), "rmse": (errors**2).mean() ** 0.5})

# %% [markdown]
# The forecaster is much better than the last day, and about as accurate as the weighted average, which is
# known to be hard to beat for daily volatility. In addition, the forecaster provides prediction
# intervals, sample paths, and the information whether anything can be forecast at all.

# %%
figure = seqcast.plot_backtest(results, last=12)
figure.axes[0].set(ylabel="volatility of IBM, % per day", xlabel="")
figure

# %% [markdown]
# ## Estimate the largest price range
#
# What is the largest price range of a day, from low to high, within the next ten days? Intervals of
# single days cannot answer this question, because they do not describe how the days depend on each other.
# Sample paths do. We compute the largest range of each path.

# %%
paths = forecaster.sample_paths(2000, random_state=0)
largest = paths["volatility"].groupby("path").max() * PARKINSON
limits = largest.quantile([0.5, 0.9, 0.99])
limits

# %%
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots()
axes.hist(largest, bins=40, color="#7d94b5")
for probability, limit in limits.items():
    axes.axvline(limit, color="#e76f1c")
    axes.text(limit, axes.get_ylim()[1], f" {probability:.0%}", va="bottom", color="#e76f1c")
axes.set(xlabel="largest range from low to high within ten days, %", ylabel="number of paths")
axes.spines[["top", "right"]].set_visible(False)
figure

# %% [markdown]
# A single forecast is not sufficient to judge these limits. We repeat the question at forty cutoffs in
# the last 400 days, which the forecaster is not fitted to, and compute the fraction of cutoffs at which
# the largest range was within the limit.

# %%
start = len(volatility) - 400
forecaster.fit(features[:start])
within = []
for cutoff in range(start, len(volatility), horizon):
    observed = volatility["volatility"].iloc[cutoff : cutoff + horizon]
    paths = forecaster.sample_paths(500, random_state=0)
    within.append(observed.max() <= paths["volatility"].groupby("path").max().quantile([0.5, 0.9]))
    forecaster.update(features[cutoff : cutoff + horizon])
pd.concat(within, axis=1).mean(axis=1).rename("fraction of cutoffs within the limit")

# %% [markdown]
# None of these results tells whether the price will rise or fall.
