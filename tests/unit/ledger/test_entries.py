"""Entries as they arrive: what is read and what is refused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import dsse, entries
from secretariat.ledger.entries import Body, Draft, Grant, GrantRow, Note
from secretariat.ledger.keys import Signer

SIGNER = Signer.from_seed(bytes(32))
KEYS = {SIGNER.key_id: SIGNER.public}
GOOD: dict[str, Any] = {
    "v": 1,
    "realm": "live",
    "origin": "kr.example/live",
    "kind": "note",
    "party": "KR",
    "recorded_at": "2026-11-22T02:09:36.123456Z",
    "body": {"act": "x"},
}


def jcs(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_an_entry_is_read_as_it_was_signed(now: datetime) -> None:
    draft = Draft("note", None, Note(act="訓練", detail={"n": [1, 2.5, None]}))
    payload = entries.payload(draft, realm="live", origin="kr.example/live", party="KR", now=now)
    sealed = entries.seal(payload, draft, SIGNER, bytes(32))
    statement = entries.verify(sealed.envelope, KEYS)
    assert statement.at == now
    assert statement.recipient is None
    assert entries.body_as(statement, Note).detail == {"n": [1, 2.5, None]}


def test_members_and_kinds_of_tomorrow_are_kept_and_mean_nothing() -> None:
    statement = entries.read(jcs({**GOOD, "kind": "of-tomorrow", "new": 1, "body": {"newer": [2]}}))
    assert (statement.kind, statement.body) == ("of-tomorrow", {"newer": [2]})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"", "not an entry", id="nothing"),
        pytest.param(b"[]", "not an entry", id="a list"),
        pytest.param(jcs(GOOD)[:-1], "not an entry", id="cut off"),
        pytest.param(b"\xff", "not an entry", id="not UTF-8"),
        pytest.param(b'{"a":' * 100_000, "not an entry", id="depth bomb"),
        pytest.param(jcs({**GOOD, "v": 2}), "version 2", id="another version"),
        pytest.param(jcs({**GOOD, "v": "1"}), "not an entry", id="version as text"),
        pytest.param(jcs({**GOOD, "kind": "Note"}), "no kind", id="kind in capitals"),
        pytest.param(jcs({**GOOD, "recorded_at": "yesterday"}), "RFC 3339", id="no time"),
        pytest.param(
            jcs({**GOOD, "recorded_at": "2026-11-22T02:09:36Z"}), "six digits", id="time to the second"
        ),
        pytest.param(
            jcs({**GOOD, "recorded_at": "2026-11-22T11:09:36.123456+09:00"}),
            "six digits",
            id="time of a zone",
        ),
        pytest.param(jcs(without("origin")), "not an entry", id="no origin"),
        pytest.param(jcs({**GOOD, "body": "x"}), "not an entry", id="body no object"),
        pytest.param(jcs(GOOD) + b" ", "canonical", id="a space behind"),
        pytest.param(json.dumps(GOOD).encode(), "canonical", id="spaces inside"),
        pytest.param(
            jcs(GOOD).replace(b'"kind":"note"', b'"kind":"grant","kind":"note"'),
            "canonical",
            id="a member twice",
        ),
        pytest.param(jcs(GOOD).replace(b'"x"', b'"\\u0078"'), "canonical", id="needless escape"),
        pytest.param(jcs({**GOOD, "body": {"n": 2**53}}), "not an entry", id="integer past 2^53"),
    ],
)
def test_a_bad_payload_is_refused_though_signed(payload: bytes, message: str) -> None:
    envelope = dsse.seal(payload, entries.PAYLOAD_TYPE, SIGNER)
    with pytest.raises(ProofError, match=message):
        entries.verify(envelope, KEYS)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5), st.text(max_size=5))
def test_a_grant_is_written_as_the_general_way_writes_it(roots: list[bytes], text: str) -> None:
    """The short way for many roots gives the canonical bytes."""
    from secretariat.base.clock import now
    from secretariat.records.canonical import canonical

    rows = [GrantRow(articles=[text, 1.5], objects=[root.hex() for root in roots])]
    body = Grant(to="JP", publication=0, instruments="00" * 32, engine="1", rows=rows, facts={text: text})
    payload = entries.payload(Draft("grant", "JP", body), realm="live", origin="o", party="KR", now=now())
    assert canonical(msgspec.json.decode(payload)) == payload


@pytest.mark.parametrize(
    "roots",
    [
        pytest.param(["0" * 63, "0" * 65], id="lengths that make up for each other"),
        pytest.param(["A" * 64], id="capitals"),
        pytest.param(["0 " * 32], id="spaces"),
        pytest.param(["g" * 64], id="no hex"),
        pytest.param(["é" * 64], id="no ASCII"),
        pytest.param([""], id="empty"),
    ],
)
def test_what_is_no_root_is_refused(roots: list[str]) -> None:
    with pytest.raises(InputError, match="not a root"):
        entries.check_roots(roots)


def test_a_part_adds_its_kind_once() -> None:
    class Meeting(Body, frozen=True):
        title: str

    class Other(Body, frozen=True):
        title: str

    entries.register("test-meeting", Meeting)
    try:
        entries.register("test-meeting", Meeting)
        with pytest.raises(InputError, match="taken"):
            entries.register("test-meeting", Other)
        with pytest.raises(InputError, match="no kind"):
            entries.register("Test Meeting", Meeting)
    finally:
        del entries._OF_PARTS["test-meeting"]


def test_a_body_that_does_not_fit_is_refused_where_it_is_needed() -> None:
    statement = entries.read(jcs({**GOOD, "kind": "receipt", "body": {"to": 1}}))
    with pytest.raises(ProofError, match="not a body of receipt"):
        entries.body_as(statement, entries.Receipt)
    assert statement.recipient is None
