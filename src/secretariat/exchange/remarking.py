"""A published object of ours gets another marking or content: what happens to each holder, then the deed.

Rules:

1. The originator makes a new version under its own signature; nobody else marks or corrects it.
2. Who holds it now and may have the new version, by the same decision as a first release, gets it. Nobody
   who did not hold it gets it by this.
3. Who may not have it any more loses every earlier version: a `narrow` with the duty to destroy.
4. Who may keep it loses the earlier versions too where they are marked lower, or where the content was
   wrong: nothing may be passed on under the old marking. Marked lower now, the earlier versions stay.
5. Two persons say DO where the new version needs two, and always where it is marked lower than before.
6. All of it stands or nothing: version, grants and calls are one transaction.
"""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements import service as agreements
from secretariat.agreements import workflow
from secretariat.agreements.lowering import is_lower
from secretariat.agreements.model import MAY
from secretariat.agreements.release import Basis, publish_in
from secretariat.base.clock import parse_stamp
from secretariat.base.errors import DeniedError, InputError, NotFoundError, StateError
from secretariat.exchange import withdrawal
from secretariat.exchange.peers import Outgoing
from secretariat.exchange.postgres import transaction
from secretariat.ledger.entries import Note
from secretariat.records import store as records
from secretariat.records.markings import is_standard, tlp_marking
from secretariat.records.service import Settings, import_in
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secretariat.exchange.postgres import PostgresStore
    from secretariat.ledger.node import Node
    from secretariat.records.markings import Label
    from secretariat.records.store import Stored


class Fate(msgspec.Struct, frozen=True):
    """What happens to one holder: whether it gets the new version, by which article, loses the earlier."""

    party: str
    may: bool
    article: str
    why: str
    loses: bool


class Forecast(msgspec.Struct, frozen=True):
    """What a new version would do: each holder's fate, whether two persons must say DO, what they confirm."""

    stix_id: str
    fates: tuple[Fate, ...]
    lower: bool
    two: bool
    conditions: tuple[tuple[str, str, str], ...] = ()


class Remarked(msgspec.Struct, frozen=True):
    """The new version, who got it, who was asked to destroy the earlier ones, who must be told."""

    stix_id: str
    version: str
    got: tuple[str, ...]
    asked: tuple[str, ...]
    cannot_answer: tuple[str, ...]


def marked(obj: dict[str, Any], tlp: str) -> dict[str, Any]:
    """Give an object with another TLP word in the place of its own; other markings stay."""
    word = tlp_marking(tlp)["id"]
    others = [one for one in obj.get("object_marking_refs", ()) if not is_standard(one)]
    return {**obj, "object_marking_refs": [word, *others]}


def forecast(
    node: Node, realm: str, stix_id: str, *, tlp: str = "", value: dict[str, Any] | None = None, now: datetime
) -> Forecast:
    """Say what a new marking, or new content, would do to each holder; writes nothing."""
    with transaction(node, realm, now) as store:
        old = _own(store, stix_id)
        attempt = store.tx.begin_nested()
        after = _keep(store, _next(old, tlp, value, now), now)
        found = _forecast(store, old, after, corrects=value is not None, now=now)
        attempt.rollback()
    return found


