"""`secretariat keys …` on a node of its own: status, root key away, replace, revoke, drill."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from secretariat import cli
from secretariat.base.errors import SecretariatError
from secretariat.exchange import wire
from secretariat.ledger import dsse, root_file
from secretariat.ledger.keys import Signer
from secretariat.storage.embedded import Server

Command = Callable[..., Any]
WORDS = "six words nobody would ever guess"


@contextlib.contextmanager
def node(server: Server, folder: Path) -> Iterator[Command]:
    name = f"keys_{secrets.token_hex(4)}"
    with (
        psycopg.connect(server.conninfo(superuser=True, dbname="postgres"), autocommit=True) as admin,
        pytest.MonkeyPatch.context() as patch,
    ):
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        patch.setenv("SECRETARIAT_DATABASE_URL", server.conninfo(superuser=True, dbname=name))

        def run(*words: str, code: int = 0) -> Any:
            result = CliRunner().invoke(cli.app, [*words, "--data", str(folder), "--json"])
            if isinstance(result.exception, SecretariatError):
                raise result.exception
            assert result.exit_code == code, result.output
            return json.loads(result.stdout)

        run("init", "--party", "KR", "--name", "Korea", "--host", "kr.example")
        yield run
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def command(server: Server, tmp_path: Path) -> Iterator[Command]:
    (tmp_path / "words").write_text(WORDS + "\n")
    with node(server, tmp_path / "node") as run:
        yield run


def held(told: Any) -> dict[str, Any]:
    return {one["role"]: one for one in told["keys"] if one["until"] is None}


def test_a_year_of_a_nodes_keys(command: Command, tmp_path: Path) -> None:
    """The root key goes away; one key is replaced, one revoked; partners get the statement."""
    words, file = ["--passphrase-file", str(tmp_path / "words")], tmp_path / "root.pem"
    told = command("keys", "status")
    assert told["stated"] is True
    assert [one["what"] for one in told["next"]] == ["root-here", "unseen"]
    command("keys", "offline", str(file), *words)
    assert not list((tmp_path / "node" / "keys").rglob("root.pem"))
    told = command("keys", "status")
    assert (held(told)["root"]["here"], told["stated"]) == (False, True)
    command("peers", "invite", "JP", "--out", str(tmp_path / "a.descriptor"))
    with pytest.raises(SecretariatError, match="root key of live is not on this machine"):
        command("keys", "rotate", "record")
    root = ["--root", str(file), *words]
    command("keys", "rotate", "log", *root)
    before = held(command("keys", "status"))["record"]["key_id"]
    with pytest.raises(SecretariatError, match="from now on or since earlier"):
        command("keys", "revoke", before, "--since", "2999-01-01T00:00:00Z", "--reason", "stolen", *root)
    done = command("keys", "revoke", before, "--since", "2020-01-01T00:00:00Z", "--reason", "stolen", *root)
    assert (done["role"], done["revoked"]) == ("record", before)
    told = command("keys", "status")
    assert held(told)["record"]["key_id"] == done["key_id"] != before
    gone = next(one for one in told["keys"] if one["key_id"] == before)
    assert gone["revoked"]["reason"] == "stolen"
    with pytest.raises(SecretariatError, match="revoked already"):
        command("keys", "revoke", before, "--since", "now", "--reason", "lost", *root)
    command("peers", "invite", "US", "--out", str(tmp_path / "b.descriptor"))
    stated = json.loads(base64.b64decode(json.loads((tmp_path / "b.descriptor").read_bytes())["payload"]))[
        "realms"
    ]["live"]
    assert [one["key"] for one in stated["revoked"]] == [before]
    assert stated["record"]["id"] == done["key_id"]
    assert stated["since_entry"] == done["entry"]
    assert command("log", "verify")["holds"] is True
    entry = command("log", "show", str(done["entry"]))["statement"]["body"]
    assert entry["revoked"] == stated["revoked"]


def test_a_drill_says_what_is_done_and_what_is_open(command: Command) -> None:
    asked = ("keys", "drill", "stolen", "record", "--realm", "live")
    steps = command(*asked)
    [how] = [one["how"] for one in steps if "revoked and replaced" in one["what"]]
    number = how.split()[3]
    assert how.startswith(f"secretariat keys revoke {number} --since WHEN --reason stolen --data ")
    command("keys", "revoke", number, "--since", "now", "--reason", "stolen")
    after = {one["what"]: one["done"] for one in command(*asked)}
    assert after["The record key is revoked and replaced"] is True
    assert after["A partner cosigned this log: what it saw stays proven"] is False
    assert command("keys", "drill", "lost", "root")[0]["done"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["revoke", "nothing", "--since", "now", "--reason", "lost"], "no key of", id="no key"),
        pytest.param(["status", "--realm", "moon"], "no realm", id="no such realm"),
        pytest.param(["rotate", "record", "--root", "/nowhere"], "cannot read", id="no such file"),
        pytest.param(["rotate", "nobody"], "cannot be rotated", id="no such role"),
    ],
)
def test_what_cannot_be_done_says_why(
    command: Command, tmp_path: Path, words: list[str], message: str
) -> None:
    more = ["--passphrase-file", str(tmp_path / "words")] if words[0] == "rotate" else []
    with pytest.raises(SecretariatError, match=message):
        command("keys", *words, *more)


def test_a_former_sealing_key_opens_until_it_is_revoked_and_destroyed(
    command: Command, tmp_path: Path
) -> None:
    before = held(command("keys", "status"))["sealing"]["key_id"]
    assert command("keys", "rotate", "sealing")["key_id"] != before
    [step] = [one for one in command("keys", "status")["next"] if one["what"] == "still-opens"]
    assert step["how"] == f"secretariat keys revoke {before} --since now --reason ended"
    files = tmp_path / "node" / "keys" / "live" / "retired"
    assert (files / f"{before}.pem").exists()
    command(*step["how"].split()[1:])
    assert not (files / f"{before}.pem").exists()
    told = command("keys", "status")
    assert "still-opens" not in {one["what"] for one in told["next"]}
    gone = next(one for one in told["keys"] if one["key_id"] == before)
    assert (gone["role"], gone["here"], gone["revoked"]["reason"]) == ("sealing", False, "ended")
    assert command("log", "verify")["holds"] is True


def test_the_certificate_is_shown_with_the_keys_and_replaced_like_one(
    command: Command, tmp_path: Path
) -> None:
    """The descriptor names the new key alone: what it no longer names counts no more."""
    before = held(command("keys", "status"))["tls"]
    path = tmp_path / "node" / "keys" / "live" / "tls.pem"
    assert (before["file"], path.stat().st_mode & 0o777) == (str(path), 0o600)
    after = command("keys", "rotate", "tls")["key_id"]
    assert held(command("keys", "status"))["tls"]["key_id"] == after != before["key_id"]
    assert path.stat().st_mode & 0o777 == 0o600
    command("keys", "state", "--out", str(tmp_path / "descriptor"))
    stated = wire.read_descriptor(dsse.payload_of((tmp_path / "descriptor").read_bytes())).realms
    assert stated["live"].tls == wire.Tls(client=(after.removeprefix("sha256-"),))
    assert stated["exercise"].tls not in (stated["live"].tls, msgspec.UNSET)  # a realm has its own


def test_the_root_key_is_not_revoked(command: Command) -> None:
    root = held(command("keys", "status"))["root"]["key_id"]
    with pytest.raises(SecretariatError, match="nothing stands above"):
        command("keys", "revoke", root, "--since", "now", "--reason", "lost")


def test_a_file_of_root_keys_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    keys = [Signer.generate(), Signer.generate()]
    root_file.write(tmp_path / "a", keys, WORDS)
    assert [one.public for one in root_file.read(tmp_path / "a", WORDS)] == [one.public for one in keys]
    assert b"BEGIN ENCRYPTED" in (tmp_path / "a").read_bytes()
    with pytest.raises(SecretariatError, match="does not open"):
        root_file.read(tmp_path / "a", WORDS + "x")
    with pytest.raises(SecretariatError, match="exists already"):
        root_file.write(tmp_path / "a", keys, WORDS)
    with pytest.raises(SecretariatError, match="less than 12"):
        root_file.write(tmp_path / "b", keys, "short")
    (tmp_path / "c").write_bytes((tmp_path / "a").read_bytes() + b"x")
    with pytest.raises(SecretariatError, match="not a file of root keys"):
        root_file.read(tmp_path / "c", WORDS)


@pytest.mark.parametrize("role", ["record", "log", "transport", "witness"])
def test_a_key_whose_file_is_lost_is_replaced_and_revoked(
    command: Command, tmp_path: Path, role: str
) -> None:
    command("keys", "rotate", "witness")  # so that the log names its keys
    before = held(command("keys", "status"))[role]["key_id"]
    (tmp_path / "node" / "keys" / "live" / f"{role}.pem").unlink()
    with pytest.raises(SecretariatError, match=f"the {role} key is missing"):
        command("keys", "status")
    done = command("keys", "rotate", role)
    assert done["key_id"] != before
    again = command("keys", "revoke", before, "--since", "now", "--reason", "lost")
    assert (again["revoked"], again["key_id"]) == (before, done["key_id"])
    assert held(command("keys", "status"))[role]["key_id"] == done["key_id"]
    assert command("log", "verify")["holds"] is True
