"""A witness follows C2SP tlog-witness to the letter; what stands behind an entry follows from its words.

The requests are written here from the specification (c2sp.org/tlog-witness, commit 055270b of 2025), not by
the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.ledger import checkpoint, merkle, witness
from secretariat.ledger.keys import Keyring, Signer
from secretariat.ledger.witness import Tree, WitnessError, Word

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]
FORK = [*LEAVES[:3], *(merkle.leaf_hash(bytes([number, 1])) for number in range(37))]
ORIGIN = "example.com/behind-the-sofa"
LOG = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x04" * 32)
PUBLIC = LOG.public_key().public_bytes_raw()
RING = Keyring.generate("JP", "live", "jp.example")


def line(name: str, data: bytes) -> str:
    return f"\u2014 {name} {base64.b64encode(data).decode()}\n"


def note(
    leaves: list[bytes],
    *,
    origin: str = ORIGIN,
    key: Ed25519PrivateKey = LOG,
    extension: str = "",
    more: str = "",
) -> str:
    """A signed checkpoint, from the texts of C2SP signed-note and tlog-checkpoint alone."""
    text = f"{origin}\n{len(leaves)}\n{base64.b64encode(merkle.root(leaves)).decode()}\n{extension}"
    public = key.public_key().public_bytes_raw()
    name = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    return f"{text}\n{line(origin, name + key.sign(text.encode()))}{more}"


def body(old: int, proof: list[bytes], shown: str) -> bytes:
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in proof)
    return f"old {old}\n{lines}\n{shown}".encode()


def asked(
    kept: int, raw: bytes, *, publics: tuple[bytes, ...] | None = (PUBLIC,), tree: Tree | None = None
) -> None:
    request = witness.read_request(raw)
    shown = witness.shown_in(request, publics)
    witness.check(request, shown, tree or Tree(kept, merkle.root(LEAVES[:kept])))


def path(old: int, leaves: list[bytes]) -> list[bytes]:
    return merkle.consistency_path(leaves, old) if 0 < old < len(leaves) else []


def test_the_example_of_the_specification_is_read() -> None:
    """The request printed in tlog-witness.md: its lines are read, its signatures are of no key of ours."""
    raw = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n"
        "20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        "\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7"
        "u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "\u2014 example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2W"
        "ks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"
    )
    request = witness.read_request(raw.encode())
    assert (request.old, len(request.proof)) == (20852014, 4)
    assert witness.write_request(request) == raw.encode()
    with pytest.raises(WitnessError) as refused:
        witness.shown_in(request, [PUBLIC])
    assert refused.value.status == 403


@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_every_log_that_only_grew_is_cosigned(old: int, new: int) -> None:
    old, new = sorted((old, new))
    asked(old, body(old, path(old, LEAVES[:new]), note(LEAVES[:new])))


@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_no_fork_is_ever_cosigned(kept: int, size: int, old: int) -> None:
    """Whatever the request says, with the fork's own best proof: never over a tree it does not continue."""
    with pytest.raises(WitnessError) as refused:
        asked(kept, body(old, path(old, FORK[:size]), note(FORK[:size])))
    assert refused.value.status in {400, 409, 422}
    assert (refused.value.shown is not None) == (size == kept)


@pytest.mark.parametrize(
    ("status", "kept", "raw"),
    [
        pytest.param(400, 5, body(9, [], note(LEAVES[:8])), id="old size above the checkpoint"),
        pytest.param(409, 5, body(4, path(4, LEAVES[:8]), note(LEAVES[:8])), id="old size not the kept one"),
        pytest.param(409, 5, body(0, [], note(LEAVES[:8])), id="asking for the size"),
        pytest.param(409, 8, body(5, [], note(LEAVES[:5])), id="a stale tree"),
        pytest.param(409, 5, body(5, [], note(FORK[:5])), id="another root at the kept size"),
        pytest.param(422, 5, body(5, [], note(LEAVES[:8])), id="no proof"),
        pytest.param(422, 5, body(5, path(4, LEAVES[:8]), note(LEAVES[:8])), id="a proof from another size"),
        pytest.param(422, 5, body(5, [b"\1" * 32], note(LEAVES[:5])), id="a proof between equal trees"),
        pytest.param(422, 0, body(0, [b"\1" * 32], note(LEAVES[:5])), id="a proof from nothing"),
        pytest.param(422, 5, body(5, path(5, FORK[:8]), note(FORK[:8])), id="a fork beyond the kept size"),
        pytest.param(403, 5, body(5, [], note(LEAVES[:5], key=OTHER)), id="another key"),
        pytest.param(403, 5, body(5, [], note(LEAVES[:5]).replace("\n5\n", "\n6\n")), id="changed"),
        pytest.param(400, 5, body(5, [], note(LEAVES[:5])).replace(b"old", b"new"), id="not old"),
        pytest.param(400, 5, b"old 05\n\n" + note(LEAVES[:5]).encode(), id="leading zero"),
        pytest.param(400, 5, b"old +5\n\n" + note(LEAVES[:5]).encode(), id="signed size"),
        pytest.param(400, 5, b"old 5\r\n\r\n" + note(LEAVES[:5]).encode(), id="carriage returns"),
        pytest.param(400, 5, b"old 5\n" + note(LEAVES[:5]).encode(), id="no empty line"),
        pytest.param(400, 5, b"old 5\nAAAA\n\n" + note(LEAVES[:5]).encode(), id="a short hash"),
        pytest.param(400, 5, b"old 5\n?\n\n" + note(LEAVES[:5]).encode(), id="not base64"),
        pytest.param(400, 5, body(5, [b"\1" * 32] * 64, note(LEAVES[:8])), id="64 proof lines"),
        pytest.param(400, 5, body(5, [], "x"), id="no checkpoint"),
        pytest.param(400, 5, body(5, [], note(LEAVES[:5], extension="x\n")), id="extension line"),
        pytest.param(400, 5, b"", id="nothing"),
        pytest.param(400, 5, b"\xff" * 200, id="noise"),
        pytest.param(413, 5, body(5, [], note(LEAVES[:5], more="\u2014 x AAAAAAAA\n" * 2000)), id="too long"),
    ],
)
def test_what_is_not_cosigned_is_answered_by_the_right_status(status: int, kept: int, raw: bytes) -> None:
    with pytest.raises(WitnessError) as refused:
        asked(kept, raw)
    assert refused.value.status == status
    assert refused.value.size == (kept if status == 409 else None)


