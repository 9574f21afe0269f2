"""Transactions, readers, and what a database that is gone answers."""

from __future__ import annotations

import contextlib
import threading
import time

import psycopg
import pytest
import sqlalchemy as sa

from secretariat.base.errors import InputError, StateError, UnavailableError
from secretariat.storage.engine import REALMS, Database, raw
from secretariat.storage.rls import READER

GRANTED = """
CREATE TABLE thing(reader text, secret text);
ALTER TABLE thing ENABLE ROW LEVEL SECURITY; ALTER TABLE thing FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON thing TO "{app}"; CREATE POLICY app ON thing TO "{app}" USING (true);
GRANT SELECT ON thing TO "{peer}";
CREATE POLICY peer ON thing FOR SELECT TO "{peer}" USING (reader = {reader});
INSERT INTO thing VALUES ('JP', 'for JP'), ('KR', 'for KR'), ('', 'for nobody');
"""


@pytest.fixture
def things(database: Database, superuser: psycopg.Connection, realm: str) -> Database:
    """Give a database with a table of which each reader may see one row."""
    roles = database.roles(realm)
    superuser.execute(
        f"SET search_path = {realm}; " + GRANTED.format(app=roles.app, peer=roles.peer, reader=READER)
    )
    return database


def read(tx: sa.Connection) -> list[str]:
    return list(tx.execute(sa.text("SELECT secret FROM thing ORDER BY reader")).scalars())


def test_app_commits_at_the_end(things: Database, realm: str) -> None:
    """The end of the block commits; an error rolls everything back."""
    with things.app(realm) as tx:
        assert tx.execute(sa.text("SELECT current_user")).scalar() == things.roles(realm).app
        tx.execute(sa.text("INSERT INTO thing VALUES ('US', 'for US')"))
    with pytest.raises(ZeroDivisionError), things.app(realm) as tx:
        tx.execute(sa.text("INSERT INTO thing VALUES ('CN', 'for CN')"))
        raise ZeroDivisionError
    with things.app(realm) as tx:
        assert read(tx) == ["for nobody", "for JP", "for KR", "for US"]


def test_a_brief_transaction_stands_or_falls_as_a_whole(things: Database, realm: str) -> None:
    """What is refused is said at the end at the latest; nothing of it stands, the connection goes on."""
    add = "INSERT INTO thing VALUES ('US', %s)"
    backends = set()
    with things.brief(realm) as tx:
        raw(tx).execute(add, ("one",))
        assert raw(tx).execute("SELECT secret FROM thing WHERE reader = 'US'").fetchall() == [("one",)]
        raw(tx).execute(add, ("two",))
        backends.add(raw(tx).info.backend_pid)
    with pytest.raises(ZeroDivisionError), things.brief(realm) as tx:
        raw(tx).execute(add, ("three",))
        raise ZeroDivisionError
    with pytest.raises(psycopg.errors.DivisionByZero), things.brief(realm) as tx:
        raw(tx).execute(add, ("four",))
        raw(tx).execute("SELECT 1 / (%s - 1)", (1,))
        raw(tx).execute(add, ("five",))
    with pytest.raises(StateError, match="nothing was stored"), things.brief(realm) as tx:
        raw(tx).execute(add, ("six",))
        with contextlib.suppress(psycopg.Error):
            raw(tx).execute("SELECT nothing").fetchone()
        with contextlib.suppress(psycopg.Error):
            raw(tx).execute(add, ("seven",))
    with pytest.raises(StateError, match="no way") as refused, things.brief(realm) as tx:
        raw(tx).execute(add, ("eight",))
        raw(tx).execute("SELECT refuse('no way', 'turn round')")
    assert refused.value.advice == "turn round"
    with pytest.raises(UnavailableError), things.brief(realm) as tx:
        raw(tx).execute(add, ("nine",))
        things_of = raw(tx).info.backend_pid
        with things.app(realm) as other:
            raw(other).execute("SELECT pg_terminate_backend(%s)", (things_of,))
        raw(tx).execute(add, ("ten",)).fetchone()
    with things.app(realm) as tx:
        assert read(tx) == ["for nobody", "for JP", "for KR", "one", "two"]
        assert not raw(tx).autocommit
    with pytest.raises(ZeroDivisionError), things.app(realm) as tx:
        raw(tx).execute(add, ("eleven",))
        raise ZeroDivisionError
    with things.app(realm) as tx:
        assert len(read(tx)) == 5


