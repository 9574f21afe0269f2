"""What a node does with transfers by hand: write one, take volumes, say how they stand (rules: transfer.py).

Pages are made and taken by the very lines of the feed (`service.make_page`, `service.take_page`). A page that
was taken stays taken, whatever happens to the process or the medium; what was not is taken next time.
"""

from __future__ import annotations

import contextlib
import functools
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from secretariat.agreements import store as agreements
from secretariat.base.errors import LimitError, NotFoundError, SecretariatError, StateError
from secretariat.exchange import (
    enrolment,
    instrument_service,
    instruments,
    renewal,
    service,
    transfer,
    transfer_files,
    volumes,
    wire,
)
from secretariat.exchange import store as tables
from secretariat.exchange.enrolment import open_descriptor
from secretariat.exchange.model import Refusal
from secretariat.exchange.postgres import transaction
from secretariat.exchange.take import PageRefusedError
from secretariat.exchange.transfer import BY_HAND, Carried
from secretariat.exchange.transfer_files import FoundVolume, Medium
from secretariat.exchange.volumes import Binder, Link, VolumeError
from secretariat.exchange.wire import Cursor, Taken
from secretariat.ledger import service as ledger
from secretariat.storage.feed import LIVE, live, notify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from secretariat.exchange.model import Peer
    from secretariat.exchange.postgres import PostgresStore
    from secretariat.exchange.volumes import Head, Scanned
    from secretariat.exchange.wire import Page
    from secretariat.ledger.node import Node
    from secretariat.ledger.sealing import SealingKeys

MB = 1_000_000
VOLUME_MB = 4_000
"""What a file may have on the commonest file system of sticks (FAT32) is 4 GiB less one byte."""
PAGES_PER_VOLUME = 4
"""A page is made no larger than this part of a volume, where its objects allow."""
_RECORDED = frozenset({"transfer-broken", "transfer-cut", "transfer-version", "transfer-superseded"})
_FIRST = (
    "{party} has not told its instruments yet: import its first transfer before anything is released to it,"
    " or what is released waits there"
)


class Exported(msgspec.Struct, frozen=True):
    """A transfer that was written."""

    party: str
    realm: str
    number: int
    files: list[str]
    start: str
    until: str
    entries: int
    objects: int
    bytes: int
    place: str
    """How far it says that we are with the partner's log."""
    hint: str = ""


