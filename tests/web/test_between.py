"""Agreements, Between us: what both sides signed since when, and a text that a person agrees to."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from secretariat.agreements import grants, store
from secretariat.agreements.between import between
from secretariat.base.clock import now
from secretariat.records.canonical import canonical
from secretariat.storage.engine import raw

TERMS = canonical(
    {
        "id": "syn-kr-jp-terms",
        "title": "Invented terms between KR and JP",
        "kind": "mou",
        "binding": True,
        "parties": ["JP", "KR"],
        "in_force": "2020-01-01",
        "timezone": "UTC",
        "articles": [{"art": "3", "rule": "AUDIENCE", "max_tlp": "AMBER", "verification": "read"}],
        "equivalence": [],
    }
)
OURS = TERMS.replace(b"syn-kr-jp-terms", b"syn-ours")
DIGEST = hashlib.sha256(TERMS).digest()


@pytest.fixture
def told(site):
    """A node whose partner XX signed an instrument of which only its text came."""
    client = site("officer")
    at, party = now(), client.node.party
    with client.node.database.app("live") as tx:
        grants.keep_party(tx, "XX", name="XX", partner=True, now=at)
        ours = store.keep_instrument(tx, "syn-ours", OURS, synthetic=True, now=at)
        lists = (
            (party, [ours], at - timedelta(days=9)),
            ("XX", [ours], at - timedelta(days=5)),
            ("XX", [ours, DIGEST], at - timedelta(days=2)),
        )
        for number, (by, hashes, when) in enumerate(lists):
            store.keep_agreed(
                tx, partner="XX", by=by, hashes=hashes, origin=by, position=number,
                names={DIGEST: "syn-kr-jp-terms"}, now=when,
            )  # fmt: skip
        store.keep_offer(tx, DIGEST, "syn-kr-jp-terms", TERMS, source="XX", now=at)
    return client, at


def test_both_since_is_the_later_of_the_two_and_what_only_they_signed_stands_first(told):
    client, at = told
    with client.node.database.app("live") as tx:
        lines = between(tx, client.node.party, "XX")
        earlier = between(tx, client.node.party, "XX", recorded_by=at - timedelta(days=7))
    assert [(one.key, one.text) for one in lines] == [
        ("syn-kr-jp-terms", "offered"),
        ("syn-ours", "recorded"),
    ]
    assert lines[0].ours is None
    assert lines[0].both is None
    assert lines[1].both == lines[1].theirs == at - timedelta(days=5)
    assert [(one.key, one.theirs) for one in earlier] == [("syn-ours", None)]


def test_an_officer_reads_the_text_and_agrees(told):
    client, _ = told
    listed = client.get("/agreements/between").text
    assert "syn-kr-jp-terms" in listed
    assert f"/agreements/offered/{DIGEST.hex()}" in listed
    assert "syn-kr-jp-terms" in client.get("/agreements/between?download=between.csv").text
    page = client.get(f"/agreements/offered/{DIGEST.hex()}").text
    assert "Invented terms between KR and JP" in page
    assert "max_tlp: AMBER" in page
    done = client.post(f"/agreements/offered/{DIGEST.hex()}/agree", follow_redirects=False)
    assert done.status_code == 303
    with client.node.database.app("live") as tx:
        assert DIGEST in [one.hash for one in store.in_use(tx)]
        (offer,) = store.offers(tx)
        kinds = raw(tx).execute("SELECT kind FROM entry WHERE kind = 'instrument'").fetchall()
    assert offer.state == "agreed"
    assert kinds
    again = client.post(f"/agreements/offered/{DIGEST.hex()}/refuse", data={"reason": "late"})
    assert again.status_code == 422


def test_a_refusal_needs_a_reason_and_a_reader_decides_nothing(told, site):
    client, _ = told
    address = f"/agreements/offered/{DIGEST.hex()}"
    assert client.post(f"{address}/refuse", data={"reason": " "}).status_code == 422
    assert (
        client.post(f"{address}/refuse", data={"reason": "not signed"}, follow_redirects=False).status_code
        == 303
    )
    assert client.get("/agreements/offered/zz").status_code == 404
    assert client.post("/agreements/offered/zz/agree").status_code == 422
    assert client.post(f"/agreements/offered/{'0' * 64}/agree").status_code == 404
    reader = site("analyst")
    assert reader.get(address).status_code == 200
    assert '/agree"' not in reader.get(address).text
    assert reader.post(f"{address}/agree").status_code == 403
