"""One line of the benchmark: a figure, the bound measured in the same run, and the least we promise."""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct, frozen=True):
    """`ratio` is value over bound; where less is better it is bound over value.

    `at_least` is the promise on `value` in `unit`; where `sense` is `less` it is a ceiling.
    """

    name: str
    value: float
    unit: str
    bound: float
    at_least: float
    sense: str = "more"
    bound_is: str = ""

    @property
    def ratio(self) -> float:
        if self.sense == "more":
            return self.value / self.bound if self.bound else 0.0
        return self.bound / self.value if self.value else 0.0

    @property
    def held(self) -> bool:
        return self.value >= self.at_least if self.sense == "more" else self.value <= self.at_least

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "bound": round(self.bound, 4),
            "ratio": round(self.ratio, 4),
            "at_least": self.at_least,
            "sense": self.sense,
            "bound_is": self.bound_is,
            "held": self.held,
        }
