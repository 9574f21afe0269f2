"""The brief: which meeting was the last, what was promised there, what is proposed, and by what it stands."""

from __future__ import annotations

from datetime import date

import pytest

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError
from secretariat.register import record_file
from secretariat.register.brief import data, layout, service
from secretariat.register.model import View
from secretariat.register.paper import naming, sheet
from secretariat.register.paper.text import markdown, text_of
from secretariat.register.sample import sample
from secretariat.register.screens import markings_of
from secretariat.web.words import set_language


@pytest.fixture
def jp(node):
    one = node("JP")
    record_file.import_bytes(one, "live", sample(), by="test", now=now())
    return one


def asked(one, of, day):
    view = View.on(day, day)
    with one.database.app("live") as tx:
        codes, meeting = service.chosen(tx, view, of, own=one.party)
        return service.gather(tx, view, codes, meeting)


def written(one, brief, language="en", realm="live"):
    set_language(language)
    with one.database.app("live") as tx:
        names = naming.party_names(tx, brief.parties, language)
    head = sheet.head(
        one,
        realm,
        brief.view,
        markings_of(data.rows_of(brief)),
        person="Officer",
        path="/register/brief?of=x",
        now=now(),
        language=language,
    )
    return layout.document(brief, head, names, language)


def test_the_last_meeting_and_its_promises_on_two_days(jp):
    before = asked(jp, "KR,JP,CN", "2012-09-03")
    assert before.parties == ("CN", "JP", "KR")
    assert before.last.key == "cjk-summit5-2012"
    assert [one.row.key for one in before.promises if one.at_last] == ["cjk-c-nontraditional-2012"]
    assert before.since == date(2012, 5, 13) or before.since == date(2012, 5, 14)
    after = asked(jp, "CN-JP-KR", "2015-10-20")
    assert after.last.key == "cjk-cyber2-2015"


def test_a_meeting_named_by_its_key_looks_back_in_its_series(jp):
    brief = asked(jp, "cjk-cyber2-2015", "2015-10-14")
    assert brief.meeting.key == "cjk-cyber2-2015"
    assert brief.last.key == "cjk-cyber1-2014"
    promised = {one.row.key for one in brief.promises if one.at_last}
    assert promised == {"cjk-c-cyber2-in-rok"}


def test_what_was_not_known_then_is_not_in_it(jp):
    brief = asked(jp, "CN,JP,KR", "2009-01-31")
    assert brief.last.key == "cjk-summit1-2008"
    every = {row.key for row in data.rows_of(brief)}
    assert "cjk-c-tccs-launch" in every
    assert not any(key.endswith(("-2012", "-2014", "-2015")) for key in every)
    assert all(one.answer.state != "overdue" for one in brief.promises)


def test_the_agenda_names_the_longest_overdue_first_and_nothing_twice(jp):
    brief = asked(jp, "CN,JP,KR", "2012-09-03")
    assert brief.agenda[0].rows[0].key == "cjk-c-tccs-launch"
    assert brief.agenda[0].days == 977
    assert brief.agenda[0].why == "overdue"
    single = [(one.why, one.rows[0].key) for one in brief.agenda if len(one.rows) == 1]
    assert len(single) == len(set(single))
    contested = {one.rows[0].key for one in brief.agenda if one.why == "contested"}
    assert "cjk-c-tccs-launch" not in contested


def test_nothing_is_proposed_that_needs_who_is_not_there(jp):
    brief = asked(jp, "JP,KR", "2024-01-31")
    assert all(set(row.parties) <= {"JP", "KR"} for one in brief.agenda for row in one.rows)


def test_every_promise_and_absence_bears_its_source_or_says_not_checked(jp):
    brief = asked(jp, "CN,JP,KR", "2012-09-03")
    document = written(jp, brief)
    text = text_of(document)
    assert "= 977 days" in text
    assert "not checked" in text
    assert "cjk-tccs-none-2012" in text
    assert "SHIELD" in text
    numbers = {n for block in document.blocks for run in _runs(block) for n in run.notes}
    assert numbers == set(range(1, len(document.notes) + 1))


def _runs(block):
    for cell in getattr(block, "items", ()) or [c for row in getattr(block, "rows", ()) for c in row]:
        yield from cell
    yield from getattr(block, "runs", ())


@pytest.mark.parametrize(
    ("language", "day"), [("ja", "2012年9月3日"), ("ko", "2012년 9월 3일"), ("zh-Hans", "2012年9月3日")]
)
def test_days_stand_in_the_form_of_the_language(jp, language, day):
    document = written(jp, asked(jp, "CN,JP,KR", "2012-09-03"), language)
    assert any(day in one for one in document.head.as_of)
    assert "At a glance" not in text_of(document)


def test_plain_values_have_what_the_paper_has(jp):
    brief = asked(jp, "CN,JP,KR", "2012-09-03")
    found = data.data_of(brief)
    launch = next(one for one in found["promises"] if one["key"] == "cjk-c-tccs-launch")
    assert launch["state"] == "overdue"
    assert launch["sums"][0].days == 977
    assert launch["evidence"][0]["says"] == "none"
    assert set(launch["sources"]) <= found["sources"].keys()
    assert found["last_meeting"]["key"] == "cjk-summit5-2012"
    assert "| Launch the Cyber\\-Secretariat" in markdown(
        written(jp, brief)
    ) or "Launch the Cyber" in markdown(written(jp, brief))


@pytest.mark.parametrize("of", ["", "XX,JP", "JP," * 40 + "KR", "#read", "cjk-c-tccs-launch", "no-such-key"])
def test_what_is_no_meeting_and_no_parties_is_refused(jp, of):
    if of.startswith("JP,JP"):
        assert asked(jp, of, "2012-09-03").parties == ("JP", "KR")
        return
    with pytest.raises((InputError, NotFoundError)):
        asked(jp, of, "2012-09-03")


def test_without_any_meeting_it_says_so(node):
    brief = asked(node("KR"), "JP,KR", "2012-09-03")
    assert brief.last is None
    assert brief.changes is None
    assert brief.agenda == ()
