"""The search for leaks finds what it is for: each kind is put where it may not be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from secretariat.demo import leaks, promises
from secretariat.demo.nodes import Cluster, DemoNode
from secretariat.register import service as register
from secretariat.register import sources
from secretariat.register.model import Statement, id_of

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def cluster(node, tmp_path):
    made = {}
    for number, party in enumerate(("JP", "KR")):
        one = DemoNode(party, tmp_path / "demo", 40_000 + 2 * number)
        one.node = node(party)
        made[party] = one
    kr = made["KR"].node
    with kr.database.app("live") as tx:
        page = id_of(promises.page(), "KR")
        data = promises.TEXT.encode()
        sources.keep(tx, page, data, text=promises.TEXT, media_type="text/plain", by="kr-officer", now=NOW)
        register.record_in(
            tx, kr, "live", [promises.page(), promises.promise()], by="kr-officer", now=NOW, tlp="GREEN"
        )
    return Cluster(made)


def traces(cluster, party):
    stores = {one.party: leaks.held(one) for one in cluster}
    captured = leaks.passages(cluster, but=cluster[party])
    return [
        one
        for one in leaks.traces(cluster[party], stores, leaks.Granted(), {}, captured)
        if one.party == party
    ]


def test_nothing_is_found_where_nothing_left(cluster):
    assert traces(cluster, "JP") == []
    assert leaks.passages(cluster, but=cluster["KR"]) == {}


def test_a_line_of_a_captured_page_is_found_elsewhere(cluster):
    line = promises.TEXT.splitlines()[0]
    words = Statement(key="s-1", kind="statement", title="copied", summary=f"so it stands: {line}")
    register.record(cluster["JP"].node, "live", [words], by="jp-officer", now=NOW)

    found = traces(cluster, "JP")

    assert {one.object for one in found} == {id_of(promises.page(), "KR")}
    assert any("captured elsewhere" in one.where for one in found)


def test_the_span_that_is_cited_is_no_leak(cluster):
    words = Statement(key="s-2", kind="statement", title="cited", summary=f"it says: {promises.SPAN}")
    register.record(cluster["JP"].node, "live", [words], by="jp-officer", now=NOW)

    assert traces(cluster, "JP") == []


def test_the_id_of_what_was_withheld_is_found_in_a_table_of_the_register(cluster):
    promise = id_of(promises.promise(), "KR")
    with cluster["JP"].node.database.app("live") as tx:
        sources.keep(tx, promise, b"x", text=None, media_type="text/plain", by="x", now=NOW)

    assert {(one.object, one.where) for one in traces(cluster, "JP")} == {(promise, "table register_source")}


def test_a_partners_role_sees_nothing_of_the_register(cluster):
    for reader in ("JP", "US", leaks.PUBLIC):
        assert leaks.as_role(cluster["KR"], reader) == set()
