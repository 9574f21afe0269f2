"""House rules: which offices of this party concur before a release, a new marking or a correction goes out.

1. A rule asks its offices for every object marked as its TLP colour or tighter; one without counts as RED.
2. A rule stands from the moment it was made until a person ends it. What was proposed before keeps the
   offices it asked, and takes those of a rule made since as well (workflow.py, change_service.py).
3. Both are entries of the log with person and reason; a rule that is not in the log does not stand.

They bind this party alone: no partner is told of them, and no decision by agreements reads them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from psycopg.types.json import Jsonb

from secretariat.base.errors import ConflictError, InputError, NotFoundError, StateError
from secretariat.ledger import service as ledger
from secretariat.ledger.entries import Draft, Note
from secretariat.people.model import Permission
from secretariat.people.store import persons
from secretariat.records.markings import TLP_ORDER, Label, tlp_rank
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

    from secretariat.ledger.node import Node

_OFFICE_MAX = 200
_REASON_MAX = 2000
_LIST = "secretariat house-rules list"


class HouseRule(msgspec.Struct, frozen=True):
    """A house rule: the offices it asks, from which TLP colour on, why, who made and who ended it."""

    id: int
    offices: list[str]
    from_tlp: str
    reason: str
    by: str
    recorded_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None


def add(
    node: Node,
    realm: str,
    *,
    offices: Sequence[str],
    from_tlp: str = "CLEAR",
    reason: str,
    by: str,
    now: datetime,
) -> HouseRule:
    """Make a house rule, with its entry in the log.

    Refuses a colour that is none, an office without a name, no reason, and a rule that stands already.
    """
    asked, colour, why = _offices(offices), _colour(from_tlp), _reason(reason)
    said = {"offices": asked, "from_tlp": colour, "reason": why}
    with node.database.app(realm) as tx:
        ledger.lock(tx)  # who makes the same rule at once comes after this one and finds it
        for one in rules(tx):
            if one.from_tlp == colour and set(one.offices) == set(asked):
                raise ConflictError(
                    f"rule {one.id} asks the same since {one.recorded_at:%Y-%m-%d}",
                    where=f"house rule {one.id}",
                    advice=_LIST,
                )
        row = (
            raw(tx)
            .execute(
                'INSERT INTO house_rule (rule, "by", recorded_at) VALUES (%s, %s, %s) RETURNING id',
                (Jsonb(said), by, now),
            )
            .fetchone()
        )
        assert row is not None
        made = get(tx, row[0])
        _log(tx, node, realm, "house-rule-add", made, by=by, reason=why, now=now)
    return made


def end(node: Node, realm: str, number: int, *, reason: str, by: str, now: datetime) -> HouseRule:
    """End a house rule, with its entry in the log. Refuses one that has ended, and no reason."""
    why = _reason(reason)
    with node.database.app(realm) as tx:
        found = get(tx, number, lock=True)
        if found.ended_at is not None:
            raise StateError(
                f"it was ended already by {found.ended_by or '?'} on {found.ended_at:%Y-%m-%d}",
                where=f"house rule {number}",
                advice=f"{_LIST} shows the rules in force",
            )
        raw(tx).execute("UPDATE house_rule SET ended_at = %s, ended_by = %s WHERE id = %s", (now, by, number))
        _log(tx, node, realm, "house-rule-end", found, by=by, reason=why, now=now)
        return get(tx, number)


def get(tx: sa.Connection, number: int, *, lock: bool = False) -> HouseRule:
    """Give one house rule. Refuses a number that is none."""
    found = _read(tx, "WHERE id = %s" + (" FOR UPDATE" if lock else ""), (number,))
    if not found:
        raise NotFoundError(f"no house rule {number}", where="RULE", advice=f"{_LIST} --all")
    return found[0]


def rules(tx: sa.Connection, *, ended: bool = False) -> list[HouseRule]:
    """Give the house rules in force, or those that have ended as well, the oldest first."""
    return _read(tx, ("" if ended else "WHERE ended_at IS NULL ") + "ORDER BY id", ())


def offices_of(tx: sa.Connection, labels: Iterable[Label]) -> list[str]:
    """Name the offices that house rules want asked for any version so labelled."""
    top = max(map(tlp_rank, labels), default=0)
    asked = [office for one in rules(tx) if top >= TLP_ORDER.index(one.from_tlp) for office in one.offices]
    return list(dict.fromkeys(asked))


def nobody_of(tx: sa.Connection, offices: Iterable[str]) -> list[str]:
    """Name those of some offices of which no person may concur: what is asked of them waits."""
    manned = {one.office for one in persons(tx) if one.party is None and one.may(Permission.READ_REPORTS)}
    return [office for office in offices if office not in manned]


def _read(tx: sa.Connection, rest: str, bound: Sequence[object]) -> list[HouseRule]:
    rows = raw(tx).execute(
        f'SELECT id, rule, "by", recorded_at, ended_at, ended_by FROM house_rule {rest}'.encode(), bound
    )
    return [
        HouseRule(
            row[0], row[1]["offices"], row[1].get("from_tlp", "CLEAR"), row[1].get("reason", ""), *row[2:]
        )
        for row in rows
    ]


def _log(
    tx: sa.Connection,
    node: Node,
    realm: str,
    act: str,
    one: HouseRule,
    *,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    detail = {"rule": one.id, "offices": one.offices, "from_tlp": one.from_tlp, "reason": reason}
    ledger.append(
        tx, node.keyring(realm), [Draft("note", None, Note(act=act, by=by, detail=detail))], now=now
    )


def _offices(given: Sequence[str]) -> list[str]:
    offices = list(dict.fromkeys(one.strip() for one in given))
    if not offices or not all(offices):
        raise InputError("an office without a name", where="office", advice="--office legal, repeatable")
    for one in offices:
        if len(one) > _OFFICE_MAX or not one.isprintable():
            raise InputError(
                f"no name of an office: {one[:40]!r}",
                where="office",
                advice=f"one line of at most {_OFFICE_MAX} characters, as `person add --office` has it",
            )
    return offices


def _colour(word: str) -> str:
    plain = word.strip().upper().removeprefix("TLP:")
    if plain not in TLP_ORDER:
        raise InputError(
            f"no TLP word: {word[:40]!r}", where="from_tlp", advice=f"write one of {', '.join(TLP_ORDER)}"
        )
    return plain


def _reason(text: str) -> str:
    why = text.strip()
    if not why:
        raise InputError("it needs its reason", where="reason", advice="--reason says it in a sentence")
    if len(why) > _REASON_MAX:
        raise InputError("it is too long", where="reason", advice=f"at most {_REASON_MAX} characters")
    return why
