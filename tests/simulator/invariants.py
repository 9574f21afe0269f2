"""What must be true when all is quiet, by the oracle's word and not by the nodes'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from secretariat.exchange import further
from secretariat.exchange.model import ANSWERS, Version
from secretariat.ledger import dsse, entries, joint, merkle
from secretariat.ledger.property_tree import left_out_of
from secretariat.records.leaving_out import without

from . import cheats
from .oracle import Given, Item
from .promise import BrokenPromiseError

if TYPE_CHECKING:
    from .party import Party
    from .play import Play

OF_A_THIEF = frozenset({"key-revoked", "grant-differs", "checkpoint-signature", "entry-signature"})
"""What is refused of a party whose keys were stolen, and of relays that bring its objects."""
SHORTER_THAN_A_THIEFS = frozenset({"log-rolled-back", "log-suspended"})
"""What is refused of a true log where a thief showed a longer one, until a person goes back."""
OWED = frozenset({"asked", "cannot-answer"})
"""The states by which one that owes an answer is named; "received" names nobody."""
ANSWERED = frozenset({*ANSWERS, "gone", "refused"})


def check(play: Play) -> None:
    """Hold every invariant; the first that does not hold is raised."""
    shown = {code: _shown(play, party) for code, party in play.parties.items()}
    nothing_without_a_grant(play, shown)
    everything_permitted_arrived(play, shown)
    every_withdrawal_is_answered(play, shown)
    agreed_is_what_every_party_signed(play)
    nobody_honest_is_accused(play)
    who_was_shown_a_false_log_stands_on_the_true_one(play)
    who_was_put_back_finds_out(play)
    forked_logs_are_found_among_partners(play)
    every_cheat_is_found_or_harmless(play)


def counted(play: Play) -> list[Party]:
    """The honest nodes that are part of the world: one that found out that its backup is too old is not."""
    return [one for one in play.parties.values() if one.honest and not one.read_only]


def _shown(play: Play, party: Party) -> dict[bytes, Version]:
    with party.look(play.now(party.code)) as store:
        return {one.root: one for one in store.shown()}


def fail(play: Play, what: str) -> None:
    raise BrokenPromiseError(what)


def name(play: Play, root: bytes) -> str:
    item = play.oracle.items.get(root)
    if item is None:
        return f"{root.hex()[:12]} that nobody published"
    return f"{root.hex()[:12]} ({item.originator}, {item.colour}{', withdrawn' if item.withdrawn else ''})"


def nothing_without_a_grant(play: Play, shown: dict[str, dict[bytes, Version]]) -> None:
    """No object is shown at a party that no chain of standing, permitted grants reaches, nor more of it."""

    def heard(one: Given) -> bool:  # what a relay is told, it does not say in a second log of its own
        return play.works(one.giver, one.to) and not play.parties[one.to].forks

    for party in counted(play):
        for root, version in shown[party.code].items():
            item = play.oracle.items.get(root)
            names = left_out_of(version.salt)
            if item is not None and without(item.data, names) != version.data:
                said = f", less {names}" if names else ""
                fail(play, f"{party.code} shows other content than was published as {name(play, root)}{said}")
            if item is None or party.code not in play.oracle.may_hold(root, heard):
                if item is not None and item.withdrawn and excused(play, root, party.code):
                    continue
                fail(play, f"{party.code} shows {name(play, root)} without a grant")
            granted = [
                one
                for one in play.oracle.given[root]
                if one.to == party.code and one.right and not (one.taken_back and heard(one))
            ]
            if not any(one.left_out <= set(names) for one in granted):
                fail(play, f"{party.code} shows more of {name(play, root)} than any grant leaves in")
            if all(one.over(play.now(party.code)) for one in granted):
                fail(play, f"{party.code} shows {name(play, root)} past the end of its duty to destroy")


def everything_permitted_arrived(play: Play, shown: dict[str, dict[bytes, Version]]) -> None:
    """What was granted rightly, over links that work, is there; whole where its originator gave it whole."""
    for root, item in play.oracle.items.items():
        works = passes(play, item.originator)
        now = play.now(item.originator)
        for code in play.oracle.must_hold(root, works, now) - {item.originator}:
            party = play.parties[code]
            if not party.honest or party.read_only:
                continue
            if root not in shown[code]:
                fail(play, f"{name(play, root)} did not arrive at {code}")
            whole = any(
                one.right and one.sound and works(one) and not one.left_out
                for one in play.oracle.standing(item.originator, code, root)
            )
            if whole and root not in play.oracle.narrowed and left_out_of(shown[code][root].salt):
                fail(play, f"{code} was granted all of {name(play, root)} and shows a part")


def every_withdrawal_is_answered(play: Play, shown: dict[str, dict[bytes, Version]]) -> None:
    """The originator has each holder's answer, or its name as one that owes it; and no answer is made up."""
    said = {one.code: _said(play, one) for one in counted(play)}
    for party in counted(play):
        mine = [root for root, item in play.oracle.items.items() if item.originator == party.code]
        with party.look(play.now(party.code)) as store:
            found = {(one.root, one.holder): one.state for one in store.holdings(mine)}
        for (root, holder), state in found.items():
            if further.is_further(holder):
                the_relay_owes_what_it_does_not_name(play, party, root, holder, state)
            if state in {"asked", "cannot-answer"} or holder not in said:
                continue
            if state not in said[holder][root]:
                fail(
                    play,
                    f"{party.code} believes {holder} said {state} of {name(play, root)}, which it did not",
                )
        for root in mine:
            item = play.oracle.items[root]
            if not item.withdrawn or item.forgotten:  # who forgot that it withdrew waits for nobody
                continue
            for one in play.oracle.ever(root):
                if one.giver != party.code or one.taken_back:
                    continue
                state = found.get((root, one.to))
                both = play.works(one.to, party.code) and play.works(party.code, one.to)
                owes = state in OWED and not (both and play.parties[one.to].honest)
                if state in ANSWERED or owes:
                    continue
                fail(play, f"{one.to} owes an answer on {name(play, root)}, {party.code} has {state}")


