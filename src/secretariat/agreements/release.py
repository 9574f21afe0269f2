"""Release: from a person's DO to grants, in one durable transaction.

Rules (decisions.md 1 and 3):

1. Every recipient is decided by the one function of `rules`, now and with everything recorded; only `may`
   puts a version into a recipient's collection, and the grant names the articles that permit it.
2. One publish call writes one `publication` entry (roots, no recipient), one `grant` entry per recipient who
   got something, one local `decision` entry with the whole matrix; never one signature per decision.
3. What a recipient originated or sent us is never sent back (`own`); nothing is granted to it twice.
4. Markings, identities and extension definitions that a granted object refers to accompany it, under the
   articles of that object: without them the object could not be read.
   What is signed already and new to nobody is not published again: no entry is written.
5. Above this realm's ceiling nothing is released.
6. An object is signed once, by its originator; a relay passes the originator's signature on as it stands.
   Two releases of one object at once come one after the other.
7. What would name a source that stays here is not released (sponsoring.py).
8. Whoever relays may leave out properties that STIX does not require: the recipient gets a partial, which
   still verifies against the originator's signature. What is missing here already is named as missing there.
   Who was granted a partial from here may get more of it later, never less by a release.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from secretariat.agreements import grants
from secretariat.agreements.book import set_hash
from secretariat.agreements.facts import Known, book_for, facts_for
from secretariat.agreements.model import DENY, ENGINE, MAY, OWN, Decision, Facts, Question
from secretariat.agreements.recompute import COMPANY, moment_text, references, row_for
from secretariat.agreements.rules import decide
from secretariat.agreements.sponsoring import refuse_named
from secretariat.base.errors import InputError, NotFoundError, StateError
from secretariat.ledger import object_signature
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import DecisionRecord, Draft, GrantRow, LogPin, Publication
from secretariat.ledger.entries import Grant as GrantBody
from secretariat.ledger.property_tree import left_out_of, root_of
from secretariat.records import collections, leaving_out, stix
from secretariat.records import store as records
from secretariat.records.ceiling import refuse_above
from secretariat.records.markings import Label
from secretariat.records.store import Seal, Stored, Version
from secretariat.storage.feed import LIVE, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.book import Book
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.node import Node

PUBLIC = "*"
"""Reader of the public collection: everybody, for what is CLEAR."""

_RELEASABLE = frozenset({"draft", "published", "kept", "partial"})
_SALT = 32
_T = TypeVar("_T")
_PART = 1000
"""Versions that are signed before they are handed to the database."""


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who said DO: a named person (two above a level), or a standing release."""

    by: str
    second: str | None = None
    release: str | None = None
    standing: str | None = None


class Withheld(msgspec.Struct, frozen=True):
    """Object versions that a partner did not get, and why."""

    party: str
    objects: Sequence[str]
    true_on: str
    article: str
    missing: str | None


class Published(msgspec.Struct, frozen=True):
    """What one publish call did. `granted` counts object versions per partner."""

    publication: int | None
    """The entry; None when nothing was new to anybody: then nothing was written."""
    published: int
    granted: dict[str, int]
    withheld: list[Withheld]
    seqs: dict[str, range]
    """Per partner, the places in its collection."""


def publish(
    node: Node,
    realm: str,
    objects: Sequence[str | int],
    *,
    to: Iterable[str] | None = None,
    basis: Basis,
    purpose: str | None = None,
    leave_out: Collection[str] = (),
    now: datetime,
) -> Published:
    """Release the newest versions of `objects` (STIX ids or row ids) to `to`, or to every partner that may.

    One transaction: all of it stands when it returns, nothing of it when it raises. Refuses objects that are
    not here, not verified, or above the ceiling of the realm. The newest version goes as it stands: after a
    withdrawal that is the revoked one.
    """
    with node.database.app(realm) as tx:
        ledger.lock(tx)  # whoever publishes the same at once comes first or after, never between
        return publish_in(
            tx,
            node,
            realm,
            find(tx, objects),
            to=to,
            basis=basis,
            purpose=purpose,
            leave_out=leave_out,
            now=now,
        )


def find(tx: sa.Connection, objects: Sequence[str | int]) -> list[Stored]:
    """Give the versions named by row id, or the newest by STIX id. Refuses what is not here."""
    names = [one for one in objects if isinstance(one, str)]
    newest = records.latest(tx, names)
    absent = [name for name in names if name not in newest]
    if absent:
        raise NotFoundError(f"not here: {', '.join(absent[:5])}", advice="`secretariat import` brings it in")
    found = records.by_ids(tx, [one for one in objects if isinstance(one, int)])
    return [*newest.values(), *found]


