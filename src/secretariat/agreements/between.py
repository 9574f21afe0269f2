"""What stands between this node and its partners: which instrument each side signed, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from secretariat.agreements import grants, store
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.store import Said

RECORDED, OFFERED, REFUSED, MISSING = "recorded", "offered", "refused", "missing"


class Line(msgspec.Struct, frozen=True):
    """One instrument between this party and a partner; times are of the first list that names it still."""

    partner: str
    hash: str
    key: str | None
    """None: only the partner names it, and its list did not say how it is called."""
    ours: datetime | None
    theirs: datetime | None
    text: str
    """Whether its text is recorded here, offered by a partner, refused by a person, or missing."""

    @property
    def both(self) -> datetime | None:
        """Since when both sides have signed it, so that it takes part in grants; None: it does not."""
        return None if self.ours is None or self.theirs is None else max(self.ours, self.theirs)


def between(
    tx: sa.Connection, own: str, partner: str | None = None, *, recorded_by: datetime | None = None
) -> list[Line]:
    """Give every instrument that a side names now (or named by then): first what only one side signed."""
    partners = [one.code for one in grants.parties(tx, partners_only=True)] if partner is None else [partner]
    keys, texts = _texts(tx)
    found: list[Line] = []
    for code in partners:
        lists = store.said(tx, code)
        names = keys | store.names_said(tx, code)
        ours = _since([one for one in lists if one.by == own], recorded_by)
        theirs = _since([one for one in lists if one.by == code], recorded_by)
        found += [
            Line(code, one, names.get(one), ours.get(one), theirs.get(one), texts.get(one, MISSING))
            for one in {*ours, *theirs}
        ]
    return sorted(found, key=lambda one: (one.partner, one.both is not None, one.key or "", one.hash))


def _since(lists: list[Said], recorded_by: datetime | None) -> dict[str, datetime]:
    """Give since when each instrument of the newest list has stood in every list."""
    since: dict[str, datetime] = {}
    for one in lists:
        if recorded_by is not None and one.begins > recorded_by:
            break
        since = {digest: since.get(digest, one.begins) for digest in one.hashes}
    return since


def _texts(tx: sa.Connection) -> tuple[dict[str, str], dict[str, str]]:
    keys: dict[str, str] = {}
    texts: dict[str, str] = {}
    for digest, key, state in raw(tx).execute(
        "SELECT hash, key, state FROM instrument_offer UNION ALL SELECT hash, key, 'recorded' FROM instrument"
    ):
        keys[digest.hex()] = key
        if texts.get(digest.hex()) != RECORDED:
            texts[digest.hex()] = state
    return keys, texts
