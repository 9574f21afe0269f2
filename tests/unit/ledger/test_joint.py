"""One payload, several signatures: who has signed that very version, reserved, objects, or is silent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import dsse, entries, joint, joint_file
from secretariat.ledger.entries import Countersign, Draft, GivenSignature
from secretariat.ledger.joint import Joint, Word
from secretariat.ledger.keys import Keyring
from secretariat.ledger.object_signature import ObjectStatement

AT = datetime(2026, 11, 22, 2, 9, 36, tzinfo=UTC)
OUTCOME = ObjectStatement("sct-meeting--1", "sct-meeting", "ab" * 32, None, "2026-11-22T00:00:00.000Z")
RINGS = {party: Keyring.generate(party, "live", f"{party.lower()}.example") for party in ("CN", "JP", "KR")}
DATA = joint.payload(Joint(OUTCOME, ("CN", "JP", "KR"), "live"))


def said(party: str, stance: str, text: str = "", *, data: bytes = DATA, signature=...) -> bytes:
    """The entry of a party's word, as its log has it."""
    ring = RINGS[party]
    if signature is ...:
        signature = GivenSignature(*joint.sign(data, ring.record)) if stance in joint.SIGNS else None
    body = Countersign(to="X", statement=json.loads(data), stance=stance, text=text, signature=signature)
    draft = Draft("countersign", "X", body)
    payload = entries.payload(draft, realm="live", origin=ring.origin, party=party, now=AT)
    return entries.seal(payload, draft, ring.record, b"s" * 32).envelope


def word(party: str, stance: str, position: int = 1, text: str = "because") -> Word:
    ring = RINGS[party]
    signature = b"s" * 64 if stance in joint.SIGNS else None
    at = AT + timedelta(seconds=position)
    return Word(joint.digest_of(DATA), party, stance, text, b"k" * 32, signature, ring.origin, position, at)


def test_it_is_agreed_only_when_each_named_party_has_signed():
    words = [word("KR", "signed")]
    assert joint.outcome(joint.sides(("CN", "JP", "KR"), words)) == "open"
    words.append(word("JP", "signed"))
    assert joint.outcome(joint.sides(("CN", "JP", "KR"), words)) == "open"
    words.append(word("CN", "signed"))
    assert joint.outcome(joint.sides(("CN", "JP", "KR"), words)) == "agreed"


def test_a_reservation_is_a_signature_with_the_partys_own_text():
    sides = joint.sides(("JP", "KR"), [word("KR", "signed"), word("JP", "reservation", text="not point 3")])
    assert joint.outcome(sides) == "agreed-with-reservations"
    assert sides[0].state == "reservation"
    assert sides[0].word is not None
    assert sides[0].word.text == "not point 3"


def test_an_objection_keeps_it_from_being_agreed_until_that_party_signs():
    words = [word("KR", "signed"), word("JP", "objects", 1)]
    assert joint.outcome(joint.sides(("JP", "KR"), words)) == "objected"
    words.append(word("JP", "signed", 2))
    assert joint.outcome(joint.sides(("JP", "KR"), words)) == "agreed"


def test_a_signature_is_not_taken_back_and_a_later_objection_stands_beside_it():
    words = [word("KR", "signed"), word("JP", "signed", 1), word("JP", "objects", 2, "we regret")]
    sides = joint.sides(("JP", "KR"), words)
    assert joint.outcome(sides) == "agreed"
    assert sides[0].later is not None
    assert sides[0].later.text == "we regret"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["CN", "JP", "KR"]), st.sampled_from(["signed", "reservation", "objects"])),
        max_size=12,
    )
)
def test_what_came_of_it_does_not_hang_on_the_order_of_arrival(said_in_order):
    words = [word(party, stance, number) for number, (party, stance) in enumerate(said_in_order)]
    there = joint.sides(("CN", "JP", "KR"), words)
    back = joint.sides(("CN", "JP", "KR"), reversed(words))
    assert there == back
    signers = {one.party for one in words if one.stance in joint.SIGNS}
    assert joint.outcome(there).startswith("agreed") == (signers == {"CN", "JP", "KR"})


def test_all_signatures_together_are_one_envelope_that_verifies_with_every_partys_key():
    words = [joint.word_of(said(p, "signed"), 1, RINGS[p].public)[1] for p in ("KR", "CN", "JP")]
    made = joint.envelope(DATA, joint.sides(("CN", "JP", "KR"), words))
    for ring in RINGS.values():
        assert dsse.open_envelope(made, ring.public, joint.PAYLOAD_TYPE) == DATA
    assert [one.keyid for one in dsse.parse(made).signatures] == [
        RINGS[p].record.key_id for p in ("CN", "JP", "KR")
    ]


def test_a_word_is_read_from_the_entry_that_says_it():
    data, found = joint.word_of(said("JP", "reservation", "not point 3"), 7, RINGS["JP"].public)
    assert data == DATA
    assert (found.party, found.stance, found.text, found.position) == ("JP", "reservation", "not point 3", 7)


