"""What cheaters do, one function each, and how it must come out: found by name at its victim, or harmless.

A cheater owns its keys, its log and its node, and knows everything that ever stood anywhere. It cannot sign
with others' keys; it tries. To add a cheat: write a function under `@cheat`, and say what must come of it by
`Cheat`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.model import MAY, Consent, Decision, Facts, Question
from secretariat.agreements.recompute import moment_text
from secretariat.agreements.rules import decide
from secretariat.base.errors import SecretariatError
from secretariat.exchange import identity
from secretariat.exchange.memory import Memory, MemoryStore
from secretariat.exchange.model import LogEntry, Version
from secretariat.exchange.offer import offer
from secretariat.exchange.peers import Outgoing, Store
from secretariat.exchange.wire import Page, encode, read_page
from secretariat.ledger import checkpoint, entries
from secretariat.ledger.keys import Signer
from secretariat.records.markings import Label

from .oracle import Item
from .party import sealed
from .terms import COLOURS

if TYPE_CHECKING:
    from .network import Way
    from .party import Party
    from .play import Play

Act = Callable[["Play", "Party", random.Random], bool]
Bending = Callable[["Play", "Way", Page], Page | None]
CHEATS: dict[str, Act] = {}
SELDOM = (
    "forged_word",
    "forged_word",
    "false_consent",
    "false_consent",
    "revived",
    "revived",
    "fork",
    "stolen_relay",
)
"""Cheats that seldom find an occasion are tried more often."""
LOG_LIES = frozenset({"log-rolled-back", "log-contradicts", "log-unproven"})


@dataclass
class Cheat:
    """One cheat, at whose cost, and by which refusals it is found out."""

    kind: str
    by: str
    victim: str
    codes: frozenset[str]
    root: bytes | None = None
    strict: bool = True
    """Whether it must be found where it arrived; else it is enough that nothing comes of it."""


class Forger:
    """Signs with a key of its own in the name of another."""

    def __init__(self, own: Signer, claimed: Signer) -> None:
        self.key_id, self.public, self.sign = claimed.key_id, claimed.public, own.sign


def cheat(act: Act) -> Act:
    CHEATS[act.__name__] = act
    return act


def verdict(play: Play, one: Cheat) -> str:
    """Say what came of a cheat: found, harmless, unseen (it never got there), or missed."""
    victim = play.parties[one.victim]
    if not victim.honest or victim.read_only:
        return "unseen"
    with victim.look(play.now(one.victim)) as store:
        for refusal in store.refused():
            if refusal.party != one.by:
                continue
            named = one.root is not None and refusal.root == one.root.hex()  # for whichever of its cheats
            if named or (refusal.code in one.codes and (one.root is None or refusal.root is None)):
                return "found"
    if not play.works(one.by, one.victim):
        return "unseen"
    if one.root is not None and not play.oracle.may_send(one.by, one.victim, one.root):
        return "unseen"  # it was called back before it came
    return "missed" if one.strict else "harmless"


def note(play: Play, kind: str, by: str, victim: str, *codes: str, **more: Any) -> bool:
    play.cheated.append(Cheat(kind, by, victim, frozenset(codes), **more))
    return True


def victim_of(play: Play, party: Party, dice: random.Random) -> str | None:
    """Choose an honest partner whom the cheater's pages still reach."""
    found = [
        one
        for one in play.linked(party.code)
        if play.parties[one].honest and play.works(party.code, one) and one not in party.forked
    ]
    return dice.choice(found) if found else None


def _publish(play: Play, store: Store, party: Party, version: Version, colour: str, to: str) -> None:
    store.lock()
    store.publish([version], [to])
    play.oracle.publish(
        Item(version.root, version.stix_id, version.originator, colour, version.data, version.version)
    )


def _made_up(key: str) -> Decision:
    return Decision(outcome=MAY, article=key, because=(key,))


def _as_if(play: Play, party: Party, to: str, colour: str, version: Version) -> Decision:
    """Decide as if the originator had consented: the row that a receiver who believed it would find equal."""
    consent = Consent(by=version.originator, to=(to,), state="given")
    question = Question(
        sender=party.code,
        recipient=to,
        label=Label(version.originator, tlp=colour),
        true=play.now(party.code),
        direct=True,
        facts=Facts(consents=(consent,)),
        object_id=version.stix_id,
    )
    decision = decide(party.book(play.common(party, to), play.terms), question)
    return decision if decision.outcome == MAY else _made_up("tlp-2/CLEAR")


# --- grants that no agreement gives ----------------------------------------------------------------------


