"""The matrix of one object's receipts, and the page of duties: words, terms, downloads, the past."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from secretariat.base.clock import now, stamp
from secretariat.exchange.model import Due, Holding
from secretariat.exchange.postgres import transaction
from secretariat.records import store as records
from secretariat.records.markings import Label, tlp_marking
from simulator import indicator, sealed

A = indicator("a")["id"]


@pytest.fixture
def told(site):
    """Give the pages of a node that released one object, of which four holders said different things."""
    client = site("releaser")
    node, moment = client.node, now()
    version = sealed(node.keyring("live"), indicator("a"))
    asked = {"via": "KR", "origin": node.origin("live"), "position": 7, "root": version.root}
    with transaction(node, "live", moment - timedelta(days=5)) as store:
        store.publish([version], ["JP", "US", "TW", "CN"])
        at = moment - timedelta(days=5)
        due = {"due": moment - timedelta(days=2), "article": "syn-mou/6"}
        store.hold(
            [
                Holding(holder="JP", state="asked", at=at, **asked, **due),
                Holding(holder="US", state="asked", at=at, **asked),
                Holding(holder="TW", state="kept-by-law", at=at, note="archives-act/4", **asked),
                Holding(holder="CN", state="destroyed", at=at, **asked),
                Holding(holder="NZ", state="asked", at=at, **{**asked, "via": "CN", "position": -1}),
            ]
        )
        store.owe(
            [
                Due(root=version.root, duty="delete", article="syn-nda/3", owed_to="JP", at=at),
                Due(root=version.root, duty="destroy_or_return", article="syn-nda/9", owed_to="JP", at=None),
            ]
        )
    return client


def test_the_matrix_says_per_holder_what_was_done_and_what_is_overdue_by_which_article(told):
    text = told.get(f"/reports/{A}/receipts").text
    for words in ("overdue", "syn-mou/6", "kept by law", "archives-act/4", "destroyed", "<svg", "NZ"):
        assert words in text
    assert "no article: the term of this node" in text
    text = told.get(f"/reports/{A}/receipts?download=matrix.csv").text
    (late,) = [line for line in csv.reader(io.StringIO(text)) if line[:2] == ["JP", "overdue"]]
    assert "syn-mou/6" in late
    assert told.get(f"/reports/{A}/receipts?lang=ja").status_code == 200


def test_the_past_knows_no_later_word(told):
    before = stamp(now() - timedelta(days=30))
    text = told.get(f"/reports/{A}/receipts?recorded_by={before}").text
    assert "syn-mou/6" not in text


def test_duties_are_listed_by_day_and_article_with_those_owed_to_us(told):
    text = told.get("/ledger/duties").text
    for words in ("syn-nda/3", "delete it", "when the instrument ends", "syn-mou/6", "overdue"):
        assert words in text
    desk = told.get("/").text
    assert "syn-mou/6" in desk
    assert "no article: the term of this node" in desk
    assert "syn-nda/9" not in told.get("/ledger/duties?recorded_by=2026-01-01").text


def test_an_object_that_is_not_here_has_no_receipts(told):
    unknown = "indicator--00000000-0000-4000-8000-00000000beef"
    assert told.get(f"/reports/{unknown}/receipts").status_code == 404


def test_marking_anew_says_what_happens_to_each_holder_before_it_is_done(site):
    client = site("releaser")
    node = client.node
    version = sealed(node.keyring("live"), indicator("a", object_marking_refs=[tlp_marking("GREEN")["id"]]))
    with transaction(node, "live", now()) as store:
        store.publish([version], ["JP"])
        (number,) = [one.id for one in records.versions(store.tx, A)]
        records.relabel(store.tx, {number: Label(tlp="GREEN", orig="KR")})
    text = client.get(f"/reports/{A}/remark?tlp=AMBER").text
    assert "JP" in text
    assert "asked to destroy them, with a receipt" in text
    assert client.get(f"/reports/{A}/remark?tlp=PINK").status_code == 422
    form = {"tlp": "AMBER", "reason": "named a victim", "code": "000000"}
    assert client.post(f"/reports/{A}/remark", data=form).status_code == 422
    code = A.rpartition("--")[2][:6]
    answer = client.post(f"/reports/{A}/remark", data={**form, "code": code}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    with transaction(node, "live", now()) as store:
        assert [one.state for one in store.history(A) if one.root == version.root] != []
        assert store.recipients([version.root]) == {}
