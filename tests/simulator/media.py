"""Partners that have nothing but media between them in a random world: volumes as bytes, as shipped.

A courier comes now and then: each side writes what the other lacks, and the volumes go into a bag. Out of the
bag they come late, in any order, more than once, cut off, with bits changed, or not at all; the reader may be
killed in the middle of one. A volume that is refused or was taken before changes nothing, whatever stands in
it; when the courier becomes honest everything arrives.
"""

from __future__ import annotations

import io
import random
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.errors import ConflictError, LimitError, SecretariatError, StateError
from secretariat.base.settings import Limits
from secretariat.exchange import transfer, volumes
from secretariat.exchange.transfer import BY_HAND
from secretariat.exchange.volumes import Binder, Link, VolumeError
from secretariat.exchange.wire import Cursor, Taken, encode, read_page

from .plan import ACTS
from .promise import BrokenPromiseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from secretariat.exchange.peers import Store
    from secretariat.exchange.wire import Page
    from secretariat.ledger.keys import Keyring

    from .network import Way
    from .play import Play

LIMITS = Limits()
EVERY = 15.0
SMALL = 90_000
"""Bytes of a volume, of which two thirds are kept free for its end: a few pages each."""


class KilledError(Exception):
    """The reader's process was killed between two pages."""


def volumes_of(
    store: Store,
    ring: Keyring,
    to: str,
    page: Callable[[Taken], Page],
    *,
    place: Taken,
    now: datetime,
    again: bool,
    since: Taken | None,
    most: int,
) -> list[bytes]:
    """Write a transfer as transfer_service does; gives its volumes."""

    def news(sent: Taken) -> bool:
        return next(iter(store.addressed(to, sent.after.position)), None) is not None

    def make(at: Taken) -> tuple[Page, bytes]:
        data = encode(page(at))
        return read_page(data), data

    def link(size: int) -> tuple[Link, ...]:
        known = {*state.sizes, state.confirmed.size}
        return tuple(
            Link(one, tuple(store.consistency(one, size))) for one in sorted(known) if 0 < one < size
        )

    state = store.lock_handover(to)
    start = transfer.start_of(state, store.head().size, place, news, again=again, since=since)
    number = transfer.number_after(state, now)
    peer = store.peer(to)
    assert peer is not None
    key = next(iter(peer.sealing_keys.items()))
    files: dict[int, bytearray] = defaultdict(bytearray)
    binder = Binder(ring, to, number, key, lambda n, data: files[n].extend(data), most)
    until, sizes = transfer.bind(binder, start, make, link)
    for summary, line in binder.ends(place=place, previous=state.number, statement=None, now=now):
        files[summary.volume] += line
    store.save_handover(transfer.written(state, number, until, sizes, place, now))
    return [bytes(files[one]) for one in sorted(files)]