@cheat
def forged_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant own information that no agreement lets through."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    wrong = [one for one in COLOURS if not play.right(party, to, one, party.code, b"")]
    if not wrong:
        return False
    colour = dice.choice(wrong)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    with party.node.store(play.now(party.code)) as store:
        _publish(play, store, party, version, colour, to)
        play.grant(store, party, [version], [(to, _made_up("syn-0/1"))], colour, right=False)
    return note(play, "forged_grant", party.code, to, "grant-differs", root=version.root)


@cheat
def padded_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant what may go, by other articles, until another day, or with other duties than the agreement's."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    colour = dice.choice(COLOURS)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    decision = play.decided(party, to, colour, version)
    if decision is None:
        return False
    changes: list[dict[str, Any]] = [
        {"articles": ["syn-0/9"]},
        {"until": "2031-01-01T00:00:00.000000Z"},
        {"obligations": [{"who": to, "do": "keep_by_law", "art": "syn-0/4", "by": "2030-01-01"}]},
        {"marks": {to: {"level": "II", "art": "syn-0/5"}}},
    ]
    change = dice.choice(changes)
    with party.node.store(play.now(party.code)) as store:
        _publish(play, store, party, version, colour, to)
        play.grant(
            store,
            party,
            [version],
            [(to, decision)],
            colour,
            change=lambda row: msgspec.structs.replace(row, **change),
            right=False,
        )
    return note(play, "padded_grant", party.code, to, "grant-differs", root=version.root)


@cheat
def backdated_grant(play: Play, party: Party, dice: random.Random) -> bool:
    """Grant as if it were another day."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    colour = dice.choice(COLOURS)
    version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
    decision = play.decided(party, to, colour, version)
    if decision is None:
        return False
    day = play.now(party.code) + timedelta(days=dice.choice([-3, -1, 1]))
    with party.node.store(play.now(party.code)) as store:
        _publish(play, store, party, version, colour, to)
        play.grant(store, party, [version], [(to, decision)], colour, true_on=moment_text(day), right=False)
    return note(play, "backdated_grant", party.code, to, "grant-differs", root=version.root)


# --- a malicious relay -----------------------------------------------------------------------------------


def _relay(
    play: Play, party: Party, dice: random.Random, kind: str, facts: Callable[..., dict[str, Any] | None]
) -> bool:
    to = victim_of(play, party, dice)
    if to is None:
        return False
    have = [*party.hoard.values(), *play.relayable(party)]
    wrong = [
        one
        for one in have
        if one.originator not in {to, party.code}
        and one.root in play.oracle.items
        and not play.right(party, to, play.oracle.items[one.root].colour, one.originator, one.root)
    ]
    if not wrong:
        return False
    version = dice.choice(sorted(wrong, key=lambda one: one.root))
    colour = play.oracle.items[version.root].colour
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(
            store,
            party,
            [version],
            [(to, _as_if(play, party, to, colour, version))],
            colour,
            facts(store, version, to),
            right=False,
        )
    return note(play, kind, party.code, to, "grant-differs", root=version.root, strict=False)


@cheat
def stolen_relay(play: Play, party: Party, dice: random.Random) -> bool:
    """Pass on what the originator did not let pass."""
    return _relay(play, party, dice, "stolen_relay", lambda *_: None)


@cheat
def false_consent(play: Play, party: Party, dice: random.Random) -> bool:
    """Pass on by a consent that the originator never signed, or that only the relay itself signed."""

    def facts(store: Store, version: Version, to: str) -> dict[str, Any]:
        origin = party.ring.origin
        claimed, signer = party.code, party.ring.record
        position = 1_000_000 + dice.randrange(1000)
        owner = play.parties.get(version.originator)
        if owner is not None and dice.random() < 0.7:
            origin, claimed = owner.ring.origin, owner.code
            signer = Forger(party.ring.record, owner.ring.record)  # type: ignore[assignment]
        body = entries.Consent(to=party.code, objects=[version.root.hex()], to_reader=to)
        draft = entries.Draft("consent", party.code, body)
        made = entries.seal(
            entries.payload(draft, realm="live", origin=origin, party=claimed, now=play.now(party.code)),
            draft,
            signer,
            dice.randbytes(32),
        )
        store.attach(origin, LogEntry(position, "consent", claimed, party.code, made.envelope, made.salt))
        return {"consents": [{"origin": origin, "position": position}]}

    return _relay(play, party, dice, "false_consent", facts)


@cheat
def forged_object(play: Play, party: Party, dice: random.Random) -> bool:
    """Give out something made up as another party's, under that party's key id."""
    to = victim_of(play, party, dice)
    others = [one for one in play.parties.values() if one.code not in {to, party.code}]
    if to is None or not others:
        return False
    owner = dice.choice(others)
    value = play.value(dice, owner.code, "CLEAR")
    forger: Any = Forger(party.ring.record, owner.ring.record)
    version = sealed(owner.ring, value, dice.randbytes(32), signer=forger)
    decision = play.decided(party, to, "CLEAR", version)
    assert decision is not None
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(store, party, [version], [(to, decision)], "CLEAR", right=False)
    known = (to, owner.code) not in play.plan.strangers
    return note(play, "forged_object", party.code, to, "broken-signature", root=version.root, strict=known)


@cheat
def revived(play: Play, party: Party, dice: random.Random) -> bool:
    """Give out again what its originator withdrew."""
    to = victim_of(play, party, dice)
    gone = [
        one
        for one in party.hoard.values()
        if (item := play.oracle.items.get(one.root)) is not None
        and item.withdrawn
        and one.originator not in {to, party.code}
        and any(given.giver == one.originator and given.to == to for given in play.oracle.given[one.root])
    ]
    if to is None or not gone:
        return False
    version = dice.choice(sorted(gone, key=lambda one: one.root))
    colour = play.oracle.items[version.root].colour
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.publish([version], [to])
        play.grant(store, party, [version], [(to, _made_up("tlp-2/CLEAR"))], colour, right=False)
    return note(play, "revived", party.code, to, "grant-differs", root=version.root, strict=False)


@cheat
def rival(play: Play, party: Party, dice: random.Random) -> bool:
    """Sign other content under an id and version that was published before."""
    to = victim_of(play, party, dice)
    mine = [
        item
        for root, item in play.oracle.items.items()
        if item.originator == party.code
        and not item.withdrawn
        and any(one.to == to and one.right for one in play.oracle.given[root])
    ]
    if to is None or not mine:
        return False
    item = dice.choice(mine)
    value = {**json.loads(item.data), "name": f"rival {dice.getrandbits(64)}"}
    version = sealed(party.ring, value, dice.randbytes(32))
    decision = play.decided(party, to, item.colour, version)
    if decision is None:
        return False
    with party.node.store(play.now(party.code)) as store:
        _publish(play, store, party, version, item.colour, to)
        play.grant(store, party, [version], [(to, decision)], item.colour)
    for one in play.oracle.given[version.root]:
        one.sound = False  # shown as disputed at best
    return note(play, "rival", party.code, to, "disputed", root=version.root, strict=False)


@cheat
def false_call(play: Play, party: Party, dice: random.Random) -> bool:
    """Call back another party's object without its word."""
    to = victim_of(play, party, dice)
    theirs = [
        root
        for root, item in play.oracle.items.items()
        if item.originator not in {to, party.code}
        and not item.withdrawn
        and any(one.to == to and one.right for one in play.oracle.given[root])
    ]
    if to is None or not theirs:
        return False
    root = dice.choice(theirs)
    kind = dice.choice(["withdraw", "narrow"])
    if any(one.giver == party.code and one.to == to for one in play.oracle.given[root]):
        return False  # it may take back its own grant
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing(kind, to, {"to": to, "objects": [root.hex()], "reason": "a lie"})])
    return note(play, "false_call", party.code, to, "not-theirs-to-call-back", root=root, strict=False)


