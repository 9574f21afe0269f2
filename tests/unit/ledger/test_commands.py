"""`secretariat log …` on a node of its own."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from secretariat import cli
from secretariat.base.errors import SecretariatError
from secretariat.ledger import keys
from secretariat.storage.embedded import Server

Command = Callable[..., Any]


@contextlib.contextmanager
def node(server: Server, folder: Path) -> Iterator[Command]:
    """Give a function that runs `secretariat log …` with --json on a fresh node KR and reads the answer."""
    name = f"log_{secrets.token_hex(4)}"
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
    with node(server, tmp_path / "node") as run:
        yield run


@pytest.fixture(scope="module")
def idle(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Give the commands on a node whose log stays empty."""
    with node(server, tmp_path_factory.mktemp("idle") / "node") as run:
        yield run


def test_a_log_from_its_first_key_to_a_file(command: Command, tmp_path: Path) -> None:
    rotated = command("keys", "rotate", "record", "--reason", "yearly")
    assert rotated["entry"] == 1
    told = command("keys", "status")
    assert told["origin"] == "kr.example/live"
    held = {one["role"]: one for one in told["keys"] if one["until"] is None}
    assert held["record"]["key_id"] == rotated["key_id"]
    assert [one["role"] for one in told["keys"] if one["until"]] == ["record"]
    listed = command("log", "list")
    assert [line["kind"] for line in listed["entries"]] == ["key", "key"]
    assert command("log", "list", "--kind", "grant")["entries"] == []
    shown = command("log", "show", "1")
    assert shown["holds"] is True
    assert shown["statement"]["body"]["reason"] == "yearly"
    note = command("log", "checkpoint")
    assert (note["size"], note["verifier_key"].split("+")[0]) == (2, "kr.example/live")
    assert command("log", "verify")["holds"] is True
    assert command("log", "partners") == {"logs": []}
    file = tmp_path / "log.jsonl"
    assert command("log", "export", str(file))["entries"] == 2
    key = held["root"]["key_id"]
    assert command("log", "verify", "--file", str(file), "--key", key)["holds"] is True
    assert command("log", "verify", "--file", str(file), "--key", "00" * 32, code=1)["holds"] is False


def test_an_interrupted_rotation_is_finished(command: Command, tmp_path: Path) -> None:
    """Power went between the new key file and its entry: nothing signs until the entry stands."""
    command("keys", "rotate", "log")
    folder = tmp_path / "node" / "keys" / "live"
    half = keys.rotate(folder, "record", party="KR", realm="live", host="kr.example")
    assert command("keys", "rotate", "record")["key_id"] == half.record.key_id
    assert command("log", "verify")["holds"] is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["log", "show", "7"], "no entry 7", id="no such entry"),
        pytest.param(["log", "checkpoint"], "empty", id="empty log"),
        pytest.param(["keys", "rotate", "root"], "cannot be rotated", id="rotate the root"),
        pytest.param(["log", "resume", "jp.example/live"], "nothing is kept", id="resume an unknown log"),
        pytest.param(["log", "list", "--realm", "moon"], "no realm", id="no such realm"),
        pytest.param(["log", "verify", "--key", "00"], "are for --file", id="key without file"),
        pytest.param(["log", "verify", "--file", "/nowhere/x"], "cannot read", id="no such file"),
        pytest.param(["log", "export", "/nowhere/x"], "empty|cannot write", id="no such folder"),
    ],
)
def test_what_cannot_be_done_says_why(idle: Command, words: list[str], message: str) -> None:
    with pytest.raises(SecretariatError, match=message):
        idle(*words)


def test_joint_statements_of_a_node_that_has_none(idle: Command) -> None:
    assert idle("joint", "list") == []
    with pytest.raises(SecretariatError, match="nothing is held under"):
        idle("joint", "propose", "report--nowhere", "--to", "JP")
    with pytest.raises(SecretariatError, match="no such joint statement"):
        idle("joint", "show", "0123abcd")
    with pytest.raises(SecretariatError, match="names no joint statement"):
        idle("joint", "sign", "XYZ")