def test_a_brief_transaction_takes_what_the_driver_takes(things: Database, realm: str) -> None:
    """Names that stand twice, a doubled percent sign, lists, nothing; and more than fits on the way."""
    large = "x" * 40_000
    with things.brief(realm) as tx:
        found = raw(tx).execute(
            "SELECT %(a)s::int + %(b)s::int * %(a)s::int, 7 %% %(b)s::int, %(c)s::text",
            {"a": 2, "b": 3, "c": None},
        )
        many = [raw(tx).execute("SELECT %s::text, %s::bytea", (large, large.encode())) for _ in range(400)]
        assert found.fetchone() == (8, 1, None)
        assert raw(tx).execute("SELECT unnest(%s::bytea[])", ([b"\0", b"1"],)).fetchall() == [
            (b"\0",),
            (b"1",),
        ]
        assert raw(tx).execute("SELECT 1 WHERE false").fetchone() is None
        assert {one.fetchone() for one in many} == {(large, large.encode())}
        assert raw(tx).execute("INSERT INTO thing SELECT 'US', 'x' FROM generate_series(1, 3)").rowcount == 3
    with pytest.raises(psycopg.errors.UndefinedColumn), things.brief(realm) as tx:
        raw(tx).execute("SELECT gone FROM thing WHERE reader = %s", ("US",)).fetchone()
    with pytest.raises(psycopg.errors.UndefinedColumn), things.brief(realm) as tx:
        raw(tx).execute("SELECT gone FROM thing WHERE reader = %s", ("US",))
    with pytest.raises(ZeroDivisionError), things.app(realm) as tx:
        for _ in range(9):  # prepared by the driver, which has all that forgotten after a rollback
            raw(tx).execute("SELECT %s::int", (1,))
        raise ZeroDivisionError
    for _ in range(2):
        with things.brief(realm) as tx:
            assert raw(tx).execute("SELECT %s::text", ("x",)).fetchone() == ("x",)
        time.sleep(0.6)  # so long that the pool asks the server before it hands the connection out
    with things.app(realm) as tx:
        assert len(read(tx)) == 6


def test_one_pooled_connection_two_readers(things: Database, realm: str) -> None:
    """The same connection serves JP, KR and the application in turn; nothing of one is left for the next."""
    backends = set()
    for _ in range(3):
        for reader, expected in (("JP", ["for JP"]), ("KR", ["for KR"]), ("US", [])):
            with things.peer(realm, reader) as tx:
                backends.add(raw(tx).info.backend_pid)
                assert read(tx) == expected
        with things.app(realm) as tx:
            backends.add(raw(tx).info.backend_pid)
            assert not tx.execute(sa.text("SELECT current_setting('secretariat.reader', true)")).scalar()
            assert len(read(tx)) == 3
    assert len(backends) == 1, "the test must see one pooled connection reused"


def test_unset_reader_sees_nothing(things: Database, realm: str) -> None:
    """The peer role without a reader, as after a forgotten setting, sees nothing: not even rows of ''."""
    with things.direct(realm) as connection:
        connection.execute(f'SET ROLE "{things.roles(realm).peer}"')
        assert connection.execute("SELECT * FROM thing").fetchall() == []
        # a setting that was set once in a session is empty, not NULL, ever after
        with connection.transaction():
            connection.execute("SELECT set_config('secretariat.reader', 'JP', true)")
            assert connection.execute("SELECT secret FROM thing").fetchall() == [("for JP",)]
        assert connection.execute("SELECT * FROM thing").fetchall() == []


def test_a_failed_peer_transaction_leaves_nothing(things: Database, realm: str) -> None:
    """An error inside a reader's transaction gives the connection back as the application's."""
    with pytest.raises(sa.exc.ProgrammingError), things.peer(realm, "JP") as tx:
        tx.execute(sa.text("SELECT * FROM nowhere"))
    with things.app(realm) as tx:
        assert tx.execute(sa.text("SELECT current_user")).scalar() == things.roles(realm).app