# --- lying receipts --------------------------------------------------------------------------------------


@cheat
def false_receipt(play: Play, party: Party, dice: random.Random) -> bool:
    """Answer what was never asked."""
    to = victim_of(play, party, dice)
    if to is None:
        return False
    about = entries.EntryRef(play.parties[to].ring.origin, 10**6 + dice.randrange(1000))
    body = entries.Receipt(to=to, about=about, state="destroyed", objects=[dice.randbytes(32).hex()])
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing("receipt", to, body)])
    return note(play, "false_receipt", party.code, to, "false-receipt")


@cheat
def forged_word(play: Play, party: Party, dice: random.Random) -> bool:
    """Answer for somebody further down in its name, under its key id."""
    memory: Memory = party.node.backend
    got = [
        (root, one)
        for root, arrivals in memory.arrivals.items()
        for one in arrivals.values()
        if root in play.oracle.items and play.oracle.items[root].originator != party.code
    ]
    others = [one for one in play.parties.values() if one.honest]
    if not got or not others:
        return False
    root, arrival = dice.choice(sorted(got, key=lambda pair: pair[0]))
    giver = next(one for one in play.parties.values() if one.ring.origin == arrival.origin)
    below = dice.choice(others)
    if giver is below or not giver.honest or not play.works(party.code, giver.code):
        return False
    state = dice.choice(["destroyed", "received"])
    body = entries.Receipt(
        to=party.code,
        about=entries.EntryRef(party.ring.origin, 0),
        state=state,
        objects=[root.hex()],
        count=1,
    )
    draft = entries.Draft("receipt", party.code, body)
    forger: Any = Forger(party.ring.record, below.ring.record)
    made = entries.seal(
        entries.payload(
            draft, realm="live", origin=below.ring.origin, party=below.code, now=play.now(party.code)
        ),
        draft,
        forger,
        dice.randbytes(32),
    )
    word = {
        "party": below.code,
        "origin": below.ring.origin,
        "position": 3,
        "envelope": json.loads(made.envelope),
        "salt": made.salt.hex(),
    }
    told = entries.Receipt(
        to=giver.code,
        about=entries.EntryRef(arrival.origin, arrival.position),
        state="passed-on",
        objects=[root.hex()],
        count=1,
        downstream=[word],
    )
    with party.node.store(play.now(party.code)) as store:
        store.lock()
        store.append([Outgoing("receipt", giver.code, told)])
    return note(play, "forged_word", party.code, giver.code, "false-receipt", strict=False)