def the_relay_owes_what_it_does_not_name(
    play: Play, party: Party, root: bytes, holder: str, state: str
) -> None:
    """Who is further down without a name: a relay that waits for nobody has told what became of it."""
    relay = play.parties.get(further.debtor(holder))
    if relay is None:
        fail(play, f"{party.code} waits for {holder} of {name(play, root)}, which is nobody's debt")
        return
    play.count(f"further: {state}")
    links = play.works(relay.code, party.code) and play.works(party.code, relay.code)
    if state != "asked" or not links or not relay.honest or relay.read_only or relay.lives or relay.reverted:
        return
    with relay.look(play.now(relay.code)) as store:
        waits = any(one.state == "asked" for one in store.holdings([root]))
    if not waits:
        fail(play, f"{party.code} waits for {holder} of {name(play, root)}, {relay.code} for nobody")


def _said(play: Play, party: Party) -> dict[bytes, set[str]]:
    """What a party's own log says that it did, by root."""
    found: dict[bytes, set[str]] = defaultdict(set)
    with party.look(play.now(party.code)) as store:
        for position in range(store.head().size):
            entry = store.entry(position)
            if entry is not None and entry.kind == "receipt" and entry.party == party.code:
                body = entries.body_as(entries.read(dsse.payload_of(entry.envelope)), entries.Receipt)
                for root in body.objects or []:
                    found[bytes.fromhex(root)].add(body.state)
    return found


def excused(play: Play, root: bytes, holder: str) -> bool:
    """Whether a holder of a withdrawn version has it only through somebody who does not pass the call on.

    Or by an originator that was put back to before it withdrew it: whom it had not told, it never tells.
    """
    item = play.oracle.items[root]
    if item.forgotten and not _was_called(play, item, play.parties[holder]):
        return True
    return holder not in play.oracle.told(root, passes(play, play.oracle.items[root].originator))


def _was_called(play: Play, item: Item, holder: Party) -> bool:
    """Whether a call of the originator's own log, where it was once longer, came to a holder."""
    if item.withdrawn_at < 0:
        return False
    origin = play.parties[item.originator].ring.origin
    with holder.look(play.now(holder.code)) as store:
        kept = store.kept_log(origin)
        places = range(item.withdrawn_at, kept.size if kept is not None else 0)
        found = [store.peer_entry(origin, position) for position in places]
    return any(one is not None and one.kind == "withdraw" for one in found)


def passes(play: Play, originator: str) -> Callable[[Given], bool]:
    """Whether what stands behind a grant reaches the one it was given to, and calls back do as well."""

    def works(one: Given) -> bool:
        giver = play.parties[one.giver]
        known = (one.to, originator) not in play.plan.strangers
        return play.works(one.giver, one.to) and known and (giver.honest or giver.code == originator)

    return works


def nobody_honest_is_accused(play: Play) -> None:
    """No honest node refused anything of another one, whatever the network did."""
    for party in counted(play):
        with party.look(play.now(party.code)) as store:
            for one in store.refused():
                item = play.oracle.items.get(bytes.fromhex(one.root or ""))
                robbed = {one.party, item.originator if item is not None else ""} & play.oracle.robbed
                if robbed and one.code in OF_A_THIEF:
                    continue
                other = play.parties[one.party]
                if one.code in SHORTER_THAN_A_THIEFS and _was_shown_a_false_log(play, party, other):
                    continue
                if one.code in {"false-witness", "false-receipt"} and _was_shown_a_false_log(
                    play, other, party
                ):
                    continue  # it was shown the thief's log as this party's own, keeps it, and answered it
                if play.parties[one.party].honest and not play.parties[one.party].reverted:
                    fail(play, f"{party.code} accuses {one.party} of {one.code}: {one.what} ({one.where})")


def _was_shown_a_false_log(play: Play, party: Party, robbed: Party) -> bool:
    """Whether a thief showed a false log of another one's name to somebody on a party's node.

    Host and guests have one memory of partners' logs and one log of their own: what one of them is shown and
    answers, all of them have.
    """
    return play.network.node(robbed.false_log) == play.network.node(party.code)


