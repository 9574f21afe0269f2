"""`python -m tests.simulator`: see run.py."""

from __future__ import annotations

import sys

from .run import main, steady

if __name__ == "__main__":
    steady()
    sys.exit(main())
