"""A lock between processes, so that a search on two workers compiles each kernel once."""

import time
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: every process compiles what it does not find
    fcntl = None  # type: ignore[assignment]

LONGEST_WAIT = 60.0  # seconds: nothing compiles longer; a lock held on is that of a fit which was interrupted
PAUSE = 0.02


class Lock:
    """A file that one process at a time has locked; the system unlocks those of a process that dies.

    It saves work, and nothing relies on it: where there are no such locks, or none is given within a minute,
    one goes on without.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        """Wait until no other process holds the lock, and take it."""
        end = time.monotonic() + LONGEST_WAIT
        while fcntl is not None and self._file is None and time.monotonic() < end:
            try:
                self._file = _locked(self.path)
            except BlockingIOError:
                time.sleep(PAUSE)
            except OSError:  # no such folder, or a file system without locks
                return

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._file is not None:
            with suppress(OSError):
                self.path.unlink()  # who waits on it finds the kernel first; who comes later makes a new file
            self._file.close()
            self._file = None


def _locked(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
