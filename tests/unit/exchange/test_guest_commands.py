"""Guests from the command line, as an operator meets them: two real nodes, one after the other."""

from __future__ import annotations


def test_a_guest_is_added_and_moves(serving, tmp_path):
    host = serving("KR")
    made = host.run("guests", "add", "KISIA", "--name", "Information security industry")
    assert set(made["keys"]) == {"live", "exercise"}
    shown = host.run(
        "guests", "person", "KISIA", "lee", "--name", "Lee", "--role", "analyst",
        stdin="correct horse battery\n",
    )  # fmt: skip
    assert shown["party"] == "KISIA"
    refused = host.attempt("guests", "add", "KISIA", "--name", "again")
    assert refused.returncode == 2
    assert "hosted here" in refused.stderr
    out = tmp_path / "kisia.guest"
    host.run("guests", "move", "KISIA", "--out", str(out))
    assert [one["state"] for one in host.run("guests", "list")] == ["moved"]
    assert host.run("log", "verify")["holds"] is True
    fresh = host.data.parent / "KISIA"
    done = host.attempt(
        "init", "--from-guest", str(out), "--data", str(fresh), "--port", str(host.port + 10), "--json"
    )
    assert done.returncode == 0, done.stderr
    try:
        moved = host.attempt("log", "verify", "--data", str(fresh), "--json")
        assert moved.returncode == 0, moved.stderr
    finally:
        from secretariat.storage.embedded import Server

        Server(fresh).destroy()
