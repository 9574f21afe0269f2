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
    "server": mark("certificate of its server"),
}
USE_WORDS = {
    "root": mark("names the other keys; needed only when one changes"),
    "record": mark("signs objects and entries"),
    "log": mark("signs checkpoints of the log"),
    "transport": mark("signs requests between nodes"),
    "witness": mark("cosigns partners' logs"),
    "sealing": mark("opens letters and media"),
    "tls": mark("shows a partner's front who connects"),
}
DUE_WORDS = {
    "cut-short": mark("A step was cut short: the log does not name this key yet. Finish it with"),
    "not-stated": mark("No descriptor names the present keys: partners cannot learn them. Seal one with"),
    "old": mark("This key is older than this node allows. Stop the node and replace it with"),
    "root-here": mark("It lies on this machine, and whoever has it can name other keys. Take it away with"),
    "unseen": mark("No partner cosigned this log yet: nobody could say what was signed before a theft."),
    "still-opens": mark("A former key still opens what was sealed to it. When nothing old can come any more"),
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
            Column("role", _("Key")),
            Column("key", _("Name")),
            Column("state", _("State")),
            Column("since", _("In force since")),
            Column("due_on", _("To be replaced")),
            Column("entry", _("Entry"), number=True),
        ),
        [_own(one) for one in found.keys if one.until is None],
    ).sorted_by(screen.query)
    former = Table(
        "former",
        (
            Column("role", _("Key")),
            Column("key", _("Name")),
            Column("state", _("State")),
            Column("since", _("In force since")),
            Column("until", _("Until")),
            Column("why", _("Reason")),
            Column("entry", _("Entry"), number=True),
        ),
        [_own(one) for one in found.keys if one.until is not None],
    ).sorted_by(screen.query)
    theirs = Table(
        "partners",
        (
            Column("party", _("Party")),
            Column("role", _("Key")),
            Column("key", _("Name")),
            Column("state", _("State")),
            Column("until", _("Until")),
            Column("why", _("Reason")),
        ),
        [row for one in partners for row in _theirs(one)],
    ).sorted_by(screen.query)
    return screen.answer(
        "exchange/keys.html",
        [own, former, theirs],
        origin=found.origin,
        due=[(_role(one.role), _(DUE_WORDS[one.what]), one.how) for one in own_keys.due(found)],
        soon=min(
            ((one.due_on, _role(one.role)) for one in found.keys if one.due_on and one.until is None),
            default=None,
        ),
        at="" if found.realm == "live" else f" --realm {found.realm}",
        seen=[(one.witness, one.size, datetime.fromtimestamp(one.at, UTC)) for one in found.seen],
    )


def _role(role: str) -> str:
    return _(ROLE_WORDS[role]) if role in ROLE_WORDS else role


def _own(one: KeyLife) -> dict[str, Any]:
    state = "revoked" if one.revoked else "ended" if one.until else "overdue" if one.due else "in force"
    if one.until is None and not one.here and one.role != "root":
        state = "ended"  # replaced by a step that was cut short
    why = REASON_WORDS.get(one.revoked.reason, "") if one.revoked else ""
    return {
        "role": _role(one.role),
        "use": _(USE_WORDS[one.role]) if one.role in USE_WORDS else "",
        "key": one.key_id,
        "state": state,
        "since": one.since,
        "until": one.revoked.since if one.revoked else one.until,
        "due_on": one.due_on,
        "entry": one.entry,
        "why": _(why) if why else "",
        "away": one.role == "root" and not one.here,
        "opens": one.role == "sealing" and one.until is not None and one.here,
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
    for role, pins in (("tls", one.client_pins), ("server", one.server_pins)):
        rows += [_row(one.party, role, f"sha256-{pin}", "in force", None, "") for pin in pins]
    for key, revoked in one.revoked.items():
        why = _(REASON_WORDS[revoked.reason]) if revoked.reason in REASON_WORDS else revoked.reason
        rows.append(_row(one.party, revoked.role, key, "revoked", revoked.since, why))
    return rows


def _row(party: str, role: str, key: str, state: str, until: datetime | None, why: str) -> dict[str, Any]:
    return {"party": party, "role": _role(role), "key": key, "state": state, "until": until, "why": why}


routes = [keys_page]