OTHER = joint.payload(Joint(OUTCOME, ("CN", "KR"), "live"))
EXERCISE = joint.payload(Joint(OUTCOME, ("CN", "JP", "KR"), "exercise"))
NEXT = joint.payload(Joint(msgspec.structs.replace(OUTCOME, root="cd" * 32), ("CN", "JP", "KR"), "live"))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        pytest.param(said("JP", "signed", data=OTHER), "not named", id="a party that is not named"),
        pytest.param(said("JP", "signed", data=EXERCISE), "realm", id="a statement of the other realm"),
        pytest.param(
            said("JP", "signed", signature=None), "carries a signature", id="signed without signature"
        ),
        pytest.param(
            said("JP", "signed", signature=GivenSignature(*joint.sign(NEXT, RINGS["JP"].record))),
            "does not hold",
            id="a signature of another version",
        ),
        pytest.param(
            said("JP", "signed", signature=GivenSignature(*joint.sign(DATA, RINGS["KR"].record))),
            "another key than the entry",
            id="another party's signature",
        ),
        pytest.param(
            said("JP", "objects", "no", signature=GivenSignature(*joint.sign(DATA, RINGS["JP"].record))),
            "carries no signature",
            id="an objection that signs",
        ),
        pytest.param(said("JP", "objects"), "without a text", id="an objection without a word"),
        pytest.param(
            said("JP", "signed", signature=GivenSignature(RINGS["JP"].record.key_id, "!!")),
            "base64",
            id="a signature that is none",
        ),
    ],
)
def test_what_is_no_word_is_refused(entry, why):
    with pytest.raises(ProofError, match=why):
        joint.word_of(entry, 1, RINGS["JP"].public)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{}", id="nothing"),
        pytest.param(DATA.replace(b'["CN","JP","KR"]', b'["KR","JP","CN"]'), id="parties out of order"),
        pytest.param(DATA.replace(b'["CN","JP","KR"]', b'["KR"]'), id="one party"),
        pytest.param(DATA.replace(b'"v":1', b'"v":2'), id="another version"),
        pytest.param(DATA.replace(b'"v":1', b'"v":1,"w":1'), id="a member more"),
        pytest.param(DATA.replace(b",", b", "), id="not canonical"),
    ],
)
def test_a_payload_that_two_readers_could_read_differently_is_refused(data):
    with pytest.raises(ProofError):
        joint.read(data)


def test_the_limits_of_parties_hold_at_their_edges():
    sixteen = tuple(f"P{number:02}" for number in range(16))
    assert joint.read(joint.payload(Joint(OUTCOME, sixteen, "live"))).parties == sixteen
    with pytest.raises(InputError, match="17 parties"):
        joint.payload(Joint(OUTCOME, (*sixteen, "P16"), "live"))


def test_the_limit_of_the_text_holds_at_its_edge():
    assert joint.checked_text("objects", "x" * joint.TEXT_MAX)
    with pytest.raises(InputError, match="4001"):
        joint.checked_text("objects", "x" * (joint.TEXT_MAX + 1))
    with pytest.raises(InputError, match="says why"):
        joint.checked_text("reservation", "  ")


def file(*stances: tuple[str, str, str]) -> bytes:
    said_so = [(said(party, stance, text), party) for party, stance, text in stances]
    words = [joint.word_of(entry, 1, RINGS[party].public)[1] for entry, party in said_so]
    keys = {party: RINGS[party].record.public for _entry, party in said_so}
    standing = joint.sides(("CN", "JP", "KR"), words)
    held = [joint_file.entry(1, entry) for entry, _party in said_so]
    return joint_file.write(DATA, standing, held, keys)


WHOLE = file(("CN", "signed", ""), ("JP", "reservation", "not point 3"), ("KR", "signed", ""))


def test_a_file_proves_to_a_stranger_who_signed_what():
    report = joint_file.verify(WHOLE, {"JP": RINGS["JP"].record.public})
    assert report.outcome == "agreed-with-reservations"
    assert report.named_keys == ["JP"]
    assert {side.party: side.state for side in report.sides} == {
        "CN": "signed",
        "JP": "reservation",
        "KR": "signed",
    }


def test_a_file_in_which_a_party_did_not_sign_is_not_agreed():
    report = joint_file.verify(file(("KR", "signed", ""), ("JP", "objects", "no")), {})
    assert report.outcome == "objected"


def changed(**members: object) -> bytes:
    return json.dumps({**json.loads(WHOLE), **members}).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(WHOLE[:-40], "cut off", id="cut off"),
        pytest.param(
            changed(words=json.loads(WHOLE)["words"][:2]), "not those of the words", id="a word gone"
        ),
        pytest.param(changed(keys={}), "no key of", id="without keys"),
        pytest.param(
            changed(keys=dict.fromkeys(("CN", "JP", "KR"), RINGS["KR"].record.public.hex())),
            "unknown key",
            id="one party signs for all",
        ),
        pytest.param(changed(object='{"id":"x"}', salt="00" * 32), "not the one", id="another text"),
        pytest.param(changed(format="other"), "not a joint statement", id="another format"),
    ],
)
def test_a_file_that_was_changed_is_refused_with_the_reason(data, why):
    with pytest.raises(ProofError, match=why):
        joint_file.verify(data, {})


def test_a_key_that_the_reader_knows_otherwise_refuses_the_file():
    with pytest.raises(ProofError, match="another key of JP"):
        joint_file.verify(WHOLE, {"JP": RINGS["KR"].record.public})
