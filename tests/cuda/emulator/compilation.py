"""Compilation of PTX to functions of the CPU, which are kept beside seqcast's compiled kernels."""

import ctypes
import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from seqcast.kernels.cpu.cache import cache_directory

from .translation import translate

HERE = Path(__file__).parent
COMPILER = "cc"
# Integer registers wrap around. Products and sums are fused only where PTX fuses them.
FLAGS = "-O1", "-w", "-shared", "-fPIC", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off"


class Program:
    """A compiled kernel and its sizes."""

    def __init__(self, text: str):
        self.lines = text.splitlines()
        library = ctypes.CDLL(str(_compile(translate(text))))
        self.run = library.run
        names = "n_arguments", "static_shared", "most_threads"
        self.n_arguments, self.static_shared, self.most_threads = (
            ctypes.c_int64.in_dll(library, name).value for name in names
        )


@cache
def compile_program(text: str) -> Program:
    """Return the program of a PTX text."""
    return Program(text)


def _compile(code: str) -> Path:
    headers = [(HERE / name).read_text() for name in ("runtime.h", "scheduler.h")]
    key = hashlib.sha256("\0".join([platform.machine(), code, *headers, *FLAGS]).encode()).hexdigest()
    path = cache_directory() / "emulated" / f"{key[:32]}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another process may compile the same program.
        temporary = path.with_suffix(f".{os.getpid()}")
        command = [COMPILER, *FLAGS, f"-I{HERE}", "-o", str(temporary), "-x", "c", "-", "-lm"]
        subprocess.run(command, input=code, text=True, check=True)
        temporary.replace(path)
    return path
