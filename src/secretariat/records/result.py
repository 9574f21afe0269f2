"""What an import did: the one result that every importer gives (STIX, and later MISP, CSV, text, PDF)."""

from __future__ import annotations

import msgspec

from secretariat.base.errors import SecretariatError


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member that was not stored: where it stood, what was wrong, what to do."""

    where: str
    what: str
    advice: str | None = None
    id: str | None = None
    code: str = "bad-input"


class Warned(msgspec.Struct):
    """Something that was stored though it is odd: what, how often, where first."""

    what: str
    count: int
    where: str


class ImportResult(msgspec.Struct, kw_only=True):
    """Counts are complete; the lists of refusals and warnings end at `max_listed` and the counts go on."""

    accepted: int = 0
    """Versions that are new here."""
    unchanged: int = 0
    """Members that were here already, word for word."""
    refused_count: int = 0
    refused: list[Refusal] = []
    warnings_count: int = 0
    warnings: list[Warned] = []
    types: dict[str, int] = {}
    """How many of which type were accepted."""
    container: str = ""
    """What kind of container it was."""
    bytes: int = 0
    """Bytes read, after unpacking."""
    ids: list[int] = []
    """Row ids of all members that are here now, in the order in which they stood."""
    max_listed: int = 1000
    _warned: dict[str, Warned] = {}

    @property
    def members(self) -> int:
        """How many members were looked at."""
        return self.accepted + self.unchanged + self.refused_count

    def accept(self, kind: str) -> None:
        """Count a version that is new."""
        self.accepted += 1
        self.types[kind] = self.types.get(kind, 0) + 1

    def refuse(self, where: str, error: SecretariatError, *, id: str | None = None) -> None:  # noqa: A002
        """Note a member that was not stored; `where` is the place of the member, the error adds its own."""
        self.refused_count += 1
        if len(self.refused) < self.max_listed:
            place = where + (error.where or "") if (error.where or "").startswith("/") else where
            if error.where and not error.where.startswith("/"):
                place = f"{where} ({error.where})"
            self.refused.append(Refusal(place, error.what, error.advice, id, error.code))

    def warn(self, where: str, what: str) -> None:
        """Note something odd; the same words are counted, not repeated."""
        self.warnings_count += 1
        known = self._warned.get(what)
        if known is not None:
            known.count += 1
        elif len(self.warnings) < self.max_listed:
            self._warned[what] = warned = Warned(what, 1, where)
            self.warnings.append(warned)

    def as_dict(self) -> dict[str, object]:
        """Give it as commands and pages show it: everything but the row ids."""
        return {
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "refused": self.refused_count,
            "warnings": self.warnings_count,
            "types": dict(sorted(self.types.items())),
            "container": self.container,
            "bytes": self.bytes,
            "refusals": msgspec.to_builtins(self.refused),
            "warned": msgspec.to_builtins(self.warnings),
        }