def who_was_shown_a_false_log_stands_on_the_true_one(play: Play) -> None:
    """When all is quiet nobody keeps a thief's tree any more, or believes nothing of its victim's log."""
    for robbed in play.parties.values():
        if not robbed.false_log:
            continue
        holder = play.parties[play.network.node(robbed.false_log)]
        if holder.read_only or robbed.read_only or robbed.code not in holder.learnt:
            continue
        kept = play.kept(holder.code, robbed.ring.origin)
        with robbed.look(play.now(robbed.code)) as store:
            own = [store.entry(position) for position in range(store.head().size)]
        leaves = [entries.leaf_of(entries.digest_of(one.envelope, one.salt)) for one in own if one]
        if kept is None or kept.suspended or kept.root != merkle.root(leaves[: kept.size]):
            fail(play, f"{holder.code} keeps a thief's log of {robbed.code}, or none: {kept}")


def who_was_put_back_finds_out(play: Play) -> None:
    """A node that has less of its own log than honest partners kept, who reach it, writes nothing more."""
    for party in play.untold():
        fail(play, f"{party.code} was put back to an older state and goes on")


def forked_logs_are_found_among_partners(play: Play) -> None:
    """Where two partners that talk to each other saw different logs, one of them knows or waits for proof."""
    for liar in play.parties.values():
        origin = liar.ring.origin
        if not liar.goes_on:
            continue  # its victims saw it themselves, at the latest when it showed everybody one log again
        for one, size in liar.forks.items():
            for other in play.linked(liar.code):
                if len(play.network.on(play.network.node(other))) > 1:
                    continue  # a guest and its host keep one memory of logs
                if other in liar.forks or other == one or not play.plan.circles:
                    continue
                pair = [play.parties[one], play.parties[other]]
                saw = [play.kept(each.code, origin) for each in pair]
                if any(log is None or log.size <= size for log in saw) or not all(
                    each.honest and not each.read_only and not each.reverted for each in pair
                ):
                    continue
                if not (play.works(one, other) and play.works(other, one)):
                    continue
                if any(_doubts(play, each, origin) for each in pair):
                    play.count("fork found among partners")
                else:
                    fail(play, f"{one} and {other} were shown two logs of {liar.code} and know nothing of it")


def _doubts(play: Play, party: Party, origin: str) -> bool:
    with party.look(play.now(party.code)) as store:
        kept = store.kept_log(origin)
        false = any(one.origin == origin for one in store.contradictions())
        waits = any(one.state == "open" for one in store.shown_logs(origin))
        return false or waits or bool(kept and kept.suspended)


def every_cheat_is_found_or_harmless(play: Play) -> None:
    """What a cheater did was refused by name where it came; what needs no name left nothing behind."""
    for one in play.cheated:
        found = cheats.verdict(play, one)
        play.count(f"{found}: {one.kind}")
        if found == "missed":
            fail(play, f"{one.victim} did not notice that {one.by} cheated: {one}")


def agreed_is_what_every_party_signed(play: Play) -> None:
    """A statement is agreed where each named party signed those very bytes, and nowhere else."""
    for party in counted(play):
        known: dict[bytes, list[joint.Word]] = defaultdict(list)
        payloads: dict[bytes, bytes] = {}
        for data, word in party.words:
            known[word.digest].append(word)
            payloads.setdefault(word.digest, data)
        for digest, words in known.items():
            statement = play.oracle.joint.get(payloads[digest])
            parties = joint.read(payloads[digest]).parties
            sides = joint.sides(parties, words)
            for side in sides:
                sure = play.parties[side.party].honest and side.party not in play.oracle.doubtful
                if not sure or side.state == "silent":
                    continue
                if statement is None or side.state != statement.stance(side.party):
                    said = "nothing" if statement is None else statement.stance(side.party)
                    if works_now(play, side.party, party.code) or side.signed:
                        fail(play, f"{party.code} has {side.party} as {side.state}, it said {said}")
            if joint.outcome(sides) != "open":
                play.count(f"joint: {joint.outcome(sides)}")
    for payload, statement in play.oracle.joint.items():
        for code in statement.parties:
            party = play.parties[code]
            if not party.honest or party.read_only:
                continue
            words = [word for data, word in party.words if data == payload]
            for side in joint.sides(statement.parties, words):
                speaker = play.parties[side.party]
                if not speaker.honest or side.party in play.oracle.doubtful:
                    continue
                if side.state != statement.stance(side.party) and works_now(play, side.party, code):
                    fail(
                        play,
                        f"{code} has {side.party} as {side.state}, it said {statement.stance(side.party)}",
                    )
    for lie in play.false_words:
        victim = play.parties[lie.victim]
        taken = any((word.origin, word.position) == (lie.origin, lie.position) for _, word in victim.words)
        if taken and victim.honest and not victim.read_only:
            fail(play, f"{lie.victim} took a word that is none: {lie}")


def works_now(play: Play, speaker: str, hearer: str) -> bool:
    """Whether what one says reaches the other: itself, or over a link that works."""
    return speaker == hearer or play.works(speaker, hearer)
