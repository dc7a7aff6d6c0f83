"""From the user's data to the arrays that the loops read.

=====================  ===========================================================================
``frames``             Series, frames and arrays in; one checked float table with its index out
``long``               long frames: many series one below the other, told apart by ids
``categories``         text and categories as columns of zeros and ones
``targets``            which columns are forecast and which are only read
``roles``, ``schema``  what each column is to a forecaster; later rows read as those of fit were
``calendar``           how an index goes on: step numbers of stamps, natural season, stamps to come
``calendar_features``  columns made of stamps: hour, day of week, ...
``panel``, ``past``    series on the steps of their calendars; where each ended
``preparation``        from columns as they came to scaled inputs, and forecasts back, with
``transforms``, ``differencing``, ``scaling``, ``changes``
``windows``            which stretches of a table make one training example; views, never copies
``sequences``          sequences of differing lengths, for classification and regression
=====================  ===========================================================================

What lies below these files sees NumPy arrays, and no labels.
"""
