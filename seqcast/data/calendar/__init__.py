"""Calendars: step numbers of stamps, the natural season, and the stamps to come.

A calendar is inferred from the index of the training rows. No ``freq`` is needed, but one that is set is
trusted. There are two families:

- *Regular* calendars: stamps follow a pattern (equal steps, one stamp a month, a pandas offset). A stamp
  tells its own step number, and a stamp that is left out leaves its number out.
- *Observed* calendars: only the rows tell the steps (trading days, whose holidays are unknown; irregular
  stamps). Rows are numbered one after the other, and nothing counts as left out.

Time zones: stamps on a pattern of days or longer are compared in local time, where every midnight is one day
after the last. Shorter steps are counted in UTC.

===============  ===============================================================
``base``         `Calendar`, what all calendars do
``axes``         labels as plain numbers that can be added and compared, and back
``regular``      equal steps, months, pandas offsets
``month_rules``  which day of each month: the 15th, the last Friday, ...
``observed``     trading days, irregular stamps
``inference``    the calendar of an index: candidates, the likeliest first
===============  ===============================================================
"""

from .base import WEEK, YEAR, Calendar
from .inference import infer_calendar, infer_calendars

__all__ = ["WEEK", "YEAR", "Calendar", "infer_calendar", "infer_calendars"]
