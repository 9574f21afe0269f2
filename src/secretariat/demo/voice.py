"""How the story is told: one numbered line per step, with the page where it can be looked at."""

from __future__ import annotations

import sys
import time
from typing import TextIO

import msgspec


class Step(msgspec.Struct, frozen=True):
    """What happened, where to look at it, and whether it was as it should be."""

    text: str
    page: str | None
    held: bool
    seconds: float


class Voice:
    """Tells steps on one stream and remembers them; `held` is false as soon as one step was not as told."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out if out is not None else sys.stdout
        self._begun = time.monotonic()
        self.steps: list[Step] = []

    @property
    def held(self) -> bool:
        """Whether every step so far was as it should be."""
        return all(step.held for step in self.steps)

    @property
    def failures(self) -> list[str]:
        """The steps that were not."""
        return [step.text for step in self.steps if not step.held]

    def tell(self, text: str, page: str | None = None, *, held: bool = True) -> None:
        """Tell one step."""
        seconds = time.monotonic() - self._begun
        self.steps.append(Step(text, page, held, seconds))
        mark = " " if held else "!"
        self._write(f"{mark}{len(self.steps):>3}  {seconds:6.1f} s  {text}")
        if page:
            self._write(f"{'':>17}{page}")

    def aside(self, text: str = "") -> None:
        """Say something that is no step."""
        self._write(text)

    def _write(self, text: str) -> None:
        self._out.write(text.rstrip() + "\n")
        self._out.flush()
