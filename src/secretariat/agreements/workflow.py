"""From MAY to DO: proposing a release, concurring, deciding; and releases in advance for a class.

Rules (decisions.md 3):

1. A named person releases, and releases what was proposed: content that changed since is proposed anew.
   Where an object is classified, RED or AMBER+STRICT, under originator control, or ours and marked lower
   than before (lowering.py), a second person must decide what the first proposed.
2. Offices that a house rule names must concur before; silence is not concurrence. What they are asked for is
   proposed: a release at once, or under a standing release, is refused.
3. A standing release is a DO in advance: for object types, up to a marking (never above AMBER), for named
   partners and one purpose, a count per day, at most 90 days. Two sign where two are needed. It is an
   entry of the log, is named in every grant under it, and ends at once when revoked.
4. Standing releases never cover classified or originator-controlled items. Markings, identities and extension
   definitions come along with what is covered and refers to them, whatever types are named.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg.types.json import Jsonb

from secretariat.agreements.house_rules import offices_of
from secretariat.agreements.lowering import lowered
from secretariat.agreements.recompute import COMPANY, references
from secretariat.agreements.release import Basis, Published, missing_of, publish_in
from secretariat.agreements.service import with_members
from secretariat.base.clock import stamp
from secretariat.base.errors import DeniedError, InputError, NotFoundError, StateError
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Note, Standing
from secretariat.records.markings import TLP_ORDER, Label
from secretariat.storage.engine import raw
from secretariat.storage.feed import LIVE, notify

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node
    from secretariat.records.store import Version

HIGHEST_STANDING = "AMBER"
_TWO_PERSONS = frozenset({"RED", "AMBER+STRICT"})
_ORIGINATOR_CONTROL = frozenset({"OC", "ORCON"})


class Release(msgspec.Struct, frozen=True):
    """A proposed, released or refused release."""

    id: uuid.UUID
    title: str
    objects: list[str]
    partners: list[str] | None
    purpose: str | None
    state: str
    needs_two: bool
    offices: list[dict[str, Any]]
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    publication: int | None
    leave_out: list[str]
    """Properties of others' objects that stay here."""

    @property
    def waits_for(self) -> list[str]:
        """The offices that have not concurred."""
        return [one["office"] for one in self.offices if not one.get("by")]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The class of objects that a standing release covers."""

    partners: list[str]
    purpose: str
    types: list[str]
    """STIX types; empty = all."""
    highest: str = HIGHEST_STANDING
    per_day: int = 1000
    collection: str = "own"


class StandingRelease(msgspec.Struct, frozen=True):
    """A standing release as it stands."""

    id: uuid.UUID
    title: str
    terms: Terms
    begins: datetime
    ends: datetime
    signed_by: list[str]
    entry: int | None
    """Its entry in the log; None while it waits for a second signature and covers nothing."""
    revoked_at: datetime | None
    used: int


_RELEASE = ", ".join(Release.__struct_fields__)


def propose(
    node: Node,
    realm: str,
    objects: Sequence[str],
    *,
    title: str,
    to: Iterable[str] | None,
    purpose: str | None,
    by: str,
    leave_out: Collection[str] = (),
    now: datetime,
) -> Release:
    """Propose a release of objects and what they contain.

    Refuses objects that are not here, and to leave out what must stay.
    """
    with node.database.app(realm) as tx:
        versions = with_members(tx, objects)
        missing_of(versions, leave_out, party=node.party)
        partners = None if to is None else list(to)
        number = uuid.uuid4()
        raw(tx).execute(
            "INSERT INTO release (id, title, objects, content, partners, purpose, state, needs_two, offices,"
            " proposed_by, proposed_at, leave_out)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'proposed', %s, %s, %s, %s, %s)",
            (
                number,
                title,
                Jsonb(list(objects)),
                content_of(versions),
                None if partners is None else Jsonb(partners),
                purpose,
                bool(for_two(tx, node, versions)),
                Jsonb([{"office": office} for office in offices_of(tx, [one.label for one in versions])]),
                by,
                now,
                Jsonb(sorted(leave_out)),
            ),
        )
        notify(tx, LIVE, msgspec.json.encode({"kind": "release", "id": str(number)}).decode())
        return get(tx, number)


def needs_two(label: Label) -> bool:
    """Whether two persons must say DO (rule 1)."""
    return (
        label.level is not None
        or label.tlp in _TWO_PERSONS
        or not _ORIGINATOR_CONTROL.isdisjoint(label.controls)
        or any(needs_two(parent) for parent in label.derived_from)
    )


def for_two(tx: sa.Connection, node: Node, versions: Sequence[Version]) -> list[str]:
    """Name the objects that two persons must release (rule 1)."""
    return sorted(
        {one.stix_id for one in versions if needs_two(one.label)}.union(
            lowered(tx, versions, party=node.party)
        )
    )


def content_of(versions: Sequence[Version]) -> bytes:
    """Give the digest of what a release contains: who decides must decide what was proposed."""
    lines = sorted(f"{one.stix_id} {sha256(one.data).hexdigest()}\n" for one in versions)
    return sha256("".join(lines).encode()).digest()


def _content(tx: sa.Connection, number: uuid.UUID) -> bytes:
    row = raw(tx).execute("SELECT content FROM release WHERE id = %s", (number,)).fetchone()
    assert row is not None
    return bytes(row[0])


def get(tx: sa.Connection, number: uuid.UUID, *, lock: bool = False) -> Release:
    """Give one release. Refuses an id that is none."""
    row = (
        raw(tx)
        .execute(f"SELECT {_RELEASE} FROM release WHERE id = %s{' FOR UPDATE' if lock else ''}", (number,))
        .fetchone()
    )
    if row is None:
        raise NotFoundError(f"no release {number}")
    return Release(*row)


def waiting(tx: sa.Connection) -> list[Release]:
    """Give what waits for a decision, oldest first."""
    rows = raw(tx).execute(
        f"SELECT {_RELEASE} FROM release WHERE state = 'proposed' ORDER BY proposed_at, id"
    )
    return [Release(*row) for row in rows]


def of_object(tx: sa.Connection, stix_id: str) -> list[Release]:
    """Give the releases that name an object, newest first."""
    rows = raw(tx).execute(
        f"SELECT {_RELEASE} FROM release WHERE objects @> %s ORDER BY proposed_at DESC", (Jsonb([stix_id]),)
    )
    return [Release(*row) for row in rows]


def last_purpose(tx: sa.Connection, by: str) -> str | None:
    """Give the purpose that a person stated last; None where it stated none yet."""
    row = (
        raw(tx)
        .execute(
            "SELECT purpose FROM release WHERE proposed_by = %s AND purpose IS NOT NULL"
            " ORDER BY proposed_at DESC LIMIT 1",
            (by,),
        )
        .fetchone()
    )
    return None if row is None else str(row[0])


def concur(node: Node, realm: str, number: uuid.UUID, *, office: str, by: str, now: datetime) -> Release:
    """Record that an office concurs, with its entry in the log. Refuses an office that is not asked."""
    with node.database.app(realm) as tx:
        found = _open(tx, number)
        if office not in found.waits_for:
            raise StateError(f"{office or '–'} is not asked to concur, or has done so", where=str(number))
        offices = [{**one, "by": by} if one["office"] == office else one for one in found.offices]
        raw(tx).execute("UPDATE release SET offices = %s WHERE id = %s", (Jsonb(offices), number))
        # the release by its id alone: its title and its objects' names say what a log is not to hold
        note = Note(act="release-concur", by=by, detail={"release": str(number), "office": office})
        ledger.append(tx, node.keyring(realm), [Draft("note", None, note)], now=now)
        notify(tx, LIVE, msgspec.json.encode({"kind": "release", "id": str(number)}).decode())
        return get(tx, number)


def decide_release(node: Node, realm: str, number: uuid.UUID, *, by: str, now: datetime) -> Published:
    """Say DO: release what was proposed, in one transaction with its grants (rules 1 and 2).

    The grants name who said DO: the person who decides, and before it the proposer where two must.
    """
    with node.database.app(realm) as tx:
        found = _open(tx, number)
        versions = with_members(tx, found.objects)
        if content_of(versions) != _content(tx, number):
            raise StateError(
                "what it contains changed since it was proposed",
                where=str(number),
                advice="refuse it and propose it anew: nobody has read what stands there now",
            )
        # what is marked higher since it was proposed, by a marking that came later, takes two as well
        two = found.needs_two or bool(for_two(tx, node, versions))
        if two and by == found.proposed_by:
            raise DeniedError(
                "a second person must decide this release", where=str(number), advice="ask another releaser"
            )
        asked = {one["office"] for one in found.offices}
        if found.waits_for:
            raise StateError(f"{', '.join(found.waits_for)} must concur first", where=str(number))
        unasked = [one for one in offices_of(tx, [one.label for one in versions]) if one not in asked]
        if unasked:
            raise StateError(
                f"{', '.join(unasked)} must concur by a rule made since",
                where=str(number),
                advice="propose it anew",
            )
        basis = Basis(by=found.proposed_by if two else by, second=by if two else None, release=str(number))
        done = publish_in(
            tx,
            node,
            realm,
            versions,
            to=found.partners,
            basis=basis,
            purpose=found.purpose,
            leave_out=found.leave_out,
            now=now,
        )
        raw(tx).execute(
            "UPDATE release SET state = 'released', decided_by = %s, decided_at = %s, publication = %s"
            " WHERE id = %s",
            (by, now, done.publication, number),
        )
        if done.publication is None:
            notify(tx, LIVE, msgspec.json.encode({"kind": "release", "id": str(number)}).decode())
        return done


def refuse(node: Node, realm: str, number: uuid.UUID, *, by: str, reason: str, now: datetime) -> Release:
    """Refuse a proposed release, with the reason. Refuses to do so without one."""
    if not reason.strip():
        raise InputError("a refusal needs its reason", where="reason")
    with node.database.app(realm) as tx:
        _open(tx, number)
        raw(tx).execute(
            "UPDATE release SET state = 'refused', decided_by = %s, decided_at = %s, reason = %s"
            " WHERE id = %s",
            (by, now, reason.strip(), number),
        )
        notify(tx, LIVE, msgspec.json.encode({"kind": "release", "id": str(number)}).decode())
        return get(tx, number)


def begin_standing(
    node: Node,
    realm: str,
    terms: Terms,
    *,
    title: str,
    by: Sequence[str],
    days: int,
    needs_second: bool = False,
    now: datetime,
) -> StandingRelease:
    """Sign a standing release into the log, or propose it to a second person. Refuses terms above rule 3."""
    limit = node.settings.limits.standing_days
    if not 1 <= days <= limit:
        raise InputError(f"{days} days", where="days", advice=f"1 to {limit}")
    if terms.highest not in TLP_ORDER or _rank(terms.highest) > _rank(HIGHEST_STANDING):
        raise InputError(f"a standing release never goes above {HIGHEST_STANDING}", where="highest")
    if not terms.partners or terms.per_day < 1 or not by:
        raise InputError("a standing release names partners, a count per day and who signs", where="terms")
    number, ends, signers = uuid.uuid4(), now + timedelta(days=days), list(dict.fromkeys(by))
    with node.database.app(realm) as tx:
        waits = needs_second and len(signers) < 2
        entry = None if waits else _sign(tx, node, realm, number, terms, title, signers, now, ends)
        raw(tx).execute(
            "INSERT INTO standing_release (id, title, terms, begins, ends, signed_by, entry)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (number, title, Jsonb(msgspec.to_builtins(terms)), now, ends, Jsonb(signers), entry),
        )
        return standing(tx, number)


def _sign(
    tx: sa.Connection,
    node: Node,
    realm: str,
    number: uuid.UUID,
    terms: Terms,
    title: str,
    by: list[str],
    begins: datetime,
    ends: datetime,
) -> int:
    said = {**msgspec.to_builtins(terms), "title": title, "begins": stamp(begins), "ends": stamp(ends)}
    draft = Draft("standing", None, Standing(id=str(number), terms=said, by=by))
    (entry,) = ledger.append(tx, node.keyring(realm), [draft], now=begins)
    return entry.position


def sign_standing(node: Node, realm: str, number: uuid.UUID, *, by: str, now: datetime) -> StandingRelease:
    """Sign as the second person what another proposed: from now on it covers its class, for its full term.

    Refuses the person who proposed it, and what waits for no signature.
    """
    with node.database.app(realm) as tx:
        found = standing(tx, number, lock=True)
        if found.entry is not None or found.revoked_at is not None:
            raise StateError("this standing release waits for no signature", where=str(number))
        if by in found.signed_by:
            raise DeniedError("a second person must sign", where=str(number), advice="ask another releaser")
        ends = now + (found.ends - found.begins)
        signers = [*found.signed_by, by]
        entry = _sign(tx, node, realm, number, found.terms, found.title, signers, now, ends)
        raw(tx).execute(
            "UPDATE standing_release SET begins = %s, ends = %s, signed_by = %s, entry = %s WHERE id = %s",
            (now, ends, Jsonb(signers), entry, number),
        )
        return standing(tx, number)


class Use(msgspec.Struct, frozen=True):
    """One grant under a standing release: its entry, to whom, how many objects still stand, when."""

    entry: int
    recipient: str
    objects: int
    at: datetime


def uses_of(tx: sa.Connection, number: uuid.UUID, limit: int = 200) -> list[Use]:
    """Give the grants that name a standing release, newest first."""
    rows = raw(tx).execute(
        "SELECT g.entry, g.recipient, count(i.version), min(g.recorded_at) FROM grant_class g"
        " LEFT JOIN item i ON i.grant_class = g.id WHERE g.basis ->> 'standing' = %s"
        " GROUP BY g.entry, g.recipient ORDER BY g.entry DESC LIMIT %s",
        (str(number), limit),
    )
    return [Use(*row) for row in rows]


def end_standing(
    node: Node, realm: str, number: uuid.UUID, *, by: str, reason: str = "", now: datetime
) -> None:
    """Revoke a standing release at once."""
    with node.database.app(realm) as tx:
        if standing(tx, number, lock=True).revoked_at is not None:
            raise StateError("this standing release has ended", where=str(number))
        draft = Draft("standing", None, Standing(id=str(number), act="end", by=by, reason=reason))
        ledger.append(tx, node.keyring(realm), [draft], now=now)
        raw(tx).execute(
            "UPDATE standing_release SET revoked_at = %s, revoked_by = %s WHERE id = %s", (now, by, number)
        )


def standing(tx: sa.Connection, number: uuid.UUID, *, lock: bool = False) -> StandingRelease:
    """Give one standing release. Refuses an id that is none."""
    found = _standings(tx, " WHERE id = %s" + (" FOR UPDATE" if lock else ""), (number,))
    if not found:
        raise NotFoundError(f"no standing release {number}")
    return found[0]


def standings(tx: sa.Connection) -> list[StandingRelease]:
    """Give every standing release, newest first."""
    return _standings(tx, " ORDER BY begins DESC", ())


def publish_standing(
    node: Node, realm: str, versions: Sequence[Version], number: uuid.UUID, *, now: datetime
) -> Published:
    """Release versions under a standing release. Refuses all of them when one is outside its class."""
    with node.database.app(realm) as tx:
        return publish_standing_in(tx, node, realm, versions, number, now=now)


def publish_standing_in(
    tx: sa.Connection,
    node: Node,
    realm: str,
    versions: Sequence[Version],
    number: uuid.UUID,
    *,
    now: datetime,
) -> Published:
    """Release under a standing release in the caller's transaction (rules 3 and 4)."""
    found = standing(tx, number, lock=True)
    if found.entry is None:
        raise StateError("a second person must sign this standing release first", where=str(number))
    if found.revoked_at is not None or not found.begins <= now < found.ends:
        raise StateError("this standing release has ended", where=str(number), advice="a person must release")
    terms = found.terms
    company = _company(versions, terms.types)
    for one in versions:
        label, along = one.label, one.stix_id in company
        if terms.types and one.type not in terms.types and not along:
            raise DeniedError(f"{one.type} is not among its types", where=one.stix_id)
        unmarked = label.tlp is None and not along
        if needs_two(label) or unmarked or _rank(label.tlp or "CLEAR") > _rank(terms.highest):
            raise DeniedError(
                f"its marking is above {terms.highest}", where=one.stix_id, advice="a person must release it"
            )
    if asked := offices_of(tx, [one.label for one in versions if one.stix_id not in company]):
        raise DeniedError(
            f"{', '.join(asked)} must concur first", where=str(number), advice="a person must propose it"
        )
    if lower := lowered(tx, versions, party=node.party):
        raise DeniedError(
            "it is marked lower than before", where=lower[0], advice="two persons must release it"
        )
    used = _used_today(tx, found, now)
    counted = len(versions) - len(company)
    if used + counted > terms.per_day:
        raise DeniedError(
            f"{used} of {terms.per_day} a day are used, {counted} more asked",
            where=str(number),
            advice="a person must release the rest",
        )
    basis = Basis(by=", ".join(found.signed_by), standing=str(number))
    done = publish_in(
        tx, node, realm, versions, to=terms.partners, basis=basis, purpose=terms.purpose, now=now
    )
    if done.publication is not None:  # what was there already costs nothing of the day
        raw(tx).execute(
            "UPDATE standing_release SET used = %s, used_on = %s WHERE id = %s",
            (used + counted, now.date(), number),
        )
    return done


