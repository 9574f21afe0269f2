"""Tables and queries of people. Secrets come in here only as digests."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from secretariat.people.model import Person, ReadEntry, Role, Scope, Token, TokenIdentity
from secretariat.storage.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

MOMENT = sa.DateTime(timezone=True)

person = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("office", sa.Text),
    sa.Column("party", sa.Text),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("disabled_at", MOMENT),
)

person_role = sa.Table(
    "person_role",
    metadata,
    sa.Column("person", sa.Uuid, sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("granted_by", sa.Text, nullable=False),
    sa.Column("granted_at", MOMENT, nullable=False),
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("person", sa.Uuid, sa.ForeignKey("person.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("seen_at", MOMENT, nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Index("session_person", "person"),
)

sign_in_attempt = sa.Table(
    "sign_in_attempt",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("succeeded", sa.Boolean, nullable=False),
    sa.Index("sign_in_attempt_login", "login", "at"),
    sa.Index("sign_in_attempt_address", "address", "at"),
)

api_token = sa.Table(
    "api_token",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("reader", sa.Text, nullable=False),
    sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("revoked_at", MOMENT),
    sa.Column("last_used_at", MOMENT),
)

read_log = sa.Table(
    "read_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("page", sa.Text, nullable=False),
    sa.Index("read_log_subject", "subject", "id"),
)


def _persons(tx: Connection, where: sa.ColumnElement[bool]) -> list[Person]:
    rows = tx.execute(sa.select(person).where(where).order_by(person.c.login)).all()
    roles: defaultdict[UUID, set[Role]] = defaultdict(set)
    if rows:
        asked = sa.select(person_role).where(person_role.c.person.in_([row.id for row in rows]))
        for grant in tx.execute(asked):
            roles[grant.person].add(Role(grant.role))
    return [
        Person(
            id=row.id,
            login=row.login,
            name=row.name,
            language=row.language,
            roles=frozenset(roles[row.id]),
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            office=row.office,
            party=row.party,
        )
        for row in rows
    ]


def persons(tx: Connection) -> list[Person]:
    """Everyone, disabled ones too, by login."""
    return _persons(tx, sa.true())


def persons_of(tx: Connection, party: str) -> list[Person]:
    """Everyone of one guest, by login."""
    return _persons(tx, person.c.party == party)


def person_by_login(tx: Connection, login: str) -> Person | None:
    """The person of `login`, if there is one."""
    return next(iter(_persons(tx, person.c.login == login)), None)


def password_of(tx: Connection, login: str) -> str | None:
    """The argon2id hash of `login`."""
    return tx.execute(sa.select(person.c.password).where(person.c.login == login)).scalar()


def insert_person(tx: Connection, one: Person, password: str, *, by: str) -> None:
    """Write a person and its roles."""
    tx.execute(
        sa.insert(person).values(
            id=one.id,
            login=one.login,
            name=one.name,
            office=one.office,
            party=one.party,
            language=one.language,
            password=password,
            created_at=one.created_at,
        )
    )
    insert_roles(tx, one.id, one.roles, by=by, now=one.created_at)


def insert_roles(tx: Connection, whom: UUID, roles: Iterable[Role], *, by: str, now: datetime) -> None:
    """Give roles to a person."""
    rows = [
        {"person": whom, "role": role.value, "granted_by": by, "granted_at": now} for role in sorted(roles)
    ]
    if rows:
        tx.execute(sa.insert(person_role), rows)


def replace_password(tx: Connection, whom: UUID, password: str) -> None:
    """Set a new hash."""
    tx.execute(sa.update(person).where(person.c.id == whom).values(password=password))


def end_sessions(tx: Connection, whom: UUID) -> None:
    """End every session of a person."""
    tx.execute(sa.delete(session).where(session.c.person == whom))


def set_language(tx: Connection, whom: UUID, language: str) -> None:
    """Keep the language a person reads pages in."""
    tx.execute(sa.update(person).where(person.c.id == whom).values(language=language))


def disable(tx: Connection, whom: UUID, now: datetime) -> None:
    """Disable a person and end every session it has."""
    tx.execute(sa.update(person).where(person.c.id == whom).values(disabled_at=now))
    end_sessions(tx, whom)


def count_failures(tx: Connection, column: str, value: str, since: datetime) -> int:
    """Failed attempts for one login or one address since `since`, counted from the last success of it."""
    key = sign_in_attempt.c[column]
    last = sa.select(sa.func.max(sign_in_attempt.c.at)).where(key == value, sign_in_attempt.c.succeeded)
    asked = sa.select(sa.func.count()).where(
        key == value,
        sign_in_attempt.c.at > since,
        ~sign_in_attempt.c.succeeded,
        sign_in_attempt.c.at > sa.func.coalesce(last.scalar_subquery(), since),
    )
    return int(tx.execute(asked).scalar_one())


def lock_attempts(tx: Connection) -> None:
    """Let one attempt after the other be counted, until the transaction ends."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('secretariat sign-in', 0))"))


