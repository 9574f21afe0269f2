"""Verifying a whole log: honest ones hold, and a change anywhere is found."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import (
    audit,
    checkpoint,
    entries,
    export,
    following,
    keys,
    merkle,
    service,
    witnessing,
)
from secretariat.ledger.commands import commands
from secretariat.ledger.entries import Draft, Note
from secretariat.ledger.keys import Keyring
from secretariat.storage.engine import Database, raw

NOW = datetime(2026, 11, 22, 2, 9, 36, 123456, tzinfo=UTC)


def test_an_honest_log_holds(filled: sa.Connection, keyring: Keyring) -> None:
    seen: list[int] = []
    report = audit.verify_database(filled, keyring, seen.append)
    assert report.problems == []
    assert report.holds
    assert (report.size, report.entries, sum(seen)) == (304, 304, 304)
    assert report.kinds == {"key": 1, "note": 300, "receipt": 3}


def test_an_empty_log_holds(database: Database, keyring: Keyring) -> None:
    with database.app("live") as tx:
        assert audit.verify_database(tx, keyring).holds


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        pytest.param(
            "UPDATE entry SET envelope = envelope || ' ' WHERE position = 7", "entry 7", id="envelope"
        ),
        pytest.param("UPDATE entry SET salt = sha256(salt) WHERE position = 7", "entry 7", id="salt"),
        pytest.param("UPDATE entry SET leaf = sha256(leaf) WHERE position = 7", "entry 7", id="leaf"),
        pytest.param("UPDATE entry SET digest = sha256(digest) WHERE position = 7", "entry 7", id="digest"),
        pytest.param("UPDATE entry SET recipient = 'CN' WHERE position = 302", "entry 302", id="recipient"),
        pytest.param("UPDATE entry SET kind = 'grant' WHERE position = 302", "entry 302", id="kind"),
        pytest.param(
            "UPDATE entry SET recorded_at = recorded_at - interval '1 day' WHERE position = 7",
            "entry 7",
            id="time",
        ),
        pytest.param("DELETE FROM entry WHERE position = 7", "entry 8", id="entry gone"),
        pytest.param("DELETE FROM entry WHERE position = 303", "head", id="last entry gone"),
        pytest.param(
            "UPDATE entry SET position = CASE position WHEN 7 THEN 90000 ELSE position END",
            "entry 8",
            id="moved",
        ),
        pytest.param(
            "UPDATE entry a SET envelope = b.envelope, salt = b.salt, digest = b.digest, leaf = b.leaf"
            " FROM entry b WHERE a.position = 7 AND b.position = 8",
            "head",
            id="swapped for another",
        ),
        pytest.param(
            "UPDATE tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
            " WHERE level = 0 AND index = 0",
            "tile 0/0",
            id="tile",
        ),
        pytest.param("DELETE FROM tile WHERE level = 1", "tile 1/0", id="tile gone"),
        pytest.param("UPDATE log_head SET root = sha256(root)", "head", id="head root"),
        pytest.param("UPDATE log_head SET frontier = sha256(frontier) || frontier", "head", id="frontier"),
        pytest.param(
            "UPDATE checkpoint SET note = overlay(note placing 'x' from 3) WHERE size = 302",
            "checkpoint",
            id="note",
        ),
        pytest.param("DELETE FROM checkpoint WHERE size = 304", "checkpoint", id="newest checkpoint gone"),
        pytest.param(
            "UPDATE checkpoint a SET note = b.note FROM checkpoint b WHERE a.size = 302 AND b.size = 303",
            "checkpoint 302",
            id="checkpoint of another size",
        ),
    ],
)
def test_a_change_behind_the_application_is_found(
    filled: sa.Connection, keyring: Keyring, statement: str, where: str
) -> None:
    """Whoever owns the database machine can change rows, and cannot hide it."""
    assert filled.exec_driver_sql(statement.replace("%", "%%")).rowcount
    report = audit.verify_database(filled, keyring)
    assert not report.holds
    assert where in [problem.where for problem in report.problems]


def test_a_log_rewritten_to_be_shorter_is_found_by_who_kept_a_note(
    filled: sa.Connection, keyring: Keyring
) -> None:
    """The owner of machine and log key can make a shorter log that holds by itself; partners' notes tell."""
    kept = checkpoint.parse(service.checkpoint(filled))
    leaves = [item.leaf for item in service.read_entries(filled, end=301)]
    frontier = merkle.Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    raw(filled).execute("DELETE FROM entry WHERE position >= 301")
    raw(filled).execute("DELETE FROM checkpoint WHERE size > 301")
    raw(filled).execute(
        "UPDATE tile SET hashes = substr(%b, part * 1024 + 1, 1024) WHERE level = 0 AND index = 1",
        (b"".join(leaves[256:]),),
    )
    raw(filled).execute(
        "UPDATE log_head SET size = 301, root = %b, frontier = %b", (frontier.root(), frontier.to_bytes())
    )
    assert audit.verify_database(filled, keyring).holds
    shorter = checkpoint.parse(service.checkpoint(filled))
    with pytest.raises(following.RolledBackError, match="has 301 entries where 304 were shown"):
        following.check_next("KR", keyring.origin, kept.size, kept.root, shorter, [])


