"""Private set intersection: the RFCs' vectors, an oracle, a second implementation, and what is refused."""

from __future__ import annotations

import hashlib
import json
import runpy
import secrets
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ristretto_oracle as oracle
from secretariat.base.errors import InputError, ProofError
from secretariat.exchange import psi, ristretto
from secretariat.exchange.psi import Context

VECTORS = Path(__file__).parents[2] / "vectors" / "psi"
GROUP = json.loads((VECTORS / "rfc9496.json").read_text())
VOPRF = json.loads((VECTORS / "rfc9497.json").read_text())
RFC_CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
CONTEXT = Context("live", "JP", "KR", "domain-name", "2026-W47").string


def secret() -> bytes:
    return psi.secret_of(secrets.token_bytes(64))


def points(count: int) -> list[bytes]:
    return [ristretto.point_of(secrets.token_bytes(64)) for _ in range(count)]


# the group


def test_multiples_of_the_generator_are_those_of_rfc_9496():
    multiples = [bytes.fromhex(one) for one in GROUP["multiples_of_the_generator"]]
    assert multiples[1] == ristretto.GENERATOR
    for number, (one, other) in enumerate(pairwise(multiples)):
        assert oracle.encode(oracle.times(number, oracle.decode(ristretto.GENERATOR))) == one
        if number:
            assert ristretto.plus(one, ristretto.GENERATOR) == other
            assert ristretto.times(ristretto.scalar(number), ristretto.GENERATOR) == one


@pytest.mark.parametrize("text", GROUP["no_encodings"])
def test_what_is_no_encoding_of_a_point_is_refused_everywhere(text):
    bad = bytes.fromhex(text)
    assert oracle.decode(bad) is None
    assert not ristretto.is_point(bad)
    with pytest.raises(InputError, match="not a point"):
        ristretto.times(secret(), bad)
    with pytest.raises(InputError, match="not two points"):
        ristretto.plus(ristretto.GENERATOR, bad)


@pytest.mark.parametrize(("uniform", "point"), GROUP["uniform_to_point"])
def test_uniform_bytes_become_the_points_of_rfc_9496(uniform, point):
    assert ristretto.point_of(bytes.fromhex(uniform)).hex() == point
    assert oracle.encode(oracle.derive(bytes.fromhex(uniform))).hex() == point


def test_the_identity_is_refused():
    assert not ristretto.is_point(ristretto.IDENTITY)
    for bad in (lambda: ristretto.times(secret(), ristretto.IDENTITY), lambda: psi.split(bytes(32))):
        with pytest.raises(InputError):
            bad()
    one = points(1)[0]
    opposite = ristretto.times(ristretto.scalar(-1), one)
    with pytest.raises(InputError, match="undoes"):
        ristretto.plus(one, opposite)


def test_libsodium_and_the_oracle_agree():
    for _ in range(8):
        one, other = points(2)
        factor = secrets.randbelow(oracle.ORDER - 1) + 1
        assert ristretto.times(ristretto.scalar(factor), one) == oracle.encode(
            oracle.times(factor, oracle.decode(one))
        )
        assert ristretto.plus(one, other) == oracle.encode(
            oracle.plus(oracle.decode(one), oracle.decode(other))
        )


def test_the_library_leaves_no_file_behind(tmp_path, monkeypatch):
    import subprocess
    import sys

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = "from secretariat.exchange import ristretto; ristretto.library()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert list(tmp_path.iterdir()) == []


# the oblivious function and its proof


@pytest.mark.parametrize("case", VOPRF["vectors"], ids=["one", "longer", "batch"])
def test_the_function_and_the_batched_proof_are_those_of_rfc_9497(case):
    key = bytes.fromhex(VOPRF["skSm"])
    assert psi.key_of(key).hex() == VOPRF["pkSm"]
    blinded = [
        ristretto.times(bytes.fromhex(blind), psi.point_of(bytes.fromhex(value), RFC_CONTEXT))
        for value, blind in zip(case["input"], case["blind"], strict=True)
    ]
    assert [one.hex() for one in blinded] == case["blinded"]
    evaluated = psi.times(key, blinded)
    assert [one.hex() for one in evaluated] == case["evaluated"]
    proof = psi.prove(key, blinded, evaluated, bytes.fromhex(case["r"]), RFC_CONTEXT)
    assert proof.hex() == case["proof"]
    psi.verify(psi.key_of(key), blinded, evaluated, proof, RFC_CONTEXT)


