"""A lock between processes, so that two worker processes compile each kernel once."""

import time
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:
    # Windows has no fcntl. Every process compiles the kernels that it does not find.
    fcntl = None  # type: ignore[assignment]

# Seconds. Every kernel compiles faster; a lock that is held longer belongs to an interrupted fit.
LONGEST_WAIT = 60.0
PAUSE = 0.02


class Lock:
    """A file that one process at a time can lock; the system releases the locks of a process that ends.

    The lock only avoids duplicate work. If the system has no such locks, or the wait takes too long, the
    caller continues without the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        """Wait until no other process holds the lock, and acquire it."""
        end = time.monotonic() + LONGEST_WAIT
        while fcntl is not None and self._file is None and time.monotonic() < end:
            try:
                self._file = _open_locked(self.path)
            except BlockingIOError:
                time.sleep(PAUSE)
            except OSError:
                # There is no such folder, or the file system has no locks.
                return

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._file is not None:
            with suppress(OSError):
                # Processes that wait for this file then load the kernel. Later ones create a new file.
                self.path.unlink()
            self._file.close()
            self._file = None


def _open_locked(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