def insert_attempt(tx: Connection, login: str, address: str, *, succeeded: bool, now: datetime) -> None:
    """Note an attempt to sign in."""
    tx.execute(sa.insert(sign_in_attempt).values(login=login, address=address, at=now, succeeded=succeeded))


def forget_attempts(tx: Connection, before: datetime) -> None:
    """Drop attempts that no limit looks at any more."""
    tx.execute(sa.delete(sign_in_attempt).where(sign_in_attempt.c.at < before))


def insert_session(
    tx: Connection, digest: bytes, whom: UUID, *, address: str, now: datetime, expires_at: datetime
) -> None:
    """Open a session; what ran out goes."""
    tx.execute(sa.delete(session).where(session.c.expires_at < now))
    tx.execute(
        sa.insert(session).values(
            digest=digest, person=whom, created_at=now, seen_at=now, expires_at=expires_at, address=address
        )
    )


def session_person(tx: Connection, digest: bytes, now: datetime) -> tuple[Person, datetime] | None:
    """The enabled person of a running session, and when it was last seen."""
    asked = sa.select(session.c.person, session.c.seen_at).where(
        session.c.digest == digest, session.c.expires_at > now
    )
    row = tx.execute(asked).one_or_none()
    if row is None:
        return None
    found = _persons(tx, (person.c.id == row.person) & person.c.disabled_at.is_(None))
    return (found[0], row.seen_at) if found else None


def touch_session(tx: Connection, digest: bytes, now: datetime) -> None:
    """Note that a session is in use."""
    tx.execute(sa.update(session).where(session.c.digest == digest).values(seen_at=now))


def delete_session(tx: Connection, digest: bytes) -> None:
    """End a session."""
    tx.execute(sa.delete(session).where(session.c.digest == digest))


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=row.id,
        label=row.label,
        reader=row.reader,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def insert_token(tx: Connection, token: Token, digest: bytes) -> None:
    """Write a token; only its digest is kept."""
    tx.execute(
        sa.insert(api_token).values(
            id=token.id,
            digest=digest,
            label=token.label,
            reader=token.reader,
            scopes=sorted(scope.value for scope in token.scopes),
            created_by=token.created_by,
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )


def tokens(tx: Connection) -> Sequence[Token]:
    """All tokens, the newest first, revoked and expired ones too."""
    return [_token(row) for row in tx.execute(sa.select(api_token).order_by(api_token.c.created_at.desc()))]


_LIVE_TOKEN = sa.select(
    api_token.c.id,
    api_token.c.label,
    api_token.c.reader,
    api_token.c.scopes,
    api_token.c.expires_at,
    api_token.c.last_used_at,
).where(
    api_token.c.digest == sa.bindparam("digest"),
    api_token.c.expires_at > sa.bindparam("now"),
    api_token.c.revoked_at.is_(None),
)
"""Built once: every request of a tool asks it."""


def token_by_digest(
    tx: Connection, digest: bytes, now: datetime
) -> tuple[TokenIdentity, datetime | None] | None:
    """The live token of this digest, and when it was last used."""
    row = tx.execute(_LIVE_TOKEN, {"digest": digest, "now": now}).one_or_none()
    if row is None:
        return None
    identity = TokenIdentity(
        id=row.id,
        label=row.label,
        reader=row.reader,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        expires_at=row.expires_at,
    )
    return identity, row.last_used_at


def touch_token(tx: Connection, token: UUID, now: datetime) -> None:
    """Note that a token was used."""
    tx.execute(sa.update(api_token).where(api_token.c.id == token).values(last_used_at=now))


def revoke_token(tx: Connection, token: UUID, now: datetime) -> int:
    """Revoke a live token; gives how many there were (0 or 1)."""
    asked = sa.update(api_token).where(api_token.c.id == token, api_token.c.revoked_at.is_(None))
    return tx.execute(asked.values(revoked_at=now)).rowcount


def revoke_tokens_of(tx: Connection, reader: str, now: datetime) -> int:
    """Revoke every live token that reads for a party; gives how many there were."""
    asked = sa.update(api_token).where(api_token.c.reader == reader, api_token.c.revoked_at.is_(None))
    return tx.execute(asked.values(revoked_at=now)).rowcount


def insert_read(tx: Connection, entry: ReadEntry) -> None:
    """Note a read."""
    tx.execute(sa.insert(read_log).values(at=entry.at, who=entry.who, subject=entry.subject, page=entry.page))


def reads(tx: Connection, *, subject: str | None = None, limit: int = 100) -> list[ReadEntry]:
    """The last reads, of one subject or of all."""
    asked = sa.select(read_log).order_by(read_log.c.id.desc()).limit(limit)
    if subject is not None:
        asked = asked.where(read_log.c.subject == subject)
    return [ReadEntry(at=r.at, who=r.who, subject=r.subject, page=r.page) for r in tx.execute(asked)]
