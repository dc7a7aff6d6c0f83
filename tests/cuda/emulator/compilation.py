"""From PTX to a function of the CPU, which is kept beside seqcast's own compiled kernels."""

import ctypes
import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from seqcast.kernels.cache import cache_directory

from .translation import translated

HERE = Path(__file__).parent
COMPILER = "cc"
# Registers of integers wrap around, and no product and sum become one but those that are one in PTX.
FLAGS = "-O1", "-w", "-shared", "-fPIC", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off"


class Program:
    """What can be run, and what of it is known before."""

    def __init__(self, text: str):
        self.lines = text.splitlines()
        library = ctypes.CDLL(str(_compiled(translated(text))))
        self.run = library.run
        names = "n_arguments", "static_shared", "most_threads"
        self.n_arguments, self.static_shared, self.most_threads = (
            ctypes.c_int64.in_dll(library, name).value for name in names
        )


@cache
def program_of(text: str) -> Program:
    return Program(text)


def _compiled(code: str) -> Path:
    headers = [(HERE / name).read_text() for name in ("runtime.h", "scheduler.h")]
    key = hashlib.sha256("\0".join([platform.machine(), code, *headers, *FLAGS]).encode()).hexdigest()
    path = cache_directory() / "emulated" / f"{key[:32]}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")  # another process may compile the same
        command = [COMPILER, *FLAGS, f"-I{HERE}", "-o", str(aside), "-x", "c", "-", "-lm"]
        subprocess.run(command, input=code, text=True, check=True)
        aside.replace(path)
    return path
