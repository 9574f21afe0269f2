"""Two nodes that nobody can reach, and a third that keeps their letters for each other (no I/O).

The correspondent (A and B), a state machine over `Mail`:
1. A letter goes out when there is news for the partner, when its place in the partner's log is to be told,
   and, so that contact is seen, once in `beat` seconds. One at a time waits for the mailbox's word; until
   then the same bytes are posted again.
2. Pages follow each other without waiting for the partner's word, `WINDOW` of them at most. Its word is the
   place that its letters tell. What it does not confirm in `resend` seconds is sent again from the place
   it confirmed, after pauses that double up to `longest`: the mailbox may have swallowed it.
3. A letter whose number is not above the last one read is refused (replayed or out of order). A gap is noted;
   whether it mattered is seen by cursor and log. Where a page does not start where the reader stands, it says
   `again`, and the writer goes back to the place told, at once the first time, then after the pauses of 2.
4. A letter without a page is answered by none, so that after the last receipt nothing moves but the beat.

The mailbox (M):
5. Only enrolled parties that the administrator allowed write, and only to such. Each has a limit of letters
   and of bytes; past it a letter is refused by name. Nothing is dropped to make room.
6. A letter goes once: the same number again with the same bytes is the same letter, with others a refusal.
7. A letter is destroyed when its reader says it has it, and when it is too old.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec
from msgspec import UNSET

from secretariat.base.clock import stamp
from secretariat.base.errors import ConflictError, DeniedError, InputError, LimitError, SecretariatError
from secretariat.exchange import letters
from secretariat.exchange.letters import Collected, Held, Letter, LetterError, Posted, Sealed
from secretariat.exchange.wire import Cursor, Natural, Taken
from secretariat.ledger import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from secretariat.base.settings import Limits
    from secretariat.exchange.letters import Have
    from secretariat.exchange.wire import Page
    from secretariat.ledger.keys import Keyring

WINDOW: Final = 8
LONGEST_S: Final = 21_600
HANDED_OUT: Final = 100
_START: Final = Taken(Cursor(), 0)
Kind = Literal["page", "place"]
Step = Literal["kept", "had", "does-not-follow", "refused"]
"""What became of a letter's page: kept, come before already, missing something before it, or refused."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """How the correspondence with one partner stands."""

    party: str
    number: Natural = 0
    """Of the last letter written to it."""
    heard: Natural = 0
    """Of the last letter read from it."""
    sent: Taken = _START
    """Where the next page begins."""
    confirmed: Taken = _START
    """How far the partner said it is with our log."""
    told: Taken = _START
    """What we last said of the partner's log."""
    ahead: int = 0
    tries: int = 0
    again: bool = False
    wrote_at: datetime | None = None
    paged_at: datetime | None = None
    heard_at: datetime | None = None
    offered: str = ""
    """The own keys (`keys_of`) that the last letter stated."""
    known: str = ""
    """The own keys that the partner confirmed to know: it read a letter that stated them."""
    box: bytes = b""
    """The letter, sealed, that the mailbox has not confirmed yet."""


class MailStore(Protocol):
    """What both sides of a mailbox store. Every implementation passes tests/contract/peers."""

    def mail(self, party: str) -> Mail:
        """Give how the correspondence with a partner stands; a new one when there was none."""
        ...

    def lock_mail(self, party: str) -> Mail:
        """Give it, and keep others from changing it until the transaction ends."""
        ...

    def save_mail(self, mail: Mail) -> None:
        """Write a correspondence as a whole."""
        ...

    def allow_mail(self, party: str, by: str) -> None:
        """Let a partner use this node's mailbox."""
        ...

    def forbid_mail(self, party: str) -> None:
        """Let a partner use it no longer; what it wrote and what waits for it is destroyed."""
        ...

    def mail_users(self) -> Collection[str]:
        """Give the parties that may use this node's mailbox."""
        ...

    def last_posted(self, sender: str, to: str) -> tuple[int, bytes] | None:
        """Give number and digest of the newest letter that `sender` posted for `to`; the next one waits."""
        ...

    def used(self, sender: str) -> tuple[int, int]:
        """Give how many letters of `sender` wait, and how many bytes their boxes have."""
        ...

    def keep_letter(self, letter: Sealed, digest: bytes) -> None:
        """Keep a letter, and remember that it came."""
        ...

    def letters_for(self, reader: str, limit: int) -> Sequence[Held]:
        """Give what waits for `reader`, oldest first."""
        ...

    def drop_letters(self, reader: str, numbers: Mapping[str, int], thrown: Sequence[int]) -> int:
        """Destroy letters for `reader`: up to a number of each writer, and by id. Gives how many."""
        ...

    def expire_letters(self, before: datetime) -> int:
        """Destroy letters that came before a moment; gives how many."""
        ...


