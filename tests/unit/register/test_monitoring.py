"""Properties of monitoring: a board is the pure rule; learning never un-knows; order does not matter."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError
from secretariat.register import boards, monitoring, questions, service, store
from secretariat.register.model import Commitment, Evidence, Meeting, View, stix_id
from secretariat.register.times import parse
from secretariat.register.words import lexemes

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
SAYS = ("done", "late", "partly", "progress", "slipped", "none")


def world(seed):
    """Give a small random record: promises, and evidence that is known and true on days of its own."""
    chance = random.Random(seed)

    def day(low=0, high=2000):
        text = (date(2010, 1, 1) + timedelta(days=chance.randrange(low, high))).isoformat()
        return text[: chance.choice((10, 10, 7, 4))]

    promises = [
        Commitment(
            key=f"c-{number}",
            kind="commitment",
            title=f"Promise {number}",
            true_from=chance.choice((None, day(0, 300), day(0, 300))),
            known_public=day(0, 900),
            status=chance.choice(("confirmed", "single", "contested", "unverified")),
            due=chance.choice((None, day(1200, 2000))),
            cadence=chance.choice((None, None, "yearly")),
            parties=chance.choice((("JP", "KR"), ("US",))),
        )
        for number in range(30)
    ]
    evidence = [
        Evidence(
            key=f"e-{number}",
            kind="evidence",
            title=f"Evidence {number}",
            for_ref=stix_id("sct-commitment", "JP", f"c-{chance.randrange(30)}"),
            says=chance.choice(SAYS),
            true_from=chance.choice((None, day(700, 2000))),
            announced=chance.choice((None, day(300, 900))),
            known_public=day(700, 2500),
            status=chance.choice(("confirmed", "single", "unverified")),
        )
        for number in range(60)
    ]
    return [*promises, *evidence]


VIEWS = [
    View.on(f"{true}-06-15", None if known is None else f"{known}-06-15")
    for true in range(2010, 2018)
    for known in (None, *range(2011, 2018))
]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_boards_are_the_pure_rules(node, seed):
    jp = node("JP")
    service.record(jp, "live", world(seed), by="aoki", now=NOW)
    with jp.database.app("live") as tx:
        for view in VIEWS:
            promises = store.statements(tx, view, types=["sct-commitment"], limit=1000)
            evidence = boards.evidence_for(tx, [one.stix_id for one in promises], view)

            def pure(rule, view=view, promises=promises, evidence=evidence):
                found = (rule(one, evidence.get(one.stix_id, ()), view) for one in promises)
                return {one.row.key: one.sum for one in found if one is not None}

            shown = boards.overdue(tx, view, limit=1000)
            assert {one.row.key: one.sum for one in shown.lines} == pure(monitoring.overdue)
            assert shown.total == len(shown.lines)
            shown = boards.lagging(tx, view, limit=1000)
            assert {one.row.key: one.sum for one in shown.lines} == pure(monitoring.lagging)
            assert shown.total == len(shown.lines)
            days = [one.sum.days for one in shown.lines]
            assert days == sorted(days, reverse=True)


def test_learning_more_never_un_knows_and_the_order_of_recording_does_not_matter(node):
    one, again = node("JP"), node("KR")
    made = world(7)
    service.record(one, "live", made, by="aoki", now=NOW)
    keys = {stix_id("sct-commitment", "JP", draft.key): draft.key for draft in made}
    promises = [draft for draft in made if isinstance(draft, Commitment)]
    evidence = [
        replaced(draft, for_ref=stix_id("sct-commitment", "KR", keys[draft.for_ref]))
        for draft in made
        if isinstance(draft, Evidence)
    ]
    random.Random(1).shuffle(evidence)
    # back-dated, piece by piece, in another order
    for number, draft in enumerate([*reversed(promises), *evidence]):
        service.record(again, "live", [draft], by="aoki", now=NOW + timedelta(minutes=number))

    def seen(place, view):
        with place.database.app("live") as tx:
            known = {row.key for row in store.statements(tx, view, announced=False, limit=1000)}
            late = {line.row.key: line.sum for line in boards.overdue(tx, view).lines}
            slow = {line.row.key: line.sum.days for line in boards.lagging(tx, view).lines}
        return known, late, slow

    before: set[str] = set()
    for year in range(2010, 2018):
        view = View.on("2017-06-15", f"{year}-06-15")
        assert seen(one, view) == seen(again, view)
        known = seen(one, view)[0]
        assert before <= known
        before = known


def replaced(draft, **given):
    return type(draft)(**{**{name: getattr(draft, name) for name in draft.__struct_fields__}, **given})


def test_a_difference_and_back(node):
    """What the later day sees more is what the difference names, for any pair of days."""
    jp = node("JP")
    service.record(jp, "live", world(5), by="aoki", now=NOW)
    with jp.database.app("live") as tx:
        for a, b in zip(VIEWS[::5], VIEWS[2::5], strict=False):
            found = questions.diff(tx, a, b)
            was = {row.stix_id for row in store.statements(tx, a, limit=1000)}
            now = {row.stix_id for row in store.statements(tx, b, limit=1000)}
            learned = {one.row.stix_id for one in found.changes if one.what == "learned"}
            lost = {one.row.stix_id for one in found.changes if one.what == "no-longer-seen"}
            assert now - was == learned
            assert was - now <= lost


days = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@given(days, days, st.sampled_from([4, 7, 10]))
@settings(max_examples=200, deadline=None)
def test_a_moment_is_true_by_its_last_day_and_possible_from_its_first(day, asked, length):
    moment = parse(day.isoformat()[:length])
    assert moment.first <= day <= moment.last
    assert moment.true_by(moment.last)
    assert not moment.true_by(moment.last - timedelta(days=1))
    assert moment.may_be_by(asked) or not moment.true_by(asked)


@pytest.mark.parametrize(
    "text",
    ["", "2012-2", "2012-13", "2012-02-30", "2012-02-03T14:00:00", "0999", "12-02-03", "2012-02-03 ", 2012],
)
def test_no_such_date(text):
    with pytest.raises(InputError):
        parse(text)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_words_are_letters_and_digits(text):
    assert all(one and "'" not in one and " " not in one and "\\" not in one for one in lexemes(text))


def test_a_meeting_known_only_from_before_was_announced(node):
    jp = node("JP")
    early = Meeting(key="m-1", kind="meeting", title="x", true_from="2013-07", known_public="2013-06-01")
    service.record(jp, "live", [early], by="aoki", now=NOW)
    with jp.database.app("live") as tx:
        assert questions.status(tx, "m-1", View.on("2014-01-01")).state == "announced"
        assert boards.silence(tx, View.on("2014-01-01")).series.lines == []
