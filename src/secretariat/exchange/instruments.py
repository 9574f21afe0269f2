"""Texts of instruments between two nodes: what is wanted, who is given it, what is kept (no I/O).

Rules:
1. Wanted is what a partner's signed list names (`instrument-agreed`) and this node does not hold, at most
   `MOST_WANTS` of one partner at a time, those counted that a person has not decided on yet.
2. It is asked for by its hash, over signed requests. A text is given only to a party that may be shown it
   (agreements/audience.py); one that is not here and one that is not for the asker get the same answer.
3. An answer counts when it was asked for, is not longer than the limit, hashes to what was asked, is in
   canonical form, keeps the schema of instruments, and has the key of the list. Anything else is refused,
   recorded, and not asked for again before the partner signs another list.
4. What came is offered to the operator. It takes part in nothing before this party records and signs it.
5. Without an answer it is asked for again after pauses that double from `FIRST_PAUSE` to `LONGEST_PAUSE`, at
   most `MOST_TRIES` times; then a person is told. A new list or a grant that waits begins anew.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from secretariat.agreements.audience import Place, audience_of
from secretariat.base.errors import InputError, LimitError, NotFoundError, ProofError, SecretariatError
from secretariat.exchange.model import Refusal
from secretariat.records import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from secretariat.base.settings import Limits
    from secretariat.exchange.model import Peer

    Check = Callable[[bytes], str]
    """Gives the key of a text that can be decided by; refuses any other."""

VERSION: Final = 1
MOST_WANTS: Final = 200
MOST_LISTED: Final = 5_000
MOST_TRIES: Final = 12
AT_ONCE: Final = 20
FIRST_PAUSE: Final = timedelta(seconds=15)
LONGEST_PAUSE: Final = timedelta(hours=6)
MOST_MEMBERS: Final = 1_000
"""Of one list or object of a text: what is read article by article must not be read for an hour."""
_FRAME: Final = 1_024
"""Bytes of an answer around the text."""

State = Literal["open", "came", "refused", "unanswered"]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of an instrument's text, hex")]


class InstrumentText(msgspec.Struct, frozen=True):
    """The answer to one question: the text as it is hashed, spliced in untouched."""

    v: int
    hash: Hash
    key: Annotated[str, Meta(min_length=1, max_length=128)]
    body: msgspec.Raw


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """A text that a partner's list names and this node lacks."""

    digest: bytes
    partner: str
    key: str
    state: State = "open"
    tries: int = 0
    next_at: datetime
    since: datetime
    why: str = ""


class Text(msgspec.Struct, frozen=True):
    """An instrument's text as it is held here, or as it came."""

    digest: bytes
    key: str
    body: bytes


