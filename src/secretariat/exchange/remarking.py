"""A published object of ours gets another marking or content: what happens to each holder, then the deed.

Rules:

1. The originator makes a new version under its own signature; nobody else marks or corrects it.
2. Who holds it now and may have the new version, by the same decision as a first release and for the purpose
   under which it was granted, gets it. Nobody who did not hold it gets it by this.
3. Who may not have it any more loses every earlier version: a `narrow` with the duty to destroy.
4. Who may keep it loses the earlier versions where they are marked lower: nothing may be passed on under the
   old marking. Where content was corrected they stay as history, behind the version that says what it
   corrects and why, unless the person who corrects takes them back too. Marked lower now, they stay.
5. Two persons say DO where the new version needs two, and always where it is marked lower than before.
6. Offices that a house rule asks for the new marking or the one it had concur before, as before a release:
   it is proposed, and stands once each of them concurred.
7. All of it stands or nothing: version, grants and calls are one transaction.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import grants, house_rules, workflow
from secretariat.agreements import service as agreements
from secretariat.agreements.lowering import is_lower
from secretariat.agreements.model import MAY
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.errors import DeniedError, InputError, NotFoundError, StateError
from secretariat.exchange import withdrawal
from secretariat.exchange.changes import next_version
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import transaction
from secretariat.ledger import dsse, entries
from secretariat.ledger.entries import Note
from secretariat.records import store as records
from secretariat.records.markings import Label
from secretariat.records.service import Settings, import_in
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from secretariat.exchange.changes import Change
    from secretariat.exchange.postgres import PostgresStore
    from secretariat.ledger.node import Node
    from secretariat.records.store import Stored


class Fate(msgspec.Struct, frozen=True):
    """What happens to one holder: whether it gets the new version, by which article, loses the earlier."""

    party: str
    may: bool
    article: str
    why: str
    loses: bool
    purpose: str | None = None
    """The purpose under which it was granted what it holds."""


class Forecast(msgspec.Struct, frozen=True):
    """What a new version would do: each holder's fate, who must say DO or concur, what they confirm."""

    stix_id: str
    fates: tuple[Fate, ...]
    lower: bool
    two: bool
    conditions: tuple[tuple[str, str, str], ...] = ()
    label: Label | None = None
    """How the new version is marked."""
    offices: tuple[str, ...] = ()
    """The offices that must concur before (rule 6)."""


class Remarked(msgspec.Struct, frozen=True):
    """The new version, who got it, who was asked to destroy the earlier ones, who must be told."""

    stix_id: str
    version: str
    got: tuple[str, ...]
    asked: tuple[str, ...]
    cannot_answer: tuple[str, ...]


def forecast(node: Node, realm: str, stix_id: str, change: Change, *, now: datetime) -> Forecast:
    """Say what a new marking, or new content, would do to each holder; writes nothing."""
    with transaction(node, realm, now) as store:
        return forecast_in(store, stix_id, change, now=now)


def forecast_in(store: PostgresStore, stix_id: str, change: Change, *, now: datetime) -> Forecast:
    """Say the same in the caller's transaction; it keeps nothing of the new version."""
    old = own_published(store, stix_id)
    attempt = store.tx.begin_nested()
    try:
        return _forecast(store, old, _keep(store, old, change, now), change, now)
    finally:
        attempt.rollback()


def replace(
    node: Node,
    realm: str,
    stix_id: str,
    change: Change,
    *,
    by: str,
    second: str = "",
    confirm: bool = False,
    now: datetime,
) -> Remarked:
    """Put a version with another marking, or with other content, in the place of what holders have.

    Refuses what is not ours or never was published, one person where two are needed, what offices must concur
    with (it is proposed), conditions that nobody confirmed, and what changes nothing.
    """
    with transaction(node, realm, now) as store:
        return replace_in(store, stix_id, change, by=by, second=second, confirm=confirm, now=now)


def replace_in(
    store: PostgresStore,
    stix_id: str,
    change: Change,
    *,
    by: str,
    second: str = "",
    concurred: Collection[str] = (),
    confirm: bool = False,
    now: datetime,
) -> Remarked:
    """Do the same in the caller's transaction, with the offices that concurred with what was proposed."""
    if not change.reason.strip():
        raise InputError("a new version of what partners hold needs its reason", where="reason")
    store.lock()
    old = own_published(store, stix_id)
    earlier = [one.root for one in store.history(stix_id) if one.state == "published" and not one.revoked]
    after = _keep(store, old, change, now)
    found = _forecast(store, old, after, change, now)
    if found.two and (not second or second == by):
        raise StateError(
            "two persons must release this", where="--second", advice="name another person: --second LOGIN"
        )
    if asked := [one for one in found.offices if one not in concurred]:
        raise StateError(
            f"{', '.join(asked)} must concur first", where=stix_id, advice="propose it: --propose"
        )
    if found.conditions and not confirm:
        raise StateError(
            "the agreements put conditions that nobody confirmed",
            where=", ".join(sorted({article for _, article, _ in found.conditions})),
            advice="confirm them: --confirm",
        )
    _grant(store, after, found, Basis(by=by, second=second or None), now)
    held = store.recipients(earlier)
    called = [
        withdrawal.narrow(store, stix_id, to=one.party, reason=change.reason, now=now, only=held[one.party])
        for one in found.fates
        if one.loses and held.get(one.party)
    ]
    done = Remarked(
        stix_id,
        str(after.modified),
        tuple(one.party for one in found.fates if one.may and one.party != withdrawal.EVERYBODY),
        tuple(party for one in called for party in one.asked),
        tuple(party for one in called for party in one.cannot_answer),
    )
    detail = {"asked": done.asked, "cannot_answer": done.cannot_answer, "reason": change.reason}
    who = [by, second] if second else by
    store.append([Outgoing("note", None, Note(act=change.act, by=who, detail=detail))])
    notify(store.tx, LIVE, live(kind=change.act, object=stix_id))
    return done


