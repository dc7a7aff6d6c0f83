"""A hash of all sources that the machine code of the kernels for the CPU depends on."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
COMPILED_PACKAGES = ("cells", "kernels", "kernels/cpu")


@cache
def hash_sources() -> bytes:
    """Return the hash of every source in `COMPILED_PACKAGES`.

    Raises OSError if the sources cannot be read, as in a zip file or an installation of .pyc files only.
    """
    digest = hashlib.sha256()
    for name in COMPILED_PACKAGES:
        sources = sorted((PACKAGE / name).glob("*.py"))
        if not sources:
            raise FileNotFoundError(f"no sources in {PACKAGE / name}")
        for path in sources:
            digest.update(f"{name}/{path.name}".encode() + b"\0" + path.read_bytes())
    return digest.digest()
