"""The Ledger for people: entries, one entry verified step by step, checkpoints, partners' logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.errors import NotFoundError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import service, store, witness_store, witnessing
from secretariat.ledger.entries import kinds
from secretariat.people.model import Permission
from secretariat.web.routing import page
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from secretariat.base.clock import AsOf
    from secretariat.ledger.model import EntryLine
    from secretariat.ledger.witness import Standing

PAGE = 50
EVERYBODY = "*"
NOBODY = ""

KIND_WORDS = {
    "publication": mark("publication"),
    "grant": mark("grant"),
    "decision": mark("decision"),
    "withdraw": mark("withdraw"),
    "narrow": mark("narrow"),
    "receipt": mark("receipt"),
    "consent": mark("consent"),
    "instrument-agreed": mark("instruments agreed"),
    "instrument": mark("instrument"),
    "standing": mark("standing release"),
    "lapse": mark("lapse"),
    "enrol": mark("enrolment"),
    "key": mark("keys"),
    "destroy": mark("destroy"),
    "suspect": mark("suspect"),
    "guest": mark("guest"),
    "countersign": mark("countersignature"),
    "record": mark("record"),
    "note": mark("note"),
    "private-set": mark("set of a private question"),
    "private-question": mark("private question"),
}

STEP_WORDS = {
    "signature": mark("The signature is of a key of this party"),
    "digest": mark("The digest commits to these bytes and this salt"),
    "leaf": mark("The leaf is the hash of the digest"),
    "checkpoint": mark("The newest checkpoint is signed by the log's key"),
    "inclusion": mark("The leaf stands in the tree of that checkpoint"),
}


def kind_word(kind: str) -> str:
    """Give the word for a kind of entry in the page's language."""
    return _(KIND_WORDS[kind]) if kind in KIND_WORDS else kind


def whole(text: str | None) -> int | None:
    """Read a whole number from an address; anything else is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def entries_by(
    tx: Connection,
    as_of: AsOf,
    *,
    before: int | None = None,
    kinds: Sequence[str] = (),
    recipient: str | None = None,
    limit: int = PAGE,
) -> list[EntryLine]:
    """List entries as of the bar, newest first. Publicly known are only those addressed to everybody.

    This node made its entries itself: what is asked of any of the three times is when they were written.
    """
    if as_of.position is not None:
        before = min(before or as_of.position + 1, as_of.position + 1)
    if as_of.public:
        recipient = EVERYBODY if recipient in {None, EVERYBODY} else NOBODY
    return service.list_entries(
        tx, before=before, kinds=kinds, recipient=recipient, until=as_of.earliest, limit=limit
    )


def _entries_table(screen: Screen, lines: list[Any]) -> Table:
    return Table(
        "entries",
        (
            Column("position", _("Position"), number=True),
            Column("kind", _("Kind")),
            Column("party", _("Signed by")),
            Column("recipient", _("To")),
            Column("recorded_at", _("Recorded")),
            Column("bytes", _("Bytes"), number=True),
            Column("leaf", _("Leaf")),
        ),
        [
            {
                "position": line.position,
                "kind": line.kind,
                "word": kind_word(line.kind),
                "party": line.party,
                "recipient": line.recipient,
                "recorded_at": line.recorded_at,
                "bytes": line.envelope_bytes,
                "leaf": line.leaf.hex(),
            }
            for line in lines
        ],
    ).sorted_by(screen.query)


@page("/ledger", Permission.READ_LEDGER)
def ledger_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the entries of the log, newest first, by kind and recipient."""
    screen = screen_of(request)
    kind, to = screen.query.get("kind", ""), screen.query.get("to", "").strip()[:64]
    before = whole(screen.query.get("before"))
    with screen.transaction() as tx:
        lines = entries_by(
            tx,
            screen.bar.as_of,
            before=before,
            kinds=[kind] if kind in kinds() else [],
            recipient=to or None,
            limit=PAGE + 1,
        )
        head = service.head(tx)
        counts = store.count_kinds(tx)
        newest = store.read_notes(tx, 1)
    more = lines[PAGE - 1].position if len(lines) > PAGE else None
    return screen.answer(
        "ledger/entries.html",
        [_entries_table(screen, lines[:PAGE])],
        head=head,
        origin=screen.node.origin(screen.realm),
        newest=newest[0] if newest else None,
        kinds=[(one, kind_word(one), count) for one, count in counts.items()],
        kind=kind,
        to=to,
        more=more,
        before=before,
    )


@page("/ledger/entries/{position:int}", Permission.READ_LEDGER)
def entry_page(request: Request[Any, Any, Any], position: FromPath[int]) -> Response[Any]:
    """Show one entry, what it says, and the result of verifying it now."""
    screen = screen_of(request)
    if not 0 <= position < 2**53:
        raise NotFoundError("there is no such entry", where="position")
    with screen.transaction() as tx:
        found = service.detail(tx, position)
        verdict = service.verify_entry(tx, screen.node.keyring(screen.realm), position)
        size = service.head(tx).size
        path = service.inclusion(tx, position, verdict.size)
        ring = screen.node.keyring(screen.realm)
        behind = witnessing.standing_of_own(tx, ring, position, found.entry.recipient)
        names = {one.origin: one.party for one in store.read_peer_logs(tx)}
    table = Table(
        "steps",
        (Column("name", _("Step")), Column("holds", _("Holds")), Column("detail", _("Detail"))),
        [
            {
                "name": step.name,
                "word": _(STEP_WORDS.get(step.name, step.name)),
                "holds": "yes" if step.holds else "no",
                "detail": step.detail,
            }
            for step in verdict.steps
        ],
    )
    return screen.answer(
        "ledger/entry.html",
        [table],
        entry=found.entry,
        statement=found.statement,
        key_ids=found.key_ids,
        word=kind_word(found.entry.kind),
        verdict=verdict,
        size=size,
        path=path,
        summary=_summary(found.statement.kind, found.statement.body),
        evidence=_evidence(behind, names),
    )