class Courier:
    """Everything that is carried by hand in a world."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.dice = random.Random(f"media {play.plan.seed}")
        self.pairs = [pair for one, other in play.plan.carried for pair in ((one, other), (other, one))]
        self.bag: list[tuple[str, str, bytes]] = []
        self.taken: set[tuple[str, int, bytes]] = set()
        self.once_more: set[tuple[str, str]] = set()

    def open(self) -> None:
        """Tell both sides that the other is reached by hand only."""
        for party, to in self.pairs:
            keys = self.play.parties[to].ring.sealing
            assert keys is not None
            with self.play.parties[party].node.store(self.play.now(party)) as store:
                peer = store.peer(to)
                assert peer is not None
                store.save_peer(
                    msgspec.structs.replace(peer, via=BY_HAND, sealing_keys={keys.key_id: keys.public})
                )

    def start(self) -> None:
        if self.pairs:
            self.play.network.after(EVERY * self.dice.random(), self._come)

    def forget(self, party: str) -> None:
        """A node came back from a backup: what it wrote on media before is not carried any more."""
        self.bag = [one for one in self.bag if one[0] != party]

    def _come(self) -> None:
        honest = self.play.network.time > ACTS
        self.play.network.after(EVERY, self._come)
        for party, to in self.pairs:
            self._export(party, to, honest=honest)
        if honest:
            for one in self.bag:
                self._deliver(*one, honest=True)
            self.bag = []
            return
        for _ in range(min(len(self.bag), self.dice.randint(0, 5))):
            at = self.dice.choice([0, 0, self.dice.randrange(len(self.bag))])
            one = self.bag[at]
            self._deliver(*one, honest=False)
            if self.dice.random() < 0.7:
                self.bag.remove(one)

    def _way(self, writer: str, reader: str) -> Way:
        return self.play.network.ways[writer, reader]

    def _place(self, reader: str, writer: str) -> Taken:
        return Taken(*self.play.place(self._way(writer, reader)))

    # --- writing ---------------------------------------------------------------------------------------

    def _export(self, party: str, to: str, *, honest: bool) -> None:
        found = self.play.parties[party]
        if not found.up or found.read_only:
            return
        dice, most = self.dice, SMALL
        with found.look(self.play.now(party)) as store:
            state = store.handover(to)
        again = dice.random() < 0.3
        since = None
        if honest:
            # a side that came back from a backup does not know that the other must hear of it: once more
            again = state.confirmed.after < state.sent.after or (party, to) not in self.once_more
            self.once_more.add((party, to))
        elif dice.random() < 0.15:
            since = dice.choice([Taken(Cursor(), 0), state.sent])
        while True:
            try:
                made = self._volumes(party, to, again=again, since=since, most=most)
                break
            except LimitError:
                most *= 2
            except ConflictError:
                return
            except StateError:
                if not found.reverted:
                    raise
                found.read_only = True  # its operator is told, and looks what partners hold
                self.play.count("stopped: who gets media holds more of its own log")
                return
        self.play.count("transfers", 1)
        self.play.count("volumes written", len(made))
        for one in made:
            if not honest and dice.random() < 0.15:
                self.play.count("volume lost")
            else:
                self.bag.append((party, to, one))

    def _volumes(self, party: str, to: str, *, again: bool, since: Taken | None, most: int) -> list[bytes]:
        found, now, way = self.play.parties[party], self.play.now(party), self._way(party, to)
        place = self._place(party, to)
        with found.node.store(now) as store:
            return volumes_of(
                store,
                found.ring,
                to,
                lambda at: self.play.made(way, store, at.after, at.size),
                place=place,
                now=now,
                again=again,
                since=since,
                most=most,
            )

    # --- reading ---------------------------------------------------------------------------------------

    def _deliver(self, writer: str, reader: str, data: bytes, *, honest: bool) -> None:
        party = self.play.parties[reader]
        if not party.up or party.read_only or party.deaf:
            return
        changed, pages = data, None
        if not honest and self.dice.random() < 0.3:
            changed = self._changed(data)
        elif not honest and self.dice.random() < 0.15:
            pages = self.dice.randrange(3)
        before = self._state(reader, writer)
        try:
            word = self._take(reader, writer, changed, pages)
        except KilledError:
            self.play.count("volume: killed in the middle")
            self.play.network.crash(reader, 3.0)
            return
        except SecretariatError as error:
            self.play.count(f"refused: {error.code}")
            self._unchanged(reader, writer, before, f"a volume that was refused ({error})", changed)
            return
        if changed != data:
            raise BrokenPromiseError(f"{reader} took a volume of {writer} that was changed on its way")
        if word == "taken":
            self._unchanged(reader, writer, before, "a volume that was taken before", changed)
        elif word == "new":
            if (reader, party.lives, data) in self.taken:
                raise BrokenPromiseError(f"{reader} took one volume of {writer} twice")
            self.taken.add((reader, party.lives, data))
        self.play.count(f"volume: {word}")

    def _state(self, reader: str, writer: str) -> tuple[Taken, int]:
        with self.play.parties[reader].look(self.play.now(reader)) as store:
            return self._place(reader, writer), store.head().size

    def _unchanged(self, reader: str, writer: str, before: tuple[Taken, int], what: str, data: bytes) -> None:
        if self._state(reader, writer) != before and not self.play.blocked(self._way(writer, reader)):
            raise BrokenPromiseError(f"{what} changed something at {reader}: {len(data)} bytes of {writer}")

    def _changed(self, data: bytes) -> bytes:
        dice = self.dice
        lines = data.splitlines(keepends=True)
        at = dice.randrange(len(data))
        line = dice.randrange(len(lines))
        found = [
            data[:at],
            data[:at] + bytes([data[at] ^ (1 << dice.randrange(7))]) + data[at + 1 :],
            b"".join([*lines[:line], *lines[line + 1 :]]),
            b"".join([*lines[:line], lines[line], *lines[line:]]),
            data.replace(b'{"part":', b'{ "part":', 1),
            data[: data.rindex(b'{"part":') + 60] + b"A" + data[data.rindex(b'{"part":') + 61 :],
            data + b"\n",
        ]
        made = dice.choice(found)
        self.play.count("volume changed on its way" if made != data else "volume came as it was")
        return made

    def _take(self, reader: str, writer: str, data: bytes, pages: int | None) -> str:
        """Take a volume as transfer_service does: `new`, `taken`, or `stopped` where a page was refused."""
        party, now, way = self.play.parties[reader], self.play.now(reader), self._way(writer, reader)
        file = io.BytesIO(data)
        scanned = volumes.scan(file, "volume", LIMITS)
        if (scanned.head.party, scanned.head.to, scanned.head.realm) != (writer, reader, "live"):
            raise VolumeError("transfer-not-for-us", "the head says other than the label")
        with party.look(now) as store:
            peer = store.peer(writer)
        assert peer is not None
        keys = party.ring.sealing
        assert keys is not None
        summary = volumes.summary_of(scanned, file, keys, peer.transport_keys, "volume", LIMITS)
        with party.node.store(now) as store:
            store.save_handover(transfer.told(store.lock_handover(writer), summary, now))
        with party.look(now) as store:
            state = store.handover(writer)
        if transfer.judge(state, self._place(reader, writer), summary, "volume") == "taken":
            return "taken"
        file.seek(0)
        done, stopped = 0, ""

        def give(page: Page) -> None:
            nonlocal done, stopped
            if done == pages:
                raise KilledError
            outcome = self.play.network.take(way, encode(page))
            if outcome is None:
                raise KilledError
            if isinstance(outcome, str):
                stopped = outcome
                raise StoppedReadingError
            done += 1

        def kept(position: int) -> bytes | None:
            with party.look(now) as store:
                found = store.peer_entry(peer.origin, position)
            return None if found is None else found.envelope

        try:
            transfer.take_parts(
                volumes.parts_of(file, scanned.head, keys, peer.transport_keys, "volume", LIMITS),
                lambda: self._place(reader, writer),
                kept,
                give,
                "volume",
            )
        except StoppedReadingError:
            return f"stopped, {stopped}"
        with party.node.store(now) as store:
            store.save_handover(transfer.heard(store.lock_handover(writer), summary))
        return "new"


class StoppedReadingError(Exception):
    """A page of a volume was refused."""
