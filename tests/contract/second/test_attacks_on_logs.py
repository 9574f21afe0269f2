"""Histories that do not fit together, revoked keys, receipts that lie, and doors that are flooded."""

from __future__ import annotations

import base64
import contextlib
import copy
import http.client
import socket
import threading
import time

import pytest

from contract.second import by_the_page as page
from contract.second.town import Attacker, indicator, nothing_kept, served
from secretariat.base.clock import now
from secretariat.exchange import service
from secretariat.ledger import joint_service, witness_store
from secretariat.storage.engine import raw

until = served["until"]


def shown(there, size):
    """Deliver an empty page under the checkpoint of the first `size` entries."""

    def change(brought):
        brought.update(checkpoint=there.me.note(size), consistency=[], entries=[])
        brought["next"] = brought["after"]
        page.counted(brought)

    return there.deliver(change)


def test_a_log_rolled_back_page_by_page_is_suspended_at_the_first_and_stays_so(town, settle):
    there = settle()
    for number in range(6):
        there.me.append("note", {"to": "KR", "act": f"note {number}"})
    there.share()
    assert there.deliver()[0] == 200
    size = len(there.me.entries)
    codes = [shown(there, one)[1]["code"] for one in range(size - 1, 0, -1)]
    assert codes == ["log-rolled-back", *["log-suspended"] * (size - 2)]
    kept = town.kept("KR", there.me)
    assert kept["log"][0][0] == size
    assert kept["log"][0][2] == "suspended"
    assert "log-suspended" in town.refused("KR", there.me.code)
    there.share()
    assert there.deliver()[1]["code"] == "log-suspended"  # also when it is honest again: a person resumes it
    service.resume(town.nodes["KR"], "live", there.me.code, by="anna", now=now())
    assert there.deliver()[0] == 200


def both(town):
    """One party at two nodes, with one log."""
    one = Attacker(town, town.code()).settle()
    return one, Attacker(town, one.me.code, "JP", one.me).settle()


def suspended(town, at, party):
    return town.kept(at, party)["log"][0][2] == "suspended"


def test_two_histories_of_one_size_shown_to_two_partners_are_found_by_their_gossip(town):
    one, other = both(town)
    honest = list(one.me.entries)
    one.me.append("note", {"to": "KR", "act": "for KR"})
    assert one.deliver()[0] == 200
    one.me.entries = [*honest]
    one.me.append("note", {"to": "JP", "act": "for JP"})
    assert other.deliver()[0] == 200
    one.me.entries = [*honest]  # what both were shown before stands; only the last entry is not one
    until(lambda: suspended(town, "KR", one.me) or suspended(town, "JP", one.me), 15)
    at = "KR" if suspended(town, "KR", one.me) else "JP"
    with town.nodes[at].database.app("live") as tx:
        [found] = [each for each in witness_store.read_contradictions(tx) if each.party == one.me.code]
    size = len(honest) + 1
    notes = [bytes(each).decode() for each in (found.one, found.other)]
    told = [page.note_read(each, one.me.origin, one.me.log.public) for each in notes]
    assert [each[0] for each in told] == [size, size]
    assert told[0][1] != told[1][1]  # anybody with the log's key can convict it


def test_two_histories_of_two_sizes_stay_open_until_one_size_convicts_the_log(town):
    one, other = both(town)
    honest = list(one.me.entries)
    one.me.append("note", {"to": "KR", "act": "for KR"})
    assert one.deliver()[0] == 200
    kr = list(one.me.entries)
    one.me.entries = [*honest]
    for number in range(3):
        one.me.append("note", {"to": "JP", "act": f"for JP {number}"})
    assert other.deliver()[0] == 200

    def opened():
        with town.nodes["KR"].database.app("live") as tx:
            return [each.state for each in witness_store.read_shown(tx, one.me.origin)]

    until(lambda: opened() == ["open"], 15)
    assert not suspended(town, "KR", one.me)
    one.me.entries = kr
    for number in range(2):
        one.me.append("note", {"to": "KR", "act": f"for KR {number}"})
    one.deliver()
    until(lambda: suspended(town, "KR", one.me), 15)


REALMS = {
    "of the other realm": {"realm": "exercise"},
    "of another log": {"origin": "jp.example/live"},
    "of another party": {"party": "JP"},
    "of a version to come": {"v": 2},
    "of a kind that cannot be": {"kind": "Grant"},
    "of the other realm's log": {"realm": "exercise", "origin": "kr.example/exercise"},
}


