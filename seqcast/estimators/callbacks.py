"""Support of scikit-learn's callbacks (version 1.9 or later), which are called at every epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..learning.history import EpochReport

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
    from sklearn.callback import with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupport:  # type: ignore[no-redef]
        """Stand-in for scikit-learn's class of that name, without ``set_callbacks``."""

    with_callbacks = None


@contextmanager
def callbacks(
    estimator: CallbackSupport,
    max_iter: int,
    data: dict[str, Any],
    fitted: Callable[[EpochReport], dict[str, Any]],
) -> Iterator[Callable[[EpochReport], bool]]:
    """Yield a function that reports an epoch to the callbacks, and returns whether to stop.

    The estimator must be fitted when the block ends.

    Parameters
    ----------
    estimator : estimator
        The estimator that is being fitted.
    max_iter : int
        Maximum number of epochs.
    data : dict
        ``X``, ``y`` and ``metadata`` as the user passed them. Callbacks get None for missing keys.
    fitted : callable
        Function that maps an epoch to the attributes that a copy of the estimator needs to predict with the
        weights of this epoch. It is only called if a callback requests them.
    """
    if with_callbacks is None:
        yield lambda epoch: False
        return
    arguments = {"estimator": estimator, **data}
    try:
        fit = estimator._init_callback_context(max_subtasks=max_iter)
        fit.call_on_fit_task_begin(**arguments)
        yield _epochs(fit, arguments, fitted)
        fit.call_on_fit_task_end(**arguments, reconstruction_attributes={})
    finally:
        with_callbacks(_nothing)(estimator)  # teardown only: around fit, it would shift the line of warnings


def _nothing(estimator: CallbackSupport) -> None:
    """Do nothing; only the wrapper around it matters."""


def _epochs(
    fit: Any, arguments: dict[str, Any], fitted: Callable[[EpochReport], dict[str, Any]]
) -> Callable[[EpochReport], bool]:
    """Begin the task of the first epoch, and return a function that ends a task and begins the next."""

    def begin() -> Any:
        return fit.subcontext(task_name="epoch").call_on_fit_task_begin(**arguments)

    task = begin()

    def end(epoch: EpochReport) -> bool:
        nonlocal task
        stop = task.call_on_fit_task_end(**arguments, reconstruction_attributes=lambda: fitted(epoch))
        if not (stop or epoch.last):
            task = begin()
        return stop

    return end
