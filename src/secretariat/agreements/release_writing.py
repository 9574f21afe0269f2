"""Writing a release: collections are filled beside the signing, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from secretariat.agreements import grants
from secretariat.agreements.release_model import PUBLIC, Basis
from secretariat.records import collections

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.agreements.release_answer import Answer, Class
    from secretariat.agreements.release_batch import Batch
    from secretariat.ledger.node import Node

_T = TypeVar("_T")


class Writer:
    """Runs database statements in order beside the signing: PostgreSQL has a core of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "publish")
        self._running: list[Future[Any]] = []

    def run(self, step: Callable[..., _T], *given: Any, **named: Any) -> Future[_T]:
        running = self._thread.submit(step, *given, **named)
        self._running.append(running)
        return running

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until all is written; raise what failed first."""
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for one in self._running:
                one.result()


def place(
    writer: Writer,
    tx: sa.Connection,
    node: Node,
    realm: str,
    answers: Sequence[Answer],
    publication: int,
    basis: Basis,
    now: datetime,
) -> Future[dict[int, tuple[str, range]]]:
    """Fill the recipients' collections; give, per collection, its reader and the places."""

    def write() -> dict[int, tuple[str, range]]:
        readers: dict[int, str] = {}
        batches: dict[int, list[tuple[int | None, Sequence[int], Sequence[str]]]] = {}
        for number, answer in enumerate(answers):
            entry = publication + 1 + number
            ids = grants.put_classes(
                tx, [_stored_class(answer, one, entry, basis, now) for one in answer.classes]
            )
            kind = "clear" if answer.party == PUBLIC else "partner"
            # the public collection is one per node: a guest's CLEAR objects stand in its host's
            host = node.keyring(realm).host if answer.party == PUBLIC else None
            publisher = node.party if host is None else host.party
            collection = collections.ensure(tx, kind, answer.party, party=publisher, realm=realm)
            readers[collection] = answer.party
            batches[collection] = [
                (class_id, [answer.batch.id_at(place) for place in some], left_out)
                for class_id, group in zip(ids, answer.classes, strict=True)
                for left_out, some in answer.by_missing(group.members)
            ]
            if answer.partials:  # more of what is there already as a partial takes its place
                collections.remove(tx, answer.partials, collection=collection)
        seqs = collections.add_fresh(tx, batches, now=now) if batches else {}
        return {collection: (readers[collection], given) for collection, given in seqs.items()}

    return writer.run(write)


def settle(
    writer: Writer, tx: sa.Connection, batch: Batch, places: Future[dict[int, tuple[str, range]]]
) -> None:
    """Once versions and places are written, say which versions are the first and the last of their object."""
    every = [batch.id_at(place) for place in range(len(batch.versions))]
    writer.run(lambda: collections.settle(tx, list(places.result()), every) if places.result() else None)


def _stored_class(answer: Answer, group: Class, entry: int, basis: Basis, now: datetime) -> grants.GrantClass:
    row = group.row(())
    return grants.GrantClass(
        0,
        answer.party,
        entry,
        row.articles,
        row.marks,
        row.conditions,
        row.obligations,
        None if row.until is None else datetime.fromisoformat(row.until),
        msgspec.to_builtins(basis),
        now,
        None,
    )
