"""Names of devices, and arrays of other libraries on a GPU.

numba.cuda is imported only when a GPU is asked for.
"""

import os
import re
import threading
from importlib.util import find_spec

INSTALL = 'pip install "seqcast[cuda]"'
# Lowest compute capability, of 2018. CUDA 13 does not compile for older GPUs.
MIN_CAPABILITY = (7, 5)
EXAMPLES = '"cpu", "cuda", "cuda:1" or "auto"'
_GPU = re.compile(r"cuda(?::(\d+))?")
# The process that first asked the driver. The driver does not answer processes forked from it.
_driver_process: int | None = None
# numba lists GPUs at the first request and fails if a second thread asks meanwhile.
_driver_lock = threading.Lock()


def is_device_name(name: object) -> bool:
    """Return whether `name` is "cpu", "auto", "cuda" or "cuda:" and a number."""
    return isinstance(name, str) and (name in ("cpu", "auto") or _GPU.fullmatch(name) is not None)


def find_device(name: str, owner: str = "find_device") -> int | None:
    """Return the number of the GPU with a name, or None for the CPU.

    Parameters
    ----------
    name : str
        "cpu"; "cuda", the first GPU; "cuda:1", the second GPU; "auto", the first GPU if it works, and the CPU
        otherwise.
    owner : str
        Name used in messages for the owner of the parameter 'device'.

    Raises
    ------
    ValueError
        If the name is invalid, or there are not enough GPUs.
    ImportError
        If numba-cuda or the compiler of the CUDA toolkit is not installed.
    RuntimeError
        If there is no GPU or it cannot be used, with the driver's message; if it is too old; in a process
        that was forked from one that has used a GPU.
    """
    if not is_device_name(name):
        raise ValueError(f"The 'device' parameter of {owner} must be {EXAMPLES}. Got {name!r} instead.")
    if name == "cpu":
        return None
    if name == "auto":
        return 0 if _first_gpu_works() else None
    ordinal = int(_GPU.fullmatch(name)[1] or 0)  # type: ignore[index]
    try:
        _check(ordinal)
    except (ImportError, RuntimeError, ValueError) as error:
        advice = "" if isinstance(error, ValueError) else ' Without a GPU it runs with "cpu" or "auto".'
        text = f"The 'device' parameter of {owner} is {name!r}, but {error}{advice}"
        raise type(error)(text) from error
    return ordinal


def _first_gpu_works() -> bool:
    try:
        _check(0)
    except (ImportError, RuntimeError, ValueError):
        return False
    return True


def _find_capabilities() -> list[tuple[int, int]]:
    """Return the compute capability of each GPU."""
    global _driver_process
    try:
        # Without this check the import would take a second and find numba's own deprecated target.
        if find_spec("numba_cuda") is None:
            raise ImportError("numba-cuda")
        from .driver import gpu_capabilities

        with _driver_lock:
            found = gpu_capabilities()
        _driver_process = os.getpid()
        return found
    except ImportError as error:
        raise ImportError(f"a required package is not installed ({error}): {INSTALL}.") from error


def _check(ordinal: int) -> None:
    """Raise an error that says why a GPU cannot be used."""
    refuse_fork()
    capabilities = _find_capabilities()
    if ordinal >= len(capabilities):
        names = " and ".join(repr(f"cuda:{number}") for number in range(len(capabilities)))
        raise ValueError(f"there is only {names}.")
    if capabilities[ordinal] < MIN_CAPABILITY:
        found, needed = (".".join(map(str, one)) for one in (capabilities[ordinal], MIN_CAPABILITY))
        raise RuntimeError(f"that GPU is too old: its compute capability is {found}, {needed} is needed.")
    from .driver import start_gpu

    start_gpu(ordinal)


def refuse_fork() -> None:
    """Raise a RuntimeError in a process that was forked from one that has used a GPU."""
    if _driver_process not in (None, os.getpid()):
        raise RuntimeError(
            "a process forked from one that has used a GPU cannot use a GPU: start it with multiprocessing's "
            '"spawn" method instead of "fork".'
        )