def test_a_log_that_nobody_named_here_is_unknown() -> None:
    with pytest.raises(WitnessError) as refused:
        asked(0, body(0, [], note(LEAVES[:5])), publics=None)
    assert refused.value.status == 404


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    stranger = line("witness.example/w1", b"\7" * 76)
    asked(0, body(0, [], note(LEAVES[:5], more=stranger)))


def test_the_cosignature_is_that_of_tlog_cosignature() -> None:
    shown = checkpoint.parse(note(LEAVES[:5]).encode())
    word = witness.give(shown, RING, 1_679_315_147)
    dash, name, value = word.line.decode().removesuffix("\n").split(" ")
    data = base64.b64decode(value)
    public = RING.witness.public
    assert (dash, name) == ("\u2014", "jp.example/live")
    assert data[:4] == hashlib.sha256(b"jp.example/live\n\x04" + public).digest()[:4]
    assert struct.unpack(">Q", data[4:12]) == (1_679_315_147,)
    text = note(LEAVES[:5]).split("\n\n")[0] + "\n"
    signed = f"cosignature/v1\ntime 1679315147\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(data[12:], signed)


def test_who_else_signed_is_left_out_of_the_bare_note() -> None:
    whole = note(LEAVES[:5], more=line("us.example/live", b"\7" * 76)).encode()
    assert witness.bare(whole, [PUBLIC]) == note(LEAVES[:5]).encode()


def test_a_false_cosignature_is_refused_and_a_missing_one_is_none() -> None:
    shown = note(LEAVES[:5]).encode()
    word = witness.give(checkpoint.parse(shown), RING, 7)
    there = witness.with_words(shown, [word, word])
    assert witness.word_in(there, RING.origin, [RING.witness.public]) == word
    assert witness.word_in(shown, RING.origin, [RING.witness.public]) is None
    assert witness.word_in(there, RING.origin, [Signer.generate().public]) is None
    other = note(LEAVES[:6]).encode() + word.line
    with pytest.raises(Exception, match="does not hold"):
        witness.word_in(other, RING.origin, [RING.witness.public])


def word(who: str, size: int, seconds: int = 1) -> Word:
    return Word(ORIGIN, size, b"\1" * 32, who, seconds, b"")


@pytest.mark.parametrize(
    ("recipient", "words", "others", "state", "third"),
    [
        pytest.param("jp", [], [], "verified", "none", id="nobody else there"),
        pytest.param("jp", [], ["jp"], "verified", "none", id="the recipient is no third"),
        pytest.param("jp", [], ["jp", "us"], "verified", "awaited", id="a third may come"),
        pytest.param("jp", [("jp", 4)], ["jp"], "verified", "none", id="an older tree does not cover it"),
        pytest.param("jp", [("jp", 5)], ["jp"], "cosigned", "none", id="the recipient alone"),
        pytest.param("jp", [("jp", 5)], ["jp", "us"], "cosigned", "awaited", id="the third is awaited"),
        pytest.param("jp", [("us", 9)], ["jp", "us"], "verified", "seen", id="the third was first"),
        pytest.param("jp", [("jp", 5), ("us", 9)], ["jp", "us"], "final", "seen", id="both"),
        pytest.param("jp", [("jp", 5), (ORIGIN, 9)], ["jp"], "cosigned", "none", id="the author is no third"),
        pytest.param(None, [("jp", 5)], ["jp", "us"], "cosigned", "awaited", id="for nobody: one partner"),
        pytest.param(None, [("jp", 5), ("us", 6)], ["jp", "us"], "final", "seen", id="for nobody: two"),
        pytest.param(None, [("jp", 5)], ["jp"], "cosigned", "none", id="for nobody: only one partner there"),
    ],
)
def test_what_stands_behind_an_entry(
    recipient: str | None, words: list[tuple[str, int]], others: list[str], state: str, third: str
) -> None:
    said = [word(who, size) for who, size in words]
    found = witness.standing(4, said, author=ORIGIN, recipient=recipient, others=others)
    assert (found.state, found.third) == (state, third)


def test_a_state_holds_since_its_last_needed_word() -> None:
    said = [word("jp", 9, 30), word("us", 9, 20), word("us", 12, 50), word("kr", 12, 40)]
    found = witness.standing(4, said, author=ORIGIN, recipient="jp", others=[])
    assert (found.state, found.since, found.by) == ("final", 30, ("us", "jp", "kr"))


def test_circles_say_who_may_know_of_whom() -> None:
    circles = ["JP,KR,US", "AU, GB", "US,*"]
    assert witness.acquainted(circles, "JP", "US")
    assert not witness.acquainted(circles, "JP", "GB")
    assert witness.acquainted(circles, "US", "*")
    assert not witness.acquainted(circles, "JP", "*")
    assert witness.acquainted(circles, "CN", "US")
    assert not witness.acquainted([], "JP", "JP")


def test_a_star_alone_lets_everybody_know_of_everybody() -> None:
    assert witness.acquainted(["*"], "JP", "GB")
    assert witness.acquainted(["*"], "JP", "*")
