"""Appending and proving in the database."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

import psycopg
import pytest
import sqlalchemy as sa

from secretariat.base.errors import InputError, NotFoundError, ProofError, StateError
from secretariat.ledger import checkpoint, entries, merkle, service, store, tiles, witness_store, witnessing
from secretariat.ledger.entries import Draft, Enrol, Note, Publication, Receipt
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import PeerEntry, PeerLog
from secretariat.ledger.witness import Word
from secretariat.storage.engine import Database


def notes(count: int, start: int = 0) -> list[Draft]:
    return [Draft("note", None, Note(act=f"deed {start + number}")) for number in range(count)]


def receipt(to: str) -> Draft:
    return Draft("receipt", to, Receipt(to=to, about=entries.EntryRef("jp.example/live", 3), state="kept"))


def test_the_first_entry_of_a_log_names_its_keys(database: Database, keyring: Keyring, now: datetime) -> None:
    """Whoever holds the root's public half can verify the log from its first line."""
    with database.app("live") as tx:
        [appended] = service.append(tx, keyring, notes(1), now=now)
    assert appended.position == 1
    with database.app("live") as tx:
        first = service.detail(tx, 0)
    assert first.statement.kind == "key"
    assert {line["role"] for line in first.statement.body["keys"]} == {
        "root",
        "record",
        "log",
        "transport",
        "witness",
    }
    entries.verify(first.entry.envelope, {keyring.root.key_id: keyring.root_public})


