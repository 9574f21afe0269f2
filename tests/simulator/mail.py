"""Partners that write to each other through a third node's mailbox in a random world: the shipped letters.

An end visits its mailbox: it posts what it owes (`mailbox.step`, `compose`) and reads what waits (`hear`).
Posting and collecting may be cut off anywhere, an answer be lost. A cheating office swallows letters,
holds them back, repeats old ones, gives them in another order and changes them: none of it may be believed,
none be read twice, and when it stops everything arrives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from secretariat.base.errors import ConflictError, InputError, SecretariatError
from secretariat.base.settings import Limits
from secretariat.exchange import letters, mailbox
from secretariat.exchange.letters import Collected, Have, Held, LetterError, Sealed
from secretariat.exchange.mailbox import MailboxFullError
from secretariat.exchange.wire import Taken, read_page

from .plan import ACTS
from .promise import BrokenPromiseError

if TYPE_CHECKING:
    from .network import Way
    from .play import Play

LIMITS = Limits(mailbox_resend_s=5, mailbox_beat_s=60, mailbox_letters=30)
EVERY = 5.0
"""Seconds between two visits when nothing calls."""
AT_ONCE = 12


class Post:
    """Every correspondence of a world, and the offices between."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.dice = random.Random(f"letters {play.plan.seed}")
        self.partners: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.office: dict[frozenset[str], str] = {}
        self.coming: set[tuple[str, str]] = set()
        self.last: dict[tuple[str, str, int], int] = defaultdict(int)
        """The highest number read, by reader, writer and how often the reader came back from a backup."""
        self.hoard: list[Held] = []
        for one, other, office in play.plan.posted:
            self.partners[one, office].append(other)
            self.partners[other, office].append(one)
            self.office[frozenset((one, other))] = office

    def open(self) -> None:
        """Allow the ends at their office, and tell each of them that the other is reached there."""
        for (end, office), others in self.partners.items():
            with self.play.parties[office].node.store(self.play.now(office)) as store:
                store.allow_mail(end, "test")
            party = self.play.parties[end]
            with party.node.store(self.play.now(end)) as store:
                for other in others:
                    keys = self.play.parties[other].ring.sealing
                    peer = store.peer(other)
                    assert keys is not None
                    assert peer is not None
                    via = msgspec.structs.replace(peer, via=office, sealing_keys={keys.key_id: keys.public})
                    store.save_peer(via)

    def start(self) -> None:
        for end, office in self.partners:
            self._come(end, office, self.dice.random())

    def wake(self, end: str) -> None:
        """An end has something to say."""
        for one, office in self.partners:
            if one == end:
                self._soon(end, office)

    def forget(self, party: str) -> None:
        """A node came back from a backup: its administrator has every mailbox emptied of its letters."""
        for end, office in self.partners:
            if end == party:
                with self.play.parties[office].node.store(self.play.now(office)) as store:
                    store.forbid_mail(party)
                    store.allow_mail(party, "test")
        self.hoard = [one for one in self.hoard if party not in {one.letter.party, one.letter.to}]

    # --- visits ----------------------------------------------------------------------------------------

    def _come(self, end: str, office: str, wait: float) -> None:
        def come() -> None:
            self._visit(end, office)
            self._come(end, office, EVERY)

        self.play.network.after(wait, come)

    def _soon(self, end: str, office: str) -> None:
        if (end, office) in self.coming:
            return
        self.coming.add((end, office))

        def come() -> None:
            self.coming.discard((end, office))
            self._visit(end, office)

        self.play.network.after(0.05 + self.dice.random() * 0.2, come)

    def _visit(self, end: str, office: str) -> None:
        party, host = self.play.parties[end], self.play.parties[office]
        if party.read_only or host.read_only or not self.play.network.reaches(end, office):
            return
        for other in self.partners[end, office]:
            self._write_all(end, other, office)
        if not party.deaf:
            self._collect(end, office)

    def _way(self, writer: str, reader: str) -> Way:
        return self.play.network.ways[writer, reader]

    def _place(self, end: str, other: str) -> Taken:
        return Taken(*self.play.place(self._way(other, end)))

    # --- writing ---------------------------------------------------------------------------------------

    def _write_all(self, end: str, other: str, office: str) -> None:
        for _ in range(AT_ONCE):
            letter = self._write(end, other)
            if letter is None or not self._bring(letter, office):
                return

    def _write(self, end: str, other: str) -> Sealed | None:
        party, now, way = self.play.parties[end], self.play.now(end), self._way(end, other)
        place = self._place(end, other)
        with party.look(now) as store:
            before = store.mail(other)
            peer = store.peer(other)
        assert peer is not None
        if before.box:
            return letters.read(before.box, Sealed)
        mail, kind = mailbox.step(
            before, place, lambda sent: self.play.news(way, sent.after.position), LIMITS, now
        )
        if kind is None:
            return None
        page, data = None, b""
        if kind == "page":
            made = self.play.page(way, mail.sent.after, mail.sent.size)
            if made is None:
                return None
            data = made[0]
            page = read_page(data)
        key = next(iter(peer.sealing_keys.items()))
        mail = mailbox.compose(mail, place, page, data, ring=party.ring, key=key, now=now)
        with party.node.store(now) as store:
            store.save_mail(mail)
        return letters.read(mail.box, Sealed)

    def _bring(self, letter: Sealed, office: str) -> bool:
        """Post a letter; True when the writer knows that it lies there."""
        network, party = self.play.network, self.play.parties[letter.party]
        if network.luck(network.rates.lost):
            self.play.count("letter: lost")
            return False
        if network.luck(network.rates.cut):
            self.play.count("letter: half-sent")
            data = letters.encode(letter)
            self._unreadable(data[: self.dice.randrange(len(data))], Sealed)
            return False
        host, now = self.play.parties[office], self.play.now(letter.party)
        try:
            with host.node.store(self.play.now(office)) as store:
                mailbox.post(store, letter.party, letter, "live", LIMITS, self.play.now(office))
        except MailboxFullError:
            self.play.count("letter: mailbox full")
            return False
        except ConflictError:
            self.play.count("letter: number too low")
            with party.node.store(now) as store:
                mail = store.lock_mail(letter.to)
                store.save_mail(
                    msgspec.structs.replace(mail, box=b"", sent=mail.confirmed, ahead=0, tries=mail.tries + 1)
                )
            return False
        self.play.count("letter: posted")
        self._soon(letter.to, office)
        if network.luck(network.rates.lost):  # the answer is
            return False
        with party.node.store(now) as store:
            store.save_mail(mailbox.posted(store.lock_mail(letter.to), letter.number))
        return True

    def _unreadable(self, data: bytes, kind: Any) -> None:
        try:
            letters.read(data, kind)
        except InputError:
            return
        raise BrokenPromiseError(f"{len(data)} bytes were taken as a whole {kind.__name__}")

    # --- reading ---------------------------------------------------------------------------------------

    def _collect(self, end: str, office: str) -> None:
        party, host, network = self.play.parties[end], self.play.parties[office], self.play.network
        with party.look(self.play.now(end)) as store:
            numbers = {other: store.mail(other).heard for other in self.partners[end, office]}
        have = {other: number for other, number in numbers.items() if number}
        with host.look(self.play.now(office)) as store:
            waiting = list(store.letters_for(end, mailbox.HANDED_OUT))
        if waiting:
            with host.node.store(self.play.now(office)) as store:
                mailbox.collect(store, end, Have(have))
                waiting = list(store.letters_for(end, mailbox.HANDED_OUT))
        given = [(one, "") for one in waiting]
        if not host.honest and network.time <= ACTS:
            given = self._cheat(end, office, waiting)
        if not given:
            return
        if network.luck(network.rates.cut):
            self.play.count("letters: half-given")
            data = letters.encode(Collected(tuple(one for one, _ in given)))
            self._unreadable(data[: self.dice.randrange(len(data))], Collected)
            return
        thrown = []
        for held, how in given:
            if not party.up:
                return
            if not self._read(end, office, held, how):
                thrown.append(held.id)
        if thrown:
            with host.node.store(self.play.now(office)) as store:
                mailbox.collect(store, end, Have({}, tuple(thrown)))

    def _cheat(self, end: str, office: str, waiting: list[Held]) -> list[tuple[Held, str]]:
        """What a cheating office makes of the letters that wait."""
        dice = self.dice
        self.hoard += [one for one in waiting if one not in self.hoard]
        given: list[tuple[Held, str]] = []
        for one in waiting:
            luck = dice.random()
            if luck < 0.12:
                self.play.count("cheat: letter swallowed")
                with self.play.parties[office].node.store(self.play.now(office)) as store:
                    store.drop_letters(end, {}, (one.id,))
            elif luck < 0.24:
                self.play.count("cheat: letter held back")
            elif luck < 0.36:
                self.play.count("cheat: letter changed")
                given.append((self._changed(one), "changed"))
            else:
                given.append((one, ""))
        old = [one for one in self.hoard if one.letter.to == end]
        if old and dice.random() < 0.3:
            self.play.count("cheat: letter repeated")
            given.append((dice.choice(old), "repeated"))
        if len(given) > 1 and dice.random() < 0.4:
            self.play.count("cheat: letters in another order")
            dice.shuffle(given)
        return given

    def _changed(self, held: Held) -> Held:
        one = held.letter
        at = self.dice.randrange(len(one.box))
        bends: list[dict[str, Any]] = [
            {"box": one.box[:at] + bytes([one.box[at] ^ 1]) + one.box[at + 1 :]},
            {"box": one.box[:at]},
            {"number": one.number + 1},
            {"key": "x25519-" + "0" * 32},
            {"realm": "exercise"},
        ]
        return msgspec.structs.replace(held, letter=msgspec.structs.replace(one, **self.dice.choice(bends)))

    def _read(self, end: str, office: str, held: Held, how: str) -> bool:
        """Read a letter as mailbox_service.read_letter does; False where it proves nothing."""
        party, sealed, now = self.play.parties[end], held.letter, self.play.now(end)
        place = self._place(end, sealed.party)
        assert party.ring.sealing is not None
        try:
            with party.look(now) as store:
                peer, mail = store.peer(sealed.party), store.mail(sealed.party)
            assert peer is not None
            if (sealed.realm, sealed.to) != ("live", end):
                raise LetterError("letter-broken", "another cover")
            letter = letters.open_letter(sealed, party.ring.sealing, peer.transport_keys)
            heard = mailbox.hear(mail, letter, now)
        except LetterError as error:
            self.play.count(f"refused: {error.code}")
            if error.code == "letter-broken":
                with party.node.store(now) as store:
                    mail = msgspec.structs.replace(store.lock_mail(sealed.party), again=True)
                    store.save_mail(mail)
            return False
        key = (end, sealed.party, party.lives)
        if how == "changed":
            raise BrokenPromiseError(f"{end} read a letter of {sealed.party} that {office} had changed")
        if letter.number <= self.last[key]:
            raise BrokenPromiseError(f"{end} read letter {letter.number} of {sealed.party} again")
        if mailbox.missing(mail, letter):
            self.play.count("letter-missing")
        became: mailbox.Step | None = None
        if letter.page is not UNSET:
            try:
                page = letters.page_of(letter)
                assert page is not None
            except SecretariatError:
                return False
            outcome = self.play.network.take(self._way(sealed.party, end), bytes(letter.page))
            if outcome is None:  # it died meanwhile
                return True
            became = "kept"
            if outcome == "out-of-step":
                became = mailbox.out_of_step(page, place)
            elif isinstance(outcome, str):
                became = "refused"
        with party.node.store(now) as store:
            store.save_mail(mailbox.went(mailbox.hear(store.lock_mail(sealed.party), letter, now), became))
        self.last[key] = letter.number
        self.play.count("letter: read")
        self._soon(end, office)
        del heard
        return True
