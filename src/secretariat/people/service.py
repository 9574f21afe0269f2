"""Verbs of people: add and disable persons, sign in and out, make, check and revoke tokens.

Rules: a password is kept as argon2id; a session or token secret is 32 random bytes, shown once and kept as
SHA-256 (random secrets need no slow hash); a refused sign-in never says which part was wrong and takes as
long as an accepted one; failures are counted per login and per address.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.people import store
from secretariat.people.model import (
    GUEST_TABLE,
    AttemptsError,
    Person,
    ReadEntry,
    Role,
    Scope,
    SignInError,
    Token,
    TokenIdentity,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from secretariat.base.settings import Limits
    from secretariat.storage.engine import Database

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP Password Storage Cheat Sheet, argon2id: m=19 MiB, t=2, p=1."""
_HASHING = BoundedSemaphore(2)
"""Two at a time: a flood of sign-ins must not take the node's memory."""
_NOBODY = HASHER.hash(secrets.token_urlsafe(16))

PASSWORD_MIN = 12
"""NIST SP 800-63B-4 3.1.1.2 asks 15 where the password stands alone, 8 beside a second factor."""
PASSWORD_MAX = 256
SEEN_EVERY = timedelta(minutes=1)
ATTEMPTS_WINDOW = timedelta(minutes=10)
ADDRESS_FACTOR = 4
"""An address may stand for an office: it has this many times the tries of one login."""
TOKEN_PREFIX = "sct_"  # noqa: S105  (lets scanners find a leaked secret)
LANGUAGES = ("en", "ja", "ko", "zh-Hans")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def add_person(
    tx: Connection,
    *,
    login: str,
    name: str,
    password: str,
    roles: Iterable[Role],
    by: str,
    now: datetime,
    language: str = "en",
    office: str | None = None,
    party: str | None = None,
) -> Person:
    """Write a person, of the node's own party or of a guest (`party`, which the caller knows to be one).

    Refuses a login that is taken or malformed, a short password, an unknown language, and for a guest's
    person a role that runs the node.
    """
    if not _LOGIN.fullmatch(login):
        raise InputError(f"not a login: {login!r}", where="login", advice="use a-z, 0-9 and . _ @ -")
    if language not in LANGUAGES:
        raise InputError(f"no pages in {language!r}", where="language", advice=", ".join(LANGUAGES))
    if not name.strip() or len(name) > 200:
        raise InputError("a name of 1 to 200 characters is needed", where="name")
    wanted = frozenset(roles)
    if not wanted:
        raise InputError("a person without a role can do nothing", where="roles", advice="give at least one")
    if party is not None and (foreign := sorted(wanted - GUEST_TABLE.keys())):
        raise InputError(
            f"a guest's person cannot be {', '.join(foreign)}",
            where="roles",
            advice=f"one of {', '.join(sorted(GUEST_TABLE))}: the others run this node",
        )
    _check_password(password, login)
    if store.person_by_login(tx, login) is not None:
        raise ConflictError(f"the login {login!r} is taken", where="login")
    one = Person(
        id=uuid.uuid4(),
        login=login,
        name=name.strip(),
        language=language,
        roles=wanted,
        created_at=now,
        office=office,
        party=party,
    )
    store.insert_person(tx, one, _hash(password), by=by)
    return one


def people_who_may(tx: Connection, right: str) -> list[str]:
    """Name the persons of this party who have a right, for those who must ask somebody who has it."""
    return [one.name for one in store.persons(tx) if one.party is None and one.may(right)]


def disable_person(tx: Connection, login: str, *, now: datetime) -> Person:
    """Disable a person and end its sessions. Refuses an unknown login; doing it twice changes nothing."""
    one = store.person_by_login(tx, login)
    if one is None:
        raise NotFoundError(f"nobody signs in as {login!r}", where="login")
    if one.disabled_at is None:
        store.disable(tx, one.id, now)
    return one


def set_password(tx: Connection, login: str, password: str) -> None:
    """Replace a password and end every session. Refuses an unknown login and a short password."""
    one = store.person_by_login(tx, login)
    if one is None:
        raise NotFoundError(f"nobody signs in as {login!r}", where="login")
    _check_password(password, login)
    store.replace_password(tx, one.id, _hash(password))
    store.end_sessions(tx, one.id)


