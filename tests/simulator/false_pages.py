"""Pages that are not what they say, and strangers at the door."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import SecretariatError
from secretariat.exchange import identity
from secretariat.exchange.offer import offer
from secretariat.exchange.wire import Page, encode, read_page
from secretariat.ledger import checkpoint
from secretariat.ledger.keys import Signer

from .cheating import Forger, cheat, note, victim_of
from .false_logs import shown

if TYPE_CHECKING:
    from .network import Way
    from .party import Party
    from .play import Play


def bend(play: Play, way: Way, page: Page) -> Page:
    """Let the cheater's first trick that fits change a page."""
    waiting = play.parties[way.sender].bends[way.receiver]
    for number, trick in enumerate(waiting):
        bent = trick(play, way, page)
        if bent is not None:
            del waiting[number]
            return bent
    return page


def rewritten(page: Page, change: Callable[[dict[str, Any]], Any]) -> Page:
    value = json.loads(encode(page))
    change(value)
    return read_page(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _first(page: dict[str, Any]) -> dict[str, Any]:
    return next(one for entry in page["entries"] for one in entry.get("objects", ()) if "object" in one)


def _tricks(party: Party, dice: random.Random) -> dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]]:
    """By name: what the page must carry, the change, and the code by which it is refused."""
    stranger = Signer.from_seed(dice.randbytes(32))

    def note_of(page: dict[str, Any]) -> Any:
        return checkpoint.parse(page["checkpoint"].encode())

    def resign(page: dict[str, Any], size: int, root: bytes, signer: Signer) -> None:
        page["checkpoint"] = checkpoint.sign(party.ring.origin, size, root, signer).decode()

    def payload(page: dict[str, Any]) -> None:
        envelope = page["entries"][0]["envelope"]
        text = envelope["payload"]
        envelope["payload"] = ("A" if text[40] != "A" else "B").join((text[:40], text[41:]))

    return {
        "object left out": ("objects", lambda page: _holder(page).pop(), "incomplete"),
        "entry left out": ("entries", lambda page: page["entries"].pop(), "incomplete"),
        "other count": ("entries", lambda page: page["count"].update(objects=99), "incomplete"),
        "other hash": ("entries", lambda page: page.update(hash="0" * 64), "incomplete"),
        "end further on": ("entries", lambda page: page["next"].update(position=10**6), "incomplete"),
        "other realm": ("", lambda page: page.update(realm="exercise"), "wrong-sender"),
        "other log": ("", lambda page: page.update(origin="nobody.example/live"), "wrong-sender"),
        "other sender": ("", lambda page: page.update(party="NOBODY"), "wrong-sender"),
        "stranger's checkpoint": (
            "",
            lambda page: resign(page, note_of(page).size, note_of(page).root, stranger),
            "checkpoint-signature",
        ),
        "entry changed": ("envelope", payload, "not-in-log"),
        "log overstated": (
            "kept",
            lambda page: resign(page, note_of(page).size + 3, dice.randbytes(32), party.ring.log),
            "log-unproven",
        ),
    }


def _holder(page: dict[str, Any]) -> list[Any]:
    return next(entry["objects"] for entry in page["entries"] if entry.get("objects"))  # type: ignore[no-any-return]


def _fits(need: str, page: Page) -> bool:
    if need == "objects":
        return any(entry.objects for entry in page.entries)
    if need == "entries":
        return bool(page.entries)
    if need == "envelope":
        return bool(page.entries) and page.entries[0].offset == 0
    return page.since > 0 if need == "kept" else True


@cheat
def page_lie(play: Play, party: Party, dice: random.Random) -> bool:
    """Show a page that is not what it says, or not what the log holds."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    tricks = _tricks(party, dice)
    name = dice.choice(sorted(tricks))
    need, change, code = tricks[name]

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        if not _fits(need, page):
            return None
        note(play, f"page: {name}", party.code, way.receiver, code, strict=False)
        return rewritten(page, change)

    party.bends[to].append(trick)
    return True


@cheat
def changed_object(play: Play, party: Party, dice: random.Random) -> bool:
    """Change an object that it passes on, or its own after it was signed."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    how = dice.choice(["name", "salt", "order"])

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        if not any(one.gone is None for entry in page.entries for one in entry.objects):
            return None

        def change(value: dict[str, Any]) -> None:
            one = _first(value)
            root = bytes.fromhex(one["root"])
            if how == "name":
                one["object"]["name"] = "changed"
            elif how == "salt":
                one["salt"] = "A" * 43 + "="
            else:
                one["object"] = dict(reversed(one["object"].items()))
            for given in play.oracle.given[root]:
                if (given.giver, given.to) == (party.code, to):
                    given.sound = False
            codes = ("broken-signature", "not-canonical", "wrong-root")
            note(play, "changed_object", party.code, to, *codes, root=root, strict=False)

        return rewritten(page, change)

    party.bends[to].append(trick)
    return True


@cheat
def wrong_reader(play: Play, party: Party, dice: random.Random) -> bool:
    """Show one partner what was written for another."""
    to = victim_of(play, party, dice)
    others = [one for one in play.linked(party.code) if one != to]
    if to is None or not others:
        return False
    other = dice.choice(others)

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        with shown(play, way) as store:
            try:
                theirs = offer(store, other, page.after, page.since, max_objects=play.plan.page)
            except SecretariatError:
                return None
        if not theirs.entries:
            return None
        note(play, "wrong_reader", party.code, way.receiver, "not-addressed", strict=False)
        return msgspec.structs.replace(theirs, to=way.receiver)

    party.bends[to].append(trick)
    return True


@cheat
def impostor(play: Play, party: Party, dice: random.Random) -> bool:
    """Ask a node for another party's pages: its door must not open."""
    ways = [
        one
        for one in play.network.ways.values()
        if party.code not in {one.sender, one.receiver} and play.parties[one.sender].up
    ]
    if not play.plan.signed or not ways:
        return False
    way = dice.choice(ways)
    request = identity.Request("GET", f"https://{way.sender.lower()}.example/live/peer/v1/feed?after=0.0", {})
    victim: Any = play.parties[way.receiver].ring.transport
    forger: Any = Forger(party.ring.transport, victim)
    signer = dice.choice([forger, party.ring.transport])
    now = play.now(way.sender)
    identity.sign_request(request, to=way.sender, signer=signer, now=now, nonce=dice.randbytes(16).hex())
    play.must_not_enter(way, request)
    return True
