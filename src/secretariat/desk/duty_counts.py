"""What is owed, as the mail digest counts it: numbers and addresses, and nothing of what they are about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from secretariat.desk import store
from secretariat.exchange import store as exchange
from secretariat.register.requests.digest import Counted, count_also
from secretariat.web.words import mark

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

SOON = timedelta(days=7)
DUTIES = "/ledger/duties"


def count(tx: sa.Connection, node: Node, now: datetime) -> list[Counted]:
    """Count answers that holders owe us past their day, duties of ours due and past their day, losses."""
    term = timedelta(seconds=node.settings.limits.receipt_due_s)
    dates = [one.due for one in exchange.open_duties(tx) if one.due is not None]
    return [
        Counted(mark("answers of holders past their day"), len(exchange.silent(tx, now, term)), DUTIES),
        Counted(
            mark("duties of ours due within 7 days"), sum(now <= due < now + SOON for due in dates), DUTIES
        ),
        Counted(mark("duties of ours past their day"), sum(due < now for due in dates), DUTIES),
        Counted(
            mark("losses that holders reported in the last 7 days"),
            len(store.losses(tx, now - SOON, 1000)),
            "/",
        ),
    ]


def begin() -> None:
    """Have every digest count it from now on."""
    count_also("duties", count)
