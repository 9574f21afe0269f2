"""The vector of a transfer, opened with X25519, HMAC, ChaCha20-Poly1305 and Ed25519 alone, then by us."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import runpy
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secretariat.base.settings import Limits
from secretariat.exchange import volumes
from secretariat.ledger.sealing import SealingKeys

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests/vectors/transfer"
MAKER = runpy.run_path(str(FOLDER / "make.py"))
OPENED = runpy.run_path(str(Path(__file__).with_name("test_mailbox_vectors.py")))["opened"]
VOLUME = (FOLDER / "volume.transfer").read_bytes()
VECTORS = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))
SCHEMA = json.loads((ROOT / "src/secretariat/exchange/schemas/transfer.json").read_text(encoding="utf-8"))
LINES = VOLUME.splitlines(keepends=True)
HEAD, PART, END = map(json.loads, LINES)
KEYS = SealingKeys.from_seed(bytes.fromhex(VECTORS["keys"]["JP"]["sealing"]["private"]))
US = VECTORS["keys"]["US"]["transport"]
WRITERS = {US["id"]: bytes.fromhex(US["public"])}


def test_the_maker_makes_what_stands_in_the_folder():
    assert MAKER["vectors"](VOLUME) == VECTORS
    assert json.loads(json.dumps(volumes.schemas())) == SCHEMA
    assert MAKER["made"]().splitlines()[0] + b"\n" == LINES[0]


@pytest.mark.parametrize(
    ("number", "line", "kind"), [(0, PART, "transfer-part"), (1, END, "transfer-end")], ids=["part", "end"]
)
def test_a_box_opens_by_the_specification_alone(number, line, kind):
    bound = json.dumps({**HEAD, "part": number}, separators=(",", ":"), sort_keys=True).encode()
    info = b"secretariat/transfer/1\n" + bound
    assert info.hex() == VECTORS["infos"][number]
    private = bytes.fromhex(VECTORS["keys"]["JP"]["sealing"]["private"])
    envelope = json.loads(OPENED(base64.b64decode(line["box"]), private, info))
    assert envelope == VECTORS["envelopes"][number]
    assert envelope["payloadType"] == f"application/vnd.secretariat.{kind}+json"
    payload = base64.b64decode(envelope["payload"])
    message = b"DSSEv1 %d %b %d %b" % (
        len(envelope["payloadType"]), envelope["payloadType"].encode(), len(payload), payload,
    )  # fmt: skip
    (signature,) = envelope["signatures"]
    Ed25519PublicKey.from_public_bytes(WRITERS[signature["keyid"]]).verify(
        base64.b64decode(signature["sig"]), message
    )
    said = json.loads(payload)
    assert [said[name] for name in ("realm", "party", "to", "number", "volume")] == [
        HEAD[name] for name in ("realm", "party", "to", "number", "volume")
    ]


def test_the_hash_is_over_every_byte_before_the_end():
    assert hashlib.sha256(b"".join(LINES[:-1])).hexdigest() == END["sha256"]
    assert END["parts"] == len(LINES) - 2


def test_the_lines_and_what_is_in_them_are_as_the_schema_says():
    payloads = [json.loads(base64.b64decode(one["payload"])) for one in VECTORS["envelopes"]]
    for kind, value in zip(
        ("Head", "Sealed", "End", "Part", "Summary"), (HEAD, PART, END, *payloads), strict=True
    ):
        jsonschema.validate(value, {**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{kind}"}]})


def test_the_code_opens_it_too():
    file = io.BytesIO(VOLUME)
    scanned = volumes.scan(file, "volume", Limits())
    summary = volumes.summary_of(scanned, file, KEYS, WRITERS, "volume", Limits())
    assert (summary.party, summary.to, summary.of, str(summary.until)) == ("US", "JP", 1, "3.0")
    file.seek(0)
    (part,) = volumes.parts_of(file, scanned.head, KEYS, WRITERS, "volume", Limits())
    assert volumes.page_of(part).to == "JP"
    assert [one.size for one in part.links] == [2]
