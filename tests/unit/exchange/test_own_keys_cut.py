"""`secretariat keys` ends in the middle, anywhere: the old key or the new one is in force, never neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.base.settings import NodeSettings
from secretariat.exchange import enrolment, own_keys
from secretariat.ledger import keys, root_file, sealing
from secretariat.ledger import service as ledger
from secretariat.ledger.node import Node
from secretariat.storage.opening import opened
from unit.exchange.test_own_keys import WORDS, Command, node


def held(told: Any) -> dict[str, Any]:
    """Give the keys that the files hold, by role; they come first."""
    return {one["role"]: one for one in reversed(told["keys"]) if one["until"] is None}


class Killed(BaseException):
    """Passes every handler that a kill would not run either."""


PLACES = {
    "the private key": (keys, "put_private"),
    "a public key": (keys, "write_public"),
    "the list of revoked keys": (keys, "revoke"),
    "the entry": (ledger, "append"),
    "the descriptor": (enrolment, "keep_descriptor"),
}


def cut(patch: pytest.MonkeyPatch, place: tuple[Any, str], *, after: bool) -> None:
    module, name = place
    real: Callable[..., Any] = getattr(module, name)

    def dying(*given: Any, **named: Any) -> Any:
        if after:
            real(*given, **named)
        raise Killed

    patch.setattr(module, name, dying)


def ended(command: Command, place: tuple[Any, str], *words: str, after: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, place, after=after)
        try:
            command("keys", *words)
        except Killed:
            return
    assert place[1] == "revoke"  # nothing is revoked by a rotation
    assert words[0] == "rotate"


def sound(command: Command, before: str, folder: Path) -> dict[str, Any]:
    """Whatever happened: every key is there, the log holds, and the record key is the old or a new one."""
    told: dict[str, Any] = command("keys", "status")
    assert all(one["here"] for one in held(told).values())
    assert command("log", "verify")["holds"] is True
    retired = {path.stem for path in (folder / "keys" / "live" / "retired").glob("ed25519-*.pub")}
    assert held(told)["record"]["key_id"] == before or before in retired
    return told


ONE_BY_ONE = [("the entry", False)]
EVERYWHERE = [(place, after) for place in PLACES for after in (False, True)]


@pytest.mark.parametrize(
    ("what", "places"),
    [
        ("rotate", ONE_BY_ONE),
        ("revoke", ONE_BY_ONE),
        pytest.param("rotate", EVERYWHERE, marks=pytest.mark.long, id="rotate, everywhere"),
        pytest.param("revoke", EVERYWHERE, marks=pytest.mark.long, id="revoke, everywhere"),
    ],
)
def test_wherever_a_step_is_cut_short_it_is_finished_by_running_it_again(
    server: Any, tmp_path: Path, what: str, places: list[tuple[str, bool]]
) -> None:
    with node(server, tmp_path / "node") as command:
        command("keys", "rotate", "witness")  # so that the log names its keys
        for place, after in places:
            before = held(command("keys", "status"))["record"]["key_id"]
            more = ["revoke", before, "--since", "now", "--reason", "stolen"]
            words = ["rotate", "record"] if what == "rotate" else more
            ended(command, PLACES[place], *words, after=after)
            sound(command, before, tmp_path / "node")
            try:
                done = command("keys", *words)
            except SecretariatError as error:
                assert "revoked already" in str(error)  # noqa: PT017  it was cut after all was written
            else:
                assert done["key_id"] != before
            told = sound(command, before, tmp_path / "node")
            assert (told["unsaid"], told["stated"]) == ([], True)
            assert held(told)["record"]["key_id"] != before
            gone = next(one for one in told["keys"] if one["key_id"] == before)
            assert (gone["revoked"] is not None) == (what == "revoke")


def test_what_was_cut_short_is_said_and_finished_when_the_node_starts(server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    with node(server, folder) as command:
        command("keys", "rotate", "witness")
        ended(command, PLACES["the entry"], "rotate", "transport", after=False)
        told = command("keys", "status")
        assert told["unsaid"] == ["transport"]
        with opened(NodeSettings.load(folder)) as database:
            one = Node.open(NodeSettings.load(folder), database)
            assert own_keys.finish(one, "live", now=now()) == ["transport"]
            assert own_keys.finish(one, "live", now=now()) == []
        after = command("keys", "status")
        assert (after["unsaid"], held(after)["transport"]["key_id"]) == (
            [],
            held(told)["transport"]["key_id"],
        )


def test_another_rotation_finishes_the_one_before_first(server: Any, tmp_path: Path) -> None:
    with node(server, tmp_path / "node") as command:
        command("keys", "rotate", "witness")
        ended(command, PLACES["the entry"], "rotate", "transport", after=False)
        before = held(command("keys", "status"))
        done = command("keys", "rotate", "log")
        assert (done["role"], done["finished"]) == ("transport", True)
        after = held(command("keys", "status"))
        assert after["log"]["key_id"] == before["log"]["key_id"]
        assert command("keys", "rotate", "log")["key_id"] != before["log"]["key_id"]


def test_root_keys_half_taken_away_are_taken_away_by_the_same_command(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words").write_text(WORDS)
    file, words = str(tmp_path / "root.pem"), ["--passphrase-file", str(tmp_path / "words")]
    with node(server, tmp_path / "node") as command:
        real = root_file.write

        def dying(*given: Any) -> None:
            real(*given)
            (tmp_path / "node" / "keys" / "live" / "root.pem").unlink()
            raise Killed

        monkeypatch.setattr(root_file, "write", dying)
        with pytest.raises(Killed):
            command("keys", "offline", file, *words)
        monkeypatch.undo()
        assert len(list((tmp_path / "node" / "keys").rglob("root.pem"))) == 1
        assert len(command("keys", "offline", file, *words)["keys"]) == 2
        assert not list((tmp_path / "node" / "keys").rglob("root.pem"))
        with pytest.raises(SecretariatError, match="exists already"):
            command("keys", "offline", file, *words)


def test_a_sealing_key_cut_short_leaves_one_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sealing.create(tmp_path)
    box = sealing.seal(b"x", first.public, b"info")
    for call in (1, 2):
        left = [call]
        real = Path.replace

        def dying(self: Path, target: Path, left: list[int] = left, real: Any = real) -> Path:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(self, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", dying)
            with pytest.raises(Killed):
                sealing.rotate(tmp_path)
        found = sealing.load(tmp_path)
        assert found is not None
        assert found.open(box, first.key_id, b"info") == b"x"
    assert sealing.rotate(tmp_path).open(box, first.key_id, b"info") == b"x"
