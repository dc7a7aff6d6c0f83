"""Conversion of the data of the user to the arrays that networks and linear maps read, and back.

The modules, in the order in which data flow through them:

=======================  ============================================================================
``conversion``           frames of other libraries to pandas, arrays on a GPU to NumPy: once, at entry
``tables``               a checked table of float64 columns over an index
``long``                 long frames: many series one below the other, identified by ids
``categories``           columns of text as columns of zeros and ones
``roles``                the role of each column: target, past, future or static covariate
``targets``              targets and covariates of ``fit(X, y)``, by name, by value or separate
``schema``               what fit was given: reads later rows alike, and returns forecasts alike
``calendar``             step numbers of stamps, the natural season, the stamps to come
``calendar_features``    columns made of stamps: hour, day of week, ...
``time_steps``           rows on the steps of their calendar, with missing steps between them
``series_state``         where a series ended, and what is kept of it
``panel``                the series one below the other, in one array
``preparation``          statistics of training rows; scaled columns, inputs, and forecasts back, by
``transforms``           logarithms and powers of targets, chosen with
``log_transform_test``   whether the variation of series grows with their size
``scaling``              centre and spread of columns
``differencing``         seasonal differences
``training_windows``     which windows to train on, and which to validate on
``seasonal_naive``       the seasonal naive forecast
``naive_errors``         its errors, by which MASE and RMSSE are divided
``sequences``            sequences of different lengths, for regression and classification
=======================  ============================================================================

Layers above this one see NumPy arrays and series numbers; labels and ids are handled here.
"""
