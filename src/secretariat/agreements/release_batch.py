"""The versions of one publish call: grouped by label, with what accompanies them, asked and signed once."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import grants
from secretariat.agreements.facts import Known, book_for, facts_for
from secretariat.agreements.keeping_back import has_parts
from secretariat.agreements.model import OWN, Decision, Facts, Question
from secretariat.agreements.recompute import COMPANY, references
from secretariat.agreements.release_answer import Answer
from secretariat.agreements.release_model import PUBLIC
from secretariat.agreements.rules import decide
from secretariat.agreements.sponsoring import refuse_named
from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.ledger import object_signature
from secretariat.ledger.property_tree import left_out_of, root_of
from secretariat.records import leaving_out, stix
from secretariat.records import store as records
from secretariat.records.ceiling import refuse_above
from secretariat.records.markings import Label
from secretariat.records.store import Seal, Stored, Version

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.agreements.release_writing import Writer
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.node import Node

RELEASABLE = frozenset({"draft", "published", "kept", "partial"})
_SALT = 32
_PART = 1000
"""Versions that are signed before they are handed to the database."""


class Batch:
    """The versions of one publish call, grouped by label."""

    def __init__(
        self,
        tx: sa.Connection,
        node: Node,
        realm: str,
        versions: Sequence[Version],
        now: datetime,
        leave_out: Collection[str] = (),
    ) -> None:
        if not versions:
            raise InputError("nothing to publish", advice="name at least one object")
        self.tx, self.node, self.realm, self.now = tx, node, realm, now
        self.versions = list(versions)
        self.roots: list[str] = []
        self.ids: dict[int, int] = {}
        for one in versions:
            if one.state not in RELEASABLE:
                raise StateError(
                    f"{one.stix_id} is {one.state} and cannot be released",
                    where=one.stix_id,
                    advice="only drafts, published and verified objects can",
                )
        self.by_label: dict[Label, list[int]] = {}
        for number, one in enumerate(versions):
            self.by_label.setdefault(one.label, []).append(number)
        refuse_named(tx, versions)
        for label in self.by_label:
            refuse_above(label, node.settings.ceiling)
        self.has_company = any(one.type in COMPANY for one in versions)
        self.company = self._company() if self.has_company else {}
        self.has_parts = any(has_parts(one) for one in self.versions)
        self._unsigned = all(one.root is None for one in versions)
        self.missing = missing_of(versions, leave_out, party=node.party)
        self._sources = {one.source for one in versions} | {one.originator for one in versions}

    def _company(self) -> dict[int, tuple[int, ...]]:
        """Say, per version, which others of the batch accompany it."""
        by_id = {one.stix_id: number for number, one in enumerate(self.versions) if one.type in COMPANY}
        company: dict[int, tuple[int, ...]] = {}
        for number, one in enumerate(self.versions):
            named = {by_id[name] for name in references(one.data) if name in by_id} - {number}
            if named:
                company[number] = tuple(sorted(named))
        for number, first in list(company.items()):
            second = {other for one in first for other in company.get(one, ())} - {number}
            company[number] = tuple(sorted({*first, *second}))
        return company

    def any_from(self, party: str) -> bool:
        """Whether any of these versions came from `party` or is its own."""
        return party in self._sources

    def is_from(self, place: int, party: str) -> bool:
        """Whether this version came from `party` or is its own: it is not sent back."""
        if party not in self._sources:
            return False
        one = self.versions[place]
        return party in {one.source, one.originator}

    def held(self, party: str) -> dict[int, Sequence[str]]:
        """Give the places of what `party` holds granted already, each with what is left out of it there."""
        if self._unsigned:
            return {}
        numbers = {one.id: place for place, one in enumerate(self.versions) if isinstance(one, Stored)}
        return {numbers[one]: names for one, names in grants.granted(self.tx, party, list(numbers)).items()}

    @cached_property
    def markings(self) -> dict[str, dict[str, Any]]:
        """Give the marking-definitions of the batch; what its objects refer to accompanies them."""
        return {
            one.stix_id: msgspec.json.decode(one.data)
            for one in self.versions
            if one.type == "marking-definition"
        }

    def ask(self, party: str, purpose: str | None) -> Answer:
        """Decide the whole batch for one partner."""
        book = book_for(self.tx, self.node.party, party)
        known = facts_for(self.tx, party, self.versions, purpose=purpose)
        return self._answer(party, book, known)

    def ask_public(self) -> Answer:
        """Decide the whole batch for everybody: only what needs no instrument passes."""
        return self._answer(PUBLIC, book_for(self.tx, self.node.party, None), Known(Facts()))

    def _answer(self, party: str, book: Book, known: Known) -> Answer:
        answer = Answer(self, party, book, known)
        answer.decide_all()
        return answer

    def decide(self, answer: Answer, label: Label, object_id: str | None) -> Decision:
        """Ask the one function."""
        if label.orig == answer.party:
            return Decision(OWN, "own")
        question = Question(
            sender=self.node.party,
            recipient=answer.party,
            label=label,
            true=self.now,
            known=None,
            direct=True,
            facts=answer.facts,
            object_id=object_id,
        )
        return decide(answer.book, question)

    def number(self) -> list[int]:
        """Give the places of what is to be signed, and row ids to what is not stored yet.

        Refuses what its originator, somebody else, did not sign.
        """
        unsigned = [place for place, one in enumerate(self.versions) if one.root is None]
        for place in unsigned:
            if self.versions[place].originator != self.node.party:
                raise StateError(
                    f"{self.versions[place].stix_id} has no signature of its originator",
                    where=self.versions[place].originator,
                    advice="only what its originator signed can be passed on",
                )
        new = [place for place in unsigned if not isinstance(self.versions[place], Stored)]
        self.ids = dict(zip(new, records.reserve(self.tx, len(new)), strict=True))
        return unsigned

    def seal(self, writer: Writer, unsigned: Sequence[int]) -> None:
        """Sign what this party has not signed yet, and hand what is new to the writer, part by part."""
        for start in range(0, len(unsigned), _PART):
            seals: list[Seal] = []
            rows: list[Version] = []
            numbers: list[int] = []
            for place in unsigned[start : start + _PART]:
                one = self.versions[place] = self._signed(self.versions[place])
                if isinstance(one, Stored):
                    assert one.root is not None and one.salt is not None and one.envelope is not None  # noqa: PT018
                    seals.append(Seal(one.id, one.root, one.salt, one.envelope))
                else:
                    rows.append(one)
                    numbers.append(self.ids[place])
            writer.run(records.seal, self.tx, seals)
            writer.run(records.put, self.tx, rows, numbers)
        self.roots = [one.root.hex() for one in self.versions if one.root is not None]

    def _signed(self, one: Version) -> Version:
        salt = secrets.token_bytes(_SALT)
        root = root_of(one.data, salt)
        header = {"id": one.stix_id, "type": one.type, "created": one.created, "modified": one.modified}
        envelope = object_signature.sign_object(header, root, self.node.keyring(self.realm).record)
        return msgspec.structs.replace(one, root=root, salt=salt, envelope=envelope, state="published")

    def fresh(self, getting: Sequence[Answer]) -> Sequence[int]:
        """Give the places of what is signed for the first time or goes to somebody new."""
        every = range(len(self.versions))
        new = {place for place in every if self.versions[place].root is None}
        if len(new) == len(every):
            return every
        return sorted(new.union(*(group.members for answer in getting for group in answer.classes)))

    def own_roots(self, places: Sequence[int]) -> list[str]:
        """Give the roots of this party's own versions: what it publishes, not what it passes on."""
        return [self.roots[place] for place in places if self.versions[place].originator == self.node.party]

    def id_at(self, place: int) -> int:
        """Give the row id at a place of the batch."""
        one = self.versions[place]
        return one.id if isinstance(one, Stored) else self.ids[place]


