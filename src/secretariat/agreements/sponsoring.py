"""Sources that stay here: a sponsor (a hub, an association) releases for a source that nobody else may know.

Rules:

1. The sponsor signs as originator; who the source is stands in a table of this node and in no object, entry,
   grant or message.
2. A source is named only for own objects whose author, where they state one, is this party.
3. Whatever a release would send along with such an object is read for the source's name first, in any
   letter case or width: where it stands, nothing is released. Other words that tell it people must find.
4. Towards each partner a source has one pseudonym: HMAC-SHA-256 under a secret of this realm over partner and
   source. Two partners that compare theirs learn nothing; whoever asks the sponsor back names its own. It is
   told by a person, never by the node. A relay names its next holders upward in the same way
   (exchange/further.py).
"""

from __future__ import annotations

import hmac
import json
import secrets
import unicodedata
from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.base.errors import DeniedError, InputError
from secretariat.base.ids import party_id
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from secretariat.records.store import Version

NAME_MAX = 200
_LETTERS = 16

unnamed_source = sa.Table(
    "unnamed_source",
    metadata,
    sa.Column("stix_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
)

source_secret = sa.Table(
    "source_secret",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("secret", BYTEA, nullable=False),
)


class Source(msgspec.Struct, frozen=True):
    """Who an object really comes from, and who said so when."""

    stix_id: str
    source: str
    by: str
    recorded_at: datetime


def name_source(
    tx: sa.Connection, versions: Sequence[Version], source: str, *, party: str, by: str, now: datetime
) -> None:
    """Record here, and only here, who the objects come from. Refuses others' objects and other authors."""
    name = " ".join(source.split())
    if not name or len(name) > NAME_MAX:
        raise InputError(f"a source has 1 to {NAME_MAX} letters", where="source")
    own = [one for one in versions if one.originator == party]
    if not own:
        raise InputError(
            "none of this is signed by this party", where="source", advice="a sponsor signs as the originator"
        )
    for one in own:
        author = one.created_by
        if author not in {None, party_id(party)}:
            raise InputError(
                f"{one.stix_id} names its author",
                where="created_by_ref",
                advice="leave the author out, or name this party",
            )
    raw(tx).cursor().executemany(
        "INSERT INTO unnamed_source (stix_id, source, by, recorded_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (stix_id) DO UPDATE SET source = excluded.source, by = excluded.by,"
        " recorded_at = excluded.recorded_at",
        [(one.stix_id, name, by, now) for one in own],
    )
    refuse_named(tx, versions)


def sources_of(tx: sa.Connection, stix_ids: Sequence[str]) -> dict[str, Source]:
    """Give who these objects come from, where it is recorded."""
    rows = raw(tx).execute(
        "SELECT stix_id, source, by, recorded_at FROM unnamed_source WHERE stix_id = ANY(%s)",
        (list(stix_ids),),
    )
    return {row[0]: Source(*row) for row in rows}


def refuse_named(tx: sa.Connection, versions: Sequence[Version]) -> None:
    """Refuse a release in which any object names the source of one of them (rule 3)."""
    found = {one.source for one in sources_of(tx, [one.stix_id for one in versions]).values()}
    for version in versions if found else ():
        text = _folded(json.dumps(json.loads(version.data), ensure_ascii=False))
        for source in sorted(found):
            if _folded(json.dumps(source, ensure_ascii=False)[1:-1]) in text:
                raise DeniedError(
                    f"{version.stix_id} names its source, which stays here",
                    where=version.stix_id,
                    advice="make a version without the name, and release that",
                )


def pseudonym(tx: sa.Connection, source: str, partner: str) -> str:
    """Give the name of a source towards one partner (rule 4): the same every time."""
    return pairwise(secret_of(tx), "source", partner, source)


def pairwise(secret: bytes, what: str, partner: str, name: str) -> str:
    """Give the name under which a partner knows whom it shall not know (rule 4), e.g. `source-…`."""
    said = hmac.digest(secret, f"secretariat/{what}\n{partner}\n{name}".encode(), "sha256")
    return f"{what}-" + b32encode(said).decode().lower()[:_LETTERS]


def secret_of(tx: sa.Connection) -> bytes:
    """Give the secret of this realm from which pseudonyms are made; the first use makes it."""
    asked = "SELECT secret FROM source_secret WHERE id = 1"
    row = raw(tx).execute(asked).fetchone()
    if row is None:
        raw(tx).execute(
            "INSERT INTO source_secret (id, secret) VALUES (1, %s) ON CONFLICT DO NOTHING",
            (secrets.token_bytes(32),),
        )
        row = raw(tx).execute(asked).fetchone()
    assert row is not None
    return bytes(row[0])


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
