"""The vectors of exchange, computed again with `hashlib`, `json` and Ed25519, then by the code itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import runpy
from datetime import timedelta
from pathlib import Path

import jsonschema
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secretariat.base.settings import Limits
from secretariat.exchange import identity, wire
from secretariat.exchange.enrolment import open_descriptor
from secretariat.exchange.memory import Memory
from secretariat.exchange.model import Ruling
from secretariat.exchange.take import PageRefusedError, take

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests/vectors/exchange"
MAKER = runpy.run_path(str(FOLDER / "make.py"))
VECTORS = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))
SCHEMA = json.loads((ROOT / "src/secretariat/exchange/schemas/messages.json").read_text(encoding="utf-8"))
PAGE = VECTORS["page"]
NOW = MAKER["NOW"]


def public(party: str, role: str) -> bytes:
    return bytes.fromhex(VECTORS["keys"][party][role]["public"])


def test_the_maker_makes_what_stands_in_the_folder():
    assert MAKER["vectors"]() == VECTORS
    assert json.loads(json.dumps(wire.schemas())) == SCHEMA


def test_the_fingerprint_is_proquints_of_a_hash():
    digest = hashlib.sha256(b"secretariat/root\nKR\n" + public("KR", "root")).digest()
    words = []
    for at in range(0, 24, 2):
        bits = f"{int.from_bytes(digest[at : at + 2], 'big'):016b}"
        parts = (bits[:4], bits[4:6], bits[6:10], bits[10:12], bits[12:])
        letters = ("bdfghjklmnprstvz", "aiou")
        words.append("".join(letters[len(part) == 2][int(part, 2)] for part in parts))
    assert " ".join(words) == VECTORS["fingerprint"]["KR"]


def signed(party: str, headers: dict[str, str], lines: list[str]) -> None:
    """Verify an RFC 9421 signature over a base that this test writes itself."""
    parameters = headers["signature-input"].removeprefix("sct=")
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64decode(headers["signature"].removeprefix("sct=:").removesuffix(":"))
    Ed25519PublicKey.from_public_bytes(public(party, "transport")).verify(signature, base.encode())


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def test_the_request_is_signed_over_what_the_page_says():
    headers = VECTORS["request"]["headers"]
    assert headers["content-digest"] == digest_of(b"")
    signed("JP", headers, [
        '"@method": GET',
        '"@authority": kr.example',
        '"@path": /live/peer/v1/feed',
        '"@query": ?after=0.0&size=0&wait=25',
        '"secretariat-to": KR',
        f'"content-digest": {headers["content-digest"]}',
    ])  # fmt: skip


def test_the_answer_is_signed_over_the_signature_of_its_request():
    headers, body = VECTORS["answer"]["headers"], base64.b64decode(VECTORS["answer"]["body"])
    assert headers["content-digest"] == digest_of(body)
    signed("KR", headers, [
        '"@status": 200',
        f'"signature";req;key="sct": {VECTORS["request"]["headers"]["signature"].removeprefix("sct=")}',
        f'"content-digest": {headers["content-digest"]}',
    ])  # fmt: skip


def test_a_guests_entry_in_its_hosts_log_is_signed_with_the_guests_key():
    guest = VECTORS["guest"]
    (entry,) = guest["page"]["entries"]
    payload = base64.b64decode(entry["envelope"]["payload"])
    said = json.loads(payload)
    assert (said["party"], said["origin"], said["body"]["to"]) == ("KISIA", "kr.example/live", "JP")
    kind = entry["envelope"]["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(guest["key"]["public"]))
    key.verify(base64.b64decode(entry["envelope"]["signatures"][0]["sig"]), message)
    headers = guest["request"]["headers"]
    signed("KR", headers, [
        '"@method": GET',
        '"@authority": jp.example',
        '"@path": /live/peer/v1/feed',
        '"@query": ?after=0.0&size=0&wait=0&for=KISIA',
        '"secretariat-to": JP',
        f'"content-digest": {headers["content-digest"]}',
    ])  # fmt: skip


def test_the_page_with_a_guests_entry_is_taken_only_where_the_guest_was_introduced():
    page = wire.read_page(json.dumps(VECTORS["guest"]["page"], separators=(",", ":")).encode())
    kr = MAKER["ring"]("KR", 1)
    peer, guest = MAKER["peer_of"](kr), MAKER["guest_of"](kr)
    for introduced in (True, False):
        node = Memory(MAKER["ring"]("JP", 11))
        with node.transaction(NOW) as store:
            store.save_peer(peer)
            if introduced:
                store.meet(msgspec.structs.replace(MAKER["peer_of"](guest), host="KR"))
            given = {"recompute": lambda *_: [], "limits": Limits(), "now": NOW}
            if introduced:
                assert take(store, peer, page, **given).entries == 1
            else:
                with pytest.raises(PageRefusedError):
                    take(store, peer, page, **given)


def test_the_page_hash_covers_position_digest_offset_and_roots():
    total = hashlib.sha256()
    for entry in PAGE["entries"]:
        envelope = json.dumps(entry["envelope"], separators=(",", ":"), ensure_ascii=False).encode()
        total.update(entry["position"].to_bytes(8, "big"))
        total.update(hmac.digest(base64.b64decode(entry["salt"]), envelope, "sha256"))
        total.update(entry.get("offset", 0).to_bytes(8, "big") + len(entry["objects"]).to_bytes(8, "big"))
        total.update(b"".join(bytes.fromhex(one["root"]) for one in entry["objects"]))
    assert total.hexdigest() == PAGE["hash"]


def test_the_code_reads_its_own_vectors():
    request = identity.Request("GET", VECTORS["request"]["url"], VECTORS["request"]["headers"])
    transports = {
        VECTORS["keys"][party]["transport"]["id"]: public(party, "transport") for party in ("KR", "JP")
    }
    skew = timedelta(seconds=60)
    caller = identity.verify_request(request, to="KR", find=transports.get, now=NOW, skew=skew)
    assert caller.key_id == VECTORS["keys"]["JP"]["transport"]["id"]
    body = base64.b64decode(VECTORS["answer"]["body"])
    answer = identity.Answer(200, VECTORS["answer"]["headers"], body, request)
    identity.verify_answer(answer, find=transports.get, now=NOW, skew=skew)
    sealed = json.dumps(VECTORS["descriptor"], separators=(",", ":")).encode()
    assert open_descriptor(sealed).party == "KR"
    node = Memory(MAKER["ring"]("JP", 11))
    peer = MAKER["peer_of"](MAKER["ring"]("KR", 1))
    with node.transaction(NOW) as store:
        store.save_peer(peer)
        result = take(
            store,
            peer,
            wire.read_page(body),
            recompute=lambda _sender, _grant, _evidence, objects: [Ruling("equal") for _ in objects],
            limits=Limits(),
            now=NOW,
        )
        assert result.outcomes == {"received": 1}
        assert [one.stix_id for one in store.shown()] == [MAKER["OBJECT"]["id"]]


def test_the_schema_takes_the_page_and_refuses_another():
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/Page", "$defs": SCHEMA["$defs"]})
    validator.validate(PAGE)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**PAGE, "hash": "short"})


def test_the_protocol_page_shows_these_values():
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    signature_input = VECTORS["request"]["headers"]["signature-input"].removeprefix("sct=")
    for value in (VECTORS["fingerprint"]["KR"], PAGE["hash"], signature_input):
        assert value in page


def test_the_protocol_page_names_every_code_and_state():
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    code = "".join(
        (ROOT / "src/secretariat/exchange" / name).read_text(encoding="utf-8")
        for name in ("take.py", "arrivals.py", "withdrawal.py")
    )
    codes = set(
        re.findall(r'(?:RefusedError|refused|refusal)\(\s*(?:peer, )?"([a-z-]+)"', code, re.IGNORECASE)
    )
    codes |= set(re.findall(r'code="([a-z-]+)"', code)) | {"broken-signature", "bad-object"}
    assert len(codes) > 10
    assert sorted(one for one in codes if f"`{one}`" not in page) == []