class MailboxFullError(SecretariatError):
    """The writer's share of the mailbox is used up; `where` names the limit."""

    code = "mailbox-full"
    status = 507


def pause(seconds: float, tries: int) -> timedelta:
    """Give how long to wait after so many tries that brought nothing."""
    return timedelta(seconds=min(max(seconds, LONGEST_S), seconds * 2 ** min(tries, 20)))


def step(
    mail: Mail, place: Taken, news: Callable[[Taken], bool], limits: Limits, now: datetime
) -> tuple[Mail, Kind | None]:
    """Say what to write now, and from which state (rules 1 to 4). `news` says if a page brings any.

    A letter that the mailbox has not confirmed goes first: the caller posts `mail.box` and asks afterwards.
    """
    if mail.box:
        return mail, None
    late = mail.paged_at is not None and now - mail.paged_at >= pause(limits.mailbox_resend_s, mail.tries)
    if mail.sent != mail.confirmed and late:
        back = msgspec.structs.replace(mail, sent=mail.confirmed, ahead=0, tries=mail.tries + 1)
        return back, "page"
    if mail.ahead < WINDOW and news(mail.sent):
        return mail, "page"
    if mail.again or place != mail.told:
        return mail, "place"
    if mail.wrote_at is None:
        return mail, "page"
    quiet = now - mail.wrote_at >= pause(limits.mailbox_beat_s, mail.tries)
    if mail.sent == mail.confirmed and quiet:
        return msgspec.structs.replace(mail, tries=mail.tries + 1), "page"
    return mail, None


def keys_of(ring: Keyring) -> str:
    """Name the keys that a partner must know to read and answer letters."""
    sealing = "" if ring.sealing is None else ring.sealing.key_id
    return f"{ring.record.key_id} {ring.log.key_id} {ring.transport.key_id} {sealing}"


def compose(
    mail: Mail,
    place: Taken,
    page: Page | None,
    data: bytes,
    *,
    ring: Keyring,
    key: tuple[str, bytes],
    now: datetime,
    statement: bytes | None = None,
) -> Mail:
    """Write the letter that `step` asked for, sealed to `key`; `data` are the page's own bytes.

    Numbers are microseconds since 1970, or one more than the last: they go on after a restored backup too.
    `statement` is our descriptor, where the partner may not know our present keys.
    """
    number = max(mail.number + 1, int(now.timestamp() * 1_000_000))
    letter = Letter(
        v=letters.VERSION,
        realm=ring.realm,
        party=ring.party,
        to=mail.party,
        number=number,
        previous=mail.number,
        made_at=stamp(now),
        place=place,
        again=mail.again,
        page=UNSET if page is None else msgspec.Raw(data),
        statement=UNSET if statement is None else msgspec.Raw(statement),
    )
    box = letters.encode(letters.close(letter, ring.transport, *key))
    after = mail.sent if page is None else Taken(page.next, _size(page))
    return msgspec.structs.replace(
        mail,
        number=number,
        sent=after,
        ahead=mail.ahead + (after != mail.sent),
        told=place,
        again=False,
        wrote_at=now,
        paged_at=mail.paged_at if page is None else now,
        offered=mail.known if statement is None else keys_of(ring),
        box=box,
    )


def _size(page: Page) -> int:
    return checkpoint.parse(page.checkpoint.encode()).size


def posted(mail: Mail, number: int) -> Mail:
    """Note that the mailbox has the letter of this number."""
    return msgspec.structs.replace(mail, box=b"") if mail.number == number else mail


