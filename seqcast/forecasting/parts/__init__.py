"""The parts that a forecast is made of.

A part forecasts all steps of the horizon at once, from the history before a cutoff. Its forecasts are scaled
values; see `part.Part`. To add a part, write a file beside these, and add it to the parts in
``fit_combination.py``.
"""