class Shelf(Protocol):
    """What a node's store must do for instruments; part of every store (tests/contract/peers)."""

    def text(self, digest: bytes) -> Text | None:
        """Give a text that was recorded here, also one that was replaced since."""
        ...

    def stands(self, party: str) -> Place:
        """Say where a party stands."""
        ...

    def texts_here(self, digests: Collection[bytes]) -> set[bytes]:
        """Give those that are recorded here or were offered by a partner, whatever was decided on it."""
        ...

    def wants(self, partner: str) -> Sequence[Want]:
        """Give what is or was wanted of a partner, the longest wanted first."""
        ...

    def save_wants(self, wants: Sequence[Want]) -> None:
        """Write wants as a whole."""
        ...

    def forget_wants(self, partner: str, named: Collection[bytes]) -> None:
        """Forget what was wanted of a partner and is not among `named`."""
        ...

    def undecided(self, partner: str) -> int:
        """Give how many texts of a partner wait for a person."""
        ...

    def offer_text(self, text: Text, partner: str) -> None:
        """Keep a text for the operator to decide on."""
        ...

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Record refusals; the same one again only counts up."""
        ...


def named_by(instruments: Sequence[Any]) -> dict[bytes, str]:
    """Read the list of a signed `instrument-agreed` entry: hash -> key. Refuses a list beyond all measure."""
    if len(instruments) > MOST_LISTED:
        raise LimitError(
            f"a list of {len(instruments)} instruments", where="/body/instruments", advice=f"{MOST_LISTED}"
        )
    found: dict[bytes, str] = {}
    for number, one in enumerate(instruments):
        try:
            listed = msgspec.convert(one, _Listed)
        except msgspec.ValidationError as error:
            raise InputError(f"not an instrument: {error}", where=f"/body/instruments/{number}") from error
        found[bytes.fromhex(listed.hash)] = listed.key
    return found


class _Listed(msgspec.Struct, frozen=True):
    key: Annotated[str, Meta(min_length=1, max_length=128)]
    hash: Hash


def note_wanted(shelf: Shelf, partner: str, named: Mapping[bytes, str], now: datetime) -> int:
    """Want what a new list of a partner names and is not here; what it no longer names is forgotten."""
    shelf.forget_wants(partner, named)
    here = shelf.texts_here(named)
    old = {one.digest: one for one in shelf.wants(partner)}
    wanted = [
        Want(digest=digest, partner=partner, key=key, next_at=now, since=old[digest].since)
        if digest in old
        else Want(digest=digest, partner=partner, key=key, next_at=now, since=now)
        for digest, key in named.items()
        if digest not in here and (digest not in old or old[digest].state != "open")
    ]
    busy = shelf.undecided(partner) + sum(one.state == "open" for one in old.values())
    wanted = wanted[: max(0, MOST_WANTS - busy)]
    settled = [
        msgspec.structs.replace(one, state="came", why="")
        for one in old.values()
        if one.state != "came" and one.digest in here
    ]
    shelf.save_wants([*wanted, *settled])
    return len(wanted)


def renew(shelf: Shelf, partner: str, now: datetime) -> int:
    """Ask again for what was given up for silence: a grant waits, so the partner is there."""
    silent = [one for one in shelf.wants(partner) if one.state == "unanswered"]
    shelf.save_wants([msgspec.structs.replace(one, state="open", tries=0, next_at=now) for one in silent])
    return len(silent)


def due(shelf: Shelf, partner: str, now: datetime) -> list[Want]:
    """Give what to ask a partner for now, a few at a time; what came in by other ways is wanted no more."""
    found = [one for one in shelf.wants(partner) if one.state == "open"]
    here = shelf.texts_here([one.digest for one in found]) if found else set()
    if here:
        done = [one for one in found if one.digest in here]
        shelf.save_wants([msgspec.structs.replace(one, state="came", why="") for one in done])
    return [one for one in found if one.next_at <= now and one.digest not in here][:AT_ONCE]


def give(shelf: Shelf, to: str, digest: bytes, now: datetime) -> InstrumentText:
    """Give a text to a partner that may be shown it; refuses all else in the same words."""
    text = shelf.text(digest)
    if text is None or not audience_of(text.body).admits(shelf.stands(to), now.date()):
        raise NotFoundError(
            f"no instrument {digest.hex()[:12]} here for {to}",
            advice="ask the party that named it, or its operators, for the text",
        )
    return InstrumentText(VERSION, digest.hex(), text.key, msgspec.Raw(text.body))


def read_digest(text: str) -> bytes:
    """Read a hash from an address. Refuses anything but 64 lower-case hexadecimal digits."""
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise InputError(f"not a hash: {text[:70]!r}", where="hash", advice="64 hexadecimal digits")
    return bytes.fromhex(text)


def most_bytes(limits: Limits) -> int:
    """Give how long an answer may be; a carrier stops reading there."""
    return limits.max_instrument_bytes + _FRAME


def take_text(
    shelf: Shelf,
    peer: Peer,
    want: Want,
    answer: bytes,
    *,
    limits: Limits,
    check: Check,
    refused: str = "",
) -> Text | None:
    """Keep the answer to a want for the operator, or record why not (rule 3). Gives what was kept.

    `refused`: why the carrier did not read the answer to its end.
    """
    current = {one.digest: one for one in shelf.wants(peer.party)}.get(want.digest)
    if current is None or current.state != "open":
        return None  # it was answered, or given up, while this answer was on its way
    try:
        if refused:
            raise LimitError(refused)
        text = _read(want, answer, limits, check)
    except SecretariatError as error:
        shelf.refuse(
            [
                Refusal(
                    party=peer.party,
                    code="bad-instrument",
                    what=error.what,
                    where=want.key,
                    advice=error.advice,
                )
            ]
        )
        shelf.save_wants([msgspec.structs.replace(current, state="refused", why=error.what)])
        return None
    shelf.offer_text(text, peer.party)
    shelf.save_wants([msgspec.structs.replace(current, state="came", why="")])
    return text


def failed(shelf: Shelf, want: Want, why: str, now: datetime) -> Want:
    """Note that no answer came, and when to ask again (rule 5)."""
    tries = want.tries + 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 20))
    after: State = "open" if tries < MOST_TRIES else "unanswered"
    noted = msgspec.structs.replace(want, tries=tries, next_at=now + pause, why=why[:300], state=after)
    shelf.save_wants([noted])
    return noted


def _read(want: Want, answer: bytes, limits: Limits, check: Check) -> Text:
    if len(answer) > most_bytes(limits):
        raise LimitError(f"an instrument of more than {limits.max_instrument_bytes} bytes")
    try:
        found = _TEXT.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not an instrument's text: {error}") from error
    if found.v != VERSION:
        raise InputError(f"an instrument's text of version {found.v}", where="v")
    body = bytes(found.body)
    if found.hash != want.digest.hex():
        raise ProofError(f"the text {found.hash[:12]} was not asked for, {want.digest.hex()[:12]} was")
    if hashlib.sha256(body).digest() != want.digest:
        raise ProofError("the text does not hash to what was asked for", where=want.key)
    few = msgspec.structs.replace(limits, max_members=min(limits.max_members, MOST_MEMBERS))
    value, written = canonical.read_canonical(body, few)
    if written != body or not isinstance(value, dict):
        raise ProofError("the text is not in canonical form (RFC 8785)", where=want.key)
    key = check(body)
    if not key == found.key == want.key:
        raise ProofError(f"the text is that of {key!r}, the list names it {want.key!r}", where=want.key)
    return Text(want.digest, key, body)


_TEXT = msgspec.json.Decoder(InstrumentText)


def encode(text: InstrumentText) -> bytes:
    """Write an answer; the text is spliced in untouched."""
    return msgspec.json.encode(text)


def schemas() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) of an answer; the text has its own (agreements/schemas)."""
    (reference,), definitions = msgspec.json.schema_components(
        (InstrumentText,), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Texts of instruments between nodes",
        **reference,
        "$defs": definitions,
    }