def test_appended_entries_are_proven_by_the_checkpoint(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    """Over several appends, past the edge of a tile, every entry is in every later checkpoint."""
    sizes = []
    for count in (1, 5, 250, 1, 300, 2):
        with database.app("live") as tx:
            service.append(tx, keyring, notes(count), now=now)
            sizes.append(service.head(tx).size)
    with database.app("live") as tx:
        leaves = [item.leaf for item in store.stream_entries(tx, sizes[-1])]
        assert len(leaves) == sizes[-1]
        for number, size in enumerate(sizes):
            held = checkpoint.verify(service.checkpoint(tx, size), keyring.origin, [keyring.log.public])
            assert held.root == merkle.root(leaves[:size]) == service.root_at(tx, size)
            wanted = [0, 1, size // 2, size - 1]
            for position, path in service.inclusions(tx, wanted, size).items():
                assert path == merkle.inclusion_path(leaves, position, size)
                assert merkle.verify_inclusion(leaves[position], position, size, path, held.root)
            for old in sizes[:number]:
                path = service.consistency(tx, old, size)
                assert path == merkle.consistency_path(leaves, old, size)
        assert service.read_tile(tx, tiles.Tile(0, 0)) == b"".join(leaves[:256])
        assert service.read_tile(tx, tiles.Tile(1, 0, 2))[:32] == merkle.root(leaves[:256])


def test_nothing_of_a_failed_transaction_stays(database: Database, keyring: Keyring, now: datetime) -> None:
    """A crash between append and commit leaves the log as it was."""
    with database.app("live") as tx:
        service.append(tx, keyring, notes(3), now=now)
    with pytest.raises(RuntimeError, match="power"), database.app("live") as tx:
        service.append(tx, keyring, notes(300), now=now)
        raise RuntimeError("power cut")
    with database.app("live") as tx:
        assert service.head(tx).size == 4
        service.append(tx, keyring, notes(1), now=now)
        assert service.verify_entry(tx, keyring, 4).holds


def test_concurrent_appends_queue_on_the_head(database: Database, keyring: Keyring, now: datetime) -> None:
    """Two writers never share a position, and the tree holds both."""

    def write(start: int) -> None:
        for number in range(10):
            with database.app("live") as tx:
                service.append(tx, keyring, notes(2, start + number), now=now)

    threads = [threading.Thread(target=write, args=(base,)) for base in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.app("live") as tx:
        assert service.head(tx).size == 61
        leaves = [item.leaf for item in store.stream_entries(tx, 61)]
        assert service.head(tx).root == merkle.root(leaves)


def test_an_extension_is_what_a_witness_is_asked_with(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    """In a brief transaction as in any other, over the edges of tiles: tiles, head and notes hold."""
    before = 0
    for number, count in enumerate((1, 1, 253, 1, 1, 300, 1, 1)):
        with (database.brief if number % 2 else database.app)("live") as tx:
            grown = service.extend(tx, keyring, notes(count), now=now)
        with database.app("live") as tx:
            assert grown.entries[-1].position == grown.size - 1
            assert grown.note == service.checkpoint(tx, grown.size)
            assert grown.before.size == before
            assert grown.consistency() == service.consistency(tx, before, grown.size)
            leaves = [item.leaf for item in store.stream_entries(tx, grown.size)]
            assert service.root_at(tx, grown.size) == merkle.root(leaves) == service.head(tx).root
        before = grown.size


def test_a_brief_append_that_cannot_be_proven_leaves_nothing(
    database: Database, superuser: psycopg.Connection, keyring: Keyring, now: datetime
) -> None:
    with database.app("live") as tx:
        service.append(tx, keyring, notes(2), now=now)
    superuser.execute("UPDATE live.tile SET hashes = substr(hashes, 1, 32)")
    with pytest.raises(StateError, match="tile 0/0 does not hold 3 hashes"), database.brief("live") as tx:
        service.append(tx, keyring, notes(1), now=now)
    with database.app("live") as tx:
        assert service.head(tx).size == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET kind = 'x'",
        "DELETE FROM entry",
        "TRUNCATE entry",
        "UPDATE checkpoint SET size = 9",
        "UPDATE peer_entry SET kind = 'x'",
        "TRUNCATE peer_entry",
        "DELETE FROM peer_entry",
        "DELETE FROM peer_note",
        "DELETE FROM cosignature",
        "SELECT rewind_peer_log(3)",
        "SELECT strike_words('us.example/live', '2020-01-01', '{}')",
    ],
)
def test_the_database_refuses_to_change_what_was_logged(filled: sa.Connection, statement: str) -> None:
    """The application's own role may neither change nor delete what was logged, its own or a partner's.

    What lies behind a stolen key goes by deeds of the tables' owner, which look for the entry that says so.
    """
    filled.execute(sa.text("SET LOCAL ROLE template_sct_live_app"))
    with pytest.raises(sa.exc.ProgrammingError, match=r"permission denied|is taken back|was revoked"):
        filled.execute(sa.text(statement))


def rewound(log: str, to: int, act: str = "log-rewound") -> Draft:
    return Draft("note", None, Note(act=act, by="kim", detail={"log": log, "from": 9, "to": to}))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param("ok", rewound("us.example/live", 4), id="not suspended"),
        pytest.param("suspended", rewound("us.example/live", 4, "log-resumed"), id="another act"),
        pytest.param("suspended", rewound("jp.example/live", 4), id="another log"),
        pytest.param("suspended", rewound("us.example/live", 10), id="no way back"),
        pytest.param(
            "suspended", Draft("note", None, Note(act="log-rewound", detail="no size")), id="no size"
        ),
    ],
)
def test_a_partners_log_is_taken_back_only_where_the_own_log_says_so(
    database: Database, keyring: Keyring, now: datetime, state: str, said: Draft
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.app("live") as tx:
        keep_nine(tx, now, state)
        (entry,) = service.append(tx, keyring, [said], now=now)
        store.forget_rewound(tx, entry.position)


def test_a_partners_log_is_taken_back_once_for_each_entry_that_says_so(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    """An entry of an earlier transaction lets nothing go: each deletion leaves its own in the own log."""
    with database.app("live") as tx:
        keep_nine(tx, now, "suspended")
        (entry,) = service.append(tx, keyring, [rewound("us.example/live", 4)], now=now)
        store.forget_rewound(tx, entry.position)
        assert [one.position for one in store.read_peer_entries(tx)] == [0, 1, 2, 3]
        assert list(store.read_peer_notes(tx, "us.example/live", range(10))) == [4]
        assert [one.size for one in witness_store.newest(tx, "us.example/live")] == [4]
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.app("live") as tx:
        store.forget_rewound(tx, entry.position)


def keep_nine(tx: sa.Connection, now: datetime, state: str) -> None:
    log = "us.example/live"
    store.write_peer_log(tx, PeerLog(log, "US", 9, b"\x09" * 32, b"", "ok", None, now))
    store.set_peer_state(tx, log, state, None)
    for size in range(4, 10):
        store.add_peer_note(tx, log, size, b"", now)
        witness_store.add_words(tx, [Word(log, size, bytes(32), "kr.example/live", 1, b"")], now)
    kept = [PeerEntry(log, at, "note", "US", None, b"", b"", 9, b"", now) for at in range(9)]
    store.add_peer_entries(tx, kept)


def test_a_partner_sees_its_own_entries_and_no_others(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    """The peer role reads entries addressed to the reader, tiles and checkpoints; never the head."""
    with database.app("live") as tx:
        service.append(tx, keyring, [receipt("JP"), receipt("US"), *notes(1)], now=now)
    with database.peer("live", "JP") as tx:
        assert [item.position for item in service.read_entries(tx)] == [1]
        assert checkpoint.parse(service.checkpoint(tx)).size == 4
        assert service.inclusion(tx, 1, 4)
        assert len(service.read_tile(tx, tiles.Tile(0, 0, 4))) == 128
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            store.read_head(tx)
    with database.peer("live", "") as tx:
        assert service.read_entries(tx) == []
        with pytest.raises(NotFoundError):
            service.checkpoint(tx)


def test_recipients_are_woken_at_commit(database: Database, keyring: Keyring, now: datetime) -> None:
    with database.direct("live") as listening:
        listening.execute("LISTEN feed_live")
        with database.app("live") as tx:
            service.append(tx, keyring, [receipt("JP"), receipt("US"), receipt("JP")], now=now)
        woken = [note.payload for note in listening.notifies(timeout=5, stop_after=2)]
    assert woken == ["JP", "US"]


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        pytest.param(Draft("gossip", None, {}), "unknown kind", id="unknown kind"),
        pytest.param(Draft("note", "JP", Note(act="x")), "its body says None", id="recipient not in body"),
        pytest.param(Draft("receipt", "JP", {"to": "JP"}), "not a body of receipt", id="missing members"),
        pytest.param(Draft("publication", None, Publication(objects=["abc"])), "not a root", id="short root"),
        pytest.param(
            Draft("publication", None, Publication(objects=["A" * 64])), "not a root", id="upper-case root"
        ),
        pytest.param(
            Draft("enrol", None, Enrol(act="marry", party="JP")),  # type: ignore[arg-type]
            "not a body of enrol",
            id="unknown act",
        ),
    ],
)
def test_a_wrong_draft_is_refused_and_nothing_is_written(
    filled: sa.Connection, keyring: Keyring, now: datetime, draft: Draft, message: str
) -> None:
    with pytest.raises(InputError, match=message), filled.begin_nested():
        service.append(filled, keyring, [*notes(1), draft], now=now)
    assert service.head(filled).size == 304
    assert service.list_entries(filled, limit=1)[0].position == 303


def test_without_the_root_key_a_log_does_not_begin(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    import dataclasses

    rootless = dataclasses.replace(keyring, root=None)
    with pytest.raises(StateError, match="root key"), database.app("live") as tx:
        service.append(tx, rootless, notes(1), now=now)
    with database.app("live") as tx:
        service.open_log(tx, keyring, now=now)
        service.append(tx, rootless, notes(1), now=now)


@pytest.mark.parametrize(("position", "size"), [(304, 304), (0, 305), (-1, 3), (0, 0)])
def test_a_proof_beyond_the_log_is_refused(filled: sa.Connection, position: int, size: int) -> None:
    with pytest.raises(InputError):
        service.inclusion(filled, position, size)


@pytest.mark.parametrize(("old", "new"), [(3, 2), (-1, 3), (0, 305)])
def test_a_consistency_proof_that_cannot_be_is_refused(filled: sa.Connection, old: int, new: int) -> None:
    with pytest.raises(InputError):
        service.consistency(filled, old, new)


def test_listing_pages_without_gap(filled: sa.Connection) -> None:
    first = service.list_entries(filled, limit=4)
    rest = service.list_entries(filled, before=first[-1].position, limit=400)
    assert [item.position for item in [*first, *rest]] == list(range(303, -1, -1))
    oldest = service.list_entries(filled, after=-1, limit=2)
    assert [item.position for item in oldest] == [0, 1]
    assert len(service.list_entries(filled, kinds=["receipt"])) == 3
    assert [item.position for item in service.list_entries(filled, recipient="JP")] == [303, 302, 301]


def test_reading_in_bulk_is_bounded_by_bytes(filled: sa.Connection, keyring: Keyring, now: datetime) -> None:
    roots = [secrets.token_hex(32) for _ in range(1000)]
    big = [Draft("publication", None, Publication(objects=roots)) for _ in range(5)]
    service.append(filled, keyring, big, now=now)
    assert len(service.read_entries(filled, start=304, max_bytes=200_000)) == 2
    assert len(service.read_entries(filled, start=304, max_bytes=1)) == 1


def test_keys_that_the_log_does_not_name_sign_nothing(filled: sa.Connection, now: datetime) -> None:
    """A process that holds old keys, or keys of another node, is stopped."""
    with pytest.raises(StateError, match="other keys"):
        service.append(filled, Keyring.generate("KR", "live", "kr.example"), notes(1), now=now)


def test_a_checkpoint_carries_the_cosignatures_that_came(
    filled: sa.Connection, keyring: Keyring, now: datetime
) -> None:
    note = service.checkpoint(filled)
    witness = Keyring.generate("JP", "live", "jp.example").witness
    cosigned = checkpoint.cosign(note, "jp.example/live", witness, witness.public, 1_795_313_376)
    said = {"name": "jp.example/live", "publics": [witness.public], "now": now}
    word = witnessing.hear(filled, keyring, "JP", cosigned, **said)
    assert (word.witness, word.size, word.seconds) == ("jp.example/live", 304, 1_795_313_376)
    assert witnessing.hear(filled, keyring, "JP", cosigned, **said) is None
    assert witnessing.checkpoint(filled) == cosigned
    assert witnessing.checkpoint(filled, of=["us.example/live"]) == service.checkpoint(filled) == note
    assert witnessing.hear(filled, keyring, "US", note, **{**said, "name": "us.example/live"}) is None
    forged = checkpoint.cosign(note.replace(b"304", b"303"), "us", witness, witness.public, 1)
    with pytest.raises(ProofError, match="does not hold"):
        witnessing.hear(filled, keyring, "US", forged, name="us", publics=[witness.public], now=now)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DELETE FROM tile WHERE level = 0 AND index = 1", id="gone"),
        pytest.param("DELETE FROM tile WHERE level = 0 AND index = 1 AND part = 1", id="last part gone"),
        pytest.param(
            "UPDATE tile SET hashes = substr(hashes, 1, 64) WHERE level = 0 AND index = 1", id="too short"
        ),
    ],
)
def test_a_log_with_a_broken_tile_takes_nothing_more(
    filled: sa.Connection, keyring: Keyring, now: datetime, statement: str
) -> None:
    """Better no entry than one that nobody can prove."""
    filled.exec_driver_sql(statement)
    with pytest.raises(StateError, match="tile 0/1"):
        service.append(filled, keyring, notes(1), now=now)
