"""Entry point of ``python -m seqcast``, which is the command ``seqcast``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