def publish_in(
    tx: sa.Connection,
    node: Node,
    realm: str,
    versions: Sequence[Version],
    *,
    to: Iterable[str] | None = None,
    public: bool | None = None,
    basis: Basis,
    purpose: str | None = None,
    leave_out: Collection[str] = (),
    now: datetime,
) -> Published:
    """Release versions in the caller's transaction; those not stored yet are written as published.

    What is CLEAR goes to the public as well where no recipient is named, or as `public` says. Of what is not
    this party's own the properties `leave_out` stay here (rule 8).
    Refuses versions that somebody else released, withdrew or marked since the caller read them, and to leave
    out what must stay.
    """
    keyring = node.keyring(realm)
    head = ledger.open_log(tx, keyring, now=now)
    records.refuse_changed(tx, [one for one in versions if isinstance(one, Stored)])
    batch = _Batch(tx, node, realm, _with_company(tx, versions), now, leave_out)
    partners = _partners(tx, keyring, to)
    answers = [batch.ask(code, purpose) for code in partners]
    if to is None if public is None else public:
        answers.append(batch.ask_public())
    getting = [answer for answer in answers if answer.classes]
    fresh = batch.fresh(getting)
    if not fresh:
        return _done(None, 0, answers, {}, now)
    new = batch.number()
    with _Writer() as writer:
        # The database fills collections, the longest of its work, while this thread signs.
        places = _place(writer, tx, node, realm, getting, head.size, basis, now)
        batch.seal(writer, new)
        _settle(writer, tx, batch, places)
        roots = batch.own_roots(fresh)
        drafts = [Draft("publication", None, Publication(objects=roots, by=basis.by))]
        pin = LogPin(node.origin(realm), head.size, head.root.hex())
        drafts += [answer.draft(head.size, basis, purpose, pin, now) for answer in getting]
        drafts.append(_record(head.size, answers, batch, basis, purpose, now))
        sealed = ledger.seal(keyring, drafts, now=now, head=head)
    ledger.append_sealed(tx, keyring, sealed, now=now, head=head)
    notify(tx, LIVE, f'{{"kind":"publication","entry":{head.size}}}')
    return _done(head.size, len(fresh), answers, dict(places.result().values()), now)


def _done(
    publication: int | None,
    published: int,
    answers: Sequence[_Answer],
    seqs: dict[str, range],
    now: datetime,
) -> Published:
    return Published(
        publication=publication,
        published=published,
        granted={answer.party: answer.count for answer in answers if answer.party != PUBLIC},
        withheld=[one for answer in answers if answer.party != PUBLIC for one in answer.withheld(now)],
        seqs=seqs,
    )


class _Writer:
    """Runs database statements in order beside the signing: PostgreSQL has a core of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "publish")
        self._running: list[Future[Any]] = []

    def run(self, step: Callable[..., _T], *given: Any, **named: Any) -> Future[_T]:
        running = self._thread.submit(step, *given, **named)
        self._running.append(running)
        return running

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until all is written; raise what failed first."""
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for one in self._running:
                one.result()


class _Class:
    """One recipient's versions of one TLP under equal articles, marks, term and duties."""

    def __init__(self, decision: Decision, tlp: str | None) -> None:
        self.decision = decision
        self.tlp = tlp
        self.members: list[int] = []
        """Places in the batch."""

    def row(self, roots: Sequence[str]) -> GrantRow:
        return row_for(self.decision, [roots[one] for one in self.members] if roots else (), self.tlp)


