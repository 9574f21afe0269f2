"""Every vector is read by two implementations: ours, and the one that knows docs/protocol.md alone."""

from __future__ import annotations

import base64
import json
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from contract.second import by_the_page as page
from secretariat.base.errors import SecretariatError
from secretariat.exchange import identity
from secretariat.ledger import object_signature, property_tree, revocation, statements
from secretariat.ledger.property_tree import Partial
from secretariat.ledger.revocation import Revoked
from secretariat.records import leaving_out

VECTORS = Path(__file__).parents[2] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


PARTIALS, REVOCATIONS = read("second/partials"), read("second/revocations")
SIGNATURES, LEDGER, EXCHANGE = read("second/signatures"), read("ledger/vectors"), read("exchange/vectors")
WITNESS, MAILBOX, TRANSFER = read("ledger/witness"), read("mailbox/vectors"), read("transfer/vectors")


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda one: one["name"])


def test_the_vectors_of_the_second_implementation_are_what_its_maker_makes() -> None:
    made = runpy.run_path(str(VECTORS / "second/make.py"))
    assert made["partials"]() == PARTIALS
    assert made["revocations"]() == REVOCATIONS
    assert made["signatures"]() == SIGNATURES


@named(PARTIALS["cases"])
def test_a_partial_by_both(case) -> None:
    data, public = case["object"].encode(), bytes.fromhex(PARTIALS["record"]["public"])
    signature, root = PARTIALS["signature"].encode(), bytes.fromhex(PARTIALS["root"])
    assert ours_on_a_partial(case, data, public, signature, root) == case["refused"]
    try:
        found = page.check_partial(page.read(data), case["leaves"], case["left_out"])
        claim = page.claim(page.read(data), root)
        held = found == root and page.opened(signature, page.OBJECT, [public]) == claim
    except (page.WrongError, KeyError):
        held = False
    assert held == (case["refused"] is None)


def ours_on_a_partial(case, data, public, signature, root) -> str | None:
    leaves = msgspec.convert(case["leaves"], list[property_tree.Present | str])
    proof = Partial(leaves, case["left_out"])
    try:
        kept = property_tree.proof_of(proof)
        said = object_signature.verify_copy(signature, data, kept, {PARTIALS["record"]["id"]: public})
        assert said.root == root.hex()
    except SecretariatError:
        return "broken-signature"
    try:
        property_tree.check_names(proof, proof.left_out)
        leaving_out.refuse_required(json.loads(data), proof.left_out)
    except SecretariatError:
        return "wrongly-left-out"
    return None


@named([{"name": " + ".join(one["statements"]), **one} for one in REVOCATIONS["cases"]])
def test_what_statements_revoke_by_both(case) -> None:
    sealed = [REVOCATIONS["statements"][one].encode() for one in case["statements"]]
    root = bytes.fromhex(REVOCATIONS["root"])
    assert page.revoked_by(sealed, root) == case["revoked"]
    held: dict[str, Revoked] = {}
    for one in sealed:
        stated = statements.read(one, "live", root)
        held = revocation.merged(held, stated.revoked, latest=stated.at)
    assert {one.key: one.since for one in revocation.statements_of(held)} == case["revoked"]


@named(REVOCATIONS["entries"])
def test_what_counts_under_a_revoked_key_by_both(case) -> None:
    key, since = REVOCATIONS["key"], case["since"]
    words = [SimpleNamespace(size=size, seconds=at, witness="jp.example/live") for size, at in case["words"]]
    own = SimpleNamespace(size=10**6, seconds=0, witness="kr.example/live")  # its own word counts for nothing
    moment = datetime.fromisoformat(since)

    def seen(at: datetime) -> int:
        return revocation.seen_in_time([*words, own], at, author="kr.example/live")

    held = {key: Revoked("record", moment, "stolen")}
    assert revocation.counts([key], held, case["position"], seen) == case["counts"]
    assert page.entry_counts(key, case["position"], {key: since}, case["words"]) == case["counts"]
    assert revocation.counts(["another"], held, case["position"], seen)


KEYS = {one["id"]: bytes.fromhex(one["public"]) for one in SIGNATURES["keys"].values()}
MINUTE = timedelta(seconds=60)


@named(SIGNATURES["requests"])
def test_a_request_by_both(case) -> None:
    said = case["request"]
    known = {SIGNATURES["keys"]["JP transport"]["id"]: KEYS[SIGNATURES["keys"]["JP transport"]["id"]]}
    request = identity.Request(said["method"], said["url"], said["headers"], base64.b64decode(said["body"]))
    now = datetime.fromtimestamp(case["now"], tz=UTC)
    if case["refused"] is None:
        identity.verify_request(request, to="KR", find=known.get, now=now, skew=MINUTE)
        assert page.check_request(said, "KR", known, case["now"]) == case["base"]
        return
    with pytest.raises(identity.IdentityError) as ours:
        identity.verify_request(request, to="KR", find=known.get, now=now, skew=MINUTE)
    with pytest.raises(page.WrongError) as theirs:
        page.check_request(said, "KR", known, case["now"])
    assert ours.value.code == str(theirs.value) == case["refused"]


