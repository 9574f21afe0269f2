"""Two contents that one originator signed under one version: the page of the object shows both accounts."""

from __future__ import annotations

from datetime import timedelta

from litestar.testing import TestClient

from contract.peers.test_nodes import Nodes, indicator
from secretariat.app import build
from secretariat.base.clock import AsOf
from secretariat.exchange.postgres import transaction
from secretariat.exchange.store import read_disputed
from secretariat.people.model import Role
from secretariat.people.service import add_person

A = str(indicator("a")["id"])
PASSWORD = "correct horse battery"


def reader_of(world, party):
    one = world.nodes[party]
    with one.database.app("live") as tx:
        add_person(
            tx, login="rin", name="Rin", password=PASSWORD, roles=[Role.ANALYST], by="test", now=world.now
        )
    client = TestClient(build(one), base_url="http://jp.local:8400", raise_server_exceptions=False)
    client.headers["accept"] = "text/html"
    assert client.post("/sign-in", data={"login": "rin", "password": PASSWORD}).status_code == 200
    return client


def test_the_page_shows_both_contents_and_who_signed_and_brought_the_second(node):
    world = Nodes(node, "KR", "JP")
    world.converge()
    world.publish("KR", indicator("a", description="the first story"))
    world.converge()
    with reader_of(world, "JP") as client:
        before = client.get(f"/reports/{A}").text
        assert "the first story" in before
        assert "Disputed contents" not in before

        with transaction(world.nodes["KR"], "live", world.now) as store:  # KR forgets what it signed
            store.destroy([one.root for one in store.history(A)])
        world.publish("KR", indicator("a", description="another <story>"))
        world.converge()
        page = client.get(f"/reports/{A}").text
        assert "the first story" in page
        assert page.count("Disputed contents") == 2
        section = page[page.index('id="disputed"') :]
        assert "another &lt;story&gt;" in section
        assert section.count('<span class="code">KR</span>') >= 2
    with world.nodes["JP"].database.app("live") as tx:
        (one,) = read_disputed(tx, A)
        assert read_disputed(tx, A, AsOf(recorded_by=one.at)) == [one]
        assert read_disputed(tx, A, AsOf(recorded_by=one.at - timedelta(microseconds=1))) == []
        assert read_disputed(tx, A, AsOf(public=True)) == []
