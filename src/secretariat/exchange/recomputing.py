"""The receiver's own answer on a grant, with what this node knows: instruments, markings, its ceiling.

The decision itself is the shared function of `agreements`; this module gathers what it is asked with:
1. The instruments that both sides signed, now or when the grant was made, if their hash is the one that the
   grant pins; else the object waits, though not for ever.
2. The markings that an object names, from the same page or from here; one that has not come lets it wait.
3. The consents that came along as their originators' signed entries, never the sender's word for them.
4. What only accompanies (markings, identities, extension definitions) stands with what refers to it.
5. What lies above this realm's ceiling is not kept, whatever anybody granted (decisions.md 3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from secretariat.agreements.book import Book
from secretariat.agreements.facts import book_pinned
from secretariat.agreements.model import LEAVE_OUT
from secretariat.agreements.recompute import (
    COMPANY,
    consents_from,
    default_tlp_of,
    difference,
    recompute,
    references,
)
from secretariat.base.errors import DeniedError, SecretariatError
from secretariat.exchange.model import Peer, Ruling, Version
from secretariat.ledger.entries import Grant, GrantRow, Statement, body_as
from secretariat.records import store as records
from secretariat.records.ceiling import refuse_above
from secretariat.records.markings import Label, is_standard, label_of, marking_refs

if TYPE_CHECKING:
    from secretariat.agreements.model import Consent
    from secretariat.exchange.peers import Store
    from secretariat.exchange.postgres import PostgresStore

Evidence = Mapping[tuple[str, int], Statement]


class Known(msgspec.Struct, frozen=True):
    """What a node rules with beside its store."""

    book: Book | None
    """The set of instruments that the grant pins, where both sides signed it."""
    markings: Callable[[Collection[str]], Mapping[str, Mapping[str, Any]]]
    """Give those of these marking definitions that are held here."""
    ceiling: Mapping[str, str]
    wait: timedelta
    """How long a grant waits for its instruments, at most."""


def rulings(
    store: PostgresStore, sender: Peer, statement: Statement, evidence: Evidence, objects: Sequence[Version]
) -> list[Ruling]:
    """Rule on each object of a grant as this node finds it (the `Recompute` protocol of peers.py)."""
    grant, settings = body_as(statement, Grant), store.node.settings
    known = Known(
        book_pinned(store.tx, store.party, sender.party, grant.instruments, at=statement.at),
        lambda refs: {name: one.object() for name, one in records.latest(store.tx, list(refs)).items()},
        settings.ceiling,
        timedelta(days=settings.limits.instrument_wait_days),
    )
    return rule_with(store, known, sender, statement, evidence, objects, now=store.now)


def rule_with(
    store: Store,
    known: Known,
    sender: Peer,
    statement: Statement,
    evidence: Evidence,
    objects: Sequence[Version],
    *,
    now: datetime,
) -> list[Ruling]:
    """Rule on each object of a grant over any store, with what is known beside it (no I/O of its own)."""
    grant = body_as(statement, Grant)
    if known.book is None:
        why = f"the instruments {grant.instruments[:12]} of the grant are not agreed here"
        late = now - statement.at > known.wait
        return [
            Ruling("own", "it is this party's own information")
            if one.originator == store.party
            else Ruling("unequal" if late else "unknown", why)
            for one in objects
        ]
    return _Rulings(store, known, known.book, sender, statement, grant, evidence, objects).all()


class _Head(msgspec.Struct, gc=False):
    """What of an object says how it is marked."""

    type: str
    object_marking_refs: tuple[str, ...] = ()
    granular_markings: msgspec.Raw | UnsetType = UNSET
    extensions: msgspec.Raw | UnsetType = UNSET

    @property
    def plain(self) -> bool:
        """Whether the definitions that it refers to are all that marks it."""
        return self.granular_markings is UNSET and self.extensions is UNSET and self.type not in COMPANY


_decode_head = msgspec.json.Decoder(_Head).decode
_ODD = _Head("", granular_markings=msgspec.Raw(b"[]"))


def _head(data: bytes) -> _Head:
    """Read how an object is marked; one that is shaped otherwise is looked at as a whole."""
    try:
        return _decode_head(data)
    except msgspec.ValidationError:
        return _ODD


class _Rulings:
    """One grant's objects, as far as they are on this page."""

    def __init__(
        self,
        store: Store,
        known: Known,
        book: Book,
        sender: Peer,
        statement: Statement,
        grant: Grant,
        evidence: Evidence,
        objects: Sequence[Version],
    ) -> None:
        self.store, self.known, self.sender, self.grant, self.book = store, known, sender, grant, book
        self.recorded_at = statement.at
        self.objects = objects
        self.rows: dict[str, GrantRow] = {root: row for row in grant.rows for root in row.objects}
        by_root = {one.root.hex(): one.stix_id for one in objects}
        self.consents: tuple[Consent, ...] = consents_from(evidence.values(), store.party, by_root)
        self.heads = {one.root: _head(one.data) for one in objects}
        self.values: dict[bytes, dict[str, Any]] = {
            one.root: msgspec.json.decode(one.data) for one in objects if not self.heads[one.root].plain
        }
        self.markings = self._markings()
        self._alike: dict[tuple[tuple[str, ...], str, int], Ruling] = {}
        self._found: dict[tuple[Label, str | None, int], tuple[str | None, SecretariatError | None]] = {}
        self._referred: dict[int, set[str]] = {}

    def all(self) -> list[Ruling]:
        """Give a ruling for each object, in order."""
        return [self._rule(one) for one in self.objects]

    def _markings(self) -> dict[str, Mapping[str, Any]]:
        here = {value["id"]: value for value in self.values.values() if value["type"] == "marking-definition"}
        named = {ref for value in self.values.values() for ref in marking_refs(value)}
        named.update(ref for head in self.heads.values() for ref in head.object_marking_refs)
        missing = [ref for ref in named if ref not in here and not is_standard(ref)]
        return {**(self.known.markings(missing) if missing else {}), **here}

    def _rule(self, one: Version) -> Ruling:
        if one.originator == self.store.party:
            return Ruling("own", "it is this party's own information")
        row, head = self.rows[one.root.hex()], self.heads[one.root]
        if carried := self._carries(one, row):
            return Ruling("unequal", carried)
        if self.consents or not head.plain:
            return self._ruled(one, row)
        # without consents nothing but this decides about an object that only its markings mark
        key = (head.object_marking_refs, one.originator, id(row))
        if key not in self._alike:
            self._alike[key] = self._ruled(one, row)
        return self._alike[key]

    def _carries(self, one: Version, row: GrantRow) -> str:
        """Say what a copy carries that a duty of its own grant keeps back; empty where nothing is."""
        named = {
            duty["do"].removeprefix(LEAVE_OUT): duty.get("art", "")
            for duty in row.obligations
            if isinstance(duty, dict) and str(duty.get("do", "")).startswith(LEAVE_OUT)
        }
        there = sorted(named.keys() & self._value(one).keys()) if named else []
        return f"it carries {there[0]}, which {named[there[0]]} keeps back" if there else ""

    def _value(self, one: Version) -> dict[str, Any]:
        return self.values.get(one.root) or msgspec.json.decode(one.data)

    def _ruled(self, one: Version, row: GrantRow) -> Ruling:
        value = self._value(one)
        absent = [ref for ref in marking_refs(value) if ref not in self.markings and not is_standard(ref)]
        if absent and one.type not in COMPANY:
            return Ruling("unknown", f"its marking {absent[0]} has not come yet")
        label = label_of(value, self.markings, one.originator, default_tlp_of(row))
        try:
            refuse_above(label, self.known.ceiling)
        except DeniedError as above:
            return Ruling("refused", f"above-ceiling: {above.what}")
        differs, error = self._difference(label, one, row)
        if error is not None:
            return Ruling("unequal", str(error), label)
        if differs is None:
            return Ruling("equal", "", label)
        if one.type in COMPANY:
            return self._company(one, row, label, differs)
        return Ruling("unequal", differs, label)

    def _difference(
        self, label: Label, one: Version, row: GrantRow
    ) -> tuple[str | None, SecretariatError | None]:
        key = (label, one.stix_id if self.consents else None, id(row))
        if key not in self._found:
            try:
                decision = recompute(
                    self.book,
                    self.grant,
                    sender=self.sender.party,
                    recipient=self.store.party,
                    label=label,
                    object_id=one.stix_id,
                    recorded_at=self.recorded_at,
                    consents=self.consents,
                )
                self._found[key] = (difference(row, decision), None)
            except SecretariatError as error:
                self._found[key] = (None, error)
        return self._found[key]

    def _company(self, one: Version, row: GrantRow, label: Label, differs: str) -> Ruling:
        if id(row) not in self._referred:
            on_page = {version.root: version for version in self.objects}
            roots = [bytes.fromhex(root) for root in row.objects]
            off_page = self.store.versions([root for root in roots if root not in on_page])
            found = [on_page.get(root) or off_page.get(root) for root in roots]
            referred = {ref for version in found if version is not None for ref in references(version.data)}
            self._referred[id(row)] = referred
            if None in found:
                self._referred[id(row)].add("")  # not all of the row has come
        referred = self._referred[id(row)]
        if one.stix_id in referred:
            return Ruling("equal", "", label)
        if "" in referred:
            return Ruling("unknown", "what it accompanies has not come yet", label)
        return Ruling("unequal", f"nothing in the grant refers to it, and {differs}", label)
