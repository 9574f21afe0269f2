"""The matrix of one object's receipts, and the page of duties: words, terms, downloads, the past."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from secretariat.agreements import grants, workflow
from secretariat.agreements.store import house_rule
from secretariat.base.clock import now, stamp
from secretariat.exchange.model import Due, Holding
from secretariat.exchange.postgres import transaction
from secretariat.people import service as people
from secretariat.people.model import Role
from secretariat.records import store as records
from secretariat.records.markings import Label, tlp_marking
from secretariat.storage.engine import raw
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


def test_the_list_of_receipts_calls_overdue_what_passed_the_agreed_hour_and_nothing_else(site):
    client = site("releaser")
    node, moment = client.node, now()
    version = sealed(node.keyring("live"), indicator("a"))
    hours = {"JP": (3, 1), "US": (40, None), "KR": (3, None), "TW": (40, -5)}
    with transaction(node, "live", moment) as store:
        store.publish([version], list(hours))
        store.hold(
            [
                Holding(
                    root=version.root,
                    holder=party,
                    state="asked",
                    via="CN",
                    origin=node.origin("live"),
                    position=7,
                    at=moment - timedelta(hours=asked),
                    due=None if late is None else moment - timedelta(hours=late),
                    article="" if late is None else "syn-mou/6",
                )
                for party, (asked, late) in hours.items()
            ]
        )
    text = client.get("/ledger/receipts?download=receipts.csv").text
    said = {line[1]: line[2] for line in csv.reader(io.StringIO(text)) if len(line) > 2}
    wanted = {"JP": "overdue", "US": "overdue", "KR": "asked", "TW": "asked"}
    assert {party: said.get(party) for party in hours} == wanted


def test_duties_are_listed_by_day_and_article_with_those_owed_to_us(told):
    text = told.get("/ledger/duties").text
    for words in ("syn-nda/3", "delete it", "when the instrument ends", "syn-mou/6", "overdue"):
        assert words in text
    desk = told.get("/").text
    assert "syn-mou/6" in desk
    assert "no article: the term of this node" in desk
    assert "syn-nda/9" not in told.get("/ledger/duties?recorded_by=2026-01-01").text


def test_who_is_further_down_has_no_name_and_the_relay_owes_its_answer(told):
    node, name = told.node, "further-" + "a" * 16
    with transaction(node, "live", now()) as store:
        (version,) = [one for one in store.history(A) if not one.revoked]
        said = {"root": version.root, "via": "CN", "origin": "cn.example/live", "position": -1}
        at = now() - timedelta(days=6)
        store.hold(
            [
                Holding(holder=f"CN/{name}", state="asked", at=at, **said),
                Holding(holder=f"CN/{name[:-1]}b", state="destroyed", at=at, **said),
            ]
        )
    for address in (f"/reports/{A}/receipts", f"/reports/{A}", "/ledger/receipts"):
        text = told.get(address).text
        assert "a holder further down, known by way of CN only" in text
        assert name in text
        for language in ("ja", "ko", "zh-Hans"):
            text = told.get(f"{address}?lang={language}").text
            assert "a holder further down" not in text
            assert "CN" in text
    text = told.get(f"/reports/{A}/receipts").text
    assert "2 holders further down" in text
    assert "1 silent since" in text
    assert "answers for 1 holder further down" in told.get("/").text
    rows = list(csv.reader(io.StringIO(told.get("/ledger/duties?download=answers.csv").text)))
    assert ["CN", "1"] in [[line[1], line[4]] for line in rows]
    rows = list(csv.reader(io.StringIO(told.get(f"/reports/{A}/receipts?download=matrix.csv").text)))
    (late,) = [line for line in rows if line[:2] == [f"CN/{name}", "overdue"]]
    assert "CN" in late


def test_an_object_that_is_not_here_has_no_receipts(told):
    unknown = "indicator--00000000-0000-4000-8000-00000000beef"
    assert told.get(f"/reports/{unknown}/receipts").status_code == 404


CODE = A.rpartition("--")[2][:6]


def released(client, to, tlp="GREEN", **more):
    """Let a node hold one released object, as if it had been granted to these parties."""
    node = client.node
    version = sealed(
        node.keyring("live"), indicator("a", object_marking_refs=[tlp_marking(tlp)["id"]], **more)
    )
    with transaction(node, "live", now()) as store:
        for party in to:
            grants.keep_party(store.tx, party, name=party, partner=True, now=now())
        store.publish([version], to)
        (number,) = [one.id for one in records.versions(store.tx, A)]
        records.relabel(store.tx, {number: Label(tlp=tlp, orig="KR")})
    return version


def another(client):
    """Sign in as another releaser of the same node."""
    with client.node.database.app("live") as tx:
        people.add_person(
            tx,
            login="lee",
            name="Lee",
            password="correct horse battery",
            roles=[Role.RELEASER],
            by="test",
            now=now(),
        )
    client.post("/sign-out", follow_redirects=False)
    answer = client.post("/sign-in", data={"login": "lee", "password": "correct horse battery"})
    assert answer.status_code < 400
    return client


def test_marking_anew_says_what_happens_to_each_holder_before_it_is_done(site):
    client = site("releaser")
    version = released(client, ["JP"])
    text = client.get(f"/reports/{A}/remark?tlp=AMBER").text
    assert "JP" in text
    assert "asked to destroy them, with a receipt" in text
    assert client.get(f"/reports/{A}/remark?tlp=PINK").status_code == 422
    form = {"tlp": "AMBER", "reason": "named a victim", "code": "000000"}
    assert client.post(f"/reports/{A}/remark", data=form).status_code == 422
    answer = client.post(f"/reports/{A}/remark", data={**form, "code": CODE}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    with transaction(client.node, "live", now()) as store:
        assert [one.state for one in store.history(A) if one.root == version.root] != []
        assert store.recipients([version.root]) == {}


def test_marked_lower_a_second_person_decides_on_the_page(site):
    client = site("releaser")
    version = released(client, ["JP"], "AMBER")
    assert "Two persons must say DO" in client.get(f"/reports/{A}/remark?tlp=CLEAR").text
    form = {"tlp": "CLEAR", "reason": "it is known", "code": CODE}
    answer = client.post(f"/reports/{A}/remark", data=form, follow_redirects=False)
    place = answer.headers["location"]
    assert f"/reports/{A}/changes/" in place, answer.text
    assert "another releaser must decide" in client.get(place).text
    assert client.post(place, data={"deed": "approve"}, follow_redirects=False).status_code == 403
    assert place in client.get("/").text
    second = another(client)
    assert "it is known" in second.get(place).text
    answer = second.post(place, data={"deed": "approve", "confirm": "yes"}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    with transaction(client.node, "live", now()) as store:
        newest = records.get(store.tx, A)
        assert (newest.label.tlp, newest.state) == ("CLEAR", "published")
        assert newest.root != version.root
    assert second.post(place, data={"deed": "refuse", "reason": "late"}).status_code == 409
    assert place not in second.get("/").text


def test_a_change_that_is_refused_sends_nothing(site):
    client = site("releaser")
    released(client, ["JP"], "AMBER")
    form = {"tlp": "CLEAR", "reason": "it is known", "code": CODE}
    place = client.post(f"/reports/{A}/remark", data=form, follow_redirects=False).headers["location"]
    assert client.post(place, data={"deed": "refuse"}).status_code == 422
    client.post(place, data={"deed": "refuse", "reason": "not yet"})
    assert "not yet" in client.get(place).text
    with transaction(client.node, "live", now()) as store:
        assert len(store.history(A)) == 1


def test_correcting_says_what_will_happen_then_does_just_that(site):
    client = site("releaser")
    version = released(client, ["JP"], description="first")
    page = f"/reports/{A}/correct"
    assert "first" in client.get(page).text
    form = {"f-description": "second", "reason": "", "step": "forecast"}
    assert client.post(page, data=form).status_code == 422
    form["reason"] = "the address was ours"
    text = client.post(page, data=form).text
    assert "JP" in text
    seen = text.partition('name="seen" value="')[2].partition('"')[0]
    deed = {**form, "step": "do", "code": CODE, "seen": seen, "confirm": "yes"}
    other = client.post(page, data={**deed, "f-description": "third"}, follow_redirects=False)
    assert other.status_code == 200, "what is done is what was forecast"
    assert client.post(page, data={**deed, "code": "000000"}).status_code == 422
    answer = client.post(page, data=deed, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    text = client.get(f"/reports/{A}").text
    assert "Corrected by KR on" in text
    assert "the address was ours" in text
    with transaction(client.node, "live", now()) as store:
        assert [one.state for one in store.history(A)] == ["published", "published"]
        assert store.history(A)[1].root == version.root
    assert client.post(page, data={**deed, "json": "[1]"}).status_code == 422
    assert client.get(f"{page}?lang=ko").status_code == 200


def test_a_receipt_by_a_person_names_who_will_read_it_and_wants_its_facts(site):
    client = site("releaser")
    version = sealed(client.node.keyring("live"), indicator("a"))
    with transaction(client.node, "live", now()) as store:
        store.publish([version], [])
        raw(store.tx).execute("UPDATE object_version SET originator = 'JP', source = 'JP', state = 'kept'")
    page = f"/reports/{A}/word"
    text = client.get(page).text
    assert "its originator JP" in text
    for other in ("remark", "correct"):
        assert "Its originator is JP" in client.get(f"/reports/{A}/{other}").text
    form = {"state": "lost", "since": "2026-11-20", "what": "stolen", "told": "police", "code": CODE}
    assert client.post(page, data={**form, "code": "x"}).status_code == 422
    assert client.post(page, data={**form, "told": ""}).status_code == 422
    assert client.post(page, data={**form, "state": ""}).status_code == 422
    assert client.post(page, data=form).status_code == 404, "nobody is known here who could be told"
    assert client.get(f"{page}?lang=zh-Hans").status_code == 200


def test_a_reported_loss_stands_in_the_matrix_and_on_the_desk(told):
    node = told.node
    with transaction(node, "live", now()) as store:
        (root,) = [one.root for one in store.history(A)]
        said = {"via": "JP", "origin": "jp", "position": -1, "root": root, "holder": "JP", "at": now()}
        store.hold([Holding(state="lost", note="since 2026-11-20: stolen; told: police", **said)])
        store.hold([Holding(state="destroyed", **{**said, "at": now()})])
    for place in (f"/reports/{A}/receipts", "/"):
        assert "since 2026-11-20: stolen; told: police" in told.get(place).text
    rows = csv.DictReader(io.StringIO(told.get(f"/reports/{A}/receipts?download=matrix.csv").text))
    assert any("stolen" in str(list(row.values())) for row in rows)


def test_an_office_concurs_on_the_page_before_anybody_says_do(site):
    client = site("releaser")
    released(client, ["JP"])
    rule = {"from_tlp": "CLEAR", "offices": ["legal"]}
    with client.node.database.app("live") as tx:
        tx.execute(house_rule.insert().values(rule=rule, recorded_at=now(), by="test"))
        people.add_person(
            tx, login="lea", name="Lea", password="correct horse battery", roles=[Role.ANALYST],
            by="test", now=now(), office="legal",
        )  # fmt: skip
    text = client.get(f"/reports/{A}/remark?tlp=AMBER").text
    assert "these offices must concur: legal" in text
    form = {"tlp": "AMBER", "reason": "named a victim", "code": CODE}
    place = client.post(f"/reports/{A}/remark", data=form, follow_redirects=False).headers["location"]
    assert f"/reports/{A}/changes/" in place
    text = client.get(place).text
    assert "legal: not yet" in text
    assert 'value="approve"' not in text
    assert "Concur for" not in text
    assert client.post(place, data={"deed": "approve", "confirm": "yes"}).status_code == 409
    assert client.post(f"{place}/concur").status_code == 409, "of no office"
    assert "Must concur: legal" in client.get("/").text
    for other in ("remark", "correct"):
        assert place in client.get(f"/reports/{A}/{other}").text
    lea = site()
    lea.post("/sign-in", data={"login": "lea", "password": "correct horse battery"})
    assert "Concur for legal" in lea.get(place).text
    assert lea.post(f"{place}/concur", follow_redirects=False).status_code == 303
    assert lea.post(f"{place}/concur").status_code == 409
    assert "legal: lea" in client.get(place).text
    answer = client.post(place, data={"deed": "approve", "confirm": "yes"}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    with transaction(client.node, "live", now()) as store:
        assert records.get(store.tx, A).label.tlp == "AMBER"
    assert "Concur for" not in lea.get(place).text
    assert client.get(f"{place}?lang=ja").status_code == 200
    one = workflow.propose(
        client.node, "live", [A], title="again", to=["JP"], purpose=None, by="releaser", now=now()
    )
    assert "legal: not yet" in client.get(f"/releases/{one.id}").text
    assert f"/releases/{one.id}/approve" not in client.get(f"/releases/{one.id}").text
    assert "Concur for legal" in lea.get(f"/releases/{one.id}").text
    assert client.post(f"/releases/{one.id}/concur").status_code == 409
    assert lea.post(f"/releases/{one.id}/concur", follow_redirects=False).status_code == 303
    assert f"/releases/{one.id}/approve" in client.get(f"/releases/{one.id}").text


def test_who_is_of_no_office_concurs_for_no_office_whatever_its_name(site):
    client = site("releaser")
    released(client, ["JP"])
    with client.node.database.app("live") as tx:
        asked = {"from_tlp": "CLEAR", "offices": ["?", "–"]}
        tx.execute(house_rule.insert().values(rule=asked, recorded_at=now(), by="test"))
    form = {"tlp": "AMBER", "reason": "named a victim", "code": CODE}
    place = client.post(f"/reports/{A}/remark", data=form, follow_redirects=False).headers["location"]
    assert client.post(f"{place}/concur").status_code == 409
    waits = workflow.propose(
        client.node, "live", [A], title="again", to=["JP"], purpose=None, by="releaser", now=now()
    )
    assert client.post(f"/releases/{waits.id}/concur").status_code == 409
