"""Keys for people: this node's by role, since when, what is due; partners', and which of them count no more.

The page only shows: a key is replaced, revoked or taken away by `secretariat keys`, with the node stopped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from litestar import Request, Response

from secretariat.base.clock import now
from secretariat.exchange import own_keys
from secretariat.exchange import store as tables
from secretariat.people.model import Permission
from secretariat.web.routing import page
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from secretariat.exchange.model import Peer
    from secretariat.exchange.own_keys import KeyLife

ROLE_WORDS = {
    "root": mark("root key"),
    "record": mark("record key"),
    "log": mark("log key"),
    "transport": mark("transport key"),
    "witness": mark("witness key"),
    "sealing": mark("sealing key"),
    "tls": mark("certificate of connections"),
}
REASON_WORDS = {
    "lost": mark("the key was lost"),
    "stolen": mark("the key was stolen"),
    "ended": mark("the key ended"),
}


@page("/ledger/keys", Permission.READ_LEDGER)
def keys_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show every key of this node and of its partners, with what it is worth today."""
    screen = screen_of(request)
    moment = now()
    found = own_keys.status(screen.node, screen.realm, now=moment)
    with screen.transaction() as tx:
        partners = tables.read_peers(tx, "WHERE state <> 'removed'")
    own = Table(
        "own",
        (
            Column("role", _("For")),
            Column("key", _("Key")),
            Column("state", _("State")),
            Column("since", _("In force since")),
            Column("until", _("Until")),
            Column("entry", _("Entry"), number=True),
            Column("note", _("What to do")),
        ),
        [_own(one) for one in found.keys],
    ).sorted_by(screen.query)
    theirs = Table(
        "partners",
        (
            Column("party", _("Party")),
            Column("role", _("For")),
            Column("key", _("Key")),
            Column("state", _("State")),
            Column("until", _("Until")),
            Column("why", _("Reason")),
        ),
        [row for one in partners for row in _theirs(one)],
    ).sorted_by(screen.query)
    return screen.answer(
        "exchange/keys.html",
        [own, theirs],
        origin=found.origin,
        stated=found.stated,
        seen=[(one.witness, one.size, datetime.fromtimestamp(one.at, UTC)) for one in found.seen],
    )


def _role(role: str) -> str:
    return _(ROLE_WORDS[role]) if role in ROLE_WORDS else role


def _own(one: KeyLife) -> dict[str, Any]:
    note = ""
    if one.role == "root" and one.here and one.until is None:
        note = "secretariat keys offline FILE"
    elif one.due:
        note = f"secretariat keys rotate {one.role}"
    state = "revoked" if one.revoked else "ended" if one.until else "in force"
    return {
        "role": _role(one.role),
        "key": one.key_id,
        "state": state,
        "since": one.since,
        "until": one.revoked.since if one.revoked else one.until,
        "entry": one.entry,
        "note": note,
        "away": one.role == "root" and not one.here and one.until is None,
    }


def _theirs(one: Peer) -> list[dict[str, Any]]:
    rows = []
    roles = (
        ("record", one.record_keys),
        ("log", one.log_keys),
        ("transport", one.transport_keys),
        ("witness", one.witness_keys),
    )
    for role, keys in roles:
        for key in keys:
            if key not in one.revoked:
                until = one.retired.get(key)
                rows.append(_row(one.party, role, key, "ended" if until else "in force", until, ""))
    for key, revoked in one.revoked.items():
        why = _(REASON_WORDS[revoked.reason]) if revoked.reason in REASON_WORDS else revoked.reason
        rows.append(_row(one.party, revoked.role, key, "revoked", revoked.since, why))
    return rows


def _row(party: str, role: str, key: str, state: str, until: datetime | None, why: str) -> dict[str, Any]:
    return {"party": party, "role": _role(role), "key": key, "state": state, "until": until, "why": why}


routes = [keys_page]