class Proven:
    """A right proof over a few points, to be bent."""

    def __init__(self, count: int = 5) -> None:
        self.secret = secret()
        self.asked = points(count)
        self.answered = psi.times(self.secret, self.asked)
        self.proof = psi.prove(self.secret, self.asked, self.answered, secret(), CONTEXT)

    def check(self, **bent: object) -> None:
        key = bent.get("key", psi.key_of(self.secret))
        psi.verify(
            key,
            bent.get("asked", self.asked),
            bent.get("answered", self.answered),
            bent.get("proof", self.proof),
            bent.get("context", CONTEXT),
        )


BENT = {
    "another key": lambda _: {"key": psi.key_of(secret())},
    "one answer of another key": lambda p: {"answered": [*p.answered[:-1], points(1)[0]]},
    "two answers exchanged": lambda p: {"answered": [p.answered[1], p.answered[0], *p.answered[2:]]},
    "two answers shifted against each other": lambda p: {
        "answered": [
            ristretto.plus(p.answered[0], p.answered[2]),
            ristretto.plus(p.answered[1], ristretto.times(ristretto.scalar(-1), p.answered[2])),
            *p.answered[2:],
        ]
    },
    "an answer less": lambda p: {"answered": p.answered[:-1]},
    "a point less on both sides": lambda p: {"answered": p.answered[:-1], "asked": p.asked[:-1]},
    "another context": lambda _: {"context": Context("live", "JP", "KR", "url", "2026-W47").string},
    "a bit of the proof": lambda p: {"proof": bytes([p.proof[0] ^ 1]) + p.proof[1:]},
    "a scalar that is not reduced": lambda p: {
        "proof": p.proof[:32]
        + (int.from_bytes(p.proof[32:], "little") + ristretto.ORDER).to_bytes(32, "little")
    },
    "a proof cut short": lambda p: {"proof": p.proof[:-1]},
    "no proof": lambda _: {"proof": b""},
    "zeros": lambda _: {"proof": bytes(64)},
    "the identity as key": lambda _: {"key": bytes(32)},
    "no point among the answers": lambda p: {"answered": [b"\xff" * 32, *p.answered[1:]]},
    "nothing at all": lambda _: {"asked": [], "answered": []},
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
def test_a_proof_that_does_not_hold_is_refused(bend):
    proven = Proven()
    proven.check()
    with pytest.raises(ProofError):
        proven.check(**bend(proven))


def test_a_batch_has_a_limit():
    many = points(1) * (psi.PART + 1)
    with pytest.raises(ProofError):
        psi.verify(psi.key_of(secret()), many, many, bytes(64), CONTEXT)


# lists


@pytest.mark.parametrize(
    "bad",
    [b"", b"x" * 31, b"x" * 33, bytes(32), b"\2" * 32 + b"\1" * 32, b"\1" * 64, b"\1" * 32 * (psi.PART + 1)],
    ids=["nothing", "short", "long", "identity", "out of order", "twice", "too many"],
)
def test_a_list_has_one_writing(bad):
    with pytest.raises(InputError):
        psi.split(bad)


def test_a_part_continues_the_one_before():
    assert psi.split(b"\2" * 32, after=b"\1" * 32) == [b"\2" * 32]
    for last in (b"\2" * 32, b"\3" * 32):
        with pytest.raises(InputError):
            psi.split(b"\2" * 32, after=last)
    with pytest.raises(InputError, match="twice"):
        psi.in_order([b"\1" * 32, b"\1" * 32])


def test_contexts_share_no_point():
    base = Context("live", "JP", "KR", "domain-name", "2026-W47")
    others = [
        Context("exercise", "JP", "KR", "domain-name", "2026-W47"),
        Context("live", "KR", "JP", "domain-name", "2026-W47"),
        Context("live", "JP", "KR", "url", "2026-W47"),
        Context("live", "JP", "KR", "domain-name", "2026-W48"),
        Context("live", "JPK", "R", "domain-name", "2026-W47"),
    ]
    found = {psi.point_of(b"evil.example", one.string) for one in [base, *others]}
    assert len(found) == 6


# the whole


class Session:
    """Both sides in one place: `bend` is what a dishonest answerer does to its answers."""

    def __init__(self, mine: set[bytes], theirs: set[bytes], bend=lambda answered, _: answered) -> None:
        self.a, self.b = secret(), secret()
        self.scalars = psi.ringer_scalars(self.a, len(mine))
        rings = psi.times_generator(self.scalars)
        self.asked = psi.in_order([*psi.blind(sorted(mine), self.a, CONTEXT), *rings])
        self.tags = {psi.tag(one, CONTEXT) for one in psi.blind(theirs, self.b, CONTEXT)}
        evaluated = bend(psi.times(self.b, self.asked), self)
        self.evaluated = evaluated
        self.answered = psi.in_order(evaluated)
        sums = [psi.total(self.asked)], [psi.total(psi.times(self.b, self.asked))]
        self.proof = psi.prove(self.b, *sums, secret(), CONTEXT)

    def count(self) -> int:
        psi.verify(
            psi.key_of(self.b), [psi.total(self.asked)], [psi.total(self.answered)], self.proof, CONTEXT
        )
        assert psi.missing_ringers(set(self.answered), self.scalars, psi.key_of(self.b)) == 0
        undo = psi.inverse(self.a)
        return sum(psi.tag(one, CONTEXT) in self.tags for one in psi.times(undo, self.answered))


VALUES = st.sets(st.sampled_from([f"{n}.example".encode() for n in range(40)]), max_size=25)


@settings(max_examples=25, deadline=None)
@given(VALUES.filter(bool), VALUES)
def test_the_count_is_the_size_of_the_intersection(mine, theirs):
    assert Session(mine, theirs).count() == len(mine & theirs)


def test_a_second_implementation_counts_the_same():
    other = pytest.importorskip(
        "private_set_intersection.python", reason="openmined-psi is not for this machine"
    )
    mine = {secrets.token_hex(8) for _ in range(300)}
    theirs = set(sorted(mine)[:120]) | {secrets.token_hex(8) for _ in range(400)}
    client = other.client.CreateWithNewKey(reveal_intersection=False)
    server = other.server.CreateWithNewKey(reveal_intersection=False)
    setup = server.CreateSetupMessage(0.0, len(mine), sorted(theirs), other.DataStructure.RAW)
    answer = server.ProcessRequest(client.CreateRequest(sorted(mine)))
    theirs_says = client.GetIntersectionSize(setup, answer)
    ours = Session({one.encode() for one in mine}, {one.encode() for one in theirs}).count()
    assert ours == theirs_says == 120


def test_one_wrong_answer_is_seen_in_the_sum():
    def bend(answered, _):
        return [*answered[:-1], points(1)[0]]

    with pytest.raises(ProofError):
        Session({b"a", b"b"}, {b"a"}, bend).count()


def test_answers_bent_against_each_other_pass_the_sum_and_are_seen_by_ringers_or_in_the_opening():
    def bend(answered, _):
        shift = points(1)[0]
        back = ristretto.times(ristretto.scalar(-1), shift)
        half = len(answered) // 2 * 2
        bent = [
            ristretto.plus(one, shift if number % 2 else back) for number, one in enumerate(answered[:half])
        ]
        return bent + answered[half:]

    mine = {str(n).encode() for n in range(100)}
    session = Session(mine, mine, bend)
    key = psi.key_of(session.b)
    psi.verify(key, [psi.total(session.asked)], [psi.total(session.answered)], session.proof, CONTEXT)
    assert psi.missing_ringers(set(session.answered), session.scalars, key) >= psi.ringers(100) - 1
    opened = psi.prove(session.b, session.asked, session.evaluated, secret(), CONTEXT)
    with pytest.raises(ProofError):
        psi.verify(key, session.asked, session.evaluated, opened, CONTEXT)


def test_the_answer_shows_in_no_order_what_was_asked():
    mine = {str(n).encode() for n in range(64)}
    session = Session(mine, mine)
    assert session.answered == sorted(session.answered)
    assert session.answered != session.evaluated


def test_how_many_ringers_go_along_is_nobodys_choice():
    assert [psi.ringers(size) for size in (1, 100, 1600, 1601, 10_000)] == [32, 32, 32, 33, 200]
    one = secret()
    assert psi.ringer_scalars(one, 100) == psi.ringer_scalars(one, 100) != psi.ringer_scalars(secret(), 100)
    assert len(set(psi.ringer_scalars(one, 10_000))) == 200


def test_memory_stays_small():
    tracemalloc.start()
    mine = {f"{n}.example".encode() for n in range(500)}
    Session(mine, mine).count()
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_secret_is_never_zero_and_needs_its_bytes():
    assert ristretto.number_of(psi.secret_of(bytes(64))) == 1
    with pytest.raises(InputError):
        psi.secret_of(bytes(32))
    assert hashlib.sha256(psi.secret_of(b"\xff" * 64)).digest() != hashlib.sha256(bytes(32)).digest()


# the vector of a whole question


def test_the_vector_is_what_the_code_makes():
    made = runpy.run_path(str(VECTORS / "make.py"))
    assert (VECTORS / "question.json").read_text(encoding="utf-8") == made["text"](made["vectors"]())


def test_a_second_implementation_can_follow_the_vector():
    """From docs/protocol.md and the oracle alone: nothing of ours but the hash to the group is called."""
    told = json.loads((VECTORS / "question.json").read_text(encoding="utf-8"))
    words = [told["context"][name] for name in ("realm", "asker", "answerer", "type", "epoch")]
    context = b"sct-private-question-v1-ristretto255-SHA512"
    context += b"".join(len(word).to_bytes(2, "big") + word.encode() for word in words)
    assert context.hex() == told["context"]["string"]
    a = int.from_bytes(bytes.fromhex(told["asker"]["secret"]), "little")
    b = int.from_bytes(bytes.fromhex(told["answerer"]["secret"]), "little")
    base = oracle.decode(ristretto.GENERATOR)

    def hashed(value: str):
        return oracle.derive(psi.expand(value.encode(), b"HashToGroup-" + context, 64))

    for value, point in told["points"].items():
        assert oracle.encode(hashed(value)).hex() == point
    mine = [oracle.encode(oracle.times(a, hashed(value))) for value in told["values"]["JP"]]
    rings = [int.from_bytes(bytes.fromhex(one), "little") for one in told["asker"]["ringers"]]
    asked = sorted([*mine, *(oracle.encode(oracle.times(one, base)) for one in rings)])
    assert [one.hex() for one in asked] == told["asker"]["list"]
    assert hashlib.sha256(b"".join(asked)).hexdigest() == told["asker"]["hash"]
    opened = [oracle.encode(oracle.times(b, oracle.decode(one))) for one in asked]
    assert [one.hex() for one in opened] == told["answerer"]["opened"]
    assert [one.hex() for one in sorted(opened)] == told["answerer"]["answer"]

    def tag(point) -> str:
        framed = b"Tag-" + len(context).to_bytes(2, "big") + context + oracle.encode(point)
        return hashlib.sha256(framed).hexdigest()

    tags = sorted(tag(oracle.times(b, hashed(value))) for value in told["values"]["KR"])
    assert tags == told["answerer"]["tags"]
    undo = pow(a, -1, oracle.ORDER)
    taken = [tag(oracle.times(undo, oracle.decode(one))) for one in sorted(opened)]
    assert sum(one in tags for one in taken) == told["result"]
    key = bytes.fromhex(told["answerer"]["key"])
    psi.verify(key, asked, opened, bytes.fromhex(told["answerer"]["opened_proof"]), context)
    sums = [psi.total(asked)], [psi.total(opened)]
    psi.verify(key, *sums, bytes.fromhex(told["answerer"]["sum_proof"]), context)