@named(SIGNATURES["answers"])
def test_an_answer_by_both(case) -> None:
    said, asked = case["answer"], SIGNATURES["requests"][case["asked"]]["request"]
    request = identity.Request(
        asked["method"], asked["url"], asked["headers"], base64.b64decode(asked["body"])
    )
    answer = identity.Answer(said["status"], said["headers"], base64.b64decode(said["body"]), request)
    now = datetime.fromtimestamp(SIGNATURES["requests"][0]["now"], tz=UTC)
    if case["refused"] is None:
        identity.verify_answer(answer, find=KEYS.get, now=now, skew=MINUTE)
        assert page.check_answer(said, asked, KEYS) == case["base"]
        return
    with pytest.raises(identity.IdentityError):
        identity.verify_answer(answer, find=KEYS.get, now=now, skew=MINUTE)
    with pytest.raises(page.WrongError):
        page.check_answer(said, asked, KEYS)


def test_the_ledger_by_the_page_alone() -> None:
    root, record, log = (bytes.fromhex(LEDGER["keys"][one]["public"]) for one in ("root", "record", "log"))
    one = LEDGER["object"]
    assert page.root_of(page.read(one["canonical"]), bytes.fromhex(one["salt"])).hex() == one["root"]
    assert (
        page.partial_root(page.read(one["partial"]["object"]), one["partial"]["leaves"]).hex() == one["root"]
    )
    leaves = []
    for each in LEDGER["entries"]:
        said = page.opened(each["envelope"].encode(), page.ENTRY, [root if each["kind"] == "key" else record])
        assert page.jcs(said).decode() == each["payload"]
        digest = page.mac(bytes.fromhex(each["salt"]), each["envelope"].encode())
        assert digest.hex() == each["digest"]
        leaves.append(page.sha(b"\0" + digest))
        assert leaves[-1].hex() == each["leaf"]
    assert page.tree(leaves).hex() == LEDGER["tree"]["root"]
    for number, path in enumerate(LEDGER["tree"]["inclusion"]):
        assert [h.hex() for h in page.inclusion(number, leaves)] == path
        assert page.included(leaves[number], number, 3, page.inclusion(number, leaves), page.tree(leaves))
    for name, path in LEDGER["tree"]["consistency"].items():
        old = int(name.split("-")[0])
        proof = page.consistency(old, leaves)
        assert [h.hex() for h in proof] == path
        assert page.consistent(old, page.tree(leaves[:old]), 3, page.tree(leaves), proof)
    note = LEDGER["checkpoint"]["note"]
    assert page.note_read(note, "kr.example/live", log) == (3, page.tree(leaves))


def test_the_answers_of_a_witness_by_the_page_alone() -> None:
    witness = page.Key(bytes.fromhex(WITNESS["witness"]["seed"]))
    name, seconds = WITNESS["witness"]["name"], WITNESS["witness"]["seconds"]
    taken = [one for one in WITNESS["answers"] if one["status"] == 200]
    assert taken
    for one in taken:
        _, _, note = one["request"].partition("\n\n")
        assert page.cosign(note, name, witness, seconds) == one["body"]
        assert page.cosigned(note + one["body"], name, witness.public) == seconds


def test_a_page_its_request_and_its_answer_by_the_page_alone() -> None:
    words = EXCHANGE["fingerprint"]["KR"]
    kr = page.Known(page.jcs(EXCHANGE["descriptor"]), words)
    kr.take(EXCHANGE["page"], "JP")
    assert kr.faults == []
    assert len(kr.objects) == 1
    transport = bytes.fromhex(EXCHANGE["keys"]["JP"]["transport"]["public"])
    asked = {"body": "", **EXCHANGE["request"]}
    created = int(page.parameter(page.parts_of(asked["headers"])[0], "created"))
    assert page.check_request(asked, "KR", {page.key_id(transport): transport}, created)
    assert page.check_answer(EXCHANGE["answer"], asked, {page.key_id(kr.transport): kr.transport})


def test_a_letter_and_a_volume_are_opened_by_the_page_alone() -> None:
    reader = page.Sealing(bytes.fromhex(MAILBOX["keys"]["JP"]["sealing"]["private"]))
    sealed = MAILBOX["sealed"]
    cover = {name: sealed[name] for name in ("key", "number", "party", "realm", "to", "v")}
    info = b"secretariat/letter/1\n" + page.jcs(cover)
    assert info.hex() == MAILBOX["info"]
    envelope = page.read(page.hpke_open(reader, info, page.un64(sealed["box"])))
    assert envelope == MAILBOX["envelope"]
    assert page.un64(envelope["payload"]).decode() == base64.b64decode(MAILBOX["letter"]).decode()

    reader = page.Sealing(bytes.fromhex(TRANSFER["keys"]["JP"]["sealing"]["private"]))
    writer = bytes.fromhex(TRANSFER["keys"]["US"]["transport"]["public"])
    lines = (VECTORS / "transfer/volume.transfer").read_bytes().splitlines(keepends=True)
    head = page.read(lines[0])
    for number, line in enumerate(lines[1:]):
        info = b"secretariat/transfer/1\n" + page.jcs(head | {"part": number})
        envelope = page.read(page.hpke_open(reader, info, page.un64(page.read(line)["box"])))
        assert envelope == TRANSFER["envelopes"][number]
        kind = page.END if line.startswith(b'{"end"') else page.PART
        body = page.un64(envelope["payload"])
        assert page.holds(writer, page.pae(kind, body), page.un64(envelope["signatures"][0]["sig"]))
    end = page.read(body)
    assert (end["parts"], end["sha256"]) == (1, page.sha(b"".join(lines[:-1])).hex())
