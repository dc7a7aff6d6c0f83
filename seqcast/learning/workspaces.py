"""Workspaces that are used again by later calls of kernels."""

import numpy as np

from ..kernels.batch_plan import BatchPlan

# Largest number of workspaces that are kept, and their largest size in bytes.
KEPT = 4
KEPT_BYTES = 2**23

# Workspaces that are not in use. Their content does not matter, so all networks of a process share them.
_idle: dict[tuple, np.ndarray] = {}


def take_workspaces(plan: BatchPlan, dtype: np.dtype, n_workers: int) -> np.ndarray:
    """Return workspaces of an earlier call, or new ones; allocation takes as long as a small pass.

    They are removed from the others, so that no two Python threads use them at the same time.
    """
    workspaces = _idle.pop((plan.shape(n_workers), dtype), None)
    return plan.allocate(dtype, n_workers) if workspaces is None else workspaces


def leave_workspaces(workspaces: np.ndarray) -> None:
    """Keep workspaces for later calls, unless they are large."""
    if workspaces.nbytes > KEPT_BYTES:
        return
    if len(_idle) >= KEPT:
        # One call, since other threads may take workspaces at the same time.
        _idle.clear()
    _idle[workspaces.shape, workspaces.dtype] = workspaces