def _grant(store: PostgresStore, after: Stored, found: Forecast, basis: Basis, now: datetime) -> None:
    """Release the new version to who may have it: one release for each purpose it was granted for before."""
    may: dict[str | None, list[str]] = {}
    for one in found.fates:
        if one.may and one.party != withdrawal.EVERYBODY:
            may.setdefault(one.purpose, []).append(one.party)
    public = any(one.may and one.party == withdrawal.EVERYBODY for one in found.fates)
    for number, (purpose, parties) in enumerate(may.items() or [(None, [])]):
        publish_in(
            store.tx,
            store.node,
            store.realm,
            [after] if number == 0 else records.by_ids(store.tx, [after.id]),
            to=parties,
            public=public and number == 0,
            basis=basis,
            purpose=purpose,
            now=now,
        )


def own_published(store: PostgresStore, stix_id: str) -> Stored:
    """Give the newest version of an object of ours that partners may hold; refuses any other."""
    newest = records.get(store.tx, stix_id)
    if newest is None:
        raise NotFoundError(f"no object {stix_id} here")
    if newest.originator != store.party:
        raise DeniedError(
            f"{stix_id} is {newest.originator}'s: only its originator marks or corrects it",
            advice="ask the originator",
        )
    if newest.revoked or newest.state != "published":
        raise StateError(f"{stix_id} is not published", advice="change the draft instead")
    return newest


def markings_of(store: PostgresStore, obj: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the marking-definitions that an object names, as far as they are known here."""
    refs = [ref for ref in obj.get("object_marking_refs", ()) if isinstance(ref, str)]
    return {one.stix_id: one.object() for one in records.latest(store.tx, refs).values()}


def _keep(store: PostgresStore, old: Stored, change: Change, now: datetime) -> Stored:
    """Keep the new version as a draft of ours, read as strictly as any import; refuses what that refuses."""
    before = old.object()
    value, needed = next_version(before, change, markings_of(store, before), store.party, now)
    settings = store.node.settings
    door = Settings(
        party=store.party,
        realm=store.realm,
        default_tlp=settings.default_tlp,
        ceiling=settings.ceiling,
        limits=settings.limits,
    )
    stream = io.BytesIO(msgspec.json.encode({"objects": [*needed, value]}))
    result = import_in(store.tx, door, stream, now=now)
    found = records.get(store.tx, value["id"])
    if found is None or found.modified != value["modified"]:
        why = result.refused[0].what if result.refused else "it was not kept"
        raise InputError(f"the new version is refused: {why}"[:400], where=value["id"])
    return found


def _forecast(store: PostgresStore, old: Stored, after: Stored, change: Change, now: datetime) -> Forecast:
    history = [one for one in store.history(old.stix_id) if one.state == "published" and one.root]
    holders = sorted(store.recipients([one.root for one in history]))
    before = _labels(store, old.stix_id)
    lower = any(is_lower(after.label, one) for one in before)
    raised = change.take_back or any(is_lower(one, after.label) for one in before)
    purposes = _purposes(store, old.stix_id)
    partners = {one.code for one in grants.parties(store.tx, partners_only=True)}
    fates, outlooks = [], []
    for party in holders:
        if party == withdrawal.EVERYBODY:
            may = after.label.tlp == "CLEAR" and after.label.level is None
            fates.append(Fate(party, may, "", "", loses=raised or not may))
            continue
        if party not in partners:
            fates.append(Fate(party, False, "", "no partner of this node any more", loses=True))
            continue
        purpose = purposes.get(party)
        looked = agreements.outlook(store.tx, store.node, [after], party, purpose=purpose, now=now)
        outlooks.append(looked)
        decision = looked.explanations[0].decision
        may = decision.outcome == MAY
        why = "" if decision.missing is None else decision.missing.text
        fates.append(Fate(party, may, decision.article, why, loses=raised or not may, purpose=purpose))
    getting = [one.party for one in fates if one.may]
    return Forecast(
        old.stix_id,
        tuple(fates),
        lower,
        two=lower or workflow.needs_two(after.label),
        conditions=tuple(agreements.conditions_of(outlooks, getting)),
        label=after.label,
        offices=tuple(house_rules.offices_of(store.tx, [old.label, after.label])),
    )


def _purposes(store: PostgresStore, stix_id: str) -> dict[str, str]:
    """Give the purpose stated in the newest grant under which each party holds any version of an object."""
    ids = [one.id for one in records.versions(store.tx, stix_id)]
    newest: dict[str, int] = {}
    for classes in grants.classes_of(store.tx, ids).values():
        for one in classes:
            newest[one.recipient] = max(one.entry, newest.get(one.recipient, -1))
    found = {}
    for party, position in newest.items():
        line = store.entry(position)
        said = None if line is None else entries.read(dsse.payload_of(line.envelope)).body.get("purpose")
        if isinstance(said, str):
            found[party] = said
    return found


def _labels(store: PostgresStore, stix_id: str) -> Sequence[Label]:
    return [
        one.label
        for one in records.versions(store.tx, stix_id)
        if one.originator == store.party and one.state == "published" and not one.revoked
    ]