@cheat
def deaf(play: Play, party: Party, dice: random.Random) -> bool:
    """Hear nothing any more: calls back stay unanswered, and it is named as the one who owes."""
    if dice.random() < 0.6:
        return False
    party.deaf = True
    return True


# --- pages that are not what they say --------------------------------------------------------------------


def bend(play: Play, way: Way, page: Page) -> Page:
    """Let the cheater's first trick that fits change a page."""
    waiting = play.parties[way.sender].bends[way.receiver]
    for number, trick in enumerate(waiting):
        bent = trick(play, way, page)
        if bent is not None:
            del waiting[number]
            return bent
    return page


def _json(page: Page, change: Callable[[dict[str, Any]], Any]) -> Page:
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
        return _json(page, change)

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

        return _json(page, change)

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


# --- logs that contradict themselves ---------------------------------------------------------------------


@cheat
def rolled_back(play: Play, party: Party, dice: random.Random) -> bool:
    """Show a smaller log than before, or another one of the same size."""
    to = victim_of(play, party, dice)
    if to is None or dice.random() < 0.5:
        return False
    same = dice.random() < 0.5

    def trick(play: Play, way: Way, page: Page) -> Page | None:
        if page.since < 2:
            return None
        size = page.since if same else page.since - 1
        text = checkpoint.sign(party.ring.origin, size, dice.randbytes(32), party.ring.log).decode()
        note(
            play, "rolled_back", party.code, way.receiver, "log-rolled-back", "log-contradicts", strict=False
        )
        return msgspec.structs.replace(page, checkpoint=text, consistency=())

    party.bends[to].append(trick)
    return True


@cheat
def fork(play: Play, party: Party, dice: random.Random) -> bool:
    """Keep two logs: some partners see one, the rest the other; at the end everybody is shown the one."""
    partners = [one for one in play.linked(party.code) if play.works(party.code, one)]
    if party.shadow is not None or len(partners) < 2 or dice.random() < 0.3:
        return False
    chosen = dice.sample(partners, dice.randint(1, len(partners) - 1))
    memory = party.node.backend
    shadow = copy.copy(memory)
    vars(shadow).update(party.snapshot()["memory"])
    party.shadow, party.forked = shadow, frozenset(chosen)
    party.goes_on = dice.random() < 0.5
    colour = "CLEAR"
    for backend, readers in ((shadow, chosen), (memory, [one for one in partners if one not in chosen])):
        version = sealed(party.ring, play.value(dice, party.code, colour), dice.randbytes(32))
        with backend.transaction(play.now(party.code)) as store:
            to = [(one, play.decided(party, one, colour, version)) for one in readers]
            store.lock()
            store.publish([version], readers)
            play.oracle.publish(
                Item(version.root, version.stix_id, party.code, colour, version.data, version.version)
            )
            play.grant(
                store, party, [version], [(one, found) for one, found in to if found is not None], colour
            )
        for given in play.oracle.given[version.root]:
            given.sound = False
    size = len(memory.log)
    for one in chosen:
        play.broken.add((one, party.code))
        party.forks[one] = size
    return True


@contextlib.contextmanager
def shown(play: Play, way: Way) -> Iterator[Store]:
    """Give the store that a sender shows a receiver."""
    sender, now = play.parties[way.sender], play.now(way.sender)
    if sender.shadow is not None and way.receiver in sender.forked:
        yield MemoryStore(sender.shadow, now)
        return
    with sender.look(now) as store:
        yield store


def hoard(party: Party, store: Store) -> None:
    """A cheater keeps whatever it ever saw."""
    for one in store.shown():
        party.hoard.setdefault(one.root, one)


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


def end(play: Play) -> None:
    """Cheaters stop cheating: what they had not done yet is not done, and everybody is shown one log."""
    for party in play.parties.values():
        party.bends = defaultdict(list)
        if party.shadow is None or party.goes_on:
            continue
        seen = len(party.shadow.log)
        for one in party.forked:
            way = play.network.ways[party.code, one]
            size = play.place(way)[1]
            if size > party.forks[one] - 1 and size <= seen:
                note(play, "fork", party.code, one, *LOG_LIES, strict=False)
        party.shadow = None
