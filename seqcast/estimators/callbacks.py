"""scikit-learn's callbacks, where there are any (from 1.9 on): told of every epoch, and able to end a fit."""

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
    """Give the function that a fit tells its epochs to, and that answers whether to stop.

    The estimator must be able to predict when the block ends.

    Parameters
    ----------
    estimator : estimator
        The one that is fitted.
    max_iter : int
        Epochs at most.
    data : dict
        ``X``, ``y`` and ``metadata`` as the user gave them; what is left out is None to callbacks.
    fitted : callable
        From an epoch to the attributes that a copy of the estimator needs to predict as if it had been the
        last. Called only where a callback asks for them.
    """
    if with_callbacks is None:
        yield lambda epoch: False
        return
    told = {"estimator": estimator, **data}
    try:
        fit = estimator._init_callback_context(max_subtasks=max_iter)
        fit.call_on_fit_task_begin(**told)
        yield _epochs(fit, told, fitted)
        fit.call_on_fit_task_end(**told, reconstruction_attributes={})
    finally:
        with_callbacks(_nothing)(estimator)  # its teardown alone: around fit, it would shift warnings' lines


def _nothing(estimator: CallbackSupport) -> None:
    """Do nothing: only the wrapper around it is of use."""


def _epochs(
    fit: Any, told: dict[str, Any], fitted: Callable[[EpochReport], dict[str, Any]]
) -> Callable[[EpochReport], bool]:
    """Begin the task of the first epoch; what is returned ends one, and begins the next."""

    def begin() -> Any:
        return fit.subcontext(task_name="epoch").call_on_fit_task_begin(**told)

    task = begin()

    def end(epoch: EpochReport) -> bool:
        nonlocal task
        stop = task.call_on_fit_task_end(**told, reconstruction_attributes=lambda: fitted(epoch))
        if not (stop or epoch.last):
            task = begin()
        return stop

    return end
