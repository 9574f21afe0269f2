"""Media between simulated nodes: volumes as bytes, made and taken by the shipped lines (transfer, volumes).

A test loses, repeats, cuts and mixes the volumes that `export` gives before it lets `take` have them.
"""

from __future__ import annotations

import contextlib
import io

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import transfer, volumes
from secretariat.exchange.offer import offer
from secretariat.exchange.transfer import BY_HAND
from secretariat.exchange.wire import Taken
from simulator.media import volumes_of


class Courier:
    """Every two parties of a world have nothing but media between them."""

    def __init__(self, world, *, max_objects: int = 2, most: int = 1_000_000) -> None:
        self.world = world
        self.max_objects, self.most = max_objects, most
        self.limits = Limits()
        for one in world.nodes:
            for other in world.nodes:
                if one != other:
                    keys = world.nodes[other].keyring.sealing
                    with self.at(one) as store:
                        peer = store.peer(other)
                        store.save_peer(
                            msgspec.structs.replace(
                                peer, via=BY_HAND, sealing_keys={keys.key_id: keys.public}
                            )
                        )

    @contextlib.contextmanager
    def at(self, party: str):
        with self.world.nodes[party].store(self.world.now) as store:
            yield store

    def place(self, at: str, partner: str) -> Taken:
        with self.at(at) as store:
            peer = store.peer(partner)
            kept = store.kept_log(peer.origin)
            return Taken(peer.cursor, kept.size if kept else 0)

    def state(self, at: str, partner: str):
        with self.at(at) as store:
            return store.handover(partner)

    def export(self, party: str, to: str, *, again: bool = False, since: Taken | None = None) -> list[bytes]:
        """Write a transfer; gives its volumes."""
        place, now = self.place(party, to), self.world.now
        with self.at(party) as store:
            made = volumes_of(
                store,
                self.world.nodes[party].keyring,
                to,
                lambda at: offer(store, to, at.after, at.size, max_objects=self.max_objects),
                place=place,
                now=now,
                again=again,
                since=since,
                most=self.most,
            )
        self.world.tick()
        return made

    def open(self, reader: str, data: bytes):
        """Read a volume through and open its summary: who wrote it, and what it is."""
        file = io.BytesIO(data)
        scanned = volumes.scan(file, "volume", self.limits)
        with self.at(reader) as store:
            writers = store.peer(scanned.head.party).transport_keys
        keys = self.world.nodes[reader].keyring.sealing
        summary = volumes.summary_of(scanned, file, keys, writers, "volume", self.limits)
        return file, scanned, summary, keys, writers

    def take(self, reader: str, data: bytes, *, pages: int | None = None) -> str:
        """Take a volume: `new` or `taken`. `pages`: the process is killed after so many of them."""
        file, scanned, summary, keys, writers = self.open(reader, data)
        writer = summary.party
        with self.at(reader) as store:
            store.save_handover(transfer.told(store.lock_handover(writer), summary, self.world.now))
        verdict = transfer.judge(self.state(reader, writer), self.place(reader, writer), summary, "volume")
        if verdict == "taken":
            return "taken"
        file.seek(0)
        done = 0

        def give(page) -> None:
            nonlocal done
            if done == pages:
                raise KeyboardInterrupt
            self.world.give(reader, writer, page)
            done += 1

        def kept(position: int) -> bytes | None:
            with self.at(reader) as store:
                found = store.peer_entry(store.peer(writer).origin, position)
            return None if found is None else found.envelope

        transfer.take_parts(
            volumes.parts_of(file, scanned.head, keys, writers, "volume", self.limits),
            lambda: self.place(reader, writer),
            kept,
            give,
            "volume",
        )
        with self.at(reader) as store:
            store.save_handover(transfer.heard(store.lock_handover(writer), summary))
        return verdict

    def settle(self, rounds: int = 30) -> int:
        """Carry everything both ways until nobody has anything new; gives how many transfers that took."""
        count = 0
        for _ in range(rounds):
            moved = 0
            for one in self.world.nodes:
                for other in self.world.nodes:
                    if one == other:
                        continue
                    with contextlib.suppress(SecretariatError):
                        state = self.state(one, other)
                        waits = state.confirmed.after < state.sent.after
                        made = self.export(one, other, again=waits)
                        moved += 1
                        for volume in made:
                            self.take(other, volume)
            count += moved
            if not moved:
                return count
        raise AssertionError(f"transfers do not come to rest in {rounds} rounds")