class _Answer:
    """All decisions of one batch for one recipient."""

    def __init__(self, batch: _Batch, party: str, book: Book, known: Known) -> None:
        self.batch = batch
        self.party = party
        self.book = book
        self.facts = known.facts
        self.evidence = known.evidence
        self.classes: list[_Class] = []
        self.denied: dict[tuple[str, str | None], list[int]] = {}
        self.matrix: list[list[Any]] = []
        self.partials: list[int] = []
        """Row ids of what it holds with more left out than now."""
        self.count = 0

    def decide_all(self) -> None:
        """Decide label by label; object by object where a consent may name single objects."""
        batch, classes = self.batch, dict[Any, _Class]()
        there, self.partials = batch.granted(self.party)
        whole = not there and not batch.any_from(self.party)
        for number, (label, members) in enumerate(batch.by_label.items()):
            fresh = (
                members
                if whole
                else [one for one in members if one not in there and not batch.is_from(one, self.party)]
            )
            foreign = label.orig != batch.node.party or any(
                parent.orig != batch.node.party for parent in label.derived_from
            )
            if foreign and self.facts.consents:
                for one in fresh:
                    self._sort(
                        classes, batch.decide(self, label, batch.versions[one].stix_id), [one], label, number
                    )
            elif fresh:
                self._sort(classes, batch.decide(self, label, None), fresh, label, number)
        self.classes = [group for group in classes.values() if group.members]
        if batch.has_company:
            self._add_company(there)
            self._company_first()
        self.count = sum(len(one.members) for one in self.classes)

    def _sort(
        self,
        classes: dict[Any, _Class],
        decision: Decision,
        members: list[int],
        label: Label,
        label_number: int,
    ) -> None:
        missing = decision.missing.text if decision.missing is not None else None
        self.matrix.append([label_number, len(members), decision.outcome, decision.article, missing])
        if decision.outcome == MAY:
            tlp = label.tlp
            key = (
                tlp,
                decision.article,
                decision.because,
                decision.marks,
                decision.conditions,
                decision.obligations,
                decision.until,
            )
            classes.setdefault(key, _Class(decision, tlp)).members.extend(members)
        elif decision.outcome == DENY:
            self.denied.setdefault((decision.article, missing), []).extend(members)

    def _add_company(self, there: set[int]) -> None:
        """Add what granted objects refer to (rule 4), under the articles of the first that refers to it."""
        batch = self.batch
        have = there | {one for group in self.classes for one in group.members}
        for group in list(self.classes):
            wanted = {
                companion
                for one in group.members
                for companion in batch.company.get(one, ())
                if companion not in have and not batch.is_from(companion, self.party)
            }
            group.members.extend(sorted(wanted))
            have |= wanted
        for members in self.denied.values():
            members[:] = [one for one in members if one not in have]

    def _company_first(self) -> None:
        """Put what others refer to before them: a receiver that has the marking need not let objects wait."""
        versions = self.batch.versions
        for group in self.classes:
            group.members.sort(key=lambda one: versions[one].type not in COMPANY)
        self.classes.sort(key=lambda group: versions[group.members[0]].type not in COMPANY)

    def draft(self, publication: int, basis: Basis, purpose: str | None, pin: LogPin, now: datetime) -> Draft:
        body = GrantBody(
            to=self.party,
            publication=publication,
            instruments=self.book.hash,
            engine=ENGINE,
            rows=[self._row(group) for group in self.classes],
            basis=msgspec.to_builtins(basis),
            purpose=purpose,
            route=None,
            true_on=moment_text(now),
            known_by=msgspec.to_builtins(pin),
            facts={
                **msgspec.to_builtins(msgspec.structs.replace(self.facts, consents=())),
                "evidence": [{"origin": origin, "position": number} for origin, number in self.evidence],
            },
        )
        return Draft("grant", self.party, body)

    def _row(self, group: _Class) -> GrantRow:
        row, missing = group.row(self.batch.roots), self.batch.missing
        partials = {self.batch.roots[one]: list(missing[one]) for one in group.members if one in missing}
        return msgspec.structs.replace(row, left_out=partials) if partials else row

    def withheld(self, now: datetime) -> list[Withheld]:
        """Say what this recipient did not get."""
        return [
            Withheld(
                self.party,
                [self.batch.versions[one].stix_id for one in members],
                now.date().isoformat(),
                article,
                missing,
            )
            for (article, missing), members in self.denied.items()
            if members
        ]


class _Batch:
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
            if one.state not in _RELEASABLE:
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

    def by_missing(self, members: Sequence[int]) -> Iterable[tuple[tuple[str, ...], Sequence[int]]]:
        """Sort versions by what their recipients do not get."""
        if not self.missing:
            return [((), members)]
        groups: dict[tuple[str, ...], list[int]] = {}
        for one in members:
            groups.setdefault(self.missing.get(one, ()), []).append(one)
        return groups.items()

    def any_from(self, party: str) -> bool:
        """Whether any of these versions came from `party` or is its own."""
        return party in self._sources

    def is_from(self, place: int, party: str) -> bool:
        """Whether this version came from `party` or is its own: it is not sent back."""
        if party not in self._sources:
            return False
        one = self.versions[place]
        return party in {one.source, one.originator}

    def granted(self, party: str) -> tuple[set[int], list[int]]:
        """Give the places of what `party` holds granted already, and row ids of what it gets more of."""
        if self._unsigned:
            return set(), []
        numbers = {one.id: place for place, one in enumerate(self.versions) if isinstance(one, Stored)}
        held = grants.granted(self.tx, party, list(numbers))
        less = [one for one, names in held.items() if set(names) > set(self.missing.get(numbers[one], ()))]
        return {numbers[one] for one in held.keys() - set(less)}, less

    def ask(self, party: str, purpose: str | None) -> _Answer:
        """Decide the whole batch for one partner."""
        book = book_for(self.tx, self.node.party, party)
        known = facts_for(self.tx, party, self.versions, purpose=purpose)
        return self._answer(party, book, known)

    def ask_public(self) -> _Answer:
        """Decide the whole batch for everybody: only what needs no instrument passes."""
        return self._answer(PUBLIC, book_for(self.tx, self.node.party, None), Known(Facts()))

    def _answer(self, party: str, book: Book, known: Known) -> _Answer:
        answer = _Answer(self, party, book, known)
        answer.decide_all()
        return answer

    def decide(self, answer: _Answer, label: Label, object_id: str | None) -> Decision:
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

    def seal(self, writer: _Writer, unsigned: Sequence[int]) -> None:
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

    def fresh(self, getting: Sequence[_Answer]) -> Sequence[int]:
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
                stix.check({name: held for name, held in value.items() if name not in less})
        if gone or less:
            found[number] = tuple(sorted({*gone, *less}, key=lambda name: name.encode("utf-16-be")))
    if names - {name for missing in found.values() for name in missing}:
        raise InputError(
            f"nothing to leave out: no object of others has {', '.join(sorted(names))}",
            where="leave_out",
            advice="name properties that the objects have; of an own object make a version without them",
        )
    return found


