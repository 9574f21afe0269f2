"""The calendar feed, as a calendar program fetches it: by Basic with a token of its own scope; RFC 5545."""

from __future__ import annotations

from datetime import timedelta

import icalendar
import pytest

from secretariat.agreements import grants
from secretariat.base.clock import now
from secretariat.people.model import Scope
from secretariat.people.service import create_token
from secretariat.register import service as register
from secretariat.register.model import Commitment, Meeting
from secretariat.register.requests import service


def token(client, *scopes, reader="KR"):
    with client.node.database.app("live") as tx:
        return create_token(
            tx,
            label="calendar",
            reader=reader,
            scopes=scopes,
            lifetime=timedelta(days=9),
            by="test",
            limits=client.node.settings.limits,
            now=now(),
        )[1]


@pytest.fixture
def client(site):
    client = site()
    ahead = (now() + timedelta(days=40)).date().isoformat()
    drafts = [
        Meeting(
            key="next-round",
            kind="meeting",
            title="The next round",
            true_from=ahead,
            announced="2026-01-05",
            parties=("JP", "KR"),
        ),
        Commitment(
            key="owed",
            kind="commitment",
            title="A secret, channel; promised",
            true_from="2026-01-05",
            due=ahead,
            owed_by=("KR",),
            parties=("KR",),
        ),
    ]
    register.record(client.node, "live", drafts[:1], by="test", now=now(), tlp="CLEAR")
    register.record(client.node, "live", drafts[1:], by="test", now=now(), tlp="AMBER")
    return client


def test_meetings_and_due_days_as_a_program_reads_them(client):
    answer = client.get("/register/calendar.ics", auth=("calendar", token(client, Scope.CALENDAR)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    read = icalendar.Calendar.from_ical(answer.content)
    assert not read.errors
    events = {str(one["summary"]): one for one in read.walk("VEVENT")}
    meeting = events["The next round"]
    assert meeting["status"] == "TENTATIVE"  # announced is not held
    assert meeting["url"].endswith("/register/statements/next-round")
    assert "Due" in events  # above CLEAR: its kind and its address alone
    assert "secret," not in answer.text
    assert "statements/owed" not in answer.text  # a key may say as much as a title
    assert len({one["uid"] for one in events.values()}) == 2
    again = client.get(
        "/register/calendar.ics",
        auth=("calendar", token(client, Scope.CALENDAR)),
        headers={"if-none-match": answer.headers["etag"]},
    )
    assert again.status_code == 304


def test_the_day_of_an_answer_stands_there_while_somebody_waits(client):
    with client.node.database.app("live") as tx:
        grants.keep_party(tx, "JP", name="Japan", partner=True, now=now())
    day = (now() + timedelta(days=9)).date()
    service.ask(
        client.node,
        "live",
        of="JP",
        asks="When?",
        answer_by=day.isoformat(),
        tlp="CLEAR",
        by="t",
        now=now(),
        decide=True,
    )
    auth = ("x", token(client, Scope.CALENDAR))
    read = icalendar.Calendar.from_ical(client.get("/register/calendar.ics?lang=ko", auth=auth).content)
    (found,) = [one for one in read.walk("VEVENT") if "/requests/KR-" in one["url"]]
    assert found["dtstart"].dt == day
    assert "회신 기한" in found["summary"]


@pytest.mark.parametrize(("scopes", "reader"), [((Scope.READ,), "KR"), ((Scope.CALENDAR,), "JP")])
def test_another_token_opens_nothing(client, scopes, reader):
    answer = client.get("/register/calendar.ics", auth=("x", token(client, *scopes, reader=reader)))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic /w==", "Bearer " + "x" * 9000, "Digest a"]
)
def test_a_broken_credential_is_refused(client, header):
    headers = {"authorization": header} if header else {}
    assert client.get("/register/calendar.ics", headers=headers).status_code == 401


def test_a_calendar_token_opens_no_taxii(client):
    secret = token(client, Scope.CALENDAR)
    answer = client.get(
        "/live/taxii2/collections/",
        headers={"authorization": f"Bearer {secret}", "accept": "application/taxii+json;version=2.1"},
    )
    assert answer.status_code in {200, 403, 404}
    assert '"can_read":true' not in answer.text.replace(" ", "")