@pytest.fixture(scope="session")
def written(
    filled_engine: sa.Engine, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Give the exported files of the filled log: whole, and what is for JP."""
    folder = tmp_path_factory.mktemp("exported")
    with filled_engine.begin() as tx:
        done = export.write_file(tx, keyring, folder / "whole", now=NOW)
        assert done.entries == done.size == 304
        done = export.write_file(tx, keyring, folder / "excerpt", now=NOW, recipient="JP")
        assert (done.entries, done.size) == (4, 304)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def exported(written: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_bytes(written["whole"])
    return tmp_path / "log.jsonl"


@pytest.fixture
def excerpt(written: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "to-jp.jsonl").write_bytes(written["excerpt"])
    return tmp_path / "to-jp.jsonl"


@pytest.mark.parametrize("which", ["exported", "excerpt"])
def test_an_exported_log_holds_offline(request: pytest.FixtureRequest, keyring: Keyring, which: str) -> None:
    path: Path = request.getfixturevalue(which)
    key = keyring.root_public
    for told in (key, key.hex(), keys.key_id(key), None):
        report = export.verify_file(path, root_key=told)
        assert report.holds, report.problems
    assert report.root_key_from.startswith("the file itself")
    assert not export.verify_file(path, root_key="00" * 32).holds


def test_an_export_never_replaces_a_file(exported: Path, filled: sa.Connection, keyring: Keyring) -> None:
    with pytest.raises(InputError, match="exists already"):
        export.write_file(filled, keyring, exported, now=NOW)
    assert [path.name for path in exported.parent.iterdir()] == ["log.jsonl"]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write lines with a tail that fits them: a forger does that too."""
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines[:-1]).encode()
    tail = {"end": True, "entries": len(lines) - 2, "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(body + json.dumps(tail, separators=(",", ":")).encode() + b"\n")


def bend(lines: list[dict[str, Any]], how: str, other: Keyring) -> None:
    """Do to an exported log what a forger would."""
    one, two = lines[3], lines[4]
    match how:
        case "salt":
            one["salt"] = "00" * 32
        case "salt not hex":
            one["salt"] = "zz"
        case "envelope":
            one["envelope"] += " "
        case "entries swapped":
            for name in ("salt", "envelope"):
                one[name], two[name] = two[name], one[name]
        case "positions swapped":
            one["position"], two["position"] = two["position"], one["position"]
        case "entry dropped":
            lines.remove(one)
        case "entry repeated":
            lines.insert(3, one)
        case "wrong key":
            draft = Draft("note", None, Note(act="forged"))
            payload = entries.payload(draft, realm="live", origin=lines[0]["origin"], party="KR", now=NOW)
            sealed = entries.seal(payload, draft, other.record, bytes(32))
            one.update(envelope=sealed.envelope.decode(), salt="00" * 32)
        case "another root key":
            lines[0]["root_key"] = other.root_public.hex()
        case "another party":
            lines[0]["party"] = "CN"
        case "checkpoint of a smaller tree":
            text = lines[0]["checkpoint"].split("\n")
            lines[0]["checkpoint"] = "\n".join([text[0], "3", *text[2:]])
        case "checkpoint by another key":
            held = checkpoint.parse(lines[0]["checkpoint"].encode())
            note = checkpoint.sign(held.origin, held.size, held.root, other.log)
            lines[0]["checkpoint"] = note.decode()
        case "no checkpoint":
            lines[0]["checkpoint"] = ""


BENDS = [
    "salt",
    "salt not hex",
    "envelope",
    "entries swapped",
    "positions swapped",
    "entry dropped",
    "entry repeated",
    "wrong key",
    "another root key",
    "another party",
    "checkpoint of a smaller tree",
    "checkpoint by another key",
    "no checkpoint",
]


@pytest.mark.parametrize("how", BENDS)
def test_a_forged_export_does_not_hold(exported: Path, keyring: Keyring, how: str) -> None:
    lines = lines_of(exported)
    bend(lines, how, Keyring.generate("KR", "live", "kr.example"))
    write(exported, lines)
    report = export.verify_file(exported, root_key=keyring.root_public)
    assert not report.holds
    assert report.problems


@pytest.mark.parametrize("how", [how for how in BENDS if how != "entry dropped"])
def test_a_forged_excerpt_does_not_hold(excerpt: Path, keyring: Keyring, how: str) -> None:
    lines = lines_of(excerpt)
    bend(lines, how, Keyring.generate("KR", "live", "kr.example"))
    write(excerpt, lines)
    assert not export.verify_file(excerpt, root_key=keyring.root_public).holds


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_changed_byte_anywhere_in_the_file_is_found(
    excerpt: Path, keyring: Keyring, data: st.DataObject
) -> None:
    """The hash of the tail finds it; a change in the tail itself either breaks it or means the same."""
    whole = excerpt.read_bytes()
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    wrong = bytearray(whole)
    wrong[at] ^= 1 << bit
    excerpt.with_name("wrong").write_bytes(wrong)
    try:
        export.verify_file(excerpt.with_name("wrong"), root_key=keyring.root_public)
    except ProofError:
        return
    assert json.loads(wrong.splitlines()[-1]) == json.loads(whole.splitlines()[-1])


OTHER_HEAD = b'{"format":"x"}\n'
OTHER_FORMAT = OTHER_HEAD + (
    b'{"end":true,"entries":0,"sha256":"%b"}\n' % hashlib.sha256(OTHER_HEAD).hexdigest().encode()
)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        pytest.param(lambda data: data[:0], "cut off", id="nothing"),
        pytest.param(lambda data: data[:-1], None, id="only the last newline"),
        pytest.param(lambda data: data[:-30], "cut off", id="in the tail"),
        pytest.param(lambda data: data[: data.rindex(b'{"end"')], "cut off", id="before the tail"),
        pytest.param(lambda data: data[: len(data) // 2], "cut off", id="in the middle"),
        pytest.param(lambda data: data.replace(b"\n", b"\n\n", 1), "entries where", id="empty line"),
        pytest.param(lambda data: data.replace(b"KR", b"CN", 1), "changed after", id="changed on the way"),
        pytest.param(lambda data: OTHER_FORMAT or data, "not an exported log", id="another format"),
    ],
)
def test_a_cut_or_changed_file_is_refused(exported: Path, cut: Any, message: str | None) -> None:
    exported.write_bytes(cut(exported.read_bytes()))
    if message is None:
        assert export.verify_file(exported).holds
        return
    with pytest.raises(ProofError, match=message):
        export.verify_file(exported)


def test_the_command_verifies_offline(exported: Path, keyring: Keyring) -> None:
    """No node, no database: the file and the root key."""
    arguments = ["verify", "--file", str(exported), "--key", keyring.root_public.hex()]
    result = CliRunner().invoke(commands, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["holds"] is True
    result = CliRunner().invoke(commands, ["verify", "--file", str(exported), "--key", "11" * 32])
    assert result.exit_code == 1
    assert "DOES NOT HOLD" in result.stdout


def test_a_witness_may_be_demanded(filled: sa.Connection, keyring: Keyring, tmp_path: Path) -> None:
    """The file carries the cosignatures that the log has; who is not among them is missed."""
    partner = Keyring.generate("JP", "live", "jp.example")
    cosigned = checkpoint.cosign(
        service.checkpoint(filled), partner.origin, partner.witness, partner.witness.public, 1_795_313_376
    )
    publics = [partner.witness.public]
    witnessing.hear(filled, keyring, "JP", cosigned, name=partner.origin, publics=publics, now=NOW)
    export.write_file(filled, keyring, tmp_path / "log", now=NOW)
    written_keys = [
        checkpoint.verifier_key(name, partner.witness.public, checkpoint.COSIGNATURE_V1)
        for name in (partner.origin, "us.example/live")
    ]
    there, missing = (checkpoint.parse_verifier_key(text) for text in written_keys)
    report = export.verify_file(tmp_path / "log", root_key=keyring.root_public, witnesses=[there])
    assert report.holds, report.problems
    assert report.cosigned_by == [partner.origin]
    assert not export.verify_file(tmp_path / "log", witnesses=[there, missing]).holds
    arguments = ["verify", "--file", str(tmp_path / "log"), "--key", keyring.root_public.hex()]
    for text, code in zip(written_keys, (0, 1), strict=True):
        assert CliRunner().invoke(commands, [*arguments, "--witness", text]).exit_code == code


def test_a_rotation_is_followed_from_the_root_key(database: Database, now: datetime, tmp_path: Path) -> None:
    """Entries before it by the old key, after it by the new one; the old key after it does not hold."""
    names = {"party": "KR", "realm": "live", "host": "kr.example"}
    first = keys.create(tmp_path / "keys", **names)
    with database.app("live") as tx:
        service.append(tx, first, [Draft("note", None, Note(act="before"))], now=now)
    second = keys.rotate(
        keys.rotate(tmp_path / "keys", "record", **names) and tmp_path / "keys", "log", **names
    )
    with pytest.raises(Exception, match="other keys"), database.app("live") as tx:
        service.append(tx, second, [Draft("note", None, Note(act="too early"))], now=now)
    with database.app("live") as tx:
        service.append(tx, second, [service.key_draft(second, reason="yearly")], now=now)
        service.append(tx, second, [Draft("note", None, Note(act="after"))], now=now)
    with pytest.raises(Exception, match="other keys"), database.app("live") as tx:
        service.append(tx, first, [Draft("note", None, Note(act="stale process"))], now=now)
    with database.app("live") as tx:
        report = audit.verify_database(tx, second)
        assert report.holds, report.problems
        export.write_file(tx, second, tmp_path / "log", now=now)
    assert export.verify_file(tmp_path / "log", root_key=first.root_public).holds


def test_a_word_on_an_earlier_checkpoint_goes_with_its_proof(
    filled: sa.Connection, keyring: Keyring, tmp_path: Path
) -> None:
    """The newest checkpoint is not cosigned yet: the file holds the largest one that is."""
    partner, third = (Keyring.generate(code, "live", f"{code.lower()}.example") for code in ("JP", "US"))
    for one in (partner, third):
        note = service.checkpoint(filled)
        word = checkpoint.cosign(note, one.origin, one.witness, one.witness.public, 1_795_313_376)
        publics = [one.witness.public]
        witnessing.hear(filled, keyring, one.party, word, name=one.origin, publics=publics, now=NOW)
        service.append(filled, keyring, [Draft("note", None, Note(act=one.party))], now=NOW)
    export.write_file(filled, keyring, tmp_path / "log", now=NOW)
    demanded = [
        checkpoint.parse_verifier_key(
            checkpoint.verifier_key(one.origin, one.witness.public, checkpoint.COSIGNATURE_V1)
        )
        for one in (partner, third)
    ]
    report = export.verify_file(tmp_path / "log", root_key=keyring.root_public, witnesses=demanded)
    assert report.holds, report.problems
    assert report.cosigned_by == [partner.origin, third.origin]
    export.write_file(filled, keyring, tmp_path / "to", now=NOW, recipient="JP", named=[partner.origin])
    assert "us.example" not in (tmp_path / "to").read_text()
    assert export.verify_file(tmp_path / "to", witnesses=demanded[:1]).cosigned_by == [partner.origin]
    auditor = audit.Auditor("kr.example/live", "KR", "live", keyring.root_public, root_key_from="you")
    auditor.log_keys = {keyring.log.key_id: keyring.log.public}
    auditor.cosigned = [(note, [b"\1" * 32])]
    auditor.witnessed(service.checkpoint(filled))
    assert "do not continue" in auditor.problems[0].what
