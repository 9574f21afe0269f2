"""Real nodes: no table, page, download or TAXII answer names who is two steps away, unless it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from secretariat.app import build
from secretariat.base.clock import now
from secretariat.exchange import further
from secretariat.exchange.postgres import transaction
from secretariat.ledger import dsse
from secretariat.ledger.node import Node
from secretariat.people import service as people
from secretariat.people.model import Role, Scope
from simulator import SimulatedNode, indicator

from .test_circles import Circle

A = indicator("a")["id"]
PASSWORD = "correct horse battery"
PAGES = (
    "/",
    "/ledger/receipts",
    "/ledger/receipts?download=receipts.csv",
    "/ledger/duties",
    f"/reports/{A}",
    f"/reports/{A}/receipts",
    f"/reports/{A}/receipts?download=matrix.json",
    "/ledger",
)


@pytest.fixture
def circle(node: Callable[..., Node]) -> Iterator[Callable[..., Circle]]:
    """Give a maker of circles whose nodes are real ones."""

    def make(party: str) -> SimulatedNode:
        real = node(party, realms=("live",))
        return SimulatedNode(real.keyring("live"), partial(transaction, real, "live"), real)

    return partial(Circle, make=make)


def tables(one: Node) -> str:
    """Give every row of every table, and what its envelopes say."""
    found = []
    with one.database.app("live") as tx:
        names = tx.execute(
            sa.text("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
        )
        for name in names.scalars().all():
            if not tx.execute(sa.text(f"SELECT has_table_privilege('\"{name}\"', 'SELECT')")).scalar():
                continue
            for row in tx.execute(sa.text(f'SELECT * FROM "{name}"')):
                found.append(repr(tuple(row)))
                found += [
                    dsse.payload_of(value).decode(errors="replace")
                    for value in row
                    if isinstance(value, bytes) and value.startswith(b'{"payload"')
                ]
    return "\n".join(found)


def served(one: Node) -> str:
    """Give what its pages show to a releaser, and what TAXII answers to its own tool."""
    with one.database.app("live") as tx:
        login = {"login": "keeper", "name": "R", "password": PASSWORD, "roles": [Role.RELEASER, Role.AUDITOR]}
        people.add_person(tx, by="test", now=now(), **login)
        _, token = people.create_token(
            tx,
            label="tool",
            reader=one.party,
            scopes=frozenset({Scope.READ}),
            lifetime=timedelta(days=1),
            by="test",
            now=now(),
            limits=one.settings.limits,
        )
    address = f"http://{one.settings.host}:8400"
    client = TestClient(build(one), base_url=address, raise_server_exceptions=False)
    client.headers["accept"] = "text/html"
    answer = client.post("/sign-in", data={"login": "keeper", "password": PASSWORD}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    text = []
    for page in PAGES:
        answer = client.get(page)
        assert answer.status_code in {200, 404}, (page, answer.text[:300])
        text.append(answer.text)
    auth = {"accept": "application/taxii+json;version=2.1", "authorization": f"Bearer {token}"}
    root = "/live/taxii2"
    listed = client.get(f"{root}/collections/", headers=auth)
    assert listed.status_code == 200, listed.text[:300]
    for one_collection in listed.json()["collections"]:
        place = f"{root}/collections/{one_collection['id']}"
        text += [client.get(f"{place}/{end}", headers=auth).text for end in ("objects/", "manifest/")]
    return "\n".join([listed.text, *text])


def test_no_table_page_or_tool_names_who_is_two_steps_away(circle):
    plan = {
        "nodes": 4,
        "edges": {(0, 1): True, (1, 2): False, (2, 3): True},
        "silent": {3},
        "consents": False,
        "narrows": False,
        "luck": 7,
    }
    there = circle(plan)
    roots = there.play()
    lines = {
        code: [one for one in there.holders(code, roots) if further.is_further(one)] for code in there.codes
    }
    assert lines[there.codes[0]]
    for number, code in enumerate(there.codes):
        real = there.nodes[code].backend
        text = tables(real) + served(real)
        assert roots[0].hex() in text or repr(roots[0]) in text
        for other in sorted(set(there.codes) - there.may_know(code)):
            ring = there.nodes[other].keyring
            for mark in (other, ring.origin, ring.record.key_id, ring.record.public.hex()):
                assert mark not in text, (number, code, other, mark)
        for line in lines[code]:
            assert line.partition("/")[2] in text
