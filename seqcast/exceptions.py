"""Exceptions of seqcast.

::

    Exception
    ├── ValueError
    │   └── SeqcastError
    │       ├── TrainingDivergedError   training has no finite weights
    │       └── LeakError               a forecast depends on later rows; an AssertionError too
    └── Warning
        └── UserWarning
            └── ConvergenceWarning      scikit-learn's: training stopped before it converged, or
            some epochs diverged

Invalid input raises ValueError or TypeError, as in scikit-learn. The message names the parameter, its owner,
the rule, the value and a way out.
"""


class SeqcastError(ValueError):
    """Base class of the exceptions of seqcast."""


class TrainingDivergedError(SeqcastError):
    """Exception of a fit in which no epoch had finite weights."""


class LeakError(SeqcastError, AssertionError):
    """Exception of `check_no_leak`: a forecast depends on rows that are not known when it is made."""
