"""Persons, sessions, tokens on the real database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.base.settings import Limits
from secretariat.people import service, store
from secretariat.people.model import (
    GUEST_TABLE,
    SENTENCES,
    TABLE,
    AttemptsError,
    Permission,
    Role,
    Scope,
    SignInError,
)

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
LIMITS = Limits(sign_in_tries=3)
PASSWORD = "correct horse battery"


def add(tx, login="mina", roles=(Role.RELEASER,)):
    return service.add_person(
        tx, login=login, name="Mina Kim", password=PASSWORD, roles=roles, by="test", now=NOW
    )


def sign_in(database, login="mina", password=PASSWORD, now=NOW):
    return service.sign_in(database, "live", login, password, address="::1", limits=LIMITS, now=now)


def test_every_permission_has_a_sentence_and_a_role():
    assert set(SENTENCES) == set(Permission)
    assert set(TABLE) == set(Role)
    guests = set().union(*GUEST_TABLE.values())
    assert set().union(*TABLE.values()) | guests == set(Permission)
    assert guests.isdisjoint(set().union(*TABLE.values()))


def test_an_administrator_does_not_read_reports():
    assert Permission.READ_REPORTS not in TABLE[Role.ADMIN]


def test_sign_in_opens_a_session_that_ends(database):
    with database.app("live") as tx:
        add(tx)
    person, secret = sign_in(database)
    assert person.may(Permission.APPROVE_RELEASE)
    with database.app("live") as tx:
        assert service.person_of_session(tx, secret, limits=LIMITS, now=NOW).login == "mina"
        idle = NOW + timedelta(seconds=LIMITS.session_idle_s + 1)
        assert service.person_of_session(tx, secret, limits=LIMITS, now=idle) is None
    _person, secret = sign_in(database)
    with database.app("live") as tx:
        service.sign_out(tx, secret)
        assert service.person_of_session(tx, secret, limits=LIMITS, now=NOW) is None


@pytest.mark.parametrize(
    ("login", "password"),
    [("mina", "wrong wrong wrong"), ("nobody", PASSWORD), ("mina", ""), ("mi\x00na", PASSWORD)],
)
def test_wrong_login_and_wrong_password_get_one_answer(database, login, password):
    with database.app("live") as tx:
        add(tx)
    with pytest.raises(SignInError, match="login or password is wrong"):
        sign_in(database, login, password)


def test_too_many_failures_shut_even_the_right_password_for_a_while(database):
    with database.app("live") as tx:
        add(tx)
    for _ in range(LIMITS.sign_in_tries):
        with pytest.raises(SignInError):
            sign_in(database, password="wrong wrong wrong")
    with pytest.raises(AttemptsError):
        sign_in(database)
    sign_in(database, now=NOW + service.ATTEMPTS_WINDOW + timedelta(seconds=1))


def test_a_new_password_ends_every_session_and_the_old_password(database):
    with database.app("live") as tx:
        add(tx)
    _, secret = sign_in(database)
    with database.app("live") as tx:
        service.set_password(tx, "mina", "another horse battery")
        assert service.person_of_session(tx, secret, limits=LIMITS, now=NOW) is None
    with pytest.raises(SignInError):
        sign_in(database)
    assert sign_in(database, password="another horse battery")[0].login == "mina"
    with database.app("live") as tx, pytest.raises(NotFoundError):
        service.set_password(tx, "nobody", "another horse battery")


def test_a_disabled_person_has_no_session_and_no_way_in(database):
    with database.app("live") as tx:
        add(tx)
    _person, secret = sign_in(database)
    with database.app("live") as tx:
        service.disable_person(tx, "mina", now=NOW)
        assert service.person_of_session(tx, secret, limits=LIMITS, now=NOW) is None
    with pytest.raises(SignInError):
        sign_in(database)


@pytest.mark.parametrize(
    "changes",
    [
        {"login": "Mina Kim"},
        {"login": ""},
        {"password": "short"},
        {"password": "mina mina mina"},
        {"password": "aaaaaaaaaaaaaa"},
        {"roles": ()},
        {"language": "fr"},
        {"name": " "},
    ],
    ids=lambda changes: next(iter(changes.items())).__repr__(),
)
def test_bad_person(database, changes):
    given = {"login": "mina", "name": "Mina", "password": PASSWORD, "roles": (Role.ANALYST,), **changes}
    with database.app("live") as tx, pytest.raises(InputError):
        service.add_person(tx, by="test", now=NOW, **given)


def test_a_taken_login(database):
    with database.app("live") as tx:
        add(tx)
        with pytest.raises(ConflictError):
            add(tx)


def make_token(tx, **changes):
    given = {
        "label": "SIEM",
        "reader": "KR",
        "scopes": [Scope.READ],
        "lifetime": timedelta(days=1),
        **changes,
    }
    return service.create_token(tx, by="test", limits=LIMITS, now=NOW, **given)


def test_a_token_works_until_it_ends_or_is_revoked(database):
    with database.app("live") as tx:
        token, secret = make_token(tx)
        identity = service.authenticate_token(tx, secret, now=NOW)
        assert (identity.reader, identity.may_write) == ("KR", False)
        assert service.authenticate_token(tx, secret + "x", now=NOW) is None
        assert service.authenticate_token(tx, secret, now=NOW + timedelta(days=1)) is None
        service.revoke_token(tx, token.id, now=NOW)
        assert service.authenticate_token(tx, secret, now=NOW) is None
        with pytest.raises(NotFoundError):
            service.revoke_token(tx, token.id, now=NOW)


def test_no_secret_is_kept(database, superuser):
    with database.app("live") as tx:
        add(tx)
        _token, secret = make_token(tx)
    _person, session = sign_in(database)
    dump = "".join(
        str(superuser.execute(f"SELECT * FROM live.{table}").fetchall())
        for table in ("person", "session", "api_token")
    )
    for word in (PASSWORD, secret, session):
        assert word not in dump


@pytest.mark.parametrize(
    "changes",
    [
        {"label": ""},
        {"scopes": []},
        {"lifetime": timedelta()},
        {"lifetime": timedelta(days=400)},
        {"reader": ""},
    ],
    ids=str,
)
def test_bad_token(database, changes):
    with database.app("live") as tx, pytest.raises(InputError):
        make_token(tx, **changes)


def test_the_read_log_only_grows(database):
    with database.app("live") as tx:
        service.note_read(tx, who="mina", subject="report--1", page="/reports/report--1", now=NOW)
        assert [entry.who for entry in store.reads(tx, subject="report--1")] == ["mina"]


def test_a_partner_sees_nothing_of_people(database):
    with database.app("live") as tx:
        add(tx)
    with database.peer("live", "JP") as tx, pytest.raises(Exception, match="permission denied"):
        store.persons(tx)


def test_tries_that_run_at_once_are_counted_like_others(database, monkeypatch):
    """All ask whether they may try before one of them has failed; no more are answered all the same."""
    with database.app("live") as tx:
        add(tx)
    many = LIMITS.sign_in_tries + 4
    everybody = threading.Barrier(many)
    monkeypatch.setattr(service, "_verify", lambda *_: everybody.wait(20) < 0)

    def attempt(_):
        try:
            sign_in(database)
        except (SignInError, AttemptsError) as error:
            return type(error)

    with ThreadPoolExecutor(many) as pool:
        answers = list(pool.map(attempt, range(many)))
    assert answers.count(SignInError) == LIMITS.sign_in_tries
    assert answers.count(AttemptsError) == 4
