"""What was only a command before: import with its result, enrolment with twelve words, standing releases."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from typer.testing import CliRunner

from secretariat.agreements import grants, workflow
from secretariat.agreements.service import explain
from secretariat.base.clock import now
from secretariat.base.errors import NotFoundError, StateError
from secretariat.cli import app
from secretariat.exchange import enrolment
from secretariat.exchange.fingerprint import fingerprint
from secretariat.web.said import TEMPLATES, said
from secretariat.web.words import set_language

GOOD = {
    "type": "identity",
    "spec_version": "2.1",
    "id": "identity--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c01",
    "created": "2026-11-01T00:00:00.000Z",
    "modified": "2026-11-01T00:00:00.000Z",
    "name": "<b>A bank</b>",
    "identity_class": "organization",
}


def upload(client, data, **fields):
    return client.post(
        "/reports/import",
        data={"tlp": "AMBER", **fields},
        files={"file": ("b.json", data, "application/json")},
    )


def bundle(*objects):
    return json.dumps(
        {"type": "bundle", "id": "bundle--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c0f", "objects": list(objects)}
    ).encode()


def test_an_import_says_what_was_refused_and_where(site):
    client = site("analyst")
    bad = {**GOOD, "id": "identity--nonsense"}
    answer = upload(client, bundle(GOOD, bad))
    assert answer.status_code == 200
    assert "/objects/1" in answer.text
    assert "<dt>accepted, new here</dt><dd>1</dd>" in answer.text
    again = upload(client, bundle(GOOD))
    assert "<dt>here already</dt><dd>1</dd>" in again.text


@pytest.mark.parametrize("data", [b"", b'{"type": "bundle", "objects": [', b"\xff\xfe", b'{"a": 1, "a": 2}'])
def test_a_broken_file_is_refused_whole(site, data):
    client = site("analyst")
    answer = upload(client, data)
    assert answer.status_code in {409, 413, 422}
    assert 'role="alert"' in answer.text


def test_no_file_and_no_right(site):
    assert site("analyst").post("/reports/import", data={"tlp": "AMBER"}).status_code == 422
    assert upload(site("auditor"), bundle(GOOD)).status_code == 403


def test_a_partner_is_enrolled_by_the_words_heard(site, node):
    client = site("admin")
    file = client.post("/admin/partners/invite", data={"party": "jp"})
    assert file.headers["content-disposition"] == 'attachment; filename="KR-for-JP.descriptor.json"'
    assert enrolment.open_descriptor(file.content).party == "KR"
    other = node("JP")
    sealed = enrolment.describe(other, now=now())
    words = fingerprint("JP", other.keyring("live").root_public)
    assert words not in client.get("/admin/partners").text

    def accept(said):
        return client.post(
            "/admin/partners/accept",
            data={"words": said},
            files={"file": ("jp.json", sealed)},
            follow_redirects=False,
        )

    assert accept(words.rsplit(" ", 1)[0]).status_code == 422
    assert accept("lusab " * 12).status_code == 403
    done = accept(words.upper().replace(" ", "-"))
    assert (done.status_code, done.headers["location"]) == (303, "/admin/partners/JP")
    page = client.get("/admin/partners/JP").text
    assert words in page
    assert client.post("/admin/partners/JP/suspend", data={"reason": ""}).status_code == 422
    assert "suspended" in client.post("/admin/partners/JP/suspend", data={"reason": "a drill"}).text
    assert client.post("/admin/partners/JP/resume", data={}).status_code == 200
    wrong = client.post("/admin/partners/JP/remove", data={"reason": "over", "code": "KR"})
    assert wrong.status_code == 422
    ended = client.post(
        "/admin/partners/JP/remove", data={"reason": "over", "code": "jp"}, follow_redirects=False
    )
    assert ended.headers["location"] == "/admin/partners"
    assert client.get("/admin/partners/JP").status_code == 404


def test_a_partner_that_nobody_reaches_is_accepted_with_its_mailbox(site, node):
    client = site("admin")
    others = {party: node(party) for party in ("US", "JP")}

    def accept(party, via):
        other = others[party]
        words = fingerprint(party, other.keyring("live").root_public)
        sealed = enrolment.describe(other, now=now())
        return client.post(
            "/admin/partners/accept",
            data={"words": words, "via": via},
            files={"file": ("partner.json", sealed)},
            follow_redirects=False,
        )

    assert "the mailbox of US" not in client.get("/admin/partners").text, (
        "nobody is enrolled that could be one"
    )
    assert accept("US", "").status_code == 303
    assert "the mailbox of US" in client.get("/admin/partners").text
    assert accept("JP", "CN").status_code == 404
    done = accept("JP", "US")
    lacking = "no sealing key" in done.text  # a node made for tests may have none; then it is said
    assert done.status_code == 303 or lacking, done.text


TERMS = {
    "title": "Sightings to JP",
    "to": "JP",
    "purpose": "defence",
    "highest": "GREEN",
    "per_day": "10",
    "days": "7",
    "second": "yes",
}


def test_a_standing_release_waits_for_the_second_person(site):
    first, second = site("releaser"), site("admin")
    with first.node.database.app("live") as tx:
        grants.keep_party(tx, "JP", name="Japan", partner=True, now=now())
    made = first.post("/releases/standing", data=TERMS, follow_redirects=False)
    assert made.status_code == 303
    place = made.headers["location"]
    assert "proposed" in first.get(place).text
    assert first.post(f"{place}/sign", data={}).status_code == 403
    assert second.post(f"{place}/sign", data={}).status_code == 403, "an administrator does not release"
    revoked = first.post(f"{place}/revoke", data={"reason": "not needed"})
    assert "revoked" in revoked.text
    assert first.post(f"{place}/revoke", data={}).status_code == 409


@pytest.mark.parametrize(
    ("change", "status"),
    [({"highest": "RED"}, 422), ({"days": "91"}, 422), ({"to": "ZZ"}, 422), ({"per_day": "x"}, 422)],
)
def test_too_wide_a_standing_release_is_refused(site, change, status):
    client = site("releaser")
    with client.node.database.app("live") as tx:
        grants.keep_party(tx, "JP", name="Japan", partner=True, now=now())
    answer = client.post("/releases/standing", data={**TERMS, **change})
    assert answer.status_code == status
    assert "Sightings to JP" in answer.text


def test_our_sentences_are_in_the_pages_language(site):
    client = site("analyst")
    text = client.get("/reports?true_on=tomorrow&lang=ja").text
    assert "日付ではありません：&#39;tomorrow&#39;" in text
    set_language("ko")
    try:
        assert said("only JP withdraws what it made") == "작성한 당사자인 JP만 철회할 수 있습니다"
        assert 'lang="en"' in said("something nobody translated <b>")
        assert "<b>" not in said("something nobody translated <b>")
    finally:
        set_language("en")
    assert len(set(TEMPLATES)) == len(TEMPLATES)


def test_the_second_person_signs_and_from_then_it_stands(site):
    first = site("releaser")
    with first.node.database.app("live") as tx:
        grants.keep_party(tx, "JP", name="Japan", partner=True, now=now())
    place = first.post("/releases/standing", data=TERMS, follow_redirects=False).headers["location"]
    number = UUID(place.rpartition("/")[2])
    with pytest.raises(StateError, match="second person"):
        workflow.publish_standing(first.node, "live", [], number, now=now())
    signed = workflow.sign_standing(first.node, "live", number, by="jun", now=now())
    assert (signed.signed_by, signed.entry is not None) == (["releaser", "jun"], True)
    assert f'href="/ledger/entries/{signed.entry}"' in first.get(place).text
    assert "active" in first.get("/releases/standing").text


def test_nobody_is_asked_about_who_is_unknown(site):
    client = site("releaser")
    answer = client.get("/agreements/explain?from=KR&to=ZZ&tlp=AMBER")
    assert (answer.status_code, "no such partner" in answer.text) == (404, True)
    with pytest.raises(NotFoundError, match="no such partner: 'ZZ'"):
        explain(client.node, "live", GOOD["id"], "ZZ", now=now())


def test_init_says_what_a_code_looks_like(tmp_path):
    said = CliRunner().invoke(app, ["init", "--party", "c c", "--name", "C", "--data", str(tmp_path / "n")])
    assert said.exit_code != 0
    assert "capital letters" in str(said.exception) + said.output + getattr(said.exception, "advice", "")
