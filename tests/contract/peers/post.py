"""A mailbox in a world of simulated nodes: two that nobody reaches, a third between them.

The lines are the shipped ones. What the mailbox does with letters a test may bend: `holding`, `change`, and
what it gave before is in `seen`.
"""

from __future__ import annotations

import contextlib

import msgspec

from secretariat.base.settings import Limits
from secretariat.exchange import letters, mailbox
from secretariat.exchange.letters import Have, Held, LetterError, Sealed
from secretariat.exchange.mailbox import MailboxFullError
from secretariat.exchange.offer import offer
from secretariat.exchange.take import OutOfStepError, PageRefusedError
from secretariat.exchange.wire import Taken, encode
from simulator import World


class Post:
    """KR's node is the mailbox; everybody else writes to everybody else through it."""

    def __init__(self, world: World, office: str, **limits: int) -> None:
        self.world, self.office = world, office
        self.limits = Limits(**limits)
        self.ends = [one for one in world.nodes if one != office]
        self.refused: list[str] = []
        self.seen: list[Held] = []
        self.holding = False
        self.change = lambda held: held
        for one in self.ends:
            with self.at(office) as store:
                store.allow_mail(one, "test")
            for other in self.ends:
                if one != other:
                    self._seal(one, other)

    def _seal(self, at: str, partner: str) -> None:
        keys = self.world.nodes[partner].keyring.sealing
        with self.at(at) as store:
            peer = store.peer(partner)
            store.save_peer(
                msgspec.structs.replace(peer, via=self.office, sealing_keys={keys.key_id: keys.public})
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

    def write(self, party: str, partner: str) -> Sealed | None:
        place = self.place(party, partner)
        with self.at(party) as store:
            before = store.mail(partner)
            if before.box:
                return letters.read(before.box, Sealed)

            def news(sent: Taken) -> bool:
                return next(iter(store.addressed(partner, sent.after.position)), None) is not None

            mail, kind = mailbox.step(before, place, news, self.limits, self.world.now)
            if kind is None:
                return None
            page, data = None, b""
            if kind == "page":
                page = offer(store, partner, mail.sent.after, mail.sent.size, max_objects=2)
                data = encode(page)
            key = next(iter(store.peer(partner).sealing_keys.items()))
            ring = self.world.nodes[party].keyring
            mail = mailbox.compose(mail, place, page, data, ring=ring, key=key, now=self.world.now)
            store.save_mail(mail)
            return letters.read(mail.box, Sealed)

    def post(self, letter: Sealed, caller: str | None = None) -> None:
        with self.at(self.office) as store:
            mailbox.post(store, caller or letter.party, letter, "live", self.limits, self.world.now)
        with self.at(letter.party) as store:
            store.save_mail(mailbox.posted(store.mail(letter.to), letter.number))

    def collect(self, reader: str) -> list[Held]:
        with self.at(reader) as store:
            numbers = {one.party: store.mail(one.party).heard for one in store.peers()}
        with self.at(self.office) as store:
            mailbox.collect(store, reader, Have(numbers))
            found = store.letters_for(reader, mailbox.HANDED_OUT)
        self.seen += found
        return [] if self.holding else [self.change(one) for one in found]

    def read(self, reader: str, held: Held) -> None:
        sealed = held.letter
        node = self.world.nodes[reader]
        place = self.place(reader, sealed.party)
        try:
            with self.at(reader) as store:
                peer = store.peer(sealed.party)
                mail = store.mail(sealed.party)
                letter = letters.open_letter(sealed, node.keyring.sealing, peer.transport_keys)
                if mailbox.missing(mail, letter):
                    self.refused.append("letter-missing")
                mail = mailbox.hear(mail, letter, self.world.now)
        except LetterError as error:
            self.refused.append(error.code)
            if error.code == "letter-broken":
                with self.at(reader) as store:
                    store.save_mail(msgspec.structs.replace(store.mail(sealed.party), again=True))
            self.throw(reader, held)
            return
        page = letters.page_of(letter)
        became = None
        if page is not None:
            try:
                self.world.give(reader, sealed.party, page)
                became = "kept"
            except OutOfStepError:
                became = mailbox.out_of_step(page, place)
            except PageRefusedError:
                became = "refused"
        with self.at(reader) as store:
            store.save_mail(mailbox.went(mail, became))

    def throw(self, reader: str, held: Held) -> None:
        with self.at(self.office) as store:
            mailbox.collect(store, reader, Have({}, (held.id,)))

    def turn(self) -> int:
        """Everybody writes what it owes, posts it, and reads what came; gives how many letters moved."""
        moved = 0
        for one in self.ends:
            for other in self.ends:
                while one != other and (letter := self.write(one, other)) is not None:
                    try:
                        self.post(letter)
                    except MailboxFullError:
                        break
                    moved += 1
        for one in self.ends:
            for held in self.collect(one):
                self.read(one, held)
                moved += 1
        self.world.tick(seconds=1)
        return moved

    def settle(self, rounds: int = 60) -> int:
        """Go on until nothing moves; gives how many letters moved."""
        total = quiet = 0
        for _ in range(rounds):
            moved = self.turn()
            total += moved
            quiet = 0 if moved else quiet + 1
            if quiet > 1:  # what was read is destroyed only when the reader comes again: room for the next
                return total
        raise AssertionError(f"letters do not come to rest in {rounds} rounds")
