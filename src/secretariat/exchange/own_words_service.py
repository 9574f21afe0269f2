"""Receipts by a person as one verb, one transaction each: returned, kept by law, control lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.base.clock import stamp
from secretariat.base.errors import InputError
from secretariat.exchange import own_words, withdrawal
from secretariat.exchange.own_words import KEPT, LOST, RETURNED, Demand, Said
from secretariat.exchange.postgres import transaction
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secretariat.ledger.node import Node


def returned(
    node: Node, realm: str, names: Sequence[str], *, how: str, by: str, members: bool = True, now: datetime
) -> Said:
    """Say that everything of these objects was given back; what is here of them is destroyed."""
    return _give(node, realm, names, RETURNED, reason=how, by=by, members=members, now=now)


def keep_by_law(
    node: Node,
    realm: str,
    names: Sequence[str],
    *,
    law: str,
    until: str = "",
    by: str,
    members: bool = True,
    now: datetime,
) -> Said:
    """Say that a law has these objects kept, which; until then they are shown to nobody."""
    last = withdrawal.end_of(until) if until else None
    text = law.strip() + (f", until {until}" if until and law.strip() else "")
    return _give(node, realm, names, KEPT, reason=text, by=by, until=last, members=members, now=now)


def report_loss(
    node: Node,
    realm: str,
    names: Sequence[str],
    *,
    since: str,
    what: str,
    told: str,
    by: str,
    members: bool = True,
    now: datetime,
) -> Said:
    """Report that control of these objects was lost: since when, what happened, who is told beside partners.

    Refuses a time to come, and a report that leaves one of the three out.
    """
    for name, text in (("since", since), ("what", what), ("told", told)):
        if not text.strip():
            raise InputError("a report of loss says since when, what happened and who is told", where=name)
    begins = withdrawal.end_of(since)
    if len(since) > len("2026-03-31") and begins > now:
        raise InputError("a loss that is still to come", where="since")
    if since[:10] > stamp(now)[:10]:
        raise InputError("a loss that is still to come", where="since")
    text = f"since {since}: {what.strip()}; told: {told.strip()}"
    return _give(node, realm, names, LOST, reason=text, by=by, members=members, now=now)


def _give(
    node: Node,
    realm: str,
    names: Sequence[str],
    state: str,
    *,
    reason: str,
    by: str,
    until: datetime | None = None,
    members: bool,
    now: datetime,
) -> Said:
    if not names:
        raise InputError("no object is named", where="OBJECT")
    with transaction(node, realm, now) as store:
        store.lock()
        roots = own_words.roots_of(store, names, members=members)
        done = own_words.give(store, roots, state, reason=reason, by=by, until=until, now=now)
        notify(store.tx, LIVE, live(kind=state))
    return done


def demands(node: Node, realm: str, names: Sequence[str], *, now: datetime) -> list[Demand]:
    """Name the articles under which a loss of these objects is to be reported."""
    with transaction(node, realm, now) as store:
        return own_words.demands(store, own_words.roots_of(store, names, members=True))