def _company(versions: Sequence[Version], types: Sequence[str]) -> set[str]:
    """Name the markings, identities and extension definitions that come along with what the types permit."""
    named: set[str] = set()
    inner = [one for one in versions if not types or one.type in types]
    while inner:
        wanted = {name for one in inner for name in references(one.data)} - named
        named |= wanted
        inner = [one for one in versions if one.type in COMPANY and one.stix_id in wanted]
    return {
        one.stix_id
        for one in versions
        if one.type in COMPANY and one.type not in types and one.stix_id in named
    }


def _standings(tx: sa.Connection, rest: str, bound: Sequence[Any]) -> list[StandingRelease]:
    rows = raw(tx).execute(
        "SELECT id, title, terms, begins, ends, signed_by, entry, revoked_at, used FROM standing_release"
        + rest,
        bound,
    )
    return [StandingRelease(row[0], row[1], msgspec.convert(row[2], Terms), *row[3:]) for row in rows]


def _used_today(tx: sa.Connection, found: StandingRelease, now: datetime) -> int:
    row = raw(tx).execute("SELECT used_on FROM standing_release WHERE id = %s", (found.id,)).fetchone()
    assert row is not None
    return found.used if row[0] == now.date() else 0


def _open(tx: sa.Connection, number: uuid.UUID) -> Release:
    found = get(tx, number, lock=True)
    if found.state != "proposed":
        raise StateError(f"this release is {found.state} already", where=str(number))
    return found


def _rank(word: str) -> int:
    return TLP_ORDER.index(word)
