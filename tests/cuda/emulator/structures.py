"""The structures of runtime.h."""

import ctypes
from typing import Any

# Memory spaces.
GLOBAL, SHARED, LOCAL = 1, 2, 3
# Stands for several threads.
SEVERAL = -2


def _fields(kind: Any, names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names.split()]


class Word(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_uint64, "written read read_by_other_block"),
        *_fields(ctypes.c_int32, "writer reader"),
    ]


class Range(ctypes.Structure):
    """The structure `Memory` of runtime.h."""

    _fields_ = _fields(ctypes.c_uint64, "base size words space")


class Report(ctypes.Structure):
    _fields_ = [
        ("what", ctypes.c_char_p),
        *_fields(ctypes.c_int64, "line memory offset block thread other between_blocks"),
    ]


class Launch(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_void_p, "memories arguments block_order thread_order reports"),
        *_fields(ctypes.c_int64, "n_memories n_blocks n_threads n_reports most_reports"),
        ("grid", ctypes.c_int64 * 3),
        *_fields(ctypes.c_uint64, "interval launch_begin block_begin"),
        ("block", ctypes.c_int64),
        ("place", ctypes.c_int64 * 3),
        ("thread", ctypes.c_int64),
    ]
