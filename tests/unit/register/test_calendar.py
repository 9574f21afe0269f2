"""The calendar: what a calendar program reads of meetings and due days, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from secretariat.register import calendar, service
from secretariat.register.model import Commitment, Evidence, Meeting, Milestone, Project, Source, View, id_of
from secretariat.register.times import parse
from secretariat.web import words

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
LONG = "日中韓サイバー協議第六回会合の開催について、議題と資料、出席者の一覧を含む;コンマ,もある"


@pytest.fixture(autouse=True)
def _in_english():
    words.set_language("en")


@pytest.fixture
def written(node):
    jp = node("JP")
    promise = Commitment(
        key="promise",
        kind="commitment",
        title="Meet yearly",
        true_from="2020",
        due="2021-06",
        parties=("JP", "KR"),
    )
    kept = Commitment(
        key="kept", kind="commitment", title="Kept", true_from="2020", due="2021", parties=("JP",)
    )
    drafts = [
        Source(key="s", kind="source", title="A source", true_from="2021-01-05"),
        Meeting(
            key="m-day",
            kind="meeting",
            title=LONG,
            true_from="2021-01-05",
            true_to="2021-01-06",
            known_public="2021-01-07",
            place="東京",
            parties=("JP", "KR"),
        ),
        Meeting(key="m-hour", kind="meeting", title="At nine", true_from="2021-03-01T09:00:00+09:00"),
        Meeting(key="m-month", kind="meeting", title="Some day", true_from="2021-04"),
        Meeting(key="m-year", kind="meeting", title="Some year", true_from="2021"),
        promise,
        kept,
        Evidence(
            key="e",
            kind="evidence",
            title="done",
            for_ref=id_of(kept, "JP"),
            says="done",
            true_from="2021-02-01",
        ),
        Project(
            key="p",
            kind="project",
            title="Feed",
            true_from="2020",
            milestones=(
                Milestone(title="First", due="2021-05-01"),
                Milestone(title="Past", due="2020-09", done="2020-09"),
            ),
        ),
    ]
    service.record(jp, "live", drafts, by="aoki", now=NOW)

    def run(**given):
        with jp.database.app("live") as tx:
            return calendar.calendar(
                tx,
                View.on("2026-11-22"),
                party="JP",
                realm=given.pop("realm", "live"),
                address="http://jp.local:8400",
                **given,
            )

    return run


def unfolded(data):
    return data.decode().replace("\r\n ", "").split("\r\n")


def test_every_line_is_short_and_ends_as_the_format_wants(written):
    data = written()
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert max(len(line) for line in data.split(b"\r\n")) <= 75
    data.decode()  # no letter was cut in two
    assert f"SUMMARY:[TLP:AMBER] {LONG.replace(';', chr(92) + ';').replace(',', chr(92) + ',')}" in unfolded(
        data
    )


def test_days_hours_months_and_years(written):
    lines = unfolded(written())
    assert "DTSTART;VALUE=DATE:20210105" in lines
    assert "DTEND;VALUE=DATE:20210107" in lines, "the end is the day after"
    assert "DTSTART:20210301T000000Z" in lines
    month = lines.index("DTSTART;VALUE=DATE:20210401")
    assert "STATUS:TENTATIVE" in lines[month : month + 5]
    assert not any("Some year" in line for line in lines)
    assert any(line.startswith("DESCRIPTION:1 meetings of which only the year") for line in lines)


def test_due_days_stand_until_done(written):
    lines = unfolded(written())
    due = lines.index("SUMMARY:[TLP:AMBER] Due: Meet yearly")
    assert "DTSTART;VALUE=DATE:20210630" in lines[due - 3 : due]
    assert not any("Kept" in line for line in lines)
    assert "SUMMARY:[TLP:AMBER] Milestone: First – Feed" in lines
    assert not any("Past" in line for line in lines)


def test_without_titles_nothing_above_clear_is_told(written):
    data = written(titles=False)
    assert "日中韓" not in data.decode()
    assert "東京" not in data.decode()
    assert "SUMMARY:Meeting" in unfolded(data)
    place = "URL:http://jp.local:8400/register/statements/"
    assert any(line.startswith(f"{place}sct-meeting--") for line in unfolded(data))
    assert not any(line.startswith(f"{place}m-day") for line in unfolded(data))  # a key may say as much


def test_an_exercise_says_so_everywhere(written):
    lines = unfolded(written(realm="exercise"))
    assert any("CALNAME" in line and "EXERCISE" in line for line in lines)
    assert all(line.startswith("SUMMARY:EXERCISE") for line in lines if line.startswith("SUMMARY"))


def test_only_the_days_asked_for(written):
    lines = unfolded(written(first=parse("2021-04").first, last=parse("2021-05").last))
    assert [line for line in lines if line.startswith("SUMMARY")] == [
        "SUMMARY:[TLP:AMBER] Some day",
        "SUMMARY:[TLP:AMBER] Milestone: First – Feed",
    ]
