"""Evaluation of forecasts.

=================  ============================================================================
``metrics``        errors of point forecasts, quantiles, samples and intervals; skill
``backtest``       forecasts from past cutoffs, compared with the truth and with naive forecasts
``splits``         cross-validation of panels in the order of time
``scorers``        metrics as scorers for scikit-learn's searches
``importance``     permutation importance of the columns that a forecaster reads
``leaks``          a check that no forecast depends on later rows
``counts``         validation of parameters that are counts
=================  ============================================================================
"""
