"""docs/protocol.md says what the code does: kinds, schema, example."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from secretariat.ledger import entries

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "src/secretariat/ledger/schemas/entry.json").read_text(encoding="utf-8"))
V: dict[str, Any] = json.loads((ROOT / "tests/vectors/ledger/vectors.json").read_text(encoding="utf-8"))
MAKER = runpy.run_path(str(ROOT / "tests/vectors/ledger/make.py"))


def test_every_kind_stands_in_the_table() -> None:
    """`make.py schema` prints the table to be put there."""
    for line in MAKER["table"]().splitlines():
        assert line in PAGE, line


def test_the_schema_in_the_package_is_that_of_the_code() -> None:
    assert json.loads(json.dumps(entries.schemas())) == SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("number", range(3))
def test_the_schema_accepts_the_vectors(number: int) -> None:
    jsonschema.validate(json.loads(V["entries"][number]["payload"]), SCHEMA)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"objects": "all"}, id="no list"),
        pytest.param({"objects": ["ABC"]}, id="no root"),
    ],
)
def test_the_schema_refuses_a_wrong_body(body: dict[str, Any]) -> None:
    payload = {**json.loads(V["entries"][1]["payload"]), "body": body}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(payload, SCHEMA)


def test_the_example_is_the_vectors() -> None:
    entry = V["entries"][1]
    for value in (
        V["keys"]["record"]["public"],
        V["object"]["root"],
        V["object"]["property_salts"]["confidence"],
        entry["digest"],
        entry["leaf"],
        V["tree"]["root"],
        V["checkpoint"]["note"].strip(),
        V["checkpoint"]["verifier_key"],
    ):
        assert value in PAGE