def missing_of(
    versions: Sequence[Version], leave_out: Collection[str], *, party: str
) -> dict[int, tuple[str, ...]]:
    """Say, by place, which properties the recipients of a version do not get (rule 8).

    Refuses names that no object of others has, and to leave out what must stay.
    """
    names, found = frozenset(leave_out), dict[int, tuple[str, ...]]()
    for number, one in enumerate(versions):
        gone = left_out_of(one.salt) if one.state == "partial" else []
        less = frozenset[str]()
        if names and one.originator != party and one.type not in COMPANY:
            value = msgspec.json.decode(one.data)
            less = names & set(value)
            leaving_out.refuse_required(value, less)
            if less:
                rest = {name: held for name, held in value.items() if name not in less}
                stix.check(leaving_out.readable(rest, less))
        if gone or less:
            found[number] = tuple(sorted({*gone, *less}, key=lambda name: name.encode("utf-16-be")))
    if names - {name for missing in found.values() for name in missing}:
        raise InputError(
            f"nothing to leave out: no object of others has {', '.join(sorted(names))}",
            where="leave_out",
            advice="name properties that the objects have; of an own object make a version without them",
        )
    return found


def with_company(tx: sa.Connection, versions: Sequence[Version]) -> list[Version]:
    """Add stored markings, identities and extension definitions that the versions refer to."""
    held = {one.stix_id for one in versions}
    found: list[Version] = list(versions)
    wanted = {name for one in versions for name in references(one.data)} - held
    while wanted:
        more = [
            one
            for one in records.latest(tx, sorted(wanted)).values()
            if one.type in COMPANY and one.state in RELEASABLE
        ]
        held |= wanted
        found += more
        wanted = {name for one in more for name in references(one.data)} - held
    return found


def partners_asked(tx: sa.Connection, keyring: Keyring, to: Iterable[str] | None) -> list[str]:
    known = [one.code for one in grants.parties(tx, partners_only=True) if one.code != keyring.party]
    if keyring.host is not None:  # a guest releases to its host as to any partner
        known.append(keyring.host.party)
    if to is None:
        return known
    asked = list(dict.fromkeys(to))
    strangers = [code for code in asked if code not in known]
    if strangers:
        raise NotFoundError(
            f"no partner {', '.join(strangers)}",
            advice=f"partners are {', '.join(known) or 'none yet'}; `secretariat peers invite` enrols one",
        )
    return asked