class Evidence(msgspec.Struct, frozen=True):
    """What stands behind an entry, in the words of the page."""

    state: str
    by: str
    since: datetime | None
    third: str


def _evidence(behind: Standing, names: Mapping[str, str]) -> Evidence:
    thirds = {
        "seen": "",
        "awaited": _("awaits a third witness"),
        "none": _("no third witness"),
    }
    since = None if behind.since is None else datetime.fromtimestamp(behind.since, UTC)
    return Evidence(
        behind.state, ", ".join(names.get(one, one) for one in behind.by), since, thirds[behind.third]
    )


def _summary(kind: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Pick what people ask about first; the whole body stands below."""
    found: list[tuple[str, Any]] = []
    if kind == "publication":
        found.append((_("Object versions"), len(body.get("objects", []))))
    if kind == "grant":
        rows = body.get("rows", [])
        found.append((_("Object versions"), sum(len(row.get("objects", [])) for row in rows)))
        found.append((_("Articles"), ", ".join(dict.fromkeys(a for row in rows for a in row["articles"]))))
    if kind in {"grant", "decision"}:
        found.append((_("Instruments hash"), body.get("instruments")))
        found.append((_("Rules"), body.get("engine")))
    if kind in {"withdraw", "narrow", "lapse", "destroy", "standing", "suspect"}:
        found.append((_("Reason"), body.get("reason")))
    if kind == "receipt":
        about = body.get("about", {})
        found.append((_("State"), body.get("state")))
        found.append((_("About"), f"{about.get('origin')} {about.get('position')}"))
        found.append((_("Object versions"), body.get("count")))
    return [(word, value) for word, value in found if value not in (None, "")]


@page("/ledger/checkpoints", Permission.READ_LEDGER)
def checkpoints_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List the log's checkpoints and the text of the newest, as outside tools read it."""
    screen = screen_of(request)
    before = whole(screen.query.get("before"))
    with screen.transaction() as tx:
        listed = store.read_notes(tx, PAGE + 1, before)
        note = witnessing.checkpoint(tx) if listed else None
        head = service.head(tx)
        origin = screen.node.origin(screen.realm)
        cosigned = witness_store.count_by_size(tx, origin, [size for size, _root, _at in listed])
        names = {one.origin: one.party for one in store.read_peer_logs(tx)}
    table = Table(
        "checkpoints",
        (
            Column("size", _("Size"), number=True),
            Column("root", _("Root")),
            Column("at", _("Time")),
            Column("cosigned", _("Cosigned by")),
        ),
        [
            {
                "size": size,
                "root": root.hex(),
                "at": at,
                "cosigned": ", ".join(names.get(one, one) for one in cosigned.get(size, [])),
            }
            for size, root, at in listed[:PAGE]
        ],
    ).sorted_by(screen.query)
    keyring = screen.node.keyring(screen.realm)
    key = notes.verifier_key(keyring.origin, keyring.log.public)
    return screen.answer(
        "ledger/checkpoints.html",
        [table],
        note=None if note is None else note.decode("utf-8", "replace"),
        head=head,
        verifier_key=key,
        more=listed[PAGE - 1][0] if len(listed) > PAGE else None,
    )


@page("/ledger/partners", Permission.READ_LEDGER)
def partners_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what this node last verified of each partner's log, and who contradicted itself."""
    screen = screen_of(request)
    circles = screen.node.settings.circles
    ring = screen.node.keyring(screen.realm)
    with screen.transaction() as tx:
        logs = store.read_peer_logs(tx)
        behind = {
            log.origin: witnessing.standing_of_kept(tx, ring, log.origin, log.size - 1, circles)
            for log in logs
        }
        proofs = witness_store.read_contradictions(tx)
        shown = [one for one in witness_store.read_shown(tx) if one.state == "open"]
    names = {log.origin: log.party for log in logs}
    known = {**names, screen.node.origin(screen.realm): screen.party}
    table = Table(
        "partners",
        (
            Column("party", _("Party")),
            Column("origin", _("Log")),
            Column("state", _("State")),
            Column("size", _("Size"), number=True),
            Column("root", _("Root")),
            Column("checked_at", _("Verified")),
            Column("evidence", _("Cosigned by")),
            Column("reason", _("Reason")),
        ),
        [
            {
                "party": log.party,
                "origin": log.origin,
                # that nothing new came is no lack of contact: Admin, Partners says who is out of contact
                "state": "verified" if log.state == "ok" else log.state,
                "size": log.size,
                "root": log.root.hex(),
                "checked_at": log.checked_at,
                "evidence": behind[log.origin].state,
                "third": _evidence(behind[log.origin], known).third,
                "by": _evidence(behind[log.origin], known).by,
                "reason": log.reason,
            }
            for log in logs
        ],
    ).sorted_by(screen.query)
    return screen.answer("ledger/partners.html", [table], proofs=proofs, shown=shown, names=names)


@page("/ledger/accusations/{digest:str}", Permission.READ_LEDGER)
def accusation_file(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[bytes]:
    """Give the proof against a log as a file that anybody verifies with `secretariat log accuse FILE`."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        found = next((one for one in witness_store.read_contradictions(tx) if one.name == digest), None)
        if found is None:
            raise NotFoundError("there is no such proof", where="accusation")
        data = witnessing.accusation(tx, screen.node.keyring(screen.realm), found)
    name = f"accusation-{found.party}-{found.name}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="application/json", headers=headers)


routes = [ledger_page, entry_page, checkpoints_page, partners_page, accusation_file]
