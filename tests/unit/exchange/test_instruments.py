"""The published schema and vector of texts of instruments between nodes."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from importlib import resources
from pathlib import Path

from jsonschema import Draft202012Validator

from secretariat.agreements.audience import Place, audience_of
from secretariat.agreements.book import set_hash
from secretariat.agreements.offered import readable
from secretariat.exchange import instruments
from secretariat.records.canonical import canonical

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "exchange" / "instrument.json").read_bytes())
SCHEMA = json.loads(
    resources.files("secretariat.exchange").joinpath("schemas", "instruments.json").read_bytes()
)


def test_the_published_schema_is_that_of_the_program():
    assert json.loads(json.dumps(instruments.schemas())) == SCHEMA
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(json.loads(VECTOR["answer"]))


def test_the_vector_is_computed_alike():
    body = VECTOR["text"].encode()
    assert canonical(json.loads(body)) == body
    assert hashlib.sha256(body).hexdigest() == VECTOR["hash"]
    assert json.loads(VECTOR["answer"])["hash"] == VECTOR["hash"]
    assert f'"body":{VECTOR["text"]}' in VECTOR["answer"]  # spliced in as it is hashed
    assert readable(body) == "syn-kr-jp-terms"
    assert set_hash(VECTOR["set"]["hashes"]) == VECTOR["set"]["hash"]
    audience = audience_of(body)
    for party, shown in VECTOR["shown_to"].items():
        assert audience.admits(Place(party), date(2026, 11, 22)) is shown
