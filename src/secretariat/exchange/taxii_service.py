"""Verbs of the TAXII server: each gives the bytes that go out, or refuses.

Rules:

1. A credential acts for exactly one party in one realm. Everything it reads is read in `Database.peer` for
   that party; what it may not see does not exist for it (404), what it sees but may not do is 403 (3.6).
2. Without credential there is the public collection `clear`, and nothing else. Anything else answers 401,
   whether it exists or not.
3. A party's own tools post into its `own` (taxii_posting.py), a guest's into the guest's: drafts, which only
   a person of that party releases. Nothing else can be written by TAXII.
4. DELETE hides drafts. What was published can only be withdrawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import msgspec

from secretariat.base.clock import stamp
from secretariat.base.errors import DeniedError, NotFoundError, StateError
from secretariat.exchange import taxii_store as store
from secretariat.exchange import taxii_wire as wire
from secretariat.exchange.guest_view import view
from secretariat.exchange.taxii_query import read_query
from secretariat.ledger.node import Node
from secretariat.people.model import Scope
from secretariat.people.service import authenticate_token
from secretariat.records import collections
from secretariat.records.store import set_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.base.settings import Limits
    from secretariat.exchange.taxii_query import Query
    from secretariat.exchange.taxii_store import Shelf

Row = TypeVar("Row", bound=tuple[Any, ...])

PUBLIC: Final = "*"
ALL_FIELDS: Final = frozenset({"id", "type", "version", "spec_version"})
ONE_FIELDS: Final = frozenset({"version", "spec_version"})
VERSIONS_FIELDS: Final = frozenset({"spec_version"})

_MEDIA_TYPES: Final = (wire.STIX_TYPE,)
_DELETABLE: Final = frozenset({"draft"})


class Client(msgspec.Struct, frozen=True):
    """Who asks: a token and the party it reads for, or the public."""

    reader: str
    scopes: frozenset[Scope]
    token: UUID | None = None

    @property
    def public(self) -> bool:
        """Whether nobody in particular asks."""
        return self.token is None


class Visit(msgspec.Struct, frozen=True):
    """A client in a realm of a node."""

    node: Node
    realm: str
    client: Client

    @property
    def limits(self) -> Limits:
        """The node's limits."""
        return self.node.settings.limits

    def may_write(self, shelf: Shelf) -> bool:
        """Whether the client may post into a collection and delete from it."""
        return shelf.kind == "own" and Scope.WRITE in self.client.scopes

    @property
    def writer(self) -> Node:
        """The node as it keeps what the client posts: its own, or a guest's (guest_view.py)."""
        reader = self.client.reader
        return self.node if reader == self.node.party else view(self.node, self.realm, reader)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction that sees what the client may see."""
        return self.node.database.peer(self.realm, self.client.reader)


class Answer(msgspec.Struct, frozen=True):
    """What goes out: bytes, and the dates of the first and last object in them."""

    body: bytes
    first: int | None = None
    last: int | None = None


_ANYBODY = Client(PUBLIC, frozenset({Scope.READ}))


def authenticate(node: Node, realm: str, header: str | None, *, now: datetime) -> Client:
    """Give who asks; without a credential it is the public.

    Refuses a credential that is unreadable, unknown, expired or revoked.
    """
    if header is None:
        return _ANYBODY
    secret = wire.credential(header)
    if secret is not None:
        with node.database.app(realm) as tx:
            identity = authenticate_token(tx, secret, now=now)
        if identity is not None:
            return Client(identity.reader, identity.scopes, identity.id)
    raise wire.ProtocolError(401, "this credential is not valid here", advice="ask the node for a new token")


def known(client: Client) -> Client:
    """Give the client back. Refuses the public."""
    if client.public:
        raise wire.ProtocolError(
            401, "a credential is needed", advice="send a token as Bearer or as the password of Basic"
        )
    return client


def discovery(node: Node, roots: Sequence[str]) -> Answer:
    """Tell what this server is and where its API roots are (4.1)."""
    return Answer(
        wire.encode(
            wire.Discovery(
                title=f"{node.settings.name} ({node.party})",
                description="Secretariat: exchange under agreements. One collection per recipient party.",
                default=roots[0] if roots else None,
                api_roots=tuple(roots),
            )
        )
    )


def api_root(visit: Visit) -> Answer:
    """Tell what this API root speaks and takes (4.2)."""
    known(visit.client)
    settings = visit.node.settings
    return Answer(
        wire.encode(
            wire.ApiRoot(
                title=f"{settings.name} ({settings.party}), {visit.realm}",
                description="EXERCISE: nothing here is real." if visit.realm == "exercise" else None,
                versions=(wire.MEDIA_TYPE,),
                max_content_length=visit.limits.max_request_bytes,
            )
        )
    )


def collections_of(visit: Visit) -> Answer:
    """List the collections that the client may see (5.1)."""
    known(visit.client)
    with visit.reading() as tx:
        found = store.shelves(tx)
    return Answer(wire.encode(wire.Collections(tuple(_resource(one, visit) for one in found))))


def collection(visit: Visit, name: str) -> Answer:
    """Describe one collection (5.2)."""
    with visit.reading() as tx:
        found = visible(tx, visit.client, name)
    return Answer(wire.encode(_resource(found, visit)))


def objects(visit: Visit, name: str, raw: bytes) -> Answer:
    """Give a page of objects (5.4)."""
    query = _query(visit, f"objects/{name}", raw, ALL_FIELDS)
    with visit.reading() as tx:
        rows = store.page(tx, _readable(tx, visit, name), query)
        if not rows:
            visible(tx, visit.client, name)
    return _envelope(rows, query)


def manifest(visit: Visit, name: str, raw: bytes) -> Answer:
    """Give a page of what is there, without the objects (5.3)."""
    query = _query(visit, f"manifest/{name}", raw, ALL_FIELDS)
    with visit.reading() as tx:
        rows = store.records(tx, _readable(tx, visit, name), query)
        if not rows:
            visible(tx, visit.client, name)
    rows, token = _cut(rows, query)
    listed = [
        wire.ManifestRecord(
            stix_id, wire.date_added(seq), stated or stamp(kept), f"application/stix+json;version={spec}"
        )
        for seq, stix_id, stated, kept, spec in rows
    ]
    return _dated(wire.manifest(listed, token=token), rows)


def one_object(visit: Visit, name: str, stix_id: str, raw: bytes) -> Answer:
    """Give the versions of one object, the latest unless asked otherwise (5.6). Refuses an unknown object."""
    query = _query(visit, f"objects/{name}/{stix_id}", raw, ONE_FIELDS, stix_id=stix_id)
    with visit.reading() as tx:
        rows = store.page(tx, _readable(tx, visit, name), query)
        if not rows:
            _refuse_unknown(tx, visible(tx, visit.client, name), stix_id)
    return _envelope(rows, query)


def versions(visit: Visit, name: str, stix_id: str, raw: bytes) -> Answer:
    """List the versions of one object, in the order in which they were added (5.8)."""
    query = _query(
        visit, f"versions/{name}/{stix_id}", raw, VERSIONS_FIELDS, stix_id=stix_id, every_version=True
    )
    with visit.reading() as tx:
        rows = store.records(tx, _readable(tx, visit, name), query)
        if not rows:
            _refuse_unknown(tx, visible(tx, visit.client, name), stix_id)
    rows, token = _cut(rows, query)
    stamps = [stated or stamp(kept) for _, _, stated, kept, _ in rows]
    return _dated(wire.versions(stamps, token=token), rows)


def status(visit: Visit, name: str) -> Answer:
    """Give back what became of a posting, to the credential that posted (4.3)."""
    token = known(visit.client).token
    try:
        wanted = UUID(name)
    except ValueError:
        wanted = None
    if wanted is not None and token is not None:
        with visit.reading() as tx:
            body = store.status_body(tx, wanted, token=token)
        if body is not None:
            return Answer(body)
    raise NotFoundError("no such status", advice="it is kept for 30 days, for the credential that posted")


def delete(visit: Visit, name: str, stix_id: str, raw: bytes) -> Answer:
    """Hide drafts of one object, all versions unless asked otherwise (5.7).

    Refuses an unknown object, and as a whole when any version asked for was published.
    """
    known(visit.client)
    query = _query(visit, f"delete/{name}", raw, ONE_FIELDS, stix_id=stix_id, every_version=True)
    with visit.reading() as tx:
        _readable(tx, visit, name)
        found = visible(tx, visit.client, name)
        refuse_unwritable(visit, found)
        _refuse_unknown(tx, found, stix_id)
    with visit.writer.database.app(visit.realm) as tx:
        named = store.posted(tx, found.id, query)
        if any(one.state not in _DELETABLE for one in named):
            raise DeniedError(
                "this object was published and cannot be deleted",
                advice=f"`secretariat withdraw {stix_id}` calls it back from everyone who holds it",
            )
        numbers = [one.version for one in named]
        collections.remove(tx, numbers, collection=found.id)
        set_state(tx, numbers, "hidden")
    return Answer(b"")


def _query(
    visit: Visit,
    subject: str,
    raw: bytes,
    fields: frozenset[str],
    *,
    stix_id: str | None = None,
    every_version: bool = False,
) -> Query:
    query = read_query(raw, subject=subject, fields=fields, limits=visit.limits, every_version=every_version)
    if stix_id is None:
        return query
    if "\x00" in stix_id:
        raise NotFoundError("no such object")
    return msgspec.structs.replace(query, match=msgspec.structs.replace(query.match, ids=(stix_id,)))


def visible(tx: sa.Connection, client: Client, name: str) -> Shelf:
    """Give a collection that the client may see. Refuses others, to the public without saying why."""
    called = store.name_of(name)
    found = None if called is None else store.shelf(tx, called)
    if found is None:
        raise _no_collection(client)
    return found


def _no_collection(client: Client) -> NotFoundError:
    known(client)
    return NotFoundError("no such collection", advice="list them at collections/")


def _readable(tx: sa.Connection, visit: Visit, name: str) -> store.Name:
    """Give what to look a collection up by; whether the client may see it, its rows or `visible` tell."""
    if Scope.READ not in visit.client.scopes:
        visible(tx, visit.client, name)
        raise DeniedError("this credential may not read", advice="use a token with the scope `read`")
    called = store.name_of(name)
    if called is None:
        raise _no_collection(visit.client)
    return called


def refuse_unwritable(visit: Visit, found: Shelf) -> None:
    """Refuse a client that may see a collection and not write to it, and every writing on a restored node."""
    if visit.node.settings.restored or visit.realm in visit.node.stopped:
        raise StateError("this node was restored and is read-only", advice="post again when it was checked")
    if not visit.may_write(found):
        raise DeniedError(
            "this credential may not write to this collection",
            advice="a party's own tools write to `own`, with a token of the scope `write`",
        )


def _refuse_unknown(tx: sa.Connection, found: Shelf, stix_id: str) -> None:
    if "\x00" in stix_id or not store.holds(tx, found.id, stix_id):
        raise NotFoundError("no such object in this collection")


def _resource(one: Shelf, visit: Visit) -> wire.CollectionResource:
    return wire.CollectionResource(
        id=one.taxii,
        title=one.title,
        description=one.description or None,
        alias=one.kind if one.kind in store.ALIASES else None,
        can_read=Scope.READ in visit.client.scopes,
        can_write=visit.may_write(one),
        media_types=_MEDIA_TYPES,
    )


def _cut(rows: list[Row], query: Query) -> tuple[list[Row], str | None]:
    """Cut what is past the page, and give the token that continues when something was."""
    if len(rows) <= query.limit:
        return rows, None
    kept = rows[: query.limit]
    return kept, query.next_token(kept[-1][0])


def _envelope(rows: list[tuple[int, bytes]], query: Query) -> Answer:
    rows, token = _cut(rows, query)
    return _dated(wire.envelope([data for _, data in rows], token=token), rows)


def _dated(body: bytes, rows: Sequence[tuple[Any, ...]]) -> Answer:
    return Answer(body, rows[0][0], rows[-1][0]) if rows else Answer(body)
