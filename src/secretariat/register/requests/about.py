"""What a request is about: statements and objects that its words name, as far as they are known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import NotFoundError
from secretariat.records import store as records
from secretariat.register import store as statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from secretariat.register.model import Row, View


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is about, as far as it is known here."""

    stix_id: str
    key: str
    title: str
    lang: str
    type: str
    row: Row | None = None
    originator: str = ""


def about_of(tx: sa.Connection, names: Sequence[str], view: View, own: str) -> list[About]:
    """Find what keys or ids name: a statement (our own first), else any object. Refuses what is not here."""
    found = []
    for name in dict.fromkeys(one.strip() for one in names if one.strip()):
        rows = statements.by_key(tx, name, view)
        row = next((one for one in rows if one.originator == own), rows[0] if rows else None)
        if row is not None:
            found.append(
                About(
                    stix_id=row.stix_id,
                    key=row.key,
                    title=row.title,
                    lang=str(row.body.get("lang") or "en"),
                    type=row.type,
                    row=row,
                    originator=row.originator,
                )
            )
            continue
        stored = records.get(tx, name) if "--" in name else None
        if stored is None or stored.state in {"hidden", "quarantined", "waiting"}:
            raise NotFoundError(f"nothing {name[:80]!r} is here", where="about", advice="give a key or an id")
        obj = stored.object()
        title = str(obj.get("name") or obj.get("title") or obj.get("abstract") or name)
        found.append(
            About(
                stix_id=name,
                key=name,
                title=title,
                lang=str(obj.get("lang") or "en"),
                type=stored.type,
                originator=stored.originator,
            )
        )
    return found


def owing(about: Sequence[About], own: str) -> list[str]:
    """Give who may be asked about it: who owes it first, then the other parties named, never ourselves."""
    found: list[str] = []
    for one in about:
        if one.row is not None:
            found += [*one.row.by, *one.row.parties]
        found.append(one.originator)
    return [code for code in dict.fromkeys(found) if code and code != own]
