"""Overlaps on a node: offered to who may see both sides, judged by an officer, never merged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.register import service as register
from secretariat.register import store as statements
from secretariat.register.model import Commitment, Evidence, Meeting, Statement, View, id_of
from secretariat.register.overlap import following, service
from secretariat.register.overlap.model import Text
from secretariat.storage.engine import raw

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
VIEW = View(day=NOW.date())


def meeting(key, title, day, *parties, **given):
    made = {"summary": "Officials met.", "known_public": day, **given}
    return Meeting(key=key, kind="meeting", title=title, true_from=day, parties=parties, **made)


def promise(key, title, day, *parties, **given):
    made = {"known_public": day, "owed_by": parties, **given}
    return Commitment(key=key, kind="commitment", title=title, true_from=day, parties=parties, **made)


DRILL = promise("drill-2", "Yearly drill of both incident teams", "2020-03-01", "JP", "KR")
DRILL_3 = promise("drill-3", "Joint exercise of three incident teams", "2021-03-04", "CN", "JP", "KR")
DRILL_ROUND = Statement(
    key="drill-2021",
    kind="exercise",
    title="Drill of both incident teams held",
    true_from="2021-02-01",
    known_public="2021-02-02",
    parties=("JP", "KR"),
)
ROUND_1 = meeting("talks-1", "First Japan-ROK cyber dialogue", "2016-10-28", "JP", "KR")
ROUND_2 = meeting("talks-2", "Second Japan-ROK cyber dialogue", "2017-11-01", "JP", "KR")
OTHER_TALKS = meeting("council-1", "Council of both on cyber policy", "2017-03-01", "JP", "KR")
FOREIGN = promise("drill-us", "Drill of incident teams", "2020-03-05", "US", "AU")
ALL = (DRILL, DRILL_3, DRILL_ROUND, ROUND_1, ROUND_2, OTHER_TALKS, FOREIGN)


def recorded(node, realm, *drafts, at=NOW, **given):
    register.record(node, realm, drafts or ALL, by="officer", now=at, **given)
    with node.database.app(realm) as tx:
        while service.catch_up(tx, by="words"):
            pass


def near(node, realm, key, view=VIEW, **given):
    with node.database.app(realm) as tx:
        return service.suggestions(tx, view, key, by="words", **given)


def keys(found):
    return [one.row.key for one in found.found]


def board(node, realm, view=VIEW, **given):
    with node.database.app(realm) as tx:
        return service.board(tx, view, by="words", **given)


def on_board(found):
    return {frozenset((pair.one.key, pair.other.key)) for pair in found.pairs}


def judge(node, realm, one="drill-2", other="drill-3", verdict="same", **given):
    made = {"reason": "Both drill the same teams.", "by": "officer", "now": NOW + timedelta(hours=1), **given}
    return service.judge(node, realm, one, other, verdict, **made)


def test_what_is_done_twice_is_offered_with_its_reasons(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    found = near(japan, realm, "drill-2")
    assert "drill-3" in keys(found)
    assert found.method == "words"
    assert found.waiting == 0
    first = next(one for one in found.found if one.row.key == "drill-3").comparison
    assert {reason.feature for reason in first.reasons} >= {"text", "themes", "parties", "bodies", "time"}
    assert next(one for one in first.reasons if one.feature == "parties").because == (
        "JP",
        "KR",
    )
    assert first.score == pytest.approx(sum(reason.gives for reason in first.reasons), abs=0.001)
    assert frozenset(("drill-2", "drill-3")) in on_board(board(japan, realm))


def test_rounds_of_one_series_are_one_line_of_work(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    assert "talks-2" not in keys(near(japan, realm, "talks-1"))
    offered = next(one for one in near(japan, realm, "council-1").found if one.row.key.startswith("talks"))
    assert [one.key for one in offered.rounds] == [
        {"talks-1": "talks-2", "talks-2": "talks-1"}[offered.row.key]
    ]
    assert frozenset(("talks-1", "talks-2")) not in on_board(board(japan, realm))


def test_a_promise_and_what_keeps_it_are_one_line_of_work(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    assert "drill-2021" in keys(near(japan, realm, "drill-2"))
    done = Evidence(
        key="e-1",
        kind="evidence",
        title="done",
        for_ref=id_of(DRILL, "JP"),
        from_ref=id_of(DRILL_ROUND, "JP"),
        says="done",
        true_from="2021-02-01",
        known_public="2021-02-02",
        parties=("JP", "KR"),
    )
    register.record(japan, realm, [done], by="officer", now=NOW)
    assert "drill-2021" not in keys(near(japan, realm, "drill-2"))
    before = View.on("2026-11-22", "2021-02-01")  # the round is not known yet
    assert "drill-2021" not in keys(near(japan, realm, "drill-2", before))


def test_a_verdict_is_a_statement_and_closes_the_pair(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    said = judge(japan, realm)
    assert said.verdict == "same-aim"
    assert "drill-3" not in keys(near(japan, realm, "drill-2"))
    assert "drill-2" not in keys(near(japan, realm, "drill-3"))
    after = board(japan, realm)
    assert frozenset(("drill-2", "drill-3")) not in on_board(after)
    assert [pair.verdict.body["description"] for pair in after.judged] == ["Both drill the same teams."]
    with japan.database.app(realm) as tx:
        row = statements.newest(tx, [said.stix_id])[said.stix_id]
        assert (row.type, row.says, row.originator) == ("relationship", "same-aim", "JP")
        assert len(statements.by_key(tx, "drill-2", VIEW)) == 1, "nothing was merged"
        assert len(statements.by_key(tx, "drill-3", VIEW)) == 1


def test_a_partner_s_verdict_is_shown_and_closes_nothing(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    judge(japan, realm)
    as_korea = near(japan, realm, "drill-2", party="KR")
    assert "drill-3" in keys(as_korea)
    assert "drill-3" not in keys(near(japan, realm, "drill-2", party="JP"))
    assert frozenset(("drill-2", "drill-3")) in on_board(board(japan, realm, party="KR"))
    assert len(board(japan, realm, party="KR").judged) == 1


def test_what_was_judged_is_offered_where_all_is_asked(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    judge(japan, realm)
    found = near(japan, realm, "drill-2", judged=True)
    assert next(one for one in found.found if one.row.key == "drill-3").judged_before.says == "same-aim"
    assert [pair.verdict.says for pair in found.judged] == ["same-aim"]


def test_the_index_follows_while_the_node_serves(node, realm):
    japan = node("JP")
    register.record(japan, realm, ALL, by="officer", now=NOW)
    desk = service.Desk()
    while following._step(japan, realm, desk):
        pass
    found = near(japan, realm, "drill-2")
    assert found.waiting == 0
    assert "drill-3" in keys(found)


def test_a_verdict_is_not_known_before_it_was_given(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    judge(japan, realm)
    earlier = View(day=NOW.date(), recorded_by=NOW + timedelta(minutes=30), is_now=False)
    assert "drill-3" in keys(near(japan, realm, "drill-2", earlier))
    assert board(japan, realm, earlier).judged == ()


def test_different_holds_until_a_side_changes(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    judge(japan, realm, verdict="different", reason="Other teams.")
    assert "drill-3" not in keys(near(japan, realm, "drill-2"))
    with japan.database.app(realm) as tx:
        old = statements.by_key(tx, "drill-3", VIEW)[0]
    changed = promise("drill-3", "Joint drill of the three incident teams", "2021-03-04", "CN", "JP", "KR")
    later = NOW + timedelta(hours=2)
    register.amend(japan, realm, changed, seen_version=old.id, by="officer", now=later)
    with japan.database.app(realm) as tx:
        service.catch_up(tx, by="words")
    again = next(one for one in near(japan, realm, "drill-2").found if one.row.key == "drill-3")
    assert again.judged_before is not None
    assert again.judged_before.says == "different-aim"
    judge(japan, realm, verdict="different", reason="Still other teams.", now=NOW + timedelta(hours=3))
    assert "drill-3" not in keys(near(japan, realm, "drill-2"))


def test_the_newest_verdict_counts_and_the_older_is_kept(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    judge(japan, realm, verdict="different", reason="Other teams.")
    judge(japan, realm, verdict="part-of", reason="It grew out of the other.", now=NOW + timedelta(hours=2))
    judged = board(japan, realm).judged
    assert [pair.verdict.says for pair in judged] == ["part-of", "different-aim"]
    assert "drill-3" not in keys(near(japan, realm, "drill-2"))


def test_a_and_b_is_b_and_a(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    assert judge(japan, realm).stix_id == judge(japan, realm, "drill-3", "drill-2", reason="Again.").stix_id


def test_what_a_question_does_not_see_is_not_offered_and_moves_no_figure(node, realm):
    japan, bare = node("JP"), node("KR")
    recorded(japan, realm, *ALL[:1], *ALL[2:])
    register.record(japan, realm, [DRILL_3], by="officer", now=NOW, tlp="RED")
    with japan.database.app(realm) as tx:
        service.catch_up(tx, by="words")
    recorded(bare, realm, *ALL[:1], *ALL[2:], tlp="CLEAR")
    everybody = View(day=NOW.date(), clear=True)
    assert near(bare, realm, "drill-2", everybody).found
    with pytest.raises(NotFoundError):
        near(japan, realm, "drill-3", everybody)
    assert on_board(board(japan, realm, everybody)) == set()
    # the same with and without the statement that is not seen
    earlier = View(day=datetime(2021, 1, 1, tzinfo=UTC).date())
    assert [(one.row.key, one.comparison) for one in near(japan, realm, "drill-2", earlier).found] == [
        (one.row.key, one.comparison) for one in near(bare, realm, "drill-2", earlier).found
    ]


def test_another_realm_sees_nothing(node):
    japan = node("JP")
    recorded(japan, "live")
    with pytest.raises(NotFoundError):
        near(japan, "exercise", "drill-2")
    assert board(japan, "exercise").pairs == ()
    with japan.database.app("exercise") as tx:
        assert service.near(tx, VIEW, Text(title=DRILL.title, parties=("JP", "KR")), by="words") == ()


def test_what_is_kept_for_a_guest_is_not_found_here(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    with japan.database.kept_for("MN").app(realm) as tx:
        for table in ("register_overlap", "register_overlap_token", "register_overlap_pair"):
            assert raw(tx).execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        assert service.near(tx, VIEW, Text(title=DRILL.title, parties=("JP", "KR")), by="words") == ()
        assert service.board(tx, VIEW, by="words").pairs == ()


def test_a_verdict_is_marked_as_strictly_as_the_stricter_side(node, realm):
    japan = node("JP")
    recorded(japan, realm, DRILL, tlp="CLEAR")
    recorded(japan, realm, DRILL_3, tlp="AMBER")
    with pytest.raises(InputError, match="below AMBER"):
        judge(japan, realm, tlp="GREEN")
    said = judge(japan, realm)
    with japan.database.app(realm) as tx:
        assert statements.newest(tx, [said.stix_id])[said.stix_id].tlp == "AMBER"
    assert board(japan, realm, View(day=NOW.date(), clear=True)).judged == ()


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"verdict": "merge"}, InputError),
        ({"reason": "  "}, InputError),
        ({"other": "drill-2"}, ConflictError),
        ({"other": "nowhere"}, NotFoundError),
        ({"view": View.on("2020-06-01", "2020-06-01")}, NotFoundError),
    ],
    ids=["a verdict that is none", "no reason", "one statement", "nothing there", "not known by then"],
)
def test_refuses_a_verdict(node, realm, given, refused):
    japan = node("JP")
    recorded(japan, realm)
    with pytest.raises(refused):
        judge(japan, realm, **given)
    assert board(japan, realm).judged == ()


def test_what_is_not_indexed_is_counted_as_not_looked_at(node, realm):
    japan = node("JP")
    recorded(japan, realm, DRILL)
    register.record(japan, realm, [DRILL_3], by="officer", now=NOW)
    assert near(japan, realm, "drill-2").waiting == 1
    assert board(japan, realm).waiting == 1


def test_the_index_is_made_again_alike(node, realm):
    japan = node("JP")
    recorded(japan, realm)
    before = (near(japan, realm, "drill-2"), board(japan, realm))
    with japan.database.app(realm) as tx:
        assert service.rebuild(tx, by="words") == len(ALL)
    assert (near(japan, realm, "drill-2"), board(japan, realm)) == before


FIRST = "First Japan-ROK cyber dialogue"
TOLD = {"parties": ("JP", "KR"), "kind": "meeting"}


@pytest.mark.parametrize(
    ("text", "question", "key"),
    [
        (
            Text(title=f"{FIRST} held", true_from="2016-10-28", **TOLD),
            "same",
            "talks-1",
        ),
        (
            Text(title=FIRST, true_from="2016-10-29", **TOLD),
            "contradicts",
            "talks-1",
        ),
        (
            Text(title=f"{FIRST} postponed", true_from="2016-10-28", **TOLD),
            "contradicts",
            "talks-1",
        ),
        (
            Text(title="Drill of incident teams held in Seoul", true_from="2022-03-01", parties=("JP", "KR")),
            "progress-of",
            "drill-2",
        ),
        (
            Text(title="両国の対応チームの訓練を中止", true_from="2022-03-01", parties=("JP", "KR")),
            "contradicts",
            "drill-2",
        ),
    ],
    ids=["same", "another day", "postponed", "progress", "called off, in Japanese"],
)
def test_a_text_raises_a_question(node, realm, text, question, key):
    japan = node("JP")
    recorded(japan, realm)
    with japan.database.app(realm) as tx:
        found = service.near(tx, VIEW, text, by="words")
    told = {one.row.key: one for one in found}
    assert told[key].question == question
    assert told[key].why
