"""Forecasts of prepared series: training data, parts and their weights, fitted models, rolling forecasts.

The modules, in the order in which data flows through them:

========================  ==========================================================================
``training_data``         the arguments of ``fit``, read once into series on regular steps
``lengths``, ``memory``   lengths of the horizon and the window; the steps kept of each series
``calendar_columns``      columns that are made of the time stamps
``series_preparer``       the preparation of series in ``fit`` and of series that are added later
``prepared_panel``        scaled values of a panel, and the inputs that windows are cut from
``window_source``         scaled series from which windows are cut
``examples``              cutoffs for training and validation, with the prepared panel
``parts/``                one protocol (fit, forecast, gradient) and its implementations
``parts/naive``           the seasonal naive forecast
``parts/linear``          ridge regression of the horizon on the window, in closed form
``parts/recurrent``       recurrent networks
``linear_map``            the ridge regression itself, by ``normal_equations``; it reads windows by
                          ``window_scaling`` and the calendar by ``seasonal_features``
``out_of_fold``           forecasts of training windows by maps that were fitted without them
``combination``           weights of the parts, or a naive forecast where no part is better
``conformal``             residuals, in units of ``recent_volatility`` and ``residual_scale``
``fit_callbacks``         the functions that a fit calls while it runs
``fit_baselines``         the fits of the naive and the linear forecaster
``fit_combination``       the fit of a recurrent network and a linear map
``model``, ``local``      a finished model of all series; a model for each series
``predictive``            quantiles and sample paths, by residuals or by ``distributions``
``fitted``                everything that a fit leaves, in one record
``panels``, ``rolling``   panels that follow the known steps; forecasts from any cutoff
``requested_quantiles``   the quantiles that are requested, and names of their columns
``interval_columns``      columns of forecasts that hold intervals and quantiles
``updating``              later rows of known series, and new series
``sensitivity``           derivatives of a forecast with respect to the values it is made from
``blas``                  the number of threads of NumPy's linear algebra
========================  ==========================================================================
"""
