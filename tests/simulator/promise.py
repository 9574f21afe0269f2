"""What a random world says when something is not as it must be."""

from __future__ import annotations


class BrokenPromiseError(AssertionError):
    """A promise that does not hold in this world."""
