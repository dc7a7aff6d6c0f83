"""How good forecasts are, told honestly.

==============  ==========================================================================
``metrics``     errors of forecasts, as points, quantiles, samples or intervals; skill, and
                the naive forecasts that they have to beat
``backtest``    forecasts from many cutoffs in the past, none of which saw what came after
``splits``      train and test rows of panels, in the order of time, for scikit-learn
``scorers``     metrics as scorers for scikit-learn's searches, without a y
``importance``  how much worse forecasts become with another time's history of a column
``leaks``       a test that no forecast depends on what comes after it
==============  ==========================================================================
"""
