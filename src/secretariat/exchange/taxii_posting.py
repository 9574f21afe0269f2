"""Adding objects by TAXII (5.5): through the door of every import; the status tells of each object.

1. A body that is no sound envelope (or bundle) stores nothing and is refused as a whole (422).
2. A member that is refused is a failure in the status, with its reason; the rest is stored.
3. What is already here word for word is a success; a draft that was deleted comes back.
4. The work is done before the answer: a status is complete when it is given, and stays readable for a month.
"""

from __future__ import annotations

from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec

from secretariat.base.clock import stamp
from secretariat.base.errors import InputError
from secretariat.exchange import taxii_service as service
from secretariat.exchange import taxii_store as store
from secretariat.exchange import taxii_wire as wire
from secretariat.records import service as records
from secretariat.records.bundle import Container
from secretariat.storage.feed import LIVE, notify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from secretariat.exchange.taxii_service import Answer, Visit
    from secretariat.records.result import ImportResult

KEPT: Final = timedelta(days=30)
"""4.3.1 asks for 24 hours at least."""
_MESSAGE_MAX: Final = 1_000


def refuse_early(visit: Visit, name: str) -> Answer:
    """Refuse what need not wait for the body: an unknown collection, a client that may not write."""
    with visit.reading() as tx:
        service.refuse_unwritable(visit, service.visible(tx, service.known(visit.client), name))
    return service.Answer(b"")


def add(visit: Visit, body: IO[bytes], *, now: datetime) -> Answer:
    """Store what is sound as drafts in `own` and give the status. Refuses a body that is no envelope."""
    settings, client, writer = visit.node.settings, visit.client, visit.writer
    # every refusal is told, whatever the number that other importers list
    limits = msgspec.structs.replace(settings.limits, max_refusals=settings.limits.max_request_bytes)
    door = records.Settings(
        party=writer.party,
        realm=visit.realm,
        default_tlp=settings.default_tlp,
        ceiling=settings.ceiling,
        limits=limits,
        beside=frozenset({settings.party}),
    )
    with writer.database.app(visit.realm) as tx:
        result = records.import_in(tx, door, body, now=now)  # type: ignore[arg-type]
        if result.container not in {"envelope", "bundle"} or not result.members:
            raise InputError(
                "not an envelope with objects", advice='send {"objects": [...]} with at least one object'
            )
        body.seek(0)
        status = _status(result, _members(body, door), now)
        answer = wire.encode(status)
        assert client.token is not None
        store.keep_status(
            tx, status.id, token=client.token, reader=client.reader, requested_at=now, body=answer
        )
        store.forget_statuses(tx, now - KEPT)
        if result.accepted and writer is visit.node:
            notify(tx, LIVE, f'{{"kind":"import","accepted":{result.accepted}}}')
    return service.Answer(answer)


class _Named(msgspec.Struct):
    """What names a member, whatever else is wrong with it."""

    id: Any = None
    modified: Any = None
    created: Any = None


def _members(body: IO[bytes], door: records.Settings) -> Iterator[tuple[str, _Named]]:
    """Give pointer and name of each member, by a second look at the body."""
    decode = msgspec.json.Decoder(_Named).decode
    for member in Container(body, door.limits):  # type: ignore[arg-type]
        try:
            yield f"line {member.line}, {member.pointer}", decode(member.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield f"line {member.line}, {member.pointer}", _Named()


def _status(result: ImportResult, members: Iterator[tuple[str, _Named]], now: datetime) -> wire.Status:
    reasons = {_place(one.where): one for one in result.refused}
    successes, failures = [], []
    for place, named in members:
        stated = named.modified if isinstance(named.modified, str) else named.created
        version = stated if isinstance(stated, str) and len(stated) <= 40 else stamp(now)
        stix_id = named.id if isinstance(named.id, str) and len(named.id) <= 300 else place
        refusal = reasons.get(place)
        if refusal is None:
            successes.append(wire.StatusDetails(stix_id, version))
        else:
            message = ": ".join(part for part in (refusal.where, refusal.what) if part)
            message = message if refusal.advice is None else f"{message} ({refusal.advice})"
            failures.append(wire.StatusDetails(stix_id, version, message[:_MESSAGE_MAX]))
    return wire.Status(
        id=uuid4(),
        status="complete",
        request_timestamp=stamp(now),
        total_count=len(successes) + len(failures),
        success_count=len(successes),
        failure_count=len(failures),
        pending_count=0,
        successes=tuple(successes),
        failures=tuple(failures),
    )


def _place(where: str) -> str:
    """Take the member's own place out of the place of what was wrong in it: line and `/objects/N`."""
    return "/".join(where.split(" (", maxsplit=1)[0].split("/")[:3])
