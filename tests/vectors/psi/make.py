"""Make question.json and the schema of the messages. README.md says what each is.

python tests/vectors/psi/make.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from secretariat.exchange import private_values, private_wire, psi
from secretariat.exchange.psi import Context

HERE = Path(__file__).parent
SCHEMA = HERE.parents[2] / "src" / "secretariat" / "exchange" / "schemas" / "private.json"
CONTEXT = Context("live", "JP", "KR", "domain-name", "2026-W47")
ASKER, ANSWERER, NONCE = (psi.secret_of(bytes([number]) * 64) for number in (1, 2, 3))
SEEDS = {"JP": b"\x04" * 32, "KR": b"\x05" * 32}
SETS = {
    "JP": ("both.example", "jp.example", "xn--n8j107l.example"),
    "KR": ("both.example", "kr.example", "xn--n8j107l.example"),
}


def vectors() -> dict[str, Any]:
    """Give a whole question over three values each; two of them are in both."""
    context = CONTEXT.string
    sets = {party: private_values.pin(CONTEXT.type, SEEDS[party], SETS[party]) for party in SETS}
    scalars = psi.ringer_scalars(ASKER, len(SETS["JP"]))
    points = [psi.point_of(value.encode(), context) for value in SETS["JP"]]
    asked = psi.in_order([*psi.times(ASKER, points), *psi.times_generator(scalars)])
    tags = psi.in_order(
        psi.tag(one, context) for one in psi.blind((v.encode() for v in SETS["KR"]), ANSWERER, context)
    )
    opened = psi.times(ANSWERER, asked)
    answer = psi.in_order(opened)
    sums = [psi.total(asked)], [psi.total(answer)]
    (shown,) = sets["JP"].open(["both.example"])
    return {
        "context": {
            "realm": CONTEXT.realm,
            "asker": CONTEXT.asker,
            "answerer": CONTEXT.answerer,
            "type": CONTEXT.type,
            "epoch": CONTEXT.epoch,
            "string": context.hex(),
        },
        "values": {party: list(values) for party, values in SETS.items()},
        "points": {value: point.hex() for value, point in zip(SETS["JP"], points, strict=True)},
        "sets": {
            party: {"seed": SEEDS[party].hex(), "size": len(one.values), "root": one.root.hex()}
            for party, one in sets.items()
        },
        "opening": {
            "value": shown.value,
            "salt": shown.salt.hex(),
            "position": shown.position,
            "path": [one.hex() for one in shown.path],
        },
        "asker": {
            "secret": ASKER.hex(),
            "ringers": [one.hex() for one in scalars],
            "list": [one.hex() for one in asked],
            "hash": psi.hash_of(psi.parts(asked)),
        },
        "answerer": {
            "secret": ANSWERER.hex(),
            "key": psi.key_of(ANSWERER).hex(),
            "tags": [one.hex() for one in tags],
            "tags_hash": psi.hash_of(psi.parts(tags)),
            "answer": [one.hex() for one in answer],
            "answer_hash": psi.hash_of(psi.parts(answer)),
            "nonce": NONCE.hex(),
            "sum_proof": psi.prove(ANSWERER, *sums, NONCE, context).hex(),
            "opened": [one.hex() for one in opened],
            "opened_proof": psi.prove(ANSWERER, asked, opened, NONCE, context).hex(),
        },
        "result": 2,
    }


def text(value: object) -> str:
    """Write JSON as it stands in this folder."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (HERE / "question.json").write_text(text(vectors()), encoding="utf-8")
    SCHEMA.write_text(text(private_wire.schemas()), encoding="utf-8")
