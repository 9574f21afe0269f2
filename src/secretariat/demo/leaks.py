"""Measures leaks: what parties hold and can read, compared with what was granted to them.

Nothing here asks the code that decides. Five looks, each of which would show a leak alone:
1. **Stores**: every object version in a party's database that it did not make must be named in a grant to it
   in some node's log (or come with the call-back of something that was).
2. **Database roles**: on every node, what the peer role sees for a reader, without the application's filters.
3. **TAXII**: what a tool reads over HTTP with that reader's own credential, and the public without one.
4. **Traces**: the ids of what was withheld from a party stand nowhere in its database, in no table (those of
   the standard's own TLP markings are public).
5. **Captures**: what the Register captured in full stands nowhere outside the node that captured it: no line
   of it in any table of another, and no table of it is open to a reader.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa

from secretariat.base.errors import SecretariatError
from secretariat.demo.accounts import Tool
from secretariat.demo.nodes import Cluster, DemoNode
from secretariat.ledger import dsse, entries
from secretariat.ledger import service as ledger
from secretariat.records.markings import is_standard

REALM = "live"
PUBLIC = "*"
ACCEPT = "application/taxii+json;version=2.1"
_ID = re.compile(r"[a-z0-9-]+--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ENVELOPE = re.compile(rb'"payload":"([A-Za-z0-9+/=_-]+)"')
_PAGE = 1000
_PASSAGE = 60
"""Letters from which on a line is looked for: shorter ones may stand anywhere."""
_CALLS_BACK = frozenset({"withdraw", "narrow"})


class Leak(msgspec.Struct, frozen=True):
    """Something that a party holds or can read without a grant."""

    party: str
    where: str
    object: str


class Held(msgspec.Struct, frozen=True):
    """An object version in a node's store."""

    stix_id: str
    originator: str
    source: str
    root: str | None
    state: str
    revoked: bool


class Granted(msgspec.Struct):
    """What the logs grant: roots of object versions, per giver and recipient."""

    by: dict[tuple[str, str], set[str]] = {}

    def to(self, party: str) -> set[str]:
        """Give everything granted to `party` by anybody, and what is public."""
        return self._union(giver for giver in self.by if giver[1] in {party, PUBLIC})

    def of(self, giver: str, reader: str) -> set[str]:
        """Give what `giver` granted to `reader`, and what it made public."""
        return self._union(pair for pair in self.by if pair[0] == giver and pair[1] in {reader, PUBLIC})

    def _union(self, pairs: Iterable[tuple[str, str]]) -> set[str]:
        return set().union(*(self.by[pair] for pair in pairs))


def held(one: DemoNode) -> list[Held]:
    """Read a node's whole store, as the application."""
    ask = "SELECT stix_id, originator, source, encode(root, 'hex'), state, revoked FROM object_version"
    with one.node.database.app(REALM) as tx:
        return [Held(*row) for row in tx.execute(sa.text(ask))]


def granted(cluster: Cluster) -> Granted:
    """Read all grants from all logs."""
    found = Granted()
    for one in cluster:
        for statement in statements(one, ("grant",)):
            roots = found.by.setdefault((one.party, statement["to"]), set())
            for row in statement["rows"]:
                roots.update(row["objects"])
    return found