def sign_in(
    database: Database,
    realm: str,
    login: str,
    password: str,
    *,
    address: str,
    limits: Limits,
    now: datetime,
) -> tuple[Person, str]:
    """Give the person and a new session's secret. Refuses with one answer, whichever part was wrong."""
    if not _LOGIN.fullmatch(login):
        login = "?"  # nobody's login; counted as one
    since = now - ATTEMPTS_WINDOW
    with database.app(realm) as tx:
        _refuse_many(tx, login, address, since, limits.sign_in_tries)
        person = store.person_by_login(tx, login)
        kept = store.password_of(tx, login)
    held = _verify(kept or _NOBODY, password)
    secret = secrets.token_urlsafe(32)
    with database.app(realm) as tx:
        # tries that ran beside this one count too: otherwise as many are answered as run at once
        store.lock_attempts(tx)
        _refuse_many(tx, login, address, since, limits.sign_in_tries)
        accepted = held and kept is not None and person is not None and person.disabled_at is None
        store.insert_attempt(tx, login, address, succeeded=accepted, now=now)
        store.forget_attempts(tx, now - ATTEMPTS_WINDOW * 4)
        if accepted and person is not None:
            store.insert_session(
                tx,
                _digest(secret),
                person.id,
                address=address,
                now=now,
                expires_at=now + timedelta(seconds=limits.session_max_s),
            )
            if kept is not None and HASHER.check_needs_rehash(kept):
                store.replace_password(tx, person.id, _hash(password))
    if not accepted or person is None:
        raise SignInError("login or password is wrong", advice="check both, or ask who administers this node")
    return person, secret


def _refuse_many(tx: Connection, login: str, address: str, since: datetime, tries: int) -> None:
    for column, value, limit in (("login", login, tries), ("address", address, tries * ADDRESS_FACTOR)):
        if store.count_failures(tx, column, value, since) >= limit:
            minutes = int(ATTEMPTS_WINDOW.total_seconds() // 60)
            raise AttemptsError("too many failed attempts", advice=f"wait {minutes} minutes")


def person_of_session(tx: Connection, secret: str, *, limits: Limits, now: datetime) -> Person | None:
    """The person of a running session; None when it ended, idled too long, or the person was disabled."""
    digest = _digest(secret)
    found = store.session_person(tx, digest, now)
    if found is None:
        return None
    person, seen_at = found
    if now - seen_at > timedelta(seconds=limits.session_idle_s):
        store.delete_session(tx, digest)
        return None
    if now - seen_at > SEEN_EVERY:
        store.touch_session(tx, digest, now)
    return person


def sign_out(tx: Connection, secret: str) -> None:
    """End a session; an unknown one is no error."""
    store.delete_session(tx, _digest(secret))


def create_token(
    tx: Connection,
    *,
    label: str,
    reader: str,
    scopes: Iterable[Scope],
    lifetime: timedelta,
    by: str,
    limits: Limits,
    now: datetime,
) -> tuple[Token, str]:
    """Make a token for one party's tool; the secret is given once and never again.

    Refuses no label, no scope, and a lifetime of nothing or more than `limits.token_days`.
    """
    wanted = frozenset(scopes)
    if not label.strip() or len(label) > 200:
        raise InputError("a label of 1 to 200 characters is needed", where="label", advice="name the tool")
    if not wanted:
        raise InputError(
            "a token without a scope can do nothing", where="scopes", advice="read, write, calendar"
        )
    if not timedelta() < lifetime <= timedelta(days=limits.token_days):
        raise InputError(f"a token lives 1 to {limits.token_days} days", where="days")
    if not reader:
        raise InputError("a token reads for exactly one party", where="reader")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = Token(
        id=uuid.uuid4(),
        label=label.strip(),
        reader=reader,
        scopes=wanted,
        created_at=now,
        expires_at=now + lifetime,
        created_by=by,
    )
    store.insert_token(tx, token, _digest(secret))
    return token, secret


def revoke_token(tx: Connection, token: uuid.UUID, *, now: datetime) -> None:
    """Revoke a token at once. Refuses one that is unknown or revoked already."""
    if store.revoke_token(tx, token, now) == 0:
        raise NotFoundError(f"no live token {token}", where="token")


def authenticate_token(tx: Connection, secret: str, *, now: datetime) -> TokenIdentity | None:
    """What a Bearer token or Basic password proves; None when unknown, expired or revoked.

    One indexed look-up. `tx` is the application's transaction; the use is noted at most once a minute.
    """
    found = store.token_by_digest(tx, _digest(secret), now)
    if found is None:
        return None
    identity, last_used_at = found
    if last_used_at is None or now - last_used_at > SEEN_EVERY:
        store.touch_token(tx, identity.id, now)
    return identity


def note_read(tx: Connection, *, who: str, subject: str, page: str, now: datetime) -> None:
    """Write one line of the read log."""
    store.insert_read(tx, ReadEntry(at=now, who=who, subject=subject, page=page))


def _check_password(password: str, login: str) -> None:
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise InputError(
            f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters",
            where="password",
            advice="four unrelated words are easy to keep",
        )
    if login in password.lower() or len(set(password)) < 5:
        raise InputError("this password is easy to guess", where="password", advice="take unrelated words")


def _hash(password: str) -> str:
    with _HASHING:
        return HASHER.hash(password)


def _verify(kept: str, password: str) -> bool:
    with _HASHING:
        try:
            return HASHER.verify(kept, password[: PASSWORD_MAX + 1])
        except (VerificationError, InvalidHashError):
            return False


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