def replace(
    node: Node,
    realm: str,
    stix_id: str,
    *,
    tlp: str = "",
    value: dict[str, Any] | None = None,
    reason: str,
    by: str,
    second: str = "",
    confirm: bool = False,
    now: datetime,
) -> Remarked:
    """Put a version with another marking, or with other content, in the place of what holders have.

    Refuses what is not ours or never was published, one person where two are needed, conditions that nobody
    confirmed, and what changes nothing.
    """
    if not reason.strip():
        raise InputError("a new version of what partners hold needs its reason", where="reason")
    with transaction(node, realm, now) as store:
        store.lock()
        old = _own(store, stix_id)
        earlier = [one.root for one in store.history(stix_id) if one.state == "published" and not one.revoked]
        after = _keep(store, _next(old, tlp, value, now), now)
        found = _forecast(store, old, after, corrects=value is not None, now=now)
        if found.two and (not second or second == by):
            raise StateError(
                "two persons must release this",
                where="--second",
                advice="name another person: --second LOGIN",
            )
        if found.conditions and not confirm:
            raise StateError(
                "the agreements put conditions that nobody confirmed",
                where=", ".join(sorted({article for _, article, _ in found.conditions})),
                advice="confirm them: --confirm",
            )
        may = [one.party for one in found.fates if one.may and one.party != withdrawal.EVERYBODY]
        public = any(one.may and one.party == withdrawal.EVERYBODY for one in found.fates)
        publish_in(
            store.tx,
            node,
            realm,
            [after],
            to=may,
            public=public,
            basis=Basis(by=by, second=second or None),
            now=now,
        )
        held = store.recipients(earlier)
        called = [
            withdrawal.narrow(store, stix_id, to=one.party, reason=reason, now=now, only=held[one.party])
            for one in found.fates
            if one.loses and held.get(one.party)
        ]
        done = Remarked(
            stix_id,
            str(after.modified),
            tuple(may),
            tuple(party for one in called for party in one.asked),
            tuple(party for one in called for party in one.cannot_answer),
        )
        detail = {"asked": done.asked, "cannot_answer": done.cannot_answer, "reason": reason}
        act = "correct" if value is not None else "remark"
        store.append([Outgoing("note", None, Note(act=act, by=by, detail=detail))])
        notify(store.tx, LIVE, live(kind=act, object=stix_id))
    return done


def _own(store: PostgresStore, stix_id: str) -> Stored:
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


def _next(old: Stored, tlp: str, value: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    before = old.object()
    if "modified" not in before:
        raise StateError(f"a {old.type} has no versions", advice="withdraw it and publish another")
    if value is not None and (value.get("id"), value.get("type")) != (before["id"], before["type"]):
        raise InputError("the corrected object has another id or type", where=str(value.get("id"))[:100])
    after = {**before, **value} if value is not None else dict(before)
    if value is not None:
        after = {name: one for name, one in after.items() if name in value or name in {"created", "modified"}}
    if tlp:
        after = marked(after, tlp)
    if {**after, "modified": ""} == {**before, "modified": ""}:
        raise InputError("the new version changes nothing", where=old.stix_id)
    moment = max(now, parse_stamp(before["modified"]) + timedelta(milliseconds=1))
    after["modified"] = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return after


def _keep(store: PostgresStore, value: dict[str, Any], now: datetime) -> Stored:
    """Keep the new version as a draft of ours, read as strictly as any import; refuses what that refuses."""
    limits = store.node.settings.limits
    door = Settings(
        party=store.party,
        realm=store.realm,
        default_tlp=store.node.settings.default_tlp,
        ceiling=store.node.settings.ceiling,
        limits=limits,
    )
    result = import_in(store.tx, door, io.BytesIO(msgspec.json.encode(value)), now=now)
    found = records.get(store.tx, value["id"])
    if found is None or found.modified != value["modified"]:
        why = result.refused[0].what if result.refused else "it was not kept"
        raise InputError(f"the new version is refused: {why}"[:400], where=value["id"])
    return found


def _forecast(store: PostgresStore, old: Stored, after: Stored, *, corrects: bool, now: datetime) -> Forecast:
    history = [one for one in store.history(old.stix_id) if one.state == "published" and one.root]
    holders = sorted(store.recipients([one.root for one in history]))
    before = _labels(store, old.stix_id)
    lower = any(is_lower(after.label, one) for one in before)
    raised = corrects or any(is_lower(one, after.label) for one in before)
    fates, outlooks = [], []
    for party in holders:
        if party == withdrawal.EVERYBODY:
            may = after.label.tlp == "CLEAR" and after.label.level is None
            fates.append(Fate(party, may, "", "", loses=not may))
            continue
        looked = agreements.outlook(store.tx, store.node, [after], party, now=now)
        outlooks.append(looked)
        decision = looked.explanations[0].decision
        may = decision.outcome == MAY
        why = "" if decision.missing is None else decision.missing.text
        fates.append(Fate(party, may, decision.article, why, loses=raised or not may))
    getting = [one.party for one in fates if one.may]
    return Forecast(
        old.stix_id,
        tuple(fates),
        lower,
        two=lower or workflow.needs_two(after.label),
        conditions=tuple(agreements.conditions_of(outlooks, getting)),
    )


def _labels(store: PostgresStore, stix_id: str) -> Sequence[Label]:
    return [
        one.label
        for one in records.versions(store.tx, stix_id)
        if one.originator == store.party and one.state == "published" and not one.revoked
    ]