def _with_company(tx: sa.Connection, versions: Sequence[Version]) -> list[Version]:
    """Add stored markings, identities and extension definitions that the versions refer to."""
    held = {one.stix_id for one in versions}
    found: list[Version] = list(versions)
    wanted = {name for one in versions for name in references(one.data)} - held
    while wanted:
        more = [
            one
            for one in records.latest(tx, sorted(wanted)).values()
            if one.type in COMPANY and one.state in _RELEASABLE
        ]
        held |= wanted
        found += more
        wanted = {name for one in more for name in references(one.data)} - held
    return found


def _partners(tx: sa.Connection, keyring: Keyring, to: Iterable[str] | None) -> list[str]:
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


def _record(
    publication: int,
    answers: Sequence[_Answer],
    batch: _Batch,
    basis: Basis,
    purpose: str | None,
    now: datetime,
) -> Draft:
    results = {
        "labels": [msgspec.to_builtins(label) for label in batch.by_label],
        "to": {
            answer.party: {"instruments": answer.book.hash, "results": answer.matrix} for answer in answers
        },
    }
    body = DecisionRecord(
        instruments=set_hash({answer.book.hash for answer in answers}),
        engine=ENGINE,
        results=results,
        publication=publication,
        purpose=purpose,
        true_on=moment_text(now),
        by=msgspec.to_builtins(basis),
    )
    return Draft("decision", None, body)


def _place(
    writer: _Writer,
    tx: sa.Connection,
    node: Node,
    realm: str,
    answers: Sequence[_Answer],
    publication: int,
    basis: Basis,
    now: datetime,
) -> Future[dict[int, tuple[str, range]]]:
    """Fill the recipients' collections; give, per collection, its reader and the places."""

    def write() -> dict[int, tuple[str, range]]:
        readers: dict[int, str] = {}
        batches: dict[int, list[tuple[int | None, Sequence[int], Sequence[str]]]] = {}
        for number, answer in enumerate(answers):
            entry = publication + 1 + number
            ids = grants.put_classes(
                tx, [_stored_class(answer, one, entry, basis, now) for one in answer.classes]
            )
            kind = "clear" if answer.party == PUBLIC else "partner"
            # the public collection is one per node: a guest's CLEAR objects stand in its host's
            host = node.keyring(realm).host if answer.party == PUBLIC else None
            publisher = node.party if host is None else host.party
            collection = collections.ensure(tx, kind, answer.party, party=publisher, realm=realm)
            readers[collection] = answer.party
            batches[collection] = [
                (class_id, [answer.batch.id_at(place) for place in some], left_out)
                for class_id, group in zip(ids, answer.classes, strict=True)
                for left_out, some in answer.batch.by_missing(group.members)
            ]
            if answer.partials:  # more of what is there already as a partial takes its place
                collections.remove(tx, answer.partials, collection=collection)
        seqs = collections.add_fresh(tx, batches, now=now) if batches else {}
        return {collection: (readers[collection], given) for collection, given in seqs.items()}

    return writer.run(write)


def _settle(
    writer: _Writer, tx: sa.Connection, batch: _Batch, places: Future[dict[int, tuple[str, range]]]
) -> None:
    """Once versions and places are written, say which versions are the first and the last of their object."""
    every = [batch.id_at(place) for place in range(len(batch.versions))]
    writer.run(lambda: collections.settle(tx, list(places.result()), every) if places.result() else None)


def _stored_class(
    answer: _Answer, group: _Class, entry: int, basis: Basis, now: datetime
) -> grants.GrantClass:
    row = group.row(())
    return grants.GrantClass(
        0,
        answer.party,
        entry,
        row.articles,
        row.marks,
        row.conditions,
        row.obligations,
        None if row.until is None else datetime.fromisoformat(row.until),
        msgspec.to_builtins(basis),
        now,
        None,
    )
