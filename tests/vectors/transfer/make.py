"""Make the vector of this folder and the schema of the lines. README.md says what each is.

python tests/vectors/transfer/make.py

HPKE draws a key for every box, so a new run makes other boxes, and another hash, of the same volume; the
tests open the one that stands here.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from secretariat.exchange import volumes, wire
from secretariat.exchange.volumes import Binder, Link
from secretariat.exchange.wire import Counts, Cursor, Page, Taken
from secretariat.ledger import checkpoint, merkle
from secretariat.ledger.keys import Signer
from secretariat.ledger.sealing import SealingKeys

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / "src" / "secretariat" / "exchange" / "schemas" / "transfer.json"
VOLUME = HERE / "volume.transfer"
TRANSPORT = Signer.from_seed(b"\x04" * 32)
LOG = Signer.from_seed(b"\x03" * 32)
SEALING = SealingKeys.from_seed(b"\x10" * 32)
NUMBER = 1795313376123456
NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)
LEAVES = [bytes([one]) * 32 for one in range(3)]
NOTE = checkpoint.sign("us.example/live", 3, merkle.root(LEAVES), LOG)
PAGE = Page(
    v=1,
    realm="live",
    origin="us.example/live",
    party="US",
    to="JP",
    after=Cursor(0, 0),
    next=Cursor(3, 0),
    since=0,
    checkpoint=NOTE.decode(),
    consistency=(),
    entries=(),
    count=Counts(0, 0, 0),
    hash=wire.page_hash([]),
)
"""A page without entries: what stands in entries is told by the vectors of exchange."""
LINK = Link(2, tuple(merkle.consistency_path(LEAVES, 2, 3)))


def made() -> bytes:
    """Give the volume."""
    data = bytearray()
    ring: Any = SimpleNamespace(realm="live", party="US", transport=TRANSPORT)
    key = (SEALING.key_id, SEALING.public)
    binder = Binder(ring, "JP", NUMBER, key, lambda _, line: data.extend(line), 1_000_000)
    binder.add(PAGE, wire.encode(PAGE), (LINK,))
    for _, line in binder.ends(place=Taken(Cursor(7, 0), 7), previous=0, statement=None, now=NOW):
        data += line
    return bytes(data)


def vectors(volume: bytes) -> dict[str, Any]:
    """Give the keys, and what stands inside each box of a volume."""
    head_line, part_line, end_line = volume.splitlines()
    head = msgspec.json.decode(head_line, type=volumes.Head)
    part, end = json.loads(part_line), json.loads(end_line)
    infos = [volumes.info_of(head, number) for number in (0, 1)]
    boxes = [base64.b64decode(one["box"]) for one in (part, end)]
    return {
        "keys": {
            "US": {
                "transport": {"seed": "04" * 32, "id": TRANSPORT.key_id, "public": TRANSPORT.public.hex()}
            },
            "JP": {"sealing": {"private": "10" * 32, "id": SEALING.key_id, "public": SEALING.public.hex()}},
        },
        "infos": [one.hex() for one in infos],
        "envelopes": [
            json.loads(SEALING.open(box, SEALING.key_id, info))
            for box, info in zip(boxes, infos, strict=True)
        ],
    }


def text(value: object) -> str:
    """Write JSON as it stands in this folder."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VOLUME.write_bytes(made())
    (HERE / "vectors.json").write_text(text(vectors(VOLUME.read_bytes())), encoding="utf-8")
    SCHEMA.write_text(text(volumes.schemas()), encoding="utf-8")
