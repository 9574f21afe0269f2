"""`secretariat duties …`: what is owed by when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.settings import NodeSettings

commands = typer.Typer(help="What is owed by when, by which article.", no_args_is_help=True)


@commands.command("list")
def list_duties(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List open duties by day: ours from grants, and the answers to calls that holders owe us."""
    from secretariat.exchange import store as tables
    from secretariat.storage.opening import opened

    settings, moment = NodeSettings.load(data), now()
    term = timedelta(seconds=settings.limits.receipt_due_s)
    with opened(settings) as database, database.app(realm) as tx:
        ours, theirs = tables.open_duties(tx), tables.owed(tx, term)
    found: list[dict[str, Any]] = [
        {
            "who": settings.party,
            "do": one.duty,
            "article": one.article,
            "owed_to": one.owed_to,
            "due": None if one.due is None else stamp(one.due),
            "overdue": one.due is not None and one.due < moment,
            "objects": one.objects,
        }
        for one in ours
    ]
    found += [
        {
            "who": one.holder,
            "do": f"answer for {one.further} further" if one.further else "answer",
            "further": one.further,
            "article": one.article or None,
            "owed_to": settings.party,
            "due": stamp(one.due),
            "overdue": one.due < moment,
            "objects": one.objects,
        }
        for one in theirs
    ]
    lines = [
        f"{one['due'] or 'end of instrument':<28} {'OVERDUE' if one['overdue'] else '':<8}"
        f"{one['who']:<8} {one['do']:<18} {one['article'] or 'receipt_due_s'}"
        f"  to {one['owed_to']}, {one['objects']} objects"
        for one in found
    ]
    emit(found, "\n".join(lines) or "nothing is owed", json=json)
