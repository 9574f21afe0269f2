"""The published vectors, recomputed with the standard library and Ed25519 alone, as a partner would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from secretariat.ledger import accusation, witness

FOLDER = Path(__file__).parents[2] / "vectors" / "ledger"
V: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def jcs(value: Any) -> bytes:
    """RFC 8785 for what the vectors hold: ASCII names, no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pae(kind: str, body: bytes) -> bytes:
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(body)).encode(), body])


def unseal(text: str, kind: str) -> tuple[str, bytes]:
    envelope = json.loads(text)
    assert jcs(envelope) == text.encode()
    assert envelope["payloadType"] == kind
    payload = base64.b64decode(envelope["payload"])
    [signature] = envelope["signatures"]
    [key] = [key for key in V["keys"].values() if key["key_id"] == signature["keyid"]]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["public"]))
    public.verify(base64.b64decode(signature["sig"]), pae(kind, payload))
    return signature["keyid"], payload


def test_keys() -> None:
    for key in V["keys"].values():
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"]))
        public = private.public_key().public_bytes_raw()
        assert public.hex() == key["public"]
        assert key["key_id"] == "ed25519-" + sha(public).hex()[:32]


def test_pae() -> None:
    case = V["pae"]
    assert pae(case["type"], case["body"].encode()).decode() == case["pae"]


def test_object() -> None:
    case = V["object"]
    salt = bytes.fromhex(case["salt"])
    assert jcs(case["value"]).decode() == case["canonical"]
    leaves = []
    for name in sorted(case["value"]):
        own = hmac.new(salt, name.encode(), hashlib.sha256).digest()
        assert own.hex() == case["property_salts"][name]
        leaves.append(sha(b"\x00", own, jcs(name), b":", jcs(case["value"][name])))
    assert sha(b"\x02", *leaves).hex() == case["root"]
    key_id, payload = unseal(case["signature"], "application/vnd.secretariat.object+json")
    assert key_id == V["keys"]["record"]["key_id"]
    named = {name: case["value"][name] for name in ("id", "type", "created", "modified")}
    assert payload == jcs({**named, "root": case["root"]})


def test_partial_object() -> None:
    case = V["object"]["partial"]
    reduced = json.loads(case["object"])
    leaves = []
    for item in case["leaves"]:
        if isinstance(item, str):
            leaves.append(bytes.fromhex(item))
        else:
            name, own = item
            leaves.append(sha(b"\x00", bytes.fromhex(own), jcs(name), b":", jcs(reduced.pop(name))))
    assert reduced == {}
    assert sha(b"\x02", *leaves).hex() == V["object"]["root"]


@pytest.mark.parametrize("number", range(3))
def test_entry(number: int) -> None:
    case = V["entries"][number]
    key_id, payload = unseal(case["envelope"], "application/vnd.secretariat.entry+json")
    assert payload.decode() == case["payload"]
    assert jcs(json.loads(payload)) == payload
    assert key_id == case["signed_by"] == V["keys"]["root" if number == 0 else "record"]["key_id"]
    statement = json.loads(payload)
    assert set(statement) == {"v", "realm", "origin", "kind", "party", "recorded_at", "body"}
    digest = hmac.new(bytes.fromhex(case["salt"]), case["envelope"].encode(), hashlib.sha256).digest()
    assert digest.hex() == case["digest"]
    assert sha(b"\x00", digest).hex() == case["leaf"]


def test_tree_and_proofs() -> None:
    one, two, three = (bytes.fromhex(entry["leaf"]) for entry in V["entries"])
    pair = sha(b"\x01", one, two)
    tree = V["tree"]
    assert sha(b"\x01", pair, three).hex() == tree["root"]
    assert tree["tile_0_000.p_3"] == (one + two + three).hex()
    assert tree["inclusion"] == [[two.hex(), three.hex()], [one.hex(), three.hex()], [pair.hex()]]
    assert tree["consistency"] == {"1-3": [two.hex(), three.hex()], "2-3": [three.hex()]}


def test_checkpoint() -> None:
    case = V["checkpoint"]
    public = bytes.fromhex(V["keys"]["log"]["public"])
    origin = json.loads(V["entries"][0]["payload"])["origin"]
    text = f"{origin}\n3\n{base64.b64encode(bytes.fromhex(V['tree']['root'])).decode()}\n"
    key_hash = sha(origin.encode(), b"\n\x01", public)[:4]
    assert case["note"].startswith(text + "\n")
    line = case["note"].removeprefix(text + "\n")
    dash, name, value = line.rstrip("\n").split(" ")
    assert (dash, name) == ("—", origin)
    data = base64.b64decode(value)
    assert data[:4] == key_hash
    Ed25519PublicKey.from_public_bytes(public).verify(data[4:], text.encode())
    material = base64.b64encode(b"\x01" + public).decode()
    assert case["verifier_key"] == f"{origin}+{key_hash.hex()}+{material}"


def test_cosignature() -> None:
    case = V["checkpoint"]
    public = bytes.fromhex(V["keys"]["witness"]["public"])
    text = case["note"].split("\n\n")[0] + "\n"
    _, name, value = case["cosigned"].removeprefix(case["note"]).rstrip("\n").split(" ")
    data = base64.b64decode(value)
    assert data[:4] == sha(name.encode(), b"\n\x04", public)[:4]
    seconds = int.from_bytes(data[4:12], "big")
    message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    Ed25519PublicKey.from_public_bytes(public).verify(data[12:], message)


def test_a_witness_answers_each_request_of_the_vectors_by_its_status() -> None:
    """The line is verified with nothing but Ed25519; the statuses are asked of the code."""
    case = json.loads((FOLDER / "witness.json").read_text(encoding="utf-8"))
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["witness"]["seed"])).public_key()
    text = case["cosigned"].split("\n\n")[0] + "\n"
    line = case["answers"][0]["body"]
    assert case["cosigned"].endswith(line)
    _, name, value = line.rstrip("\n").split(" ")
    data = base64.b64decode(value)
    raw = public.public_bytes_raw()
    assert (name, data[:4]) == ("jp.example/live", sha(name.encode(), b"\n\x04", raw)[:4])
    assert int.from_bytes(data[4:12], "big") == case["witness"]["seconds"]
    public.verify(data[12:], f"cosignature/v1\ntime {case['witness']['seconds']}\n{text}".encode())
    kept = witness.Tree(case["kept"]["size"], bytes.fromhex(case["kept"]["root"]))
    keys = [bytes.fromhex(V["keys"]["log"]["public"])]
    for one in case["answers"]:
        try:
            asked = witness.read_request(one["request"].encode())
            known = keys if "kr.example/live" in one["request"] else None
            witness.check(asked, witness.shown_in(asked, known), kept)
            status, size = 200, None
        except witness.WitnessError as error:
            status, size = error.status, error.size
        assert status == one["status"]
        assert size is None or one["body"] == f"{size}\n"
    judged = accusation.judge(json.dumps(case["accusation"]).encode())
    assert judged.proven


def test_the_maker_still_makes_them() -> None:
    """A change of the code that changes a vector is a change of the protocol."""
    made = runpy.run_path(str(FOLDER / "make.py"))
    assert json.loads(json.dumps(made["own"]())) == V
    kept = json.loads((FOLDER / "witness.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(made["witnessed"]())) == kept