@pytest.mark.parametrize("case", REALMS)
def test_an_entry_for_another_realm_log_or_party_is_refused_where_it_stands(town, settle, case):
    there = settle()
    over = dict(REALMS[case])
    there.me.append(over.pop("kind", "note"), {"to": "KR", "act": "x"}, **over)
    with nothing_kept(there):
        status, said = there.deliver()
        assert (status, said["code"]) in {(422, "wrong-sender"), (422, "entry-signature")}, said
    there.me.realm = "exercise"
    status, said, _ = there.ask("GET", "place")
    assert (status, said["code"]) == (401, "not-authentic")  # keys of one realm open no door of the other


def revoke(there, role, since, *, fresh=True):
    """State under the root key that a key counts no more since a moment; a new one takes its place."""
    old = getattr(there.me, role)
    if fresh:
        setattr(there.me, role, page.Key())
    stated = [{"key": old.id, "role": role, "since": since, "reason": "stolen"}]
    realms = {"live": {**there.me.keys(), "revoked": stated}}
    status, said, _ = there.ask("POST", "descriptor", there.me.descriptor(realms=realms), unsigned=True)
    return old, status, said


def test_a_request_under_a_revoked_transport_key_is_a_strangers_whatever_its_date(town, settle):
    there = settle()
    old, status, said = revoke(there, "transport", page.moment())
    assert (status, said) == (200, {"renewed": True})
    for created in (int(time.time()), int(time.time()) - 50):
        got, said, _ = there.ask("GET", "place", transport=old, created=created)
        assert (got, said["code"]) == (401, "not-authentic")
    assert there.place()


def test_entries_under_a_revoked_record_key_with_early_dates_do_nothing_and_the_log_goes_on(town, settle):
    there = settle()
    old, status, _ = revoke(there, "record", "2026-01-01T00:00:00.000000Z")
    assert status == 200
    fresh, there.me.record = there.me.record, old
    root, item = there.me.object(indicator(there.me.code))
    there.objects[root] = item
    granted = there.grant(root)
    said = there.me.entries.pop()[2]
    there.me.append("grant", said["body"], recorded_at="2025-12-31T00:00:00.000000Z")
    there.me.record = fresh
    assert there.deliver()[0] == 200
    [answer] = [one for one in there.receipts() if one["about"]["position"] == granted]
    assert (answer["state"], answer["reason"]) == ("refused", "key-revoked")
    assert town.refused("KR", there.me.code) == ["key-revoked"]
    root, granted = there.share()
    there.deliver()
    assert [one["state"] for one in there.receipts() if one["about"]["position"] == granted] == ["received"]


def test_a_revoked_key_that_is_named_again_or_a_revocation_of_a_later_day_is_refused(town, settle):
    there = settle()
    _, status, _ = revoke(there, "record", page.moment())
    assert status == 200
    old, status, said = revoke(there, "record", page.moment(), fresh=False)
    assert status == 422, said  # names the very key in force as revoked
    assert old.id == there.me.record.id


def kr_object(town, there):
    """KR publishes something to the attacker, who has taken it; (its id, its item, the grant's position)."""
    from contract.peers.test_nodes import Nodes
    from secretariat.agreements import release
    from secretariat.agreements.release import Basis

    class Here:
        nodes, now = town.nodes, now()

    value = indicator("KR")
    Nodes.load(Here, "KR", value)
    release.publish(town.nodes["KR"], "live", [value["id"]], basis=Basis(by="r"), now=now())
    seen = {}
    take = there.them.object
    there.them.object = lambda item, originators: (
        seen.update({item["object"]["id"]: item}),
        take(item, originators),
    )
    there.pull()
    item = seen[value["id"]]
    granted = max(at for at, one in there.them.got.items() if one["kind"] == "grant")
    return value["id"], item, granted


def holder(town, stix_id, party):
    found = service.holders(town.nodes["KR"], "live", stix_id, now=now())
    return [one.state for one in found if one.holder == party]


