"""A proof against a log is verified from its file alone; what proves less says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import accusation, checkpoint, dsse
from secretariat.ledger.commands import commands
from secretariat.ledger.keys import Keyring, Signer, key_id
from secretariat.ledger.model import Contradiction
from secretariat.records.canonical import canonical

RING = Keyring.generate("KR", "live", "kr.example")
OTHER = Keyring.generate("JP", "live", "jp.example")
NOW = datetime(2026, 11, 22, 2, 9, 36, tzinfo=UTC)


def note(root: int, size: int = 7, *, ring: Keyring = RING, log: Signer | None = None) -> bytes:
    return checkpoint.sign(ring.origin, size, bytes([root]) * 32, log or ring.log)


def statement(
    ring: Keyring = RING, *, log: bytes | None = None, revoked: tuple[str, str] | None = None
) -> bytes:
    """The party's own word, under its root key, on which keys are its."""

    def key(public: bytes) -> dict[str, str]:
        return {"id": key_id(public), "public": base64.b64encode(public).decode()}

    realm: dict[str, object] = {
        "origin": ring.origin,
        "record": key(ring.record.public),
        "log": key(log or ring.log.public),
    }
    if revoked is not None:
        named, since = revoked
        realm["revoked"] = [{"key": named, "role": "log", "since": since, "reason": "stolen"}]
    value = {
        "party": ring.party,
        "root": key(ring.root_public),
        "made_at": "2026-11-22T02:09:36.123456Z",
        "realms": {"live": realm},
    }
    assert ring.root is not None
    return dsse.seal(canonical(value), "application/vnd.secretariat.descriptor+json", ring.root)


def written(
    one: bytes, other: bytes, *, stated: tuple[bytes, ...] = (), keys: tuple[bytes, ...] = ()
) -> bytes:
    size = checkpoint.parse(one).size
    found = Contradiction(RING.origin, "KR", size, one, other, "US", NOW)
    return accusation.write(found, realm="live", log_keys=keys or (RING.log.public,), stated=stated, by="JP")


def test_two_roots_of_one_size_under_one_key_prove_it_to_anybody() -> None:
    judged = accusation.judge(written(note(1), note(2), stated=(statement(),)))
    assert (judged.proven, judged.size, judged.problems) == (True, 7, ())
    assert judged.root_key == key_id(RING.root_public)
    assert "compare" in judged.root_key_from


def test_a_party_that_replaced_its_key_between_two_logs_is_proven_false_by_its_root_key() -> None:
    fresh = Signer.generate()
    stated = (statement(), statement(log=fresh.public))
    judged = accusation.judge(written(note(1), note(2, log=fresh), stated=stated))
    assert (judged.proven, judged.problems) == (True, ())
    assert judged.key == ", ".join(
        checkpoint.verifier_key(RING.origin, one.public) for one in (RING.log, fresh)
    )
    alone = accusation.judge(written(note(1), note(2, log=fresh), stated=stated[:1]))
    assert not alone.proven


@pytest.mark.parametrize(
    ("since", "proven"),
    [
        pytest.param("2026-11-22T02:09:36.000000Z", False, id="at the moment when it was kept"),
        pytest.param("2026-11-20T00:00:00.000000Z", False, id="before"),
        pytest.param("2026-11-22T02:09:36.000001Z", True, id="after"),
    ],
)
def test_two_logs_under_a_key_that_was_stolen_before_they_were_kept_prove_nothing(since, proven) -> None:
    """Else whoever stole a log key, and never signed anything but this, proves its owner false for good."""
    fresh, gone = Signer.generate(), RING.log.key_id
    stated = (statement(), statement(log=fresh.public, revoked=(gone, since)))
    for one, other in ((note(1), note(2)), (note(1), note(2, log=fresh))):
        judged = accusation.judge(written(one, other, stated=stated))
        assert judged.proven is proven
        assert since in judged.revoked[0]
        assert any("thief" in problem for problem in judged.problems) is not proven


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(RING.root_public.hex(), id="root key"),
        pytest.param(key_id(RING.root_public), id="its id"),
        pytest.param(checkpoint.verifier_key(RING.origin, RING.log.public), id="verifier key of the log"),
    ],
)
def test_the_key_may_be_named_from_elsewhere(key: str) -> None:
    judged = accusation.judge(written(note(1), note(2), stated=(statement(),)), key=key)
    assert (judged.proven, judged.root_key_from) == (True, "you")


BROKEN: list[tuple[str, str, Callable[[], bytes], str | None]] = [
    ("one root", "agree", lambda: written(note(1), note(1)), None),
    ("two sizes", "may both be genuine", lambda: written(note(1), note(2, 8)), None),
    ("another log's note", "not of", lambda: written(note(1), note(2, ring=OTHER)), None),
    ("another key signed one", "no single key", lambda: written(note(1), note(2, log=OTHER.log)), None),
    (
        "changed after signing",
        "no single key",
        lambda: written(note(1), note(2).replace(b"AgIC", b"AwMD")),
        None,
    ),
    (
        "a root key that does not name the log key",
        "not one that the root key names",
        lambda: written(note(1), note(2), stated=(statement(log=OTHER.log.public),)),
        None,
    ),
    (
        "another root key than named",
        "not the one you gave",
        lambda: written(note(1), note(2), stated=(statement(),)),
        OTHER.root_public.hex(),
    ),
    (
        "a statement of another party",
        "not of",
        lambda: written(note(1), note(2), stated=(statement(OTHER),)),
        None,
    ),
    (
        "no statement for a root key",
        "no statement",
        lambda: written(note(1), note(2)),
        RING.root_public.hex(),
    ),
    (
        "a verifier key of another log",
        "no key of the log",
        lambda: written(note(1), note(2)),
        checkpoint.verifier_key(OTHER.origin, OTHER.log.public),
    ),
]


@pytest.mark.parametrize(("why", "make", "key"), [pytest.param(*one[1:], id=one[0]) for one in BROKEN])
def test_what_proves_less_says_why(why: str, make: Callable[[], bytes], key: str | None) -> None:
    judged = accusation.judge(make(), key=key)
    assert not judged.proven
    assert any(why in problem for problem in judged.problems), judged.problems


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(b"{}", ProofError, id="nothing"),
        pytest.param(b"\xff", ProofError, id="noise"),
        pytest.param(written(note(1), note(2)).replace(b'"v": 1', b'"v": 2'), ProofError, id="version"),
        pytest.param(b" " * 2_000_000, InputError, id="too long"),
    ],
)
def test_what_is_no_accusation_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        accusation.judge(data)


def test_the_command_needs_the_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(written(note(1), note(2), stated=(statement(),)))
    done = CliRunner().invoke(commands, ["accuse", str(file), "--key", RING.root_public.hex(), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["proven"]) == (0, True)
    file.write_bytes(written(note(1), note(2, 8)))
    done = CliRunner().invoke(commands, ["accuse", str(file)])
    assert done.exit_code == 1
    assert "NOT PROVEN" in done.stdout