def hear(mail: Mail, letter: Letter, now: datetime) -> Mail:
    """Take a letter's number and place. Refuses one that came before (rule 3)."""
    if letter.number <= mail.heard:
        raise LetterError(
            "letter-replayed",
            f"letter {letter.number} of {mail.party} came again or late: {mail.heard} was read before",
            where="number",
            advice="its mailbox repeats or reorders letters; nothing of it was used",
        )
    place = letter.place
    moved = place != mail.confirmed
    heard = msgspec.structs.replace(
        mail, heard=letter.number, heard_at=now, confirmed=place, tries=0 if moved else mail.tries
    )
    if place == mail.sent:
        known = mail.offered if moved else mail.known
        return msgspec.structs.replace(heard, ahead=0, tries=0, known=known)
    if place.after > mail.sent.after or place.after < mail.confirmed.after:
        # It has more than we sent again, or one of the two went back to a backup.
        return msgspec.structs.replace(heard, sent=place, ahead=0)
    if letter.again and heard.tries == 0:
        return msgspec.structs.replace(heard, sent=place, ahead=0, tries=1)
    return msgspec.structs.replace(heard, ahead=max(0, mail.ahead - 1)) if moved else heard


def missing(mail: Mail, letter: Letter) -> str | None:
    """Say that letters before this one did not come; None when none is missed."""
    if mail.heard == 0 or letter.previous <= mail.heard:
        return None
    return f"letters of {mail.party} between {mail.heard} and {letter.number} did not come"


def went(mail: Mail, became: Step | None) -> Mail:
    """Note what became of a letter's page: one that does not start where we stand is asked for anew."""
    return msgspec.structs.replace(mail, again=True) if became in {"had", "does-not-follow"} else mail


def out_of_step(page: Page, place: Taken) -> Step:
    """Say why a page does not start where we stand: it came before already, or one before it did not."""
    return "had" if page.after < place.after else "does-not-follow"


def post(
    store: MailStore, caller: str, letter: Sealed, realm: str, limits: Limits, now: datetime
) -> tuple[Posted, bool]:
    """Keep a letter of `caller` (rules 5, 6); the second value is whether it is new here."""
    users = store.mail_users()
    _check_user(users, caller)
    if (letter.v, letter.realm, letter.party) != (letters.VERSION, realm, caller):
        raise InputError(
            f"a letter of {letter.party} in realm {letter.realm!r} posted by {caller} in {realm!r}",
            where="party",
            advice="a node posts its own letters only",
        )
    if letter.to == caller or letter.to not in users:
        raise DeniedError(f"{letter.to} has no mailbox here", where="to", advice="its operator asks for one")
    size = len(letter.box)
    if size > limits.mailbox_letter_bytes:
        raise LimitError(
            f"a letter of {size} bytes, {limits.mailbox_letter_bytes} are taken", where="mailbox_letter_bytes"
        )
    answer = Posted(letter.number, stamp(now + timedelta(seconds=limits.mailbox_age_s)))
    digest = hashlib.sha256(letters.encode(letter)).digest()
    last = store.last_posted(caller, letter.to)
    if last is not None and letter.number <= last[0]:
        if last == (letter.number, digest):
            return answer, False
        raise ConflictError(
            f"letter {letter.number} for {letter.to} comes after {last[0]}",
            where="number",
            advice="numbers only grow; write a new letter",
        )
    count, total = store.used(caller)
    if count >= limits.mailbox_letters:
        raise MailboxFullError(
            f"{count} letters of {caller} wait here, no more are taken",
            where="mailbox_letters",
            advice="they go when their readers collect them, or when they are too old",
        )
    if total + size > limits.mailbox_bytes:
        raise MailboxFullError(
            f"{total} bytes of {caller} wait here, {size} more pass {limits.mailbox_bytes}",
            where="mailbox_bytes",
            advice="they go when their readers collect them, or when they are too old",
        )
    store.keep_letter(letter, digest)
    return answer, True


def collect(store: MailStore, caller: str, have: Have) -> None:
    """Destroy what the reader says it has, or threw away (rule 7). Refuses who has no mailbox here."""
    _check_user(store.mail_users(), caller)
    if have.numbers or have.thrown:
        store.drop_letters(caller, have.numbers, have.thrown)


def hand_out(found: Sequence[Held], limits: Limits) -> Collected:
    """Give of what waits for a reader as much as a page between nodes may have, at least one letter."""
    given: list[Held] = []
    size = 0
    for one in found[:HANDED_OUT]:
        size += len(one.letter.box)
        if given and size > limits.peer_page_bytes:
            break
        given.append(one)
    return Collected(tuple(given), more=len(given) < len(found))


def _check_user(users: Collection[str], caller: str) -> None:
    if caller not in users:
        raise DeniedError(
            f"{caller} may not use the mailbox of this node",
            advice="its administrator allows it: secretariat mailbox allow",
        )
