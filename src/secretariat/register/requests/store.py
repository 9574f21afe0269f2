"""Queries on requests: the threads that a question sees, numbers, what was let out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements import grants
from secretariat.register import store
from secretariat.register.model import Row, View, stix_id
from secretariat.register.requests import rules
from secretariat.register.requests.rules import Thread
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import sqlalchemy as sa

MOST = 2_000
"""Requests of one answer, newest first."""


def give_number(tx: sa.Connection, party: str, year: int, now: datetime, *, to: str | None = None) -> str:
    """Give the next number of a year, e.g. `JP-2026-0007`: to the object `to`, else to a request of our own.

    An object that has a number keeps it. Numbers are given one after the other, in every process.
    """
    raw(tx).execute("SELECT pg_advisory_xact_lock(hashtext('register_number ' || current_schema()))")
    if to is not None and (found := numbers(tx, party, [to])):
        return found[to]
    row = (
        raw(tx)
        .execute("SELECT coalesce(max(number), 0) + 1 FROM register_number WHERE year = %s", (year,))
        .fetchone()
    )
    assert row is not None
    text = text_of(party, year, row[0])
    raw(tx).execute(
        "INSERT INTO register_number (year, number, stix_id, given_at) VALUES (%s, %s, %s, %s)",
        (year, row[0], to or stix_id("sct-request", party, text), now),
    )
    return text


def text_of(party: str, year: int, number: int) -> str:
    """Write a number as both sides quote it."""
    return f"{party}-{year}-{number:04d}"


def numbers(tx: sa.Connection, party: str, stix_ids: Iterable[str]) -> dict[str, str]:
    """Give this party's numbers of objects, by id."""
    rows = raw(tx).execute(
        "SELECT stix_id, year, number FROM register_number WHERE stix_id = ANY(%s)", (list(stix_ids),)
    )
    return {stix: text_of(party, year, number) for stix, year, number in rows}


def threads(
    tx: sa.Connection, view: View, own: str, *, keys: Sequence[str] = (), ids: Sequence[str] = ()
) -> list[Thread]:
    """Give the requests to and from `own` that the question sees, newest first, each with what was said.

    What is signed by another than the party in whose name it asks is left out (`forged` gives it).
    """
    found = [
        one
        for one in _requests(tx, view, keys=keys, ids=ids)
        if rules.genuine(one) and own in {one.body["asked_by"], one.body["asked_of"]}
    ]
    return _threads(tx, view, own, found)


def about(tx: sa.Connection, view: View, own: str, stated: Sequence[Row]) -> list[Thread]:
    """Give the requests to and from `own` about any of these statements, by id or key, newest first."""
    names = [*dict.fromkeys(name for one in stated for name in (one.stix_id, one.key))]
    asked = store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM "
        + store.live(
            msgspec.structs.replace(view, parties=()), joined=" JOIN object_version v ON v.id = s.id"
        )
        + " AND s.type = 'sct-request' AND EXISTS (SELECT FROM unnest(%(names)s::bytea[]) AS n (name)"
        " WHERE position(name IN v.bytes) > 0) ORDER BY s.recorded_at DESC, s.id DESC LIMIT %(most)s",
        {**view.bound(), "names": [f'"{one}"'.encode() for one in names], "most": MOST},
    )
    wanted = set(names)
    found = [
        one
        for one in asked
        if rules.genuine(one)
        and own in {one.body["asked_by"], one.body["asked_of"]}
        and wanted & {*one.body.get("about_refs", ()), *one.body.get("about_keys", ())}
    ]
    return _threads(tx, view, own, found)


def forged(tx: sa.Connection, view: View) -> list[Row]:
    """Give the requests that say another asks than who signed them."""
    return [one for one in _requests(tx, view) if rules.is_request(one) and not rules.genuine(one)]


def thread(tx: sa.Connection, view: View, own: str, name: str) -> Thread | None:
    """Give one request by its asker's number, this party's number or its id; a withdrawn one too."""
    if "--" in name:
        found = threads(tx, view, own, ids=[name])
    else:
        found = threads(tx, view, own, keys=[name]) or threads(tx, view, own, ids=_ids_of(tx, own, name))
    if found:
        return found[0]
    gone = [
        one
        for one in _withdrawn(tx, name)
        if rules.genuine(one) and own in {one.body["asked_by"], one.body["asked_of"]}
    ]
    return _threads(tx, view, own, gone[:1])[0] if gone and view.is_now else None


def count_open(tx: sa.Connection, own: str) -> int:
    """Count the requests to `own` that it has not answered: one look, for the rail of every page."""
    row = (
        raw(tx)
        .execute(
            "SELECT count(*) FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
            " WHERE r.id IS NULL AND NOT s.retracted AND s.type = 'sct-request' AND s.says = ANY(%(wants)s)"
            ' AND s."by"[1] = s.originator AND s."by"[2] = %(own)s AND s.key LIKE s.originator || \'-%%\''
            " AND NOT EXISTS (SELECT FROM register_statement a JOIN object_version v ON v.id = a.id"
            " WHERE a.about = s.stix_id AND a.type = 'sct-request' AND a.originator = %(own)s"
            " AND NOT a.retracted AND a.says = ANY(%(final)s) AND v.state = 'published')",
            {"own": own, "wants": list(rules.WANTS), "final": list(rules.FINAL)},
        )
        .fetchone()
    )
    return 0 if row is None else int(row[0])


