"""Tables of private questions: what is allowed, the set of an epoch, a question and the parts of its lists.

Values stand in `private_member` alone; they go, with the secrets and the lists, when its epoch is over.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from secretariat.exchange import psi
from secretariat.exchange.private_values import openings
from secretariat.ledger.merkle import HASH_BYTES
from secretariat.storage.engine import raw
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from secretariat.exchange.private_values import Opening

_MOMENT = sa.DateTime(timezone=True)
_MEMBERS: Final = 4_096
"""Values in one row of a set."""
Side = Literal["asks", "answers"]
State = Literal["waiting", "allowed", "ready", "answered", "pinned", "counted", "refused"]
"""Of one that answers: waiting for a person, allowed, ready for the list, answered. Of one that asks:
pinned (under way), counted. Of both: refused, for this epoch."""
Stage = Literal["", "wanted", "allowed", "opened", "refused"]
"""How far the second stage is: which values they are."""

private_allowance = sa.Table(
    "private_allowance",
    metadata,
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("under", sa.Text, nullable=False),
    sa.Column("types", ARRAY(sa.Text), nullable=False),
    sa.Column("elements", sa.Integer, nullable=False),
    sa.Column("standing", sa.Boolean, nullable=False),
    sa.Column("allowed_by", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

private_set = sa.Table(
    "private_set",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("seed", BYTEA, nullable=False),
    sa.Column("root", BYTEA, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

private_member = sa.Table(
    "private_member",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("leaves", BYTEA, nullable=False),
    sa.Column("members", BYTEA, nullable=False),
)
"""The values of a set and their leaves, some thousands a row, in the order of the leaves."""

private_question = sa.Table(
    "private_question",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("under", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("secret", BYTEA),
    sa.Column("set_position", sa.BigInteger),
    sa.Column("their_position", sa.BigInteger),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("their_size", sa.Integer),
    sa.Column("answer", BYTEA),
    sa.Column("result", sa.Integer),
    sa.Column("shown", sa.Integer),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("done_at", _MOMENT),
    sa.Column("entry", sa.BigInteger),
    sa.UniqueConstraint("side", "party", "type", "epoch"),
    sa.CheckConstraint("side IN ('asks', 'answers')", name="side"),
)

private_part = sa.Table(
    "private_part",
    metadata,
    sa.Column(
        "question",
        sa.BigInteger,
        sa.ForeignKey("private_question.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("list", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("items", BYTEA, nullable=False),
)

ASKED: Final = "asked"
"""The asker's list, at both."""
EVALUATED: Final = "evaluated"
"""At the answerer: the answers in the order of what was asked."""
ANSWERED: Final = "answered"
"""At the answerer: the same in their own order."""
PROOFS: Final = "proofs"
"""At the answerer: the batched proof of each part of the opened answer."""
TAGS: Final = "tags"
"""At the answerer its own list; at the asker those of it that match."""
MATCHED: Final = "matched"
"""At the asker, one part of JSON: which they are."""


class Allowance(msgspec.Struct, frozen=True):
    """What an administrator turned on for a partner: under which instrument, for what, how much a week."""

    party: str
    under: str
    types: list[str]
    elements: int
    standing: bool
    """Whether questions within it are answered without asking a person."""
    allowed_by: str
    at: datetime


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One private question, at the side that asks or that answers."""

    id: int
    side: Side
    party: str
    type: str
    epoch: str
    under: str
    state: State
    stage: Stage
    secret: bytes | None
    set_position: int | None
    their_position: int | None
    size: int
    """Values of the asker's set."""
    their_size: int | None
    """Values of the answerer's set."""
    answer: bytes | None
    result: int | None
    shown: int | None
    """Matches of which both proved that they had logged them before."""
    why: str
    by: str
    at: datetime
    done_at: datetime | None
    entry: int | None


_COLUMNS = ", ".join(f'"{name}"' for name in Question.__struct_fields__)


def allowance(tx: sa.Connection, party: str) -> Allowance | None:
    """Give what is turned on for a partner, if anything is.

    It is locked until the transaction ends: two questions at one moment count one after the other.
    """
    raw(tx).execute("SELECT 1 FROM private_allowance WHERE party = %s FOR UPDATE", (party,))
    return next((one for one in allowances(tx) if one.party == party), None)


def allowances(tx: sa.Connection) -> list[Allowance]:
    """Give what is turned on, by partner."""
    rows: Any = raw(tx).execute(
        "SELECT party, under, types, elements, standing, allowed_by, at FROM private_allowance ORDER BY party"
    )
    return [Allowance(*row) for row in rows]


