"""What a forecast is made of: parts that know scaled numbers only, no labels and no estimators.

===============  =====================================================================
``blocks``       series one below the other, from which windows are cut
``linear``       the closed-form part: ridge regression of the horizon on the window
``combination``  how much of each part; the naive forecasts where none is better
===============  =====================================================================
"""
