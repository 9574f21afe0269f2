"""The Desk (what needs me now?) and receipts; and the left rail of every page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from litestar import Request, Response

from secretariat.agreements import grants
from secretariat.agreements.wording import deed_word
from secretariat.base.clock import now
from secretariat.desk import (
    changes,
    correct,
    duty_counts,
    importing,
    narrow,
    own_words,
    partners,
    receipts,
    remark,
    reports,
    store,
    withdraw,
)
from secretariat.exchange import private_pages
from secretariat.exchange import store as exchange
from secretariat.ledger import joint_pages
from secretariat.ledger.people_pages import entries_by, kind_word
from secretariat.ledger.witnessing import Standings
from secretariat.people.model import Permission
from secretariat.register.attention import attention
from secretariat.register.requests import pages as requests_pages
from secretariat.register.requests.wording import COUNT_WORDS
from secretariat.register.screens import view_of
from secretariat.register.screens import when as day_words
from secretariat.web.routing import page
from secretariat.web.screen import Entry, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

RAIL = (
    Entry("desk", mark("Desk"), (Permission.READ_LEDGER, "/")),
    Entry("guest", mark("Shared with us"), (Permission.GUEST_READ, "/guest")),
    Entry("guest-log", mark("Entries"), (Permission.GUEST_READ, "/guest/log")),
    Entry("reports", mark("Reports"), (Permission.READ_REPORTS, "/reports")),
    Entry(
        "requests",
        mark("Requests"),
        (Permission.READ_REGISTER, "/requests"),
        count=requests_pages.waiting_for_us,
    ),
    Entry("register", mark("Register"), (Permission.READ_REGISTER, "/register")),
    Entry("agreements", mark("Agreements"), (Permission.READ_AGREEMENTS, "/agreements")),
    Entry("ledger", mark("Ledger"), (Permission.READ_LEDGER, "/ledger")),
    Entry(
        "admin",
        mark("Admin"),
        (Permission.MANAGE_PEOPLE, "/admin"),
        (Permission.MANAGE_TOKENS, "/admin/tokens"),
        (Permission.MANAGE_PEERS, "/admin/partners"),
        (Permission.READ_READ_LOG, "/admin/reads"),
    ),
)
"""The parts that a person can open today; a part that is not built is not shown."""

FEED = 15
duty_counts.begin()
LOSS_SHOWN = timedelta(days=90)
"""How long a partner's report of loss stays on the Desk; in the matrix of the object it stays for good."""


@page("/", Permission.READ_LEDGER)
def desk_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what needs this person now, and what just happened."""
    screen = screen_of(request)
    moment = now()
    limits = screen.node.settings.limits
    is_now = screen.bar.is_now
    reads = screen.may(Permission.READ_REPORTS) and is_now
    registers = screen.may(Permission.READ_REGISTER)
    with screen.transaction() as tx:
        register = attention(tx, view_of(screen), screen.party, now=moment) if registers else None
        lines = entries_by(tx, screen.bar.as_of, limit=FEED)
        waiting = store.waiting_releases(tx) if reads else []
        proposed = store.waiting_changes(tx) if reads else []
        passed = store.corrected_since(tx, screen.party) if reads else []
        drafts = store.drafts(tx) if reads else []
        held = store.held_back(tx) if reads else []
        joint = joint_pages.waiting(tx, screen.party) if reads else []
        private = private_pages.waiting(tx) if reads else []
        silent = exchange.silent(tx, moment, timedelta(seconds=limits.receipt_due_s)) if is_now else []
        enrolled = partners.lines(screen, store.partners(tx)) if is_now else []
        refused = store.refusals(tx) if is_now else []
        losses = store.losses(tx, moment - LOSS_SHOWN) if is_now else []
        duties = [
            {**row._mapping, "deed": deed_word(row.duty)}  # noqa: SLF001  (the documented mapping of a row)
            for row in (store.open_duties(tx) if reads else ())
        ]
    feed = Table(
        "feed",
        (
            Column("recorded_at", _("Time")),
            Column("kind", _("Kind")),
            Column("position", _("Entry"), number=True),
            Column("party", _("Signed by")),
            Column("recipient", _("To")),
        ),
        [
            {
                "recorded_at": line.recorded_at,
                "kind": line.kind,
                "word": kind_word(line.kind),
                "position": line.position,
                "party": line.party,
                "recipient": line.recipient,
            }
            for line in lines
        ],
    )
    return screen.answer(
        "desk/desk.html",
        [feed],
        markings=[line.marking for line in drafts],
        joint=joint,
        private=private,
        waiting=waiting,
        proposed=proposed,
        passed=passed,
        drafts=drafts,
        held=held,
        silent=silent,
        partners=enrolled,
        absent=[one for one in enrolled if one["state"] in {"out of contact", "suspended"}],
        refused=refused,
        losses=losses,
        duties=duties,
        reads=reads,
        register=register,
        count_words=COUNT_WORDS,
        day_words=day_words,
        moment=moment,
    )


@page("/ledger/receipts", Permission.READ_LEDGER)
def receipts_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what holders said they did, per holder and per entry; and who has not answered."""
    screen = screen_of(request)
    as_of = screen.bar.as_of
    moment = as_of.earliest or now()
    term = timedelta(seconds=screen.node.settings.limits.receipt_due_s)
    with screen.transaction() as tx:
        matrix = store.receipt_matrix(tx, as_of)
        rows = store.receipts(tx, as_of)
        hosts = grants.hosts(tx)
        behind = Standings(tx, screen.node.keyring(screen.realm), screen.node.settings.circles)
        evidence = [
            behind.of(row.origin, row.position, row.holder) if row.position >= 0 else None for row in rows
        ]
    own = screen.node.origin(screen.realm)
    states = sorted({row.state for row in matrix}, key=lambda state: (state != "received", state))
    holders = sorted({row.holder for row in matrix})
    counts = {(row.holder, row.state): row for row in matrix}
    table = Table(
        "receipts",
        (
            Column("at", _("Time")),
            Column("holder", _("Holder")),
            Column("state", _("State")),
            Column("objects", _("Objects"), number=True),
            Column("via", _("Told by")),
            Column("position", _("About entry"), number=True),
            Column("origin", _("Log")),
            Column("evidence", _("Evidence")),
        ),
        [
            {
                "at": row.at,
                "holder": row.holder,
                "state": "overdue"
                if row.state == "asked" and (row.due_at or row.at + term) < moment
                else row.state,
                "objects": row.objects,
                "via": row.via,
                # -1 says that no entry of that log is meant: a relayed word, or readers who cannot answer.
                "position": row.position if row.position >= 0 else None,
                "origin": row.origin,
                "ours": row.origin == own,
                "evidence": None if proof is None else proof.state,
                "third": proof is not None and proof.third == "none",
            }
            for row, proof in zip(rows, evidence, strict=True)
        ],
    ).sorted_by(screen.query)
    grid = Table(
        "holders",
        (Column("holder", _("Holder")), *(Column(state, state, number=True) for state in states)),
        [
            {
                "holder": holder,
                **{state: getattr(counts.get((holder, state)), "objects", 0) for state in states},
            }
            for holder in holders
        ],
    )
    return screen.answer("desk/receipts.html", [grid, table], states=states, hosts=hosts)


routes = [
    desk_page,
    receipts_page,
    *importing.routes,
    *reports.routes,
    *partners.routes,
    *withdraw.routes,
    *receipts.routes,
    *own_words.routes,
    *remark.routes,
    *correct.routes,
    *changes.routes,
    *narrow.routes,
]