def test_a_holder_that_says_destroyed_and_passes_it_on_convicts_itself_by_two_signed_entries(town):
    """No machine sees into another's disk. What it said and what it did stand in its own log."""
    there, other = both(town)
    stix_id, item, granted = kr_object(town, there)
    about = {"origin": there.them.origin, "position": granted}
    there.me.append("receipt", {"to": "KR", "about": about, "state": "received", "objects": [item["root"]]})
    assert there.deliver()[0] == 200
    service.withdraw(town.nodes["KR"], "live", stix_id, reason="wrong", by="anna", now=now())
    there.pull()
    call = max(at for at, one in there.them.got.items() if one["kind"] == "withdraw")
    about = {"origin": there.them.origin, "position": call}
    lie = there.me.append(
        "receipt", {"to": "KR", "about": about, "state": "destroyed", "objects": [item["root"]]}
    )
    assert there.deliver()[0] == 200
    assert holder(town, stix_id, there.me.code) == ["destroyed"]  # its word, and no more than that
    other.objects[item["root"]] = item
    passed = other.grant(item["root"])
    assert other.deliver()[0] == 200
    assert [one["about"]["position"] for one in other.receipts()] == [passed]
    kept = {}
    for at, position in (("KR", lie), ("JP", passed)):
        with town.nodes[at].database.app("live") as tx:
            query = "SELECT envelope FROM peer_entry WHERE origin = %s AND position = %s"
            [(envelope,)] = raw(tx).execute(query, [there.me.origin, position]).fetchall()
        kept[at] = page.opened(bytes(envelope), page.ENTRY, [there.me.record.public])
    assert kept["KR"]["body"]["state"] == "destroyed"
    assert kept["KR"]["body"]["objects"] == kept["JP"]["body"]["rows"][0]["objects"] == [item["root"]]
    assert lie < passed


def test_receipts_for_what_was_never_sent_or_sent_to_another_are_false_and_change_nothing(town, settle):
    there = settle()
    stix_id, item, granted = kr_object(town, there)
    stranger = settle()
    for position, roots in ((granted, [item["root"]]), (granted, ["ab" * 32]), (2**40, [item["root"]])):
        about = {"origin": there.them.origin, "position": position}
        said = {"to": "KR", "about": about, "state": "destroyed", "objects": roots}
        stranger.me.append("receipt", said)
        assert stranger.deliver()[0] == 200
    assert town.refused("KR", stranger.me.code) == ["false-receipt"] * 3
    assert "destroyed" not in holder(town, stix_id, there.me.code) + holder(town, stix_id, stranger.me.code)


def test_two_versions_under_one_name_are_two_statements_and_nobody_agreed_to_the_other(town, settle):
    there = settle()
    parties = sorted(["KR", there.me.code])
    value = indicator(there.me.code)
    statements = []
    for name in ("the text that was read", "the text that was not"):
        root, _ = there.share({**value, "name": name})
        claim = page.claim({**value, "name": name}, bytes.fromhex(root))
        statements.append({"v": 1, "realm": "live", "object": claim, "parties": parties})
    for said in statements:
        given = there.me.record.sign(page.pae(page.JOINT, page.jcs(said)))
        signature = {"keyid": there.me.record.id, "sig": page.b64(given)}
        body = {"to": "KR", "statement": said, "stance": "signed", "signature": signature}
        there.me.append("countersign", body)
    # a signature of one statement under the other, and one in KR's name
    there.me.append("countersign", {**body, "statement": statements[0]})
    status, said = there.deliver()
    assert status == 200, said
    with town.nodes["KR"].database.app("live") as tx:
        found = joint_service.of_object(tx, value["id"])
    assert len(found) == 2
    for one in found:
        assert one.silent == ["KR"]
    states = sorted(one["state"] for one in there.receipts())
    assert states == ["disputed", "received"]  # the second text is shown as what contradicts the first


LEAVES = {
    "as it is": lambda _: None,
    "with a leaf moved": lambda item: item["leaves"].insert(0, item["leaves"].pop()),
    "with a leaf twice": lambda item: item["leaves"].append(item["leaves"][-1]),
    "with a leaf out": lambda item: item["leaves"].remove(
        next(x for x in item["leaves"] if isinstance(x, str))
    ),
    "with a property named anew": lambda item: item["leaves"].__setitem__(0, ["aaa", "ab" * 32]),
    "with a property changed": lambda item: item["object"].update(pattern="[ipv4-addr:value = '192.0.2.1']"),
    "with a property put in": lambda item: item["object"].update(description="new"),
    "with salt and leaves": lambda item: item.update(salt=page.b64(bytes(32))),
    "with leaves of numbers": lambda item: item.update(leaves=[1, 2]),
    "with 50,000 leaves": lambda item: item.update(leaves=["ab" * 32] * 50_000),
    "with no leaves": lambda item: item.update(leaves=[]),
}


