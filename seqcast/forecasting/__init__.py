"""What a forecast is made of: parts that know scaled numbers only, no labels and no estimators.

=================  ==========================================================================
``blocks``         rows of series one below the other, from which windows are cut
``linear``         the closed-form part: ridge regression of the horizon on the window, with
``ways``           how windows are read, ``phases`` the place in the calendar, ``moments`` sums
``out_of_fold``    what the linear part forecasts of rows that it did not learn from
``combination``    how much of each part; the naive forecasts where none is better
``outlook``        a forecast with how far off it may be: by ``conformal`` errors in units of the
                   ``local_scale``, or by ``distributions`` of the network
``bounds``         which quantiles are asked for, ``bound_names`` what their columns are called
``sensitivity``    derivatives of a forecast by what it was made from
=================  ==========================================================================
"""
