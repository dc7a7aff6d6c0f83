"""How good forecasts are, told honestly.

============  ==========================================================================
``metrics``   errors of a forecast, skill, and the naive forecasts that it has to beat
``backtest``  forecasts from many origins in the past, none of which saw what came after
============  ==========================================================================
"""