def put_allowance(tx: sa.Connection, one: Allowance) -> None:
    """Write what is turned on for a partner, in place of what was."""
    raw(tx).execute(
        "INSERT INTO private_allowance (party, under, types, elements, standing, allowed_by, at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (party) DO UPDATE SET under = excluded.under,"
        " types = excluded.types, elements = excluded.elements, standing = excluded.standing,"
        " allowed_by = excluded.allowed_by, at = excluded.at",
        (one.party, one.under, one.types, one.elements, one.standing, one.allowed_by, one.at),
    )


def drop_allowance(tx: sa.Connection, party: str) -> bool:
    """Turn it off; False when it was not on."""
    return raw(tx).execute("DELETE FROM private_allowance WHERE party = %s", (party,)).rowcount > 0


def spent(tx: sa.Connection, party: str, under: str, epoch: str, side: Side) -> int:
    """Count the values that were asked about under an instrument in an epoch."""
    row = (
        raw(tx)
        .execute(
            "SELECT coalesce(sum(size), 0)::int8 FROM private_question"
            " WHERE party = %s AND under = %s AND epoch = %s AND side = %s",
            (party, under, epoch, side),
        )
        .fetchone()
    )
    return 0 if row is None else int(row[0])


# sets


class KeptSet(msgspec.Struct, frozen=True):
    """The fixed set of a type and epoch: how large, under which root; its values are in rows."""

    type: str
    epoch: str
    seed: bytes
    size: int
    root: bytes

    def values(self, tx: sa.Connection) -> Iterator[str]:
        """Give its values, a row of them at a time."""
        for _, members in self._rows(tx):
            yield from members.decode().split("\n")

    def open(self, tx: sa.Connection, wanted: Sequence[str]) -> list[Opening]:
        """Show that values stood in this set; those that did not are left out."""

        def leaves() -> Iterator[bytes]:
            for found, _ in self._rows(tx):
                yield from (found[at : at + HASH_BYTES] for at in range(0, len(found), HASH_BYTES))

        return openings(self.type, self.seed, wanted, self.size, leaves)

    def _rows(self, tx: sa.Connection) -> Iterator[tuple[bytes, bytes]]:
        query = "SELECT leaves, members FROM private_member WHERE type = %s AND epoch = %s AND number = %s"
        number = 0
        while row := raw(tx).execute(query, (self.type, self.epoch, number), binary=True).fetchone():
            yield row
            number += 1


def read_set(tx: sa.Connection, kind: str, epoch: str) -> KeptSet | None:
    """Give the set of a type and epoch where it was fixed."""
    row = (
        raw(tx)
        .execute(
            "SELECT type, epoch, seed, size, root FROM private_set WHERE type = %s AND epoch = %s",
            (kind, epoch),
            binary=True,
        )
        .fetchone()
    )
    return None if row is None else KeptSet(*row)


def put_set(tx: sa.Connection, one: KeptSet, members: Iterable[tuple[bytes, str]], now: datetime) -> bool:
    """Fix a set with its leaves and values; False when one stands there already, which stays."""
    done = raw(tx).execute(
        "INSERT INTO private_set (type, epoch, seed, size, root, at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (one.type, one.epoch, one.seed, one.size, one.root, now),
    )
    if done.rowcount == 0:
        return False
    coming = iter(members)
    number = 0
    while some := list(islice(coming, _MEMBERS)):
        raw(tx).execute(
            "INSERT INTO private_member (type, epoch, number, leaves, members) VALUES (%s, %s, %s, %s, %s)",
            (
                one.type,
                one.epoch,
                number,
                b"".join(leaf for leaf, _ in some),
                "\n".join(value for _, value in some).encode(),
            ),
        )
        number += 1
    return True