def unnumbered(tx: sa.Connection, view: View, own: str) -> list[Row]:
    """Give the requests to `own` that bear no number of its own yet, oldest first."""
    to_us = [one for one in _requests(tx, view) if rules.genuine(one) and one.body["asked_of"] == own]
    there = numbers(tx, own, [one.stix_id for one in to_us])
    return sorted((one for one in to_us if one.stix_id not in there), key=lambda one: one.id)


def _requests(
    tx: sa.Connection, view: View, *, keys: Sequence[str] = (), ids: Sequence[str] = ()
) -> list[Row]:
    found = store.statements(
        tx,
        msgspec.structs.replace(view, parties=()),
        types=["sct-request"],
        keys=keys,
        ids=ids,
        announced=False,
        order="s.recorded_at DESC, s.id DESC",
        limit=MOST * 2,
    )
    return [one for one in found if rules.is_request(one)][:MOST]


def _ids_of(tx: sa.Connection, own: str, name: str) -> list[str]:
    year, _, number = name.removeprefix(f"{own}-").partition("-")
    if not (name.startswith(f"{own}-") and year.isdecimal() and number.isdecimal() and len(name) < 60):
        return [name]
    rows = raw(tx).execute(
        "SELECT stix_id FROM register_number WHERE year = %s::numeric AND number = %s::numeric",
        (year, number),
    )
    return [stix for (stix,) in rows] or [name]


def _withdrawn(tx: sa.Connection, name: str) -> list[Row]:
    column = "s.stix_id" if "--" in name else "s.key"
    return store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM register_statement s LEFT JOIN register_replaced r ON r.id = s.id"
        f" WHERE r.id IS NULL AND s.retracted AND s.type = 'sct-request' AND {column} = %(name)s"
        " ORDER BY s.id",
        {"name": name},
    )


def _threads(tx: sa.Connection, view: View, own: str, found: Sequence[Row]) -> list[Thread]:
    if not found:
        return []
    ids = [one.stix_id for one in found]
    bare = msgspec.structs.replace(view, parties=())
    said = store.statements(tx, bare, types=["sct-request"], about=ids, announced=False, limit=MOST * 4)
    absences = store.statements(tx, bare, types=["sct-absence"], about=ids, announced=False, limit=MOST * 4)
    resting = (
        store.statements(
            tx, bare, types=["sct-evidence"], other=[one.stix_id for one in said], limit=MOST * 4
        )
        if said
        else []
    )
    out = sent(tx, view, found, own)
    askers = {one.stix_id: str(one.body["asked_by"]) for one in said if one.originator == own}
    told = let_out(tx, view, askers)
    said_aloud = [one for one in said if one.originator != own or one.stix_id in told]
    given = numbers(tx, own, ids)
    by_request: dict[str, list[Row]] = {}
    for one in said_aloud:
        by_request.setdefault(str(one.body.get("answers_ref")), []).append(one)
    return [
        rules.thread_of(
            one,
            by_request.get(one.stix_id, ()),
            view,
            absences=absences,
            evidence=[
                mark
                for mark in resting
                if mark.other in {answer.stix_id for answer in by_request.get(one.stix_id, ())}
            ],
            drafts=[
                answer
                for answer in said
                if answer.originator == own
                and answer.stix_id not in told
                and answer.body.get("answers_ref") == one.stix_id
            ],
            sent=one.originator != own or one.stix_id in out,
            their_number=given.get(one.stix_id) if one.body["asked_of"] == own else None,
        )
        for one in found
    ]


def sent(tx: sa.Connection, view: View, found: Iterable[Row], own: str) -> set[str]:
    """Give the ids of own requests of which a version was let out to who is asked, or was by then."""
    ours = {one.stix_id: str(one.body["asked_of"]) for one in found if one.originator == own}
    return let_out(tx, view, ours)


def let_out(tx: sa.Connection, view: View, recipients: dict[str, str]) -> set[str]:
    """Give those objects of which any version was granted to the party named beside them, by then."""
    if not recipients:
        return set()
    rows = raw(tx).execute(
        "SELECT id, stix_id FROM object_version WHERE stix_id = ANY(%s)", (list(recipients),)
    )
    versions = dict(rows.fetchall())
    by_then = view.recorded_by
    granted = grants.classes_of(tx, list(versions), recorded_by=by_then, position=view.position)
    return {
        versions[version]
        for version, classes in granted.items()
        if any(one.recipient == recipients[versions[version]] for one in classes)
    }
