"""Which GPU a name means.

Nothing of numba is imported here before a GPU is asked for.
"""

import os
import re
import threading
from importlib.util import find_spec

INSTALL = 'pip install "seqcast[cuda]"'
OLDEST = (7, 5)  # compute capability, of 2018: CUDA 13 compiles for no older one
EXAMPLES = '"cpu", "cuda", "cuda:1" or "auto"'
_GPU = re.compile(r"cuda(?::(\d+))?")
_asked_in: int | None = None  # the process that asked the driver first: it answers none that is forked off
_asking = threading.Lock()  # numba makes its list of GPUs when first asked, and trips over a second thread


def is_device_name(name: object) -> bool:
    """Whether `name` is "cpu", "auto", "cuda" or "cuda:" and a number."""
    return isinstance(name, str) and (name in ("cpu", "auto") or _GPU.fullmatch(name) is not None)


def find_device(name: str, owner: str = "find_device") -> int | None:
    """Return the number of the GPU that `name` means, None for the CPU.

    Parameters
    ----------
    name : str
        "cpu"; "cuda", the first GPU; "cuda:1", the second; "auto", the first GPU if there is one that works,
        else the CPU.
    owner : str
        Named in messages, as the one whose parameter 'device' it is.

    Raises
    ------
    ValueError
        If it is no such name, or there are not so many GPUs.
    ImportError
        If numba-cuda or the CUDA toolkit's compiler is not installed.
    RuntimeError
        If there is no GPU, or it can not be used, with what the driver said; if it is too old; in a process
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
        way_out = "" if isinstance(error, ValueError) else ' Without a GPU it runs with "cpu" or "auto".'
        text = f"The 'device' parameter of {owner} is {name!r}, but {error}{way_out}"
        raise type(error)(text) from error
    return ordinal


def _first_gpu_works() -> bool:
    try:
        _check(0)
    except (ImportError, RuntimeError, ValueError):
        return False
    return True


def _capabilities() -> list[tuple[int, int]]:
    global _asked_in
    try:
        if find_spec("numba_cuda") is None:  # at once: the import would take a second, and numba's own target
            raise ImportError("numba-cuda")
        from .driver import gpu_capabilities

        with _asking:
            found = gpu_capabilities()
        _asked_in = os.getpid()
        return found
    except ImportError as error:
        raise ImportError(f"not all that it needs is installed ({error}): {INSTALL}.") from error


def _check(ordinal: int) -> None:
    """Raise an error that says why the GPU can not be used."""
    refuse_fork()
    there = _capabilities()
    if ordinal >= len(there):
        names = " and ".join(repr(f"cuda:{number}") for number in range(len(there)))
        raise ValueError(f"there is only {names}.")
    if there[ordinal] < OLDEST:
        found, needed = (".".join(map(str, capability)) for capability in (there[ordinal], OLDEST))
        raise RuntimeError(f"that GPU is too old: its compute capability is {found}, {needed} is needed.")
    from .driver import start_gpu

    start_gpu(ordinal)


def refuse_fork() -> None:
    """Raise a RuntimeError in a process that was forked from one that has asked the driver."""
    if _asked_in not in (None, os.getpid()):
        text = "no process can use a GPU that was forked from one that did: start it by multiprocessing's"
        raise RuntimeError(f'{text} "spawn", not "fork".')