class Imported(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one volume."""

    file: str
    state: Literal["taken", "already taken", "refused", "not tried"]
    party: str = ""
    number: int = 0
    volume: int = 0
    of: int = 0
    pages: int = 0
    entries: int = 0
    objects: int = 0
    place: str = ""
    """Where we stand in the partner's log then."""
    confirmed: str = ""
    """How far the partner says it is with our log."""
    code: str = ""
    what: str = ""
    where: str = ""
    advice: str = ""


class Standing(msgspec.Struct, frozen=True):
    """How transfers with one partner stand, for people."""

    party: str
    by_hand: bool
    """Whether media are the only way to it."""
    last_export: int
    wrote_at: datetime | None
    sent: str
    confirmed: str
    waits: bool
    """Whether it has not confirmed all that went out."""
    last_import: int
    volume: int
    of: int
    heard_at: datetime | None
    carried: list[Carried]


def export(
    node: Node,
    realm: str,
    party: str,
    target: Path,
    *,
    volume_mb: int = VOLUME_MB,
    again: bool = False,
    since: str | None = None,
    one_file: bool = False,
    now: datetime,
    advance: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write a transfer for a partner into a folder, or one file; refuses as transfer.py says.

    `since` is a place in our log, `last` (where the last transfer ended) or `whole`. The volumes get their
    names only when all of them are whole and on the medium.
    """
    peer = service.known_peer(node, realm, party)
    if not peer.sealing_keys:
        raise StateError(
            f"{party} has no sealing key",
            advice="secretariat keys rotate sealing on its node, then accept its new descriptor",
        )
    with transaction(node, realm, now) as store:
        state = store.handover(party)
        place = _place(store, peer)

        def news(sent: Taken) -> bool:
            more = next(iter(store.addressed(party, sent.after.position)), None) is not None
            return more or asked != state.asked or not set(state.wanted) <= set(state.given)

        asked = _wanted(store, party)
        head = store.head().size
        start = transfer.start_of(
            state, head, place, news, again=again, since=_since(since, state.sent, party)
        )
    number = transfer.number_after(state, now)
    medium = Medium(target, f"secretariat-{realm}-{node.party}-to-{party}-{number}", one_file=one_file)
    key = next(iter(peer.sealing_keys.items()))
    most = volume_mb * MB
    binder = Binder(node.keyring(realm), party, number, key, medium.put, most)

    def make(at: Taken) -> tuple[Page, bytes]:
        data, _ = service.make_page(
            node, realm, party, at.after, at.size, most=most // PAGES_PER_VOLUME, now=now
        )
        return wire.read_page(data), data

    known = {*state.sizes, state.confirmed.size}
    try:
        until, sizes = transfer.bind(
            binder, start, make, functools.partial(_links, node, realm, known), advance
        )
        for digest in state.wanted:
            with contextlib.suppress(NotFoundError):  # what the partner may not be shown is not answered
                binder.add_text(
                    instrument_service.give_instrument(node, realm, party, bytes.fromhex(digest), now=now)
                )
        if len(binder.volumes) > node.settings.limits.transfer_volumes:
            raise LimitError(
                f"{len(binder.volumes)} volumes, {node.settings.limits.transfer_volumes} may be",
                where="transfer_volumes",
                advice="make --volume-mb larger",
            )
        statement = None
        with contextlib.suppress(StateError):  # the root key is kept elsewhere: the partner accepts a file
            statement = enrolment.describe(node, now=now)
        ends = binder.ends(place=place, previous=state.number, statement=statement, now=now, wanted=asked)
        summaries = medium.close(ends)
        entries = sum(one.count.entries for one in summaries)
        objects = sum(one.count.objects for one in summaries)
        size = sum(one.length for one in binder.volumes)
        with transaction(node, realm, now) as store:
            # Before the volumes have their names: one that a partner may get is never unknown here.
            current = store.lock_handover(party)
            current = transfer.written(current, number, until, sizes, place, now)
            store.save_handover(msgspec.structs.replace(current, given=state.wanted, asked=asked))
            store.note_carried(
                Carried(
                    party=party, out=True, number=number, volume=0, of=len(summaries), start=start.after,
                    until=until.after, entries=entries, objects=objects, bytes=size, at=now,
                )
            )  # fmt: skip
            agreed = agreements.agreed_by(store.tx, party, party)
            notify(store.tx, LIVE, live(kind="transfer", party=party))
        files = medium.name(summaries)
    finally:
        medium.throw()
    return Exported(
        party, realm, number, [str(one) for one in files], str(start.after), str(until.after),
        entries, objects, size, str(place.after), "" if agreed else _FIRST.format(party=party),
    )  # fmt: skip


def _since(word: str | None, sent: Taken, party: str) -> Taken | None:
    if word is None:
        return None
    if word == "whole":
        return Taken(Cursor(), 0)
    if word == "last":
        if not sent.size:
            raise StateError(f"no transfer for {party} was written yet", where="--since")
        return sent
    return Taken(wire.read_cursor(word), 0)


def _place(store: PostgresStore, peer: Peer) -> Taken:
    held = store.peer(peer.party)
    kept = store.kept_log(peer.origin)
    assert held is not None
    return Taken(held.cursor, kept.size if kept else 0)


def _links(node: Node, realm: str, known: Iterable[int], size: int) -> tuple[Link, ...]:
    with node.database.app(realm) as tx:
        return tuple(
            Link(one, tuple(ledger.consistency(tx, one, size))) for one in sorted(known) if 0 < one < size
        )


def take(
    node: Node,
    realm: str,
    paths: Iterable[Path],
    *,
    now: datetime,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Imported]:
    """Take volumes from files and folders, each partner's in their order; says of each what became of it.

    After one that is refused the later ones of the same transfer are not tried, those of a newer one are: it
    brings what is missing. What came before stays. `advance` counts every byte twice: checked, taken.
    """
    done: list[Imported] = []
    stopped: set[tuple[str, int]] = set()
    for found in transfer_files.find(paths):
        transfer_of = (found.head.party, found.head.number) if found.head is not None else ("", 0)
        if transfer_of in stopped:
            done.append(_named(found, "not tried"))
            continue
        try:
            done.append(_take_volume(node, realm, found, now, advance))
        except SecretariatError as error:
            if error.status >= 500 and not isinstance(error, VolumeError | PageRefusedError):
                raise
            if found.head is not None:
                stopped.add(transfer_of)
            _record(node, realm, found.head, error, now)
            done.append(
                msgspec.structs.replace(
                    _named(found, "refused"), code=error.code, what=error.what, where=error.where or "",
                    advice=error.advice or "",
                )
            )  # fmt: skip
    return done


def _named(found: FoundVolume, state: Literal["taken", "already taken", "refused", "not tried"]) -> Imported:
    head = found.head
    if head is None:
        return Imported(str(found.path), state)
    return Imported(str(found.path), state, head.party, head.number, head.volume)


def _take_volume(
    node: Node, realm: str, found: FoundVolume, now: datetime, advance: Callable[[int], None]
) -> Imported:
    where = str(found.path)
    head = found.head
    if head is None:
        assert found.error is not None
        raise found.error
    peer, keys = _writer(node, realm, head, where)
    limits = node.settings.limits
    with transfer_files.reading(found.path) as file:
        scanned = volumes.scan(file, where, limits, advance)
        peer = _renewed(node, realm, peer, scanned, keys, now)
        summary = volumes.summary_of(scanned, file, keys, peer.transport_keys, where, limits)
        if summary.of > limits.transfer_volumes:
            raise LimitError(f"{summary.of} volumes", where=f"{where}: transfer_volumes")
        with transaction(node, realm, now) as store:
            state = transfer.told(store.lock_handover(peer.party), summary, now)
            store.save_handover(state)
            place = _place(store, peer)
        if transfer.judge(state, place, summary, where) == "taken":
            return msgspec.structs.replace(
                _named(found, "already taken"), of=summary.of, place=str(place.after),
                confirmed=str(state.confirmed.after),
            )  # fmt: skip
        file.seek(0)
        read = 0

        def more(_: int) -> None:
            nonlocal read
            advance(file.tell() - read)
            read = file.tell()

        pages = transfer.take_parts(
            volumes.parts_of(file, scanned.head, keys, peer.transport_keys, where, limits),
            functools.partial(service.place, node, realm, peer.party),
            functools.partial(_kept, node, realm, peer.origin, now),
            functools.partial(_give, node, realm, peer.party, now),
            where,
            more,
            functools.partial(_take_text, node, realm, peer.party, now),
        )
        length = file.tell()
    reached = service.place(node, realm, peer.party).after
    if reached < summary.until:
        raise VolumeError(
            "transfer-broken",
            f"its pages end at {reached}, its end says {summary.until}",
            where=where,
            advice=f"ask {peer.party} for a new export",
        )
    with transaction(node, realm, now) as store:
        heard = transfer.heard(store.lock_handover(peer.party), summary)
        store.save_handover(heard)
        store.note_carried(
            Carried(
                party=peer.party, out=False, number=summary.number, volume=summary.volume, of=summary.of,
                start=summary.start, until=summary.until, entries=summary.count.entries,
                objects=summary.count.objects, bytes=length, at=now,
            )
        )  # fmt: skip
        tables.note_contact(store.tx, peer.party, at=now, error=None)
        notify(store.tx, LIVE, live(kind="transfer", party=peer.party))
        place = _place(store, peer)
    return msgspec.structs.replace(
        _named(found, "taken"), of=summary.of, pages=pages, entries=summary.count.entries,
        objects=summary.count.objects, place=str(place.after), confirmed=str(heard.confirmed.after),
    )  # fmt: skip


def _writer(node: Node, realm: str, head: Head, where: str) -> tuple[Peer, SealingKeys]:
    """Find who wrote a volume by its head. Refuses one for another party or realm, or of nobody known."""
    if head.to != node.party:
        raise VolumeError(
            "transfer-not-for-us",
            f"the head: the volume is for {head.to}, this is {node.party}",
            where=where,
            advice=f"carry it to {head.to}; nobody else can open it",
        )
    if head.realm != realm:
        raise VolumeError(
            "transfer-other-realm",
            f"the head: the volume is of the realm {head.realm!r}, not {realm!r}",
            where=where,
            advice=f"import it there: --realm {head.realm}",
        )
    try:
        peer = service.known_peer(node, realm, head.party)
    except NotFoundError as error:
        raise VolumeError(
            "transfer-unknown-writer",
            f"the head: {head.party} is not enrolled here",
            where=where,
            advice=error.advice,
        ) from error
    keys = node.keyring(realm).sealing
    if keys is None:
        raise StateError("this node has no sealing key", advice="secretariat keys rotate sealing")
    return peer, keys


def _renewed(node: Node, realm: str, peer: Peer, scanned: Scanned, keys: SealingKeys, now: datetime) -> Peer:
    """Take the writer's new keys from a volume, where its root key states them."""
    statement = volumes.statement_of(scanned, keys)
    with contextlib.suppress(SecretariatError):  # the signature of the volume says what is wrong
        if statement is not None and open_descriptor(statement).party == peer.party:
            renewal.renew(node, realm, statement, now=now)
            return service.known_peer(node, realm, peer.party)
    return peer


def _kept(node: Node, realm: str, origin: str, now: datetime, position: int) -> bytes | None:
    with transaction(node, realm, now) as store:
        found = store.peer_entry(origin, position)
    return None if found is None else found.envelope


def _wanted(store: PostgresStore, party: str) -> tuple[str, ...]:
    """Name the instruments whose texts are to be asked of a partner."""
    return tuple(sorted(one.digest.hex() for one in store.wants(party) if one.state == "open"))


def _take_text(node: Node, realm: str, party: str, now: datetime, answer: bytes) -> None:
    """Offer a text that was asked for to the operator; one that nobody wanted is passed over."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        digest = bytes.fromhex(msgspec.json.decode(answer, type=instruments.InstrumentText).hash)
        with transaction(node, realm, now) as store:
            want = next((one for one in store.wants(party) if one.digest == digest), None)
        if want is not None:
            instrument_service.take_instrument(node, realm, party, want, answer, now=now)


def _give(node: Node, realm: str, party: str, now: datetime, page: Page) -> None:
    service.take_page(node, realm, party, wire.encode(page), now=now)


def _record(node: Node, realm: str, head: Head | None, error: SecretariatError, now: datetime) -> None:
    """Record a volume that proves nothing under its alleged writer; to come too early is no fault."""
    if head is None or head.realm != realm or not isinstance(error, VolumeError):
        return
    if error.code not in _RECORDED:
        return
    with transaction(node, realm, now) as store:
        if store.peer(head.party) is None:
            return
        what = f"on a medium: {error.what}"
        store.refuse(
            [Refusal(party=head.party, code=error.code, what=what, where=error.where, advice=error.advice)]
        )
        tables.note_contact(store.tx, head.party, at=None, error=f"{error.code}: {what}")
        notify(store.tx, LIVE, live(kind="refusal", party=head.party))


def standings(node: Node, realm: str, party: str | None = None, *, now: datetime) -> list[Standing]:
    """Say how transfers stand with every partner that is reached by hand, or with whom some were made."""
    found = []
    with transaction(node, realm, now) as store:
        for peer in store.peers():
            if party is not None and peer.party != party:
                continue
            state = store.handover(peer.party)
            if peer.via != BY_HAND and not state.number and not state.heard:
                continue
            found.append(
                Standing(
                    peer.party, peer.via == BY_HAND, state.number, state.wrote_at, str(state.sent.after),
                    str(state.confirmed.after), state.confirmed.after < state.sent.after, state.heard,
                    state.volume, state.of, state.heard_at,
                    [
                        msgspec.structs.replace(
                            one, confirmed=one.out and one.until <= state.confirmed.after
                        )
                        for one in store.carried(peer.party)
                    ],
                )
            )  # fmt: skip
    return found
