"""The arguments of a kernel: one table of addresses and sizes.

A kernel is a function of two integers, ``(shard, table)``. `table` is the address of a record that holds the
address and the size of each array. Such a function has a plain C signature, which depends neither on the
dtype of the arrays nor on the versions of Python and numba. All kernels share the table, and each reads the
arrays that it needs::

    network         tables of all parts, see `tables`
    layers          table of each layer and direction
    samples         (n_samples, 4), see `samples`
    weights         packed weights, see `layout`
    values          series values that windows are cut from, or inputs (n_samples, n_steps, n_inputs)
    targets         values to be forecast, or labels
    target_weights  weight of each step of the targets in the loss; empty if all weigh 1
    predictions     forecasts
    first_targets   position of the first target of each forecast, where losses are measured
    outputs         top layer's states (n_samples, n_steps, output_size)
    states          initial states (IN) and final states (OUT): (n_states, n_unrolls, n_samples, hidden_size)
    d_values        gradients of the last three arrays
    d_outputs
    d_states
    workspaces      (n_workspaces, size): one for each worker, or one for each shard
    gradients       (n_shards, n_gradients): packed gradient of each shard
    loss_sums       (n_shards, 2, n_targets): loss of each target, and weight of its observed values
    flat            all parameters in the order of PyTorch, and one 0
    gradient        gradient of the parameters in that order
    index, second   positions in `flat` of the packed weights, see `layout`
    back            positions in a packed gradient of the parameters
    decay           1 for weights, 0 for biases, to which L2 does not apply
    moments         (2, n_parameters), of the optimizer
    settings        (rate, momentum or beta1, beta2, eps, alpha, clip norm or 0)

and three numbers: ``n_workspaces``, ``n_shards``, and, for the optimizer, ``n_updates``. The number of the
optimizer is ``optimizer``.
"""

import ctypes

import numpy as np

from .batch_plan import BatchPlan
from .tables import LAYER, NETWORK

_REAL_ARRAYS = (
    "weights", "values", "targets", "target_weights", "predictions", "outputs", "states", "d_values",
    "d_outputs", "d_states", "workspaces", "gradients", "flat", "gradient", "decay", "moments", "settings",
)  # fmt: skip
# Arrays whose dtype is not that of the network.
OTHER_ARRAYS = {
    "network": NETWORK,
    "layers": LAYER,
    "samples": np.dtype(np.int64),
    "first_targets": np.dtype(np.int64),
    "loss_sums": np.dtype(np.float64),
    "index": np.dtype(np.int32),
    "second": np.dtype(np.int32),
    "back": np.dtype(np.int32),
}
_NUMBERS = ("n_shards", "n_workspaces", "optimizer", "n_updates")
_FIELDS = [field for name in (*OTHER_ARRAYS, *_REAL_ARRAYS) for field in (name, f"{name}_size")] + [*_NUMBERS]
ARGUMENTS = np.dtype([(name, "i8") for name in _FIELDS], align=True)
_POSITIONS = {name: position for position, name in enumerate(_FIELDS)}
# Items of a ctypes array are set in half the time of those of a NumPy array.
_Table = ctypes.c_int64 * len(_FIELDS)


class Arguments:
    """The table of one kernel call, and the arrays that it points to.

    Parameters
    ----------
    dtype : dtype
        float32 or float64, of all arrays but those of `OTHER_ARRAYS`.
    plan : BatchPlan, optional
        Its tables are the arrays "network" and "layers".
    **arrays : ndarray
        See `set`.
    """

    def __init__(self, dtype: np.dtype, plan: BatchPlan | None = None, **arrays: np.ndarray) -> None:
        self._dtype = dtype
        self._plan = plan
        self._numbers = _Table()
        self._arrays: dict[str, np.ndarray] = {}
        self.n_shards = 1
        self.n_workspaces = 0
        self.address = ctypes.addressof(self._numbers)
        if plan is not None:
            self.n_shards = plan.n_shards
            self.set_numbers(**plan.addresses)
        self.set_numbers(n_shards=self.n_shards)
        self.set(**arrays)

    def set(self, **arrays: np.ndarray) -> None:
        """Set the arrays that the table points to, by the names in the module's docstring.

        The arrays must be C-contiguous and of the right dtype, since compiled code reads memory at their
        addresses. They are kept alive as long as the table.
        """
        for name, array in arrays.items():
            assert array.dtype == OTHER_ARRAYS.get(name, self._dtype), name
            assert array.flags.c_contiguous, name
            position = _POSITIONS[name]
            self._numbers[position] = array.ctypes.data
            self._numbers[position + 1] = array.size
        if "workspaces" in arrays:
            self.n_workspaces = len(arrays["workspaces"])
            self.set_numbers(n_workspaces=self.n_workspaces)
        self._arrays |= arrays

    def set_numbers(self, **numbers: int) -> None:
        """Set numbers of the table, by the names in the module's docstring."""
        for name, number in numbers.items():
            self._numbers[_POSITIONS[name]] = number