def test_peer_cannot_write(things: Database, realm: str) -> None:
    with pytest.raises(UnavailableError), things.peer(realm, "JP") as tx:
        tx.execute(sa.text("INSERT INTO thing VALUES ('JP', 'forged')"))


def test_hostile_reader_is_a_value(things: Database, realm: str) -> None:
    """A reader's name is data, whatever it holds."""
    with things.peer(realm, "JP'; RESET ROLE; --") as tx:
        assert tx.execute(sa.text("SELECT current_user")).scalar() == things.roles(realm).peer
        assert read(tx) == []


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM {other}.schema_version", "SET ROLE {owner}", "SET ROLE {peer}"]
)
def test_a_realm_cannot_reach_the_other(database: Database, statement: str) -> None:
    """The application's role of one realm has no way into the other realm, nor to any owner."""
    other = database.roles("exercise")
    text = statement.format(other="exercise", owner=other.owner, peer=other.peer)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), database.app("live") as tx:
        tx.execute(sa.text(text))


@pytest.mark.parametrize("realm", REALMS)
def test_roles_have_no_power(database: Database, superuser: psycopg.Connection, realm: str) -> None:
    """No role is superuser or passes by row-level security; the application owns nothing."""
    roles = database.roles(realm)
    rows = superuser.execute(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        ([roles.owner, roles.app, roles.peer],),
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        roles.owner: (False, False, False, False, False),
        roles.app: (False, False, False, False, True),
        roles.peer: (False, False, False, False, False),
    }
    owned = superuser.execute(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = ANY(%s)",
        ([roles.app, roles.peer],),
    ).fetchone()
    assert owned == (0,)


def test_lost_connections_are_replaced(things: Database, superuser: psycopg.Connection, realm: str) -> None:
    """A transaction that loses its connection answers `UnavailableError`; the next one works."""
    with pytest.raises(UnavailableError, match="does not answer"), things.app(realm) as tx:
        superuser.execute("SELECT pg_terminate_backend(%s)", (raw(tx).info.backend_pid,))
        read(tx)
    with things.app(realm) as tx:
        assert len(read(tx)) == 3


def test_idle_connections_are_tried_first(
    things: Database, superuser: psycopg.Connection, realm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that died while idle in the pool are noticed before anybody gets them."""
    monkeypatch.setattr("secretariat.storage.engine._PING_AFTER_S", 0)
    with things.app(realm) as one, things.app(realm) as two:
        read(one), read(two)
    superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with things.app(realm) as tx:
        assert len(read(tx)) == 3


def test_nobody_there() -> None:
    """A server that does not exist is an answer, not a traceback."""
    away = Database.open("host=/nonexistent dbname=x password=y", ["live"])
    with pytest.raises(UnavailableError), away.app("live"):
        pass
    with pytest.raises(UnavailableError):
        away.direct("live")


def test_a_full_pool_answers(database: Database, database_url: str) -> None:
    """More transactions than connections wait, and then answer."""

    small = Database.open(database_url, ["live"], prefix=database.prefix, size=2, patience=0.1)
    free, taken = threading.Event(), threading.Barrier(4)

    def hold() -> None:
        with small.app("live"):
            taken.wait(10)
            free.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    taken.wait(10)
    with pytest.raises(UnavailableError, match="in use"), small.app("live"):
        pass
    free.set()
    for thread in threads:
        thread.join()
    small.close()


@pytest.mark.parametrize(
    "url", ["host=x", "postgresql://[", "mysql://x/y"], ids=["no-name", "broken", "other"]
)
def test_wrong_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="database"):
        Database.open(url)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("53100", "disk"),
        ("53200", "memory"),
        ("57P01", "does not answer"),
        ("40P01", "waited"),
        ("58030", "disk"),
    ],
)
def test_a_database_in_trouble_is_an_answer(database: Database, realm: str, state: str, said: str) -> None:
    """Full disk, no memory, shutdown, deadlock: `UnavailableError`, and the next transaction works."""
    with pytest.raises(UnavailableError, match=said), database.app(realm) as tx:
        raw(tx).execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")
    with database.app(realm) as tx:
        assert tx.execute(sa.text("SELECT 1")).scalar() == 1
