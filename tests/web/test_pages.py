"""Pages as people meet them: sign-in, rights, the past, hostile words, downloads, errors in one shape."""

from __future__ import annotations

import io
import json
import re

from secretariat.agreements import facts
from secretariat.agreements.book import package_book
from secretariat.base.clock import now
from secretariat.records.service import import_stream
from secretariat.web.words import LANGUAGES

PAGES = (
    "/",
    "/reports",
    "/releases",
    "/agreements",
    "/agreements/instruments",
    "/agreements/explain?from=KR&to=JP&tlp=AMBER",
    "/ledger",
    "/ledger/checkpoints",
    "/ledger/receipts",
    "/ledger/duties",
    "/ledger/partners",
)
ADMIN = ("/admin", "/admin/roles", "/admin/tokens", "/admin/partners", "/admin/reads")
REPORT = "report--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4d"
HOSTILE = '<script>alert(1)</script>"\'> \u202e=HYPERLINK("x")'


def bring(client, **changes):
    report = {
        "type": "report",
        "spec_version": "2.1",
        "id": REPORT,
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "name": HOSTILE,
        "description": HOSTILE,
        "published": "2026-11-01T00:00:00.000Z",
        "object_refs": ["indicator--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4e"],
        **changes,
    }
    data = json.dumps({"type": "bundle", "id": "bundle--" + REPORT[8:], "objects": [report]}).encode()
    result = import_stream(client.node.database, "live", "KR", io.BytesIO(data))
    assert result.accepted == 1, result


def test_every_page_in_every_language(site):
    releaser, admin = site("releaser"), site("admin")
    for language in LANGUAGES:
        for client, addresses in ((releaser, PAGES), (admin, ADMIN)):
            for address in addresses:
                answer = client.get(f"{address}{'&' if '?' in address else '?'}lang={language}")
                assert answer.status_code == 200, (address, answer.text[:400])
                assert f'<html lang="{language}"' in answer.text
                assert "Korea <b>" not in answer.text


def test_an_empty_list_of_reports_leads_to_objects_of_every_kind(site):
    client = site("releaser")
    assert 'href="/reports?kind=%2A"' in client.get("/reports").text
    assert 'href="/reports?kind=%2A"' not in client.get("/reports?kind=%2A").text