def own_objects(tx: sa.Connection, party: str, types: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Give label row and bytes of the newest version of each own object that is not withdrawn or hidden."""
    with raw(tx).cursor(name="private_values") as cursor:
        cursor.itersize = 2_000
        cursor.execute(
            "SELECT label, bytes FROM (SELECT DISTINCT ON (stix_id) stix_id, label, bytes, state, revoked"
            " FROM object_version WHERE type = ANY(%s) AND originator = %s"
            " ORDER BY stix_id, version DESC) AS newest"
            " WHERE state IN ('draft', 'published') AND NOT revoked",
            (list(types), party),
        )
        for mark, data in cursor:
            yield mark, bytes(data)


def labels(tx: sa.Connection) -> dict[int, Any]:
    """Give every label by row."""
    return dict(raw(tx).execute("SELECT id, label FROM label").fetchall())


# questions


def questions(tx: sa.Connection, where: str = "", bound: Sequence[Any] = ()) -> list[Question]:
    """Give questions, newest first."""
    rows: Any = raw(tx).execute(
        f"SELECT {_COLUMNS} FROM private_question {where} ORDER BY id DESC", tuple(bound), binary=True
    )
    return [Question(**dict(zip(Question.__struct_fields__, row, strict=True))) for row in rows]


def question(tx: sa.Connection, number: int, *, lock: bool = False) -> Question | None:
    """Give one question; with `lock` nobody else changes it until the transaction ends."""
    if lock:
        raw(tx).execute("SELECT 1 FROM private_question WHERE id = %s FOR UPDATE", (number,))
    return next(iter(questions(tx, "WHERE id = %s", [number])), None)


def of_epoch(tx: sa.Connection, side: Side, party: str, kind: str, epoch: str) -> Question | None:
    """Give the one question of a partner, type and epoch, locked until the transaction ends."""
    bound = (side, party, kind, epoch)
    where = "WHERE side = %s AND party = %s AND type = %s AND epoch = %s"
    raw(tx).execute(f"SELECT 1 FROM private_question {where} FOR UPDATE", bound)
    return next(iter(questions(tx, where, bound)), None)


def alone(tx: sa.Connection, realm: str, party: str, kind: str, epoch: str) -> bool:
    """Whether no other transaction works on this question; then none does until this one ends."""
    name = f"private question {realm} {party} {kind} {epoch}"
    row = raw(tx).execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 11))", (name,)).fetchone()
    return row is not None and bool(row[0])


def sessions_of(tx: sa.Connection, origin: str) -> list[bytes]:
    """Give the entries of a partner's log about private questions, newest first."""
    rows = raw(tx).execute(
        "SELECT envelope FROM peer_entry WHERE origin = %s AND kind = 'private-question'"
        " ORDER BY position DESC LIMIT 1000",
        (origin,),
    )
    return [bytes(envelope) for (envelope,) in rows]


def add_question(tx: sa.Connection, **values: Any) -> int:
    """Write a new question; gives its number."""
    names = ", ".join(f'"{name}"' for name in values)
    holders = ", ".join(["%s"] * len(values))
    row = (
        raw(tx)
        .execute(
            f"INSERT INTO private_question ({names}) VALUES ({holders}) RETURNING id", tuple(values.values())
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0])


def change_question(tx: sa.Connection, number: int, **values: Any) -> None:
    """Write what changed of a question."""
    names = ", ".join(f'"{name}" = %s' for name in values)
    raw(tx).execute(f"UPDATE private_question SET {names} WHERE id = %s", (*values.values(), number))


# lists


def put_parts(tx: sa.Connection, number: int, kind: str, parts: Iterable[bytes], start: int = 0) -> str:
    """Write parts of a list as they come, from a number on; gives the hash that a log names them by."""

    def written() -> Iterator[bytes]:
        for at, items in enumerate(parts, start):
            raw(tx).execute(
                "INSERT INTO private_part (question, list, number, items) VALUES (%s, %s, %s, %s)",
                (number, kind, at, items),
                binary=True,
            )
            yield items

    return psi.hash_of(written())


def read_part(tx: sa.Connection, number: int, kind: str, at: int) -> bytes | None:
    """Give one part of a list."""
    row = (
        raw(tx)
        .execute(
            "SELECT items FROM private_part WHERE question = %s AND list = %s AND number = %s",
            (number, kind, at),
        )
        .fetchone()
    )
    return None if row is None else bytes(row[0])


def count_parts(tx: sa.Connection, number: int, kind: str) -> tuple[int, int]:
    """Count the parts of a list, and the items in them."""
    row = (
        raw(tx)
        .execute(
            "SELECT count(*), coalesce(sum(length(items)), 0)::int8 FROM private_part"
            " WHERE question = %s AND list = %s",
            (number, kind),
        )
        .fetchone()
    )
    assert row is not None
    return int(row[0]), int(row[1]) // 32


def read_parts(tx: sa.Connection, number: int, kind: str) -> Iterator[bytes]:
    """Give every part of a list in order, one at a time."""
    at = 0
    while (items := read_part(tx, number, kind, at)) is not None:
        yield items
        at += 1


def forget(tx: sa.Connection, epoch: str) -> int:
    """Destroy sets, secrets and lists of every other epoch than this; gives how many sets went."""
    raw(tx).execute(
        "DELETE FROM private_part p USING private_question q WHERE q.id = p.question AND q.epoch <> %s",
        (epoch,),
    )
    raw(tx).execute(
        "UPDATE private_question SET secret = NULL WHERE epoch <> %s AND secret IS NOT NULL", (epoch,)
    )
    raw(tx).execute("DELETE FROM private_member WHERE epoch <> %s", (epoch,))
    return raw(tx).execute("DELETE FROM private_set WHERE epoch <> %s", (epoch,)).rowcount
