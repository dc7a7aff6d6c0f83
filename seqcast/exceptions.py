"""The errors and warnings of seqcast.

::

    Exception
    ├── ValueError
    │   └── SeqcastError
    │       ├── TrainingDivergedError   no finite weights came out of training
    │       └── LeakError               a forecast read what comes after it; an AssertionError too
    └── Warning
        └── UserWarning
            └── ConvergenceWarning      scikit-learn's: training stopped before it had converged, or diverged
            on the way

Bad input raises plain ValueError or TypeError, as scikit-learn's users expect; the message names the
parameter, its owner, the rule, the value and the way out.
"""


class SeqcastError(ValueError):
    """Base of the errors that are seqcast's own."""


class TrainingDivergedError(SeqcastError):
    """Training gave no finite weights at all; nothing usable was fitted."""


class LeakError(SeqcastError, AssertionError):
    """A forecast depends on rows that it can not know."""
