"""A guest leaves its host: with its history, once, and nothing is signed for it any more."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile

import psycopg
import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    StateError,
)
from secretariat.exchange import enrolment, guest_moving, guest_view, guests, service
from secretariat.ledger import audit, dsse, entries, guest_keys, keys
from secretariat.ledger import service as ledger
from secretariat.storage import backup
from secretariat.storage.installation import OURSELVES, programs
from web.guests.stage import CLEAR, SECRET, bring, bundle, person, report, rows_of


def test_a_guest_moves_to_its_own_node_with_its_history(host, moved, node):
    path, states = moved
    assert path.stat().st_mode & 0o777 == 0o600
    arrived = guest_moving.read(path)
    fresh = node("KISIA", name="Association")
    for realm in fresh.settings.realms:
        guest_moving.take_keys(arrived, keys.folder_of(fresh.settings.data, realm), realm)
    fresh = type(fresh).open(fresh.settings, fresh.database)
    done = guest_moving.take(fresh, arrived, now=now())
    assert done.entries["live"] > 5
    with fresh.database.app("live") as tx:
        for stix_id, state in states.items():
            assert [row[2] for row in rows_of(tx, stix_id)] == [state], stix_id
        kinds = {
            row[0]
            for row in tx.exec_driver_sql("SELECT kind FROM peer_entry WHERE origin = 'kr.example/live'")
        }
        assert {"grant", "receipt", "guest", "key", "publication"} <= kinds
        (envelope,) = tx.exec_driver_sql("SELECT envelope FROM entry WHERE kind = 'guest'").one()
        report_ = audit.verify_database(tx, fresh.keyring("live"))
    assert report_.holds, report_.problems
    body = entries.read(dsse.payload_of(envelope)).body
    sealed = json.dumps(body["statement"]).encode()
    old = bytes.fromhex(body["key"])
    word = json.loads(dsse.open_envelope(sealed, {keys.key_id(old): old}, guests.STATEMENT_TYPE))
    assert word["next"] == fresh.keyring("live").root_public.hex()
    assert keys.key_id(old) in fresh.keyring("live").public
    # what it published before, it can withdraw from its own node
    own = next(name for name, state in states.items() if state == "published")
    service.withdraw(fresh, "live", own, reason="wrong", by="releaser", now=now())


def test_the_host_refuses_to_sign_for_a_guest_that_moved(host, moved):
    with host.database.app("live") as tx:
        assert audit.verify_database(tx, host.keyring("live")).holds
    with pytest.raises(DeniedError, match="moved"):
        guest_view.view(host, "live", "KISIA")
    for realm in host.settings.realms:
        folder = keys.folder_of(host.settings.data, realm)
        assert not (folder / "guests" / "KISIA" / "guest.pem").exists()
    with pytest.raises(ConflictError, match="moved"):
        guests.add(host, "KISIA", name="again", by="admin", now=now())
    stix_id, after = report("After", marking=CLEAR)
    bring(host, after)
    with pytest.raises(NotFoundError):
        publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())


def test_an_entry_that_the_host_forges_after_the_move_fails_the_audit(host, moved):
    """Whoever kept a copy of the key still cannot make the log say anything for that party."""
    path, _states = moved
    signer = guest_moving.read(path).signers["live"]
    ring = guest_keys.ring_of(signer, "KISIA", host.keyring("live"))
    with host.database.app("live") as tx:
        body = entries.Note(act="forged")
        ledger.append(tx, ring, [entries.Draft("note", None, body)], now=now())
        report_ = audit.verify_database(tx, host.keyring("live"))
        (position,) = tx.exec_driver_sql("SELECT max(position) FROM entry").one()
        assert not ledger.verify_entry(tx, host.keyring("live"), position).holds
    assert not report_.holds


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("objects/live.json", lambda data: data.replace(b"KISIA", b"KISIB", 1)),
        ("log/live.jsonl", lambda data: data.replace(b"a", b"b", 1)),
        ("log/live.jsonl", lambda data: data[:-200]),
        ("guest.json", lambda data: data.replace(b'"host":"KR"', b'"host":"JP"')),
        ("guest.json", lambda data: data[:-9]),
    ],
    ids=["object changed", "log changed", "log cut", "another host", "head cut"],
)
def test_a_changed_file_is_refused_whole(moved, tmp_path, name, change):
    path, _states = moved
    other = tmp_path / "changed"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for one in old.namelist():
            data = old.read(one)
            new.writestr(one, change(data) if one == name else data)
    with pytest.raises((ProofError, InputError)):
        guest_moving.read(other)


def test_a_backup_holds_what_is_kept_for_guests(host, tmp_path):
    """The rows that the host does not see must not be lost with a restore."""
    stix_id, draft = report(SECRET, marking=CLEAR)
    guests.write(host, "live", person(host, "kisia.analyst"), io.BytesIO(bundle(draft)), now=now())
    dump = tmp_path / "live.dump"
    backup._dump(host.database, "live", dump, lambda _: None)
    with psycopg.connect(**host.database.parameters("live")) as connection:
        assert (
            connection.execute("SELECT 1 FROM object_version WHERE stix_id = %s", (stix_id,)).fetchall() == []
        )
    program = str(programs(OURSELVES) / "bin" / "pg_restore")
    text = subprocess.run(
        [program, "--data-only", "--table=object_version", "-f", "-", str(dump)],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert stix_id in text


def test_killed_between_the_file_and_the_end_the_move_is_done_again(host, tmp_path, monkeypatch):
    """The file is whole before anything ends here; a second `move` does the rest, the key then goes."""
    with monkeypatch.context() as patch:
        patch.setattr(guests, "leave", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            guest_moving.move(host, "KISIA", tmp_path / "one", by="admin", now=now())
    assert guest_moving.read(tmp_path / "one").head.party == "KISIA"
    guest_moving.move(host, "KISIA", tmp_path / "two", by="admin", now=now())
    with pytest.raises(StateError):
        guest_moving.move(host, "KISIA", tmp_path / "three", by="admin", now=now())


def test_a_key_that_an_ending_left_behind_is_destroyed(host, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(guest_keys, "destroy", lambda *_: None)
        guests.end(host, "KISIA", reason="left", by="admin", now=now())
    folder = keys.folder_of(host.settings.data, "live")
    assert (folder / "guests" / "KISIA" / "guest.pem").exists()
    guests.agree_again(host, "live", now=now())
    assert not (folder / "guests" / "KISIA" / "guest.pem").exists()


def test_a_party_with_a_node_is_no_guest(host, node):
    """Two must not speak for one party: neither a second host nor a node beside its host."""
    with pytest.raises(InputError):
        guests.add(host, "KR", name="itself", by="admin", now=now())
    with pytest.raises(ConflictError):
        guests.add(host, "KISIA", name="again", by="admin", now=now())
    other = node("KISIA", name="Claims to be it")
    sealed, words = enrolment.invite(other, "KR", now=now())
    with pytest.raises(ConflictError, match="guest"):
        enrolment.accept(host, sealed, words, now=now())
    guest_moving.move(host, "KISIA", host.settings.data / "file", by="admin", now=now())
    assert enrolment.accept(host, sealed, words, now=now()).party == "KISIA"