def test_a_stranger_is_led_to_sign_in_and_back(site):
    client = site()
    answer = client.get("/ledger?kind=grant", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fledger%3Fkind%3Dgrant")
    answer = client.post(
        "/sign-in",
        data={"login": "auditor", "password": "correct horse battery", "next": "/ledger?kind=grant"},
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/ledger?kind=grant"
    cookie = answer.headers["set-cookie"].lower()
    assert "secretariat_kr_live=" in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_signing_in_leads_nowhere_else(site):
    evil = (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:1",
        "/\nx",
        "//[",
        "/\x7f",
    )
    for target in evil:
        answer = site().post(
            "/sign-in",
            data={"login": "auditor", "password": "correct horse battery", "next": target},
            follow_redirects=False,
        )
        assert answer.headers["location"] == "/", target


def test_a_wrong_password_says_no_more_than_that(site):
    client = site()
    wrong = client.post("/sign-in", data={"login": "auditor", "password": "not this one"})
    unknown = client.post("/sign-in", data={"login": "nobody", "password": "not this one"})
    assert wrong.status_code == unknown.status_code == 401
    said = [re.findall(r'role="alert">([^<]*)<', answer.text) for answer in (wrong, unknown)]
    assert said[0] == said[1] != []


def test_signing_out_ends_the_session(site):
    client = site("auditor")
    kept = dict(client.cookies)
    client.post("/sign-out", follow_redirects=False)
    client.cookies.update(kept)
    assert client.get("/ledger", follow_redirects=False).status_code == 303


def test_rights(site):
    wanted = {
        ("analyst", "/admin"): 403,
        ("analyst", "/reports"): 200,
        ("admin", "/reports"): 403,
        ("admin", "/admin"): 200,
        ("integrator", "/admin/tokens"): 200,
        ("integrator", "/agreements"): 403,
        ("auditor", "/admin/reads"): 200,
        ("auditor", "/admin/tokens"): 403,
        ("planner", "/ledger"): 200,
        ("officer", "/admin/reads"): 403,
    }
    clients = {role: site(role) for role in {role for role, _address in wanted}}
    assert {key: clients[key[0]].get(key[1]).status_code for key in wanted} == wanted


def test_errors_have_one_shape(site):
    client = site("analyst")
    client.headers["accept"] = "application/json"
    answer = client.get("/reports/report--nothing")
    assert answer.status_code == 404
    assert set(answer.json()) == {"status", "code", "what", "where", "advice"}
    assert client.get("/no/such/page").json()["code"] == "not-found"
    assert client.get("/reports?true_on=tomorrow").json()["where"] == "true_on"
    assert site().get("/admin", headers={"accept": "*/*"}).json()["code"] == "sign-in-needed"
    client.headers["accept"] = "text/html"
    for address, status in (("/reports?true_on=tomorrow", 422), ("/no/such/page", 404), ("/admin", 403)):
        answer = client.get(address)
        assert (answer.status_code, "<h1>" in answer.text) == (status, True), address


def test_every_answer_carries_the_policy(site):
    client = site("auditor")
    for address in ("/", "/sign-in", "/no/such/page", "/static/style.css"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'self';"), address
        assert headers["x-content-type-options"] == "nosniff"


def test_no_deed_from_another_site(site):
    client = site("admin")
    for headers in (
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ):
        answer = client.post("/admin/tokens", data={"label": "x", "scope": "read"}, headers=headers)
        assert answer.status_code == 403, headers


def test_following_a_link_from_another_site_is_reading(site):
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert site("auditor").get("/ledger", headers=link).status_code == 200
    frame = {**link, "sec-fetch-dest": "iframe"}
    assert site("auditor").get("/ledger", headers=frame).status_code == 403


def test_a_past_page_acts_on_nothing(site):
    client = site("releaser")
    bring(client)
    now_page, then_page = (
        client.get(f"/reports/{REPORT}/release{q}").text for q in ("", "?true_on=2026-11-20")
    )
    assert "<button" in now_page
    assert 'name="deed"' not in then_page
    assert 'class="band"' in then_page
    assert "2026-11-20" in then_page
    for address in (f"/reports/{REPORT}/release?known_by=2013-01-01", f"/reports/{REPORT}/release"):
        answer = client.post(address, data={"to": "JP", "true_on": "2013-01-01"})
        assert answer.status_code == 409


def test_links_of_a_past_page_stay_in_the_past(site):
    text = site("releaser").get("/ledger?recorded_by=2026-11-20").text
    assert 'href="/agreements?recorded_by=2026-11-20"' in text


def test_a_report_that_was_not_known_then_is_not_there(site):
    client = site("analyst")
    bring(client)
    assert client.get(f"/reports/{REPORT}").status_code == 200
    assert client.get(f"/reports/{REPORT}?known_by=2013-03-21").status_code == 404
    assert REPORT not in client.get("/reports?recorded_by=2013-03-21").text
    for query in ("", "?kind=*", "?kind=report&state=draft", "?tlp=AMBER&originator=KR"):
        assert REPORT in client.get(f"/reports{query}").text, query
    assert REPORT not in client.get("/reports?kind=indicator").text


def test_hostile_words_stay_words(site):
    client = site("releaser")
    bring(client)
    for address in (
        "/",
        "/reports",
        f"/reports/{REPORT}",
        f"/reports/{REPORT}/release",
        "/reports?q=%3Cscript%3E",
    ):
        text = client.get(address).text
        assert "<script>alert" not in text, address
    sheet = client.get("/reports?download=reports.csv")
    assert sheet.headers["content-disposition"].startswith('attachment; filename="KR-reports')
    assert not any(cell.startswith(("=", "+", "@")) for cell in sheet.text.splitlines()[1].split(","))
    bring(client, name='=HYPERLINK("x")', modified="2026-11-02T00:00:00.000Z")
    assert "'=HYPERLINK" in client.get("/reports?download=reports.csv").text


def test_a_download_says_what_it_is(site):
    client = site("releaser")
    bring(client)
    found = client.get("/reports?download=reports.json").json()
    assert (found["party"], found["realm"], found["marking"]) == ("KR", "live", "TLP:AMBER")
    assert found["rows"][0]["originator"] == "KR"
    assert client.get("/reports?download=passwords.csv").status_code == 404


def test_a_token_is_shown_once(site):
    client = site("integrator")
    page = client.post("/admin/tokens", data={"label": "SIEM", "scope": ["read", "write"], "days": "30"})
    secret = page.text.split('id="secret">')[1].split("<")[0]
    assert secret.startswith("sct_")
    assert page.headers["cache-control"] == "no-store"
    assert secret not in client.get("/admin/tokens").text
    assert client.post("/admin/tokens", data={"label": "", "scope": "read"}).status_code == 422
    assert (
        client.post("/admin/tokens", data={"label": "x", "days": "9999", "scope": "read"}).status_code == 422
    )


def test_reading_a_report_is_noted(site):
    client = site("analyst")
    bring(client)
    client.get(f"/reports/{REPORT}")
    assert "analyst" in site("auditor").get("/admin/reads").text


def test_an_administrator_adds_a_person_who_signs_in(site):
    client = site("admin")
    given = {
        "login": "jun",
        "name": "박준",
        "password": "four plain words here",
        "role": ["analyst"],
        "language": "ko",
    }
    assert client.post("/admin/people", data=given, follow_redirects=False).status_code == 303
    assert client.post("/admin/people", data=given).status_code == 409
    other = site()
    other.post("/sign-in", data={"login": "jun", "password": "four plain words here"})
    assert '<html lang="ko"' in other.get("/reports").text
    client.post("/admin/people/jun/disable")
    assert other.get("/reports", follow_redirects=False).status_code == 303


def test_static_files_are_only_ours(site):
    for name in ("../pages.py", "..%2f..%2fapp.py", "nothing.css"):
        assert site().get(f"/static/{name}").status_code in {403, 404}, name


def test_a_date_is_that_day_in_the_instruments_own_zone(site):
    """The notice on the agreement of 2016 took effect at midnight of 2019-11-23 in Seoul, not in UTC."""
    client = site("releaser")
    with client.node.database.app("live") as tx:
        facts.keep_book(tx, package_book(), now=now())
    asked = "/agreements/explain?from=KR&to=JP&level=ROK_MIL/II&kind=defence"
    for day, known, outcome in (
        ("2017-03-21", "2017-03-21", "may"),
        ("2019-11-22", "2019-11-21", "may"),
        ("2019-11-23", "2019-11-21", "deny"),
        ("2019-11-23", "2019-11-24", "may"),
        ("2013-03-21", "2013-03-21", "deny"),
    ):
        text = client.get(f"{asked}&true_on={day}&known_by={known}").text
        assert f'<div class="answer {outcome}">' in text, (day, known)


def test_no_address_is_too_odd_to_be_answered(site):
    client = site("releaser")
    for address, status in (
        ("/?true_on=2026-13-40", 422),
        ("/?true_on=9999-12-31", 422),
        ("/reports?true_on=0001-01-01T00:00:00%2B14:00", 422),
        ("/reports/%00", 422),
        ("/reports?kind=%00", 422),
        ("/static/style.css%00", 422),
        ("/ledger/entries/99999999999999999999", 404),
        ("/sign-in?next=//[", 303),
        ("/sign-in?next=/%E6%97%A5", 303),
    ):
        assert client.get(address, follow_redirects=False).status_code == status, address
    for body in ({"login": "a\x00b", "password": "x"}, {"login": "a", "password": "x", "next": "//["}):
        assert client.post("/sign-in", data=body).status_code in {401, 422}
    odd = {"origin": "http://["}
    assert site("releaser").post("/language", data={"language": "ja"}, headers=odd).status_code == 403


def test_where_nobody_is_enrolled_the_release_page_says_who_can_change_that(site):
    client = site("releaser")
    bring(client)
    for address in (f"/reports/{REPORT}/release", "/releases/standing"):
        text = client.get(address).text
        assert "No partner is enrolled" in text, address
        assert 'href="/agreements/explain?from=KR' in text, address
        assert client.get("/agreements/explain?from=KR").status_code == 200
        assert "Ask One admin to do so." in text, address
    for language, said in (
        ("ja", "One admin に依頼してください"),
        ("ko", "One admin에게 요청하십시오"),
        ("zh-Hans", "请联系 One admin 办理"),
    ):
        client.post("/language", data={"language": language, "next": "/"})
        assert said in client.get(f"/reports/{REPORT}/release").text