def test_a_partial_of_somebody_elses_object_holds_only_as_it_was_cut(town):
    """The attacker relays KR's object to JP with its confidence left out, and then bends the proof."""
    there, other = both(town)
    _, whole, _ = kr_object(town, there)
    good, names = page.left_out(
        whole, ["pattern_version"] if "pattern_version" in whole["object"] else ["name"]
    )
    row = {"articles": ["tlp-2/CLEAR"], "objects": [whole["root"]], "left_out": {whole["root"]: names}}
    outcomes = {}
    for case, bend in LEAVES.items():
        item = copy.deepcopy(good)
        bend(item)
        other.objects[whole["root"]] = item
        granted = other.grant(rows=[row])
        status, said = other.deliver()
        if status != 200:
            assert (status, said["code"]) in {(422, "bad-input"), (422, "incomplete")}, (case, said)
            outcomes[case] = "page"
            del other.me.entries[-2:]
            continue
        [answer] = [one for one in other.receipts() if one["about"]["position"] == granted]
        outcomes[case] = answer["state"]
    assert outcomes.pop("as it is") in {"received", "quarantined"}
    assert set(outcomes.values()) <= {"refused", "page"}, outcomes


def test_a_grant_of_what_the_relay_never_had_brings_nothing_and_is_answered(town, settle):
    there = settle()
    granted = there.grant("ab" * 32)
    status, said = there.deliver()
    assert status == 200, said
    [answer] = [one for one in there.receipts() if one["about"]["position"] == granted]
    assert (answer["state"], answer["objects"]) == ("gone", ["ab" * 32])


def many(work, times, at_once=16):
    """Do `work(number)` that often, some at once; what each gave."""
    found, numbers = [], iter(range(times))
    lock = threading.Lock()

    def go():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            found.append(work(number))

    threads = [threading.Thread(target=go) for _ in range(at_once)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


FLOODS = {
    "a mailbox that is not theirs": ("POST", "mailbox/letters", b'{"v":1}', {403, 422}),
    "letters to nobody": ("POST", "mailbox/letters", None, {403}),
    "questions that nobody allowed": (
        "POST",
        "questions",
        b'{"v":1,"type":"url","epoch":"2026-W47","set":1}',
        {403, 409},
    ),
    "pages that are none": ("POST", "deliver", b"x" * 100_000, {422}),
}  # fmt: skip


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood_at_a_door_for_partners_is_refused_one_by_one_and_leaves_nothing(town, settle, case):
    method, path, body, statuses = FLOODS[case]
    there = settle()
    if body is None:
        letter = {"v": 1, "realm": "live", "party": there.me.code, "to": "JP", "number": 1}
        body = page.jcs(letter | {"key": "x25519-" + "0" * 32, "box": page.b64(bytes(50_000))})
    with nothing_kept(there):
        found = many(lambda _: there.ask(method, path, body)[0], 60)
        assert set(found) <= statuses
    began = time.monotonic()
    there.place()
    assert time.monotonic() - began < 3


def test_a_flood_at_the_witness_door_is_slowed_and_partners_are_still_answered(town, settle):
    there = settle()
    body = f"old 0\n\n{there.me.note()}".encode()
    junk = b"old 0\n" + base64.b64encode(bytes(32)) + b"\n\nx\n1\nAAAA\n\n"

    def knock(number):
        wire = http.client.HTTPConnection(*there.address, timeout=30)
        with contextlib.closing(wire):
            wire.request("POST", "/live/log/add-checkpoint", body if number % 50 == 0 else junk)
            return wire.getresponse().status

    with contextlib.ExitStack() as stack:
        for _ in range(50):  # and fifty that say nothing at all
            stack.enter_context(socket.create_connection(there.address, 5))
        found = many(knock, 660)
        began = time.monotonic()
        there.place()
        assert time.monotonic() - began < 5
    assert set(found) <= {200, 400, 409, 429}
    assert 429 in found