def statements(one: DemoNode, kinds: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read the bodies of a node's own entries of these kinds."""
    start = 0
    with one.node.database.app(REALM) as tx:
        while page := ledger.read_entries(tx, start=start, kinds=tuple(kinds)):
            for entry in page:
                body = entries.read(dsse.payload_of(entry.envelope)).body
                yield msgspec.json.decode(body) if isinstance(body, bytes | msgspec.Raw) else body
            start = page[-1].position + 1


def measure(cluster: Cluster, tools: dict[tuple[str, str], Tool]) -> list[Leak]:
    """Look in all four ways. `tools` holds a credential per (node, reader)."""
    grants = granted(cluster)
    stores = {one.party: held(one) for one in cluster}
    ids = _ids_of_roots(stores)
    found: list[Leak] = []
    for one in cluster:
        found += _in_store(one.party, stores[one.party], grants, ids)
        for reader in [*(other.party for other in cluster), PUBLIC]:
            may = {ids[root] for root in grants.of(one.party, reader) if root in ids}
            if reader == one.party:
                may |= {row.stix_id for row in stores[one.party]}
            seen = {("database role", name) for name in as_role(one, reader)}
            seen |= {("TAXII", name) for name in _as_client(one, tools.get((one.party, reader)))}
            found += [
                Leak(reader, f"{how} on the node of {one.party}", name)
                for how, name in sorted(seen)
                if name not in may
            ]
        found += traces(one, stores, grants, ids, passages(cluster, but=one))
    return found


def passages(cluster: Cluster, *, but: DemoNode) -> dict[str, str]:
    """Give the lines that other nodes captured and that are no quotation in an object, by what they stand in.

    A line is looked for as it stands and as the bytes of its UTF-8.
    """
    found: dict[str, str] = {}
    for one in cluster:
        if one is but:
            continue
        with one.node.database.app(REALM) as tx:
            rows = tx.execute(sa.text("SELECT source_id, text FROM register_source WHERE text IS NOT NULL"))
            for source, text in rows:
                lines = (line.strip() for line in text.splitlines())
                for line in lines:
                    if len(line) >= _PASSAGE:
                        found[line] = source
                        found[line.encode().decode("latin-1")] = source
    return found


def _ids_of_roots(stores: dict[str, list[Held]]) -> dict[str, str]:
    return {row.root: row.stix_id for rows in stores.values() for row in rows if row.root is not None}


def _in_store(party: str, rows: list[Held], grants: Granted, ids: dict[str, str]) -> list[Leak]:
    roots = grants.to(party)
    called_back = {ids[root] for root in roots if root in ids}
    return [
        Leak(party, "store", row.stix_id)
        for row in rows
        if party not in {row.originator, row.source}
        and row.root not in roots
        and not (row.revoked and row.stix_id in called_back)
    ]


def as_role(one: DemoNode, reader: str) -> set[str]:
    """Give the ids that the role sees in any table it may read that names objects or sources."""
    asked = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND column_name IN ('stix_id', 'source_id') AND table_name NOT IN"
        " (SELECT viewname FROM pg_views WHERE schemaname = current_schema())"
        " AND has_column_privilege(quote_ident(table_schema) || '.' || quote_ident(table_name), column_name,"
        " 'SELECT')"
    )
    found: set[str] = set()
    with one.node.database.peer(REALM, reader) as tx:
        for table, column in tx.execute(sa.text(asked)).all():
            found |= {row[0] for row in tx.execute(sa.text(f'SELECT "{column}" FROM "{table}"'))}
    return found


def _as_client(one: DemoNode, tool: Tool | None) -> set[str]:
    headers = {"Accept": ACCEPT} | ({} if tool is None else {"Authorization": f"Bearer {tool.token}"})
    found: set[str] = set()
    with httpx2.Client(base_url=f"{one.url}/{REALM}/taxii2/", headers=headers, timeout=30) as client:
        listed = client.get("collections/")
        if listed.status_code == 401 and tool is None:
            return found
        _expect(listed)
        for collection in listed.json().get("collections", []):
            following: str | None = ""
            while following is not None:
                address = f"collections/{collection['id']}/objects/?limit={_PAGE}"
                page = client.get(address + (f"&next={following}" if following else ""))
                _expect(page)
                body = page.json()
                found |= {entry["id"] for entry in body.get("objects", [])}
                following = body.get("next") if body.get("more") else None
    return found


def _expect(answer: Any) -> None:
    if answer.status_code != 200:
        raise SecretariatError(f"TAXII answered {answer.status_code}", where=str(answer.url))


def traces(
    one: DemoNode,
    stores: dict[str, list[Held]],
    grants: Granted,
    ids: dict[str, str],
    captured: dict[str, str],
) -> Iterator[Leak]:
    """Look for ids of what others made and did not grant to this party, in every column of every table.

    And for the lines of what others captured.
    """
    may = {ids[root] for root in grants.to(one.party) if root in ids}
    may |= {row.stix_id for row in stores[one.party] if one.party in {row.originator, row.source}}
    others = {row.stix_id for party, rows in stores.items() if party != one.party for row in rows}
    strange = {name for name in others - may if not is_standard(name)}
    with one.node.database.app(REALM) as tx:
        names = [
            row[0]
            for row in tx.execute(
                sa.text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            )
        ]
        for name in names:
            for row in tx.execute(sa.text(f'SELECT * FROM "{name}"')):
                for value in row:
                    if isinstance(value, int | float | datetime | None):
                        continue
                    text = _text(value)
                    for met in strange.intersection(_ID.findall(text)):
                        yield Leak(one.party, f"table {name}", met)
                    for line, source in captured.items():
                        if line in text:
                            yield Leak(one.party, f"table {name}: words captured elsewhere", source)


def _text(value: Any) -> str:
    """Write a value so that an id in it can be found, also inside an envelope's payload."""
    if not isinstance(value, bytes | memoryview):
        return str(value)
    data = bytes(value)
    inside = [_unpacked(match) for match in _ENVELOPE.findall(data)]
    return b"\n".join([data, *inside]).decode("latin-1")


def _unpacked(payload: bytes) -> bytes:
    return base64.b64decode(payload.replace(b"-", b"+").replace(b"_", b"/") + b"==")
