"""The parts that a forecast is made of.

A part forecasts all steps of the horizon at once, from the history before a cutoff. Its forecasts are scaled
values; see `part.Part`. To add a part, write a file in this directory, and add a line to `_fit_other_parts`
in ``fit_combination.py``.
"""
