"""Make the vector of this folder and the schema of the messages. README.md says what each is.

python tests/vectors/mailbox/make.py

HPKE draws a key for every box, so a new run makes another box of the same letter; the tests open the one that
stands here.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec

from secretariat.exchange import letters
from secretariat.exchange.letters import Letter
from secretariat.exchange.wire import Cursor, Taken
from secretariat.ledger import dsse
from secretariat.ledger.keys import Signer
from secretariat.ledger.sealing import SealingKeys

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / "src" / "secretariat" / "exchange" / "schemas" / "mailbox.json"
TRANSPORT = Signer.from_seed(b"\x04" * 32)
SEALING = SealingKeys.from_seed(b"\x10" * 32)
LETTER = Letter(
    v=1,
    realm="live",
    party="US",
    to="JP",
    number=1795313376123456,
    previous=1795313370000000,
    made_at="2026-11-22T02:09:36.123456Z",
    place=Taken(Cursor(7, 0), 7),
    page=msgspec.Raw(b'{"v":1,"realm":"live","origin":"us.example/live","more":false}'),
)


def vectors() -> dict[str, Any]:
    """Give all of it; `page` is cut short, its form is that of the feed."""
    signed = dsse.seal(msgspec.json.encode(LETTER), letters.LETTER_TYPE, TRANSPORT)
    sealed = letters.close(LETTER, TRANSPORT, SEALING.key_id, SEALING.public)
    return {
        "keys": {
            "US": {
                "transport": {"seed": "04" * 32, "id": TRANSPORT.key_id, "public": TRANSPORT.public.hex()}
            },
            "JP": {"sealing": {"private": "10" * 32, "id": SEALING.key_id, "public": SEALING.public.hex()}},
        },
        "letter": base64.b64encode(msgspec.json.encode(LETTER)).decode(),
        "envelope": json.loads(signed),
        "info": letters.info_of("live", "US", "JP", LETTER.number, SEALING.key_id).hex(),
        "sealed": json.loads(letters.encode(sealed)),
    }


def text(value: object) -> str:
    """Write JSON as it stands in this folder."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(text(vectors()), encoding="utf-8")
    SCHEMA.write_text(text(letters.schemas()), encoding="utf-8")
