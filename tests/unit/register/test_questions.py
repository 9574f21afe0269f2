"""What a desk officer asks, on the sample record: days, what was known then, sums, and what it rests on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from secretariat.register import boards, questions, record_file, service
from secretariat.register.model import Absence, Commitment, Meeting, Relation, View, id_of
from secretariat.register.sample import sample

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def ask(node):
    jp = node("JP")
    record_file.import_bytes(jp, "live", sample(), by="aoki", now=NOW)

    def run(question, *args, **given):
        with jp.database.app("live") as tx:
            return question(tx, *args, **given)

    run.node = jp
    return run


def test_had_tokyo_responded(ask):
    """As of 2012-06-25: known only from the day on which the source was published."""
    unknown = ask(questions.status, "jp-no-response-2012", View.on("2012-06-25", "2012-06-25"))
    assert (unknown.state, unknown.checked, unknown.row) == ("not-known", False, None)
    assert "not checked" in unknown.words

    known = ask(questions.status, "jp-no-response-2012", View.on("2012-06-25", "2012-06-26"))
    assert known.state == "true"
    assert known.absences[0].looked_by == ["Hitachi Systems SHIELD Security Research Center"]
    assert known.absences[0].looked_in == "open sources"
    assert [one.source.key for one in known.sources] == ["S000"]

    later = ask(questions.status, "jp-no-response-2012", View.on("2012-12-31"))
    assert "after that day, up to 2012-12-31: not checked" in later.words


STANDINGS = {
    "2008-12-12": ("not-known", None, False),
    "2009-06-01": ("open", None, False),
    "2009-12-31": ("open", None, False),
    "2010-01-01": ("overdue", 1, False),
    "2012-09-02": ("overdue", 976, False),
    "2012-09-03": ("overdue", 977, True),
    "2014-10-21": ("overdue", 1755, True),
}


@pytest.mark.parametrize("day", STANDINGS)
def test_the_cyber_secretariat_on_seven_days(ask, day):
    state, days, checked = STANDINGS[day]
    answer = ask(questions.status, "cjk-c-tccs-launch", View.on(day, day))

    assert (answer.state, answer.checked) == (state, checked)
    late = answer.standing.overdue if answer.standing else None
    assert (late.sum.days if late else None) == days
    if days:
        assert (late.sum.since.isoformat(), late.sum.since_what) == ("2009-12-31", "due")
    if checked:
        assert answer.absences[-1].as_of.isoformat() == day
        assert next(one.says for one in answer.standing.marks) == "none"


OVERDUE = {
    "2012-09-03": {"cjk-c-tccs-launch": 977, "cjk-c-action-plan-cycle": 265, "uk-c-first-aug-2012": 3},
    "2016-01-01": {
        "cjk-c-tccs-launch": 2192,
        "cjk-c-action-plan-cycle": 1480,
        "uj-c-cyber2-2013": 731,
        "uc-c-hljd": 1,
    },
}


@pytest.mark.parametrize("day", OVERDUE)
def test_what_was_overdue(ask, day):
    board = ask(boards.overdue, View.on(day, day))
    assert {one.row.key: one.sum.days for one in board.lines} == OVERDUE[day]
    assert board.total == len(board.lines)


def test_a_meeting_in_september_was_late_but_nobody_knew_before_july(ask):
    """`uk-cpc1-2012` took place in September 2012; the first source that says so is of July 2013."""

    def state(true_on, known_by):
        return ask(questions.status, "uk-c-first-aug-2012", View.on(true_on, known_by)).state

    assert state("2012-10-15", "2012-10-15") == "overdue"
    assert state("2012-10-15", "2013-07-31") == "late"
    assert state("2012-09-15", "2013-07-31") == "overdue"  # some day in September


def test_what_lagged(ask):
    board = ask(boards.lagging, View.on("2012-09-03", "2012-09-03"))
    assert {one.row.key: (one.sum.days, one.sum.since_what) for one in board.lines} == {
        "cjk-c-yearly-report": (2061, "late"),
        "cjk-c-tccs-launch": (1360, "promised"),
        "cjk-c-realtime-monitor": (1360, "promised"),
        "cjk-c-results-db": (1360, "promised"),
        "cjk-c-action-plan-cycle": (1360, "promised"),
        "uj-c-trilateral-commons-2011": (440, "promised"),
    }
    assert board.lines[0].sum.since_key == "cjk-progress-2007:evidence:1"
    only = ask(boards.lagging, View.on("2012-09-03", "2012-09-03", parties=("US",)))
    assert [one.row.key for one in only.lines] == ["uj-c-trilateral-commons-2011"]
    shorter = ask(boards.lagging, View.on("2012-09-03", "2012-09-03"), limits={"KR,US": 60})
    assert "uk-c-exercises-2012" in {one.row.key for one in shorter.lines}


def test_unverified_evidence_does_not_count(ask):
    answer = ask(questions.status, "cjk-c-cyber-regular", View.on("2020-12-10"))
    assert {one.row.other for one in answer.standing.marks if one.why_not} == {
        one.stix_id for one in [ask(questions.status, "cjk-cyber4-unknown", View.on("2020-12-10")).row]
    }


def test_announced_is_never_held(ask):
    before = ask(questions.status, "cjk-cyber1-2014", View.on("2014-10-21", "2014-10-20"))
    after = ask(questions.status, "cjk-cyber1-2014", View.on("2014-10-21", "2014-10-21"))
    assert (before.state, after.state) == ("announced", "true")
    series = {
        day: {one.series for one in ask(boards.silence, View.on(day, day)).series.lines}
        for day in ("2015-10-14", "2015-10-16")
    }
    assert "cjk-cyber" not in series["2015-10-14"]
    assert "cjk-cyber" in series["2015-10-16"]


def test_silence_names_the_longest_gap(ask):
    lines = {one.series: one for one in ask(boards.silence, View.on("2026-11-22")).series.lines}
    summit = lines["cjk-summit"]
    assert (summit.held, summit.highest, summit.last_key) == (9, 9, "cjk-summit9-2024")
    assert (summit.longest, summit.longest_from, summit.longest_to) == (
        1616,
        "cjk-summit8-2019",
        "cjk-summit9-2024",
    )
    dialogue = lines["uj-cyber"]
    assert (dialogue.held, dialogue.highest) == (5, 7)


def test_which_accounts_differ(ask):
    board = ask(boards.contested, View.on("2026-11-22"))
    lines = {one.row.key: one for one in board.lines}
    assert [(one.by[0], one.says) for one in lines["cjk-c-tccs-launch"].accounts] == [
        ("Action Plan, English text", "agrees"),
        ("Action Plan summary, Japanese", "different-reading"),
    ]
    early = ask(boards.contested, View.on("2008-12-31", "2008-12-31"))
    assert "cjk-c-tccs-launch" not in {one.row.key for one in early.lines}


def test_who_met_whom(ask):
    pairs = {(one.one, one.other): one for one in ask(boards.who_met, View.on("2026-11-22"))}
    assert pairs["CN", "JP"].last_key == "cjk-fm11-2025"
    assert all(one < other for one, other in pairs)


def test_what_was_learned_between_two_days(ask):
    found = ask(questions.diff, View.on("2012-06-25", "2012-06-25"), View.on("2012-07-03", "2012-07-03"))
    assert {one.what for one in found.changes} == {"learned"}
    assert {"jk-gsomia-postponed-2012", "jp-no-response-2012"} <= {one.row.key for one in found.changes}
    assert "cjk-c-tccs-launch" not in {one.row.key for one in found.changes}

    night = ask(questions.diff, View.on("2009-12-31", "2009-12-31"), View.on("2010-01-01", "2010-01-01"))
    assert [(row.key, a, b) for row, a, b in night.states] == [("cjk-c-tccs-launch", "open", "overdue")]

    held = ask(questions.diff, View.on("2014-10-20", "2014-10-20"), View.on("2014-10-21", "2014-10-21"))
    assert ("held", "cjk-cyber1-2014") in {(one.what, one.row.key) for one in held.changes}


def test_what_was_taken_back_is_said(ask):
    service.retract(ask.node, "live", "uj-22-2013", reason="doubled", by="aoki", now=NOW.replace(hour=8))
    before = View(day=NOW.date(), recorded_by=NOW)
    found = ask(questions.diff, before, View(day=NOW.date()))
    assert [(one.what, one.row.key) for one in found.changes] == [("taken-back", "uj-22-2013")]


def test_what_is_superseded_is_on_no_board(ask):
    newer = Commitment(
        key="cjk-c-tccs-launch-2",
        kind="commitment",
        title="Launch it in 2010",
        true_from="2010-05-30",
        known_public="2010-05-30",
        parties=("CN", "JP", "KR"),
        due="2011-12-31",
    )
    old = ask(questions.status, "cjk-c-tccs-launch", View.on("2026-11-22")).row
    relation = Relation(source_ref=id_of(newer, "JP"), target_ref=old.stix_id, relationship_type="supersedes")
    service.record(ask.node, "live", [newer, relation], by="aoki", now=NOW.replace(hour=8))

    def keys(day):
        return {one.row.key for one in ask(boards.overdue, View.on(day)).lines}

    assert "cjk-c-tccs-launch" in keys("2010-05-29")
    assert "cjk-c-tccs-launch" not in keys("2012-06-01")
    assert "cjk-c-tccs-launch-2" in keys("2012-06-01")
    answer = ask(questions.status, "cjk-c-tccs-launch", View.on("2012-06-01"))
    assert [one.key for one in answer.superseded_by] == ["cjk-c-tccs-launch-2"]


def test_undated_is_legal_and_never_late(ask):
    undated = [
        Commitment(key="c-undated", kind="commitment", title="Some day", known_public="2001-01-01"),
        Meeting(key="m-undated", kind="meeting", title="A meeting nobody dated"),
        Absence(key="a-undated", kind="absence", title="Nothing"),
    ]
    service.record(ask.node, "live", undated, by="aoki", now=NOW)
    view = View.on("2026-11-22")
    assert "c-undated" not in {one.row.key for one in ask(boards.overdue, view).lines}
    assert "c-undated" not in {one.row.key for one in ask(boards.lagging, view).lines}
    states = {row.key: state for row, state in ask(questions.timeline, view)}
    assert states["m-undated"] == "undated"


def test_search_in_four_languages(ask):
    told = [
        Meeting(key="ja", kind="meeting", title="第5回日中韓サイバー協議"),
        Meeting(key="ko", kind="meeting", title="제5차 한일중 사이버정책협의회"),
        Meeting(key="zh", kind="meeting", title="第五次中日韩网络磋商"),
    ]
    service.record(ask.node, "live", told, by="aoki", now=NOW)
    view = View.on("2026-11-22")

    def found(words):
        return [row.key for row, _ in ask(questions.timeline, view, words=words)]

    assert found("サイバー協議") == ["ja"]
    assert found("사이버정책") == ["ko"]
    assert found("网络 磋商") == ["zh"]
    assert "cjk-action-plan-2008" in found("action PLAN promoting")
    assert found("' & | ! \\") == []
    assert found("nosuchword") == []


def test_an_instrument_shows_its_acts_in_order(ask):
    answer = ask(questions.status, "jk-gsomia-2016", View.on("2020-01-01", "2020-01-01"))
    assert [(one.says, one.by) for one in answer.acts] == [
        ("in_force", []),
        ("termination_notice", ["KR"]),
        ("effect_of_notice_suspended", ["KR"]),
    ]
    earlier = ask(questions.status, "jk-gsomia-2016", View.on("2020-01-01", "2019-11-21"))
    assert [one.says for one in earlier.acts] == ["in_force", "termination_notice"]
