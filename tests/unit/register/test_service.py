"""Recording, amending and taking back: versions, the log, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from secretariat.base.errors import ConflictError, InputError, NotFoundError
from secretariat.ledger import service as ledger
from secretariat.register import service, store
from secretariat.register.model import (
    Cite,
    Commitment,
    Evidence,
    Meeting,
    Relation,
    Source,
    View,
    id_of,
    stix_id,
)

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
PROMISE = Commitment(
    key="c-1",
    kind="commitment",
    title="Launch the register",
    true_from="2008-12-13",
    known_public="2008-12-13",
    parties=("JP", "KR"),
    owed_by=("JP", "KR"),
    due="2009-12-31",
)
MEETING = Meeting(
    key="m-1",
    kind="meeting",
    title="First meeting",
    true_from="2010-05",
    known_public="2010-06-01",
    parties=("JP",),
)


def ref(kind, key):
    return stix_id(kind, "JP", key)


def evidence(**given):
    made = {
        "key": "e-1",
        "kind": "evidence",
        "title": "done",
        "for_ref": ref("sct-commitment", "c-1"),
        "from_ref": ref("sct-meeting", "m-1"),
        "says": "done",
        "true_from": "2010-05",
        "known_public": "2010-06-01",
    }
    return Evidence(**{**made, **given})


def test_a_batch_is_recorded_with_one_entry(node):
    jp = node("JP")
    done = service.record(jp, "live", [PROMISE, MEETING, evidence()], by="aoki", now=NOW)

    assert len(done.ids) == 3
    with jp.database.app("live") as tx:
        said = ledger.detail(tx, done.positions[0]).statement
        assert (said.kind, said.body["act"], len(said.body["objects"])) == ("record", "record", 3)
        assert "Launch" not in str(said)
        rows = store.statements(tx, View.on("2026-11-22"))
        assert [(one.key, one.kind) for one in rows] == [
            ("c-1", "commitment"),
            ("m-1", "meeting"),
            ("e-1", "evidence"),
        ]
        assert rows[0].position == done.positions[0]


def test_the_same_again_writes_nothing(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE, MEETING], by="aoki", now=NOW)
    again = service.record(jp, "live", [PROMISE, MEETING], by="aoki", now=NOW + timedelta(hours=1))

    assert (again.ids, again.unchanged) == ([], 2)


def test_known_and_true_are_apart(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE, MEETING], by="aoki", now=NOW)

    def keys(view, **given):
        with jp.database.app("live") as tx:
            return [one.key for one in store.statements(tx, view, **given)]

    assert keys(View.on("2012-01-01", "2010-05-31")) == ["c-1"]
    assert keys(View.on("2012-01-01", "2010-06-01")) == ["c-1", "m-1"]
    assert keys(View.on("2010-05-30"), true=True) == ["c-1"]
    assert keys(View.on("2010-05-31"), true=True) == ["c-1", "m-1"]


def test_two_officers_amend_and_the_second_is_told(node):
    jp = node("JP")
    first = service.record(jp, "live", [MEETING], by="aoki", now=NOW).ids[0]
    one = Meeting(**{**as_dict(MEETING), "place": "Seoul"})
    two = Meeting(**{**as_dict(MEETING), "place": "Tokyo"})
    earlier = service.amend(jp, "live", one, seen_version=first, by="aoki", now=NOW + timedelta(hours=1))
    later = service.amend(jp, "live", two, seen_version=first, by="sato", now=NOW + timedelta(hours=1))

    assert earlier.unseen == []
    assert later.unseen == [earlier.id]
    with jp.database.app("live") as tx:
        assert [row.body.get("place") for row in store.versions(tx, id_of(MEETING, "JP"))] == [
            "Tokyo",
            "Seoul",
            None,
        ]
        assert [row.body["place"] for row in store.statements(tx, View.on("2026-11-22"))] == ["Tokyo"]


def as_dict(draft):
    return {name: getattr(draft, name) for name in draft.__struct_fields__}


def test_recorded_by_shows_the_older_version(node):
    jp = node("JP")
    first = service.record(jp, "live", [MEETING], by="aoki", now=NOW)
    one = Meeting(**{**as_dict(MEETING), "place": "Seoul"})
    service.amend(jp, "live", one, seen_version=first.ids[0], by="aoki", now=NOW + timedelta(hours=2))
    with jp.database.app("live") as tx:
        then = View(day=NOW.date(), recorded_by=NOW + timedelta(hours=1))
        assert store.statements(tx, then)[0].body.get("place") is None
        by_position = View(day=NOW.date(), position=first.positions[0])
        assert store.statements(tx, by_position)[0].body.get("place") is None
        before = View(day=NOW.date(), recorded_by=NOW - timedelta(hours=1))
        assert store.statements(tx, before) == []


def test_what_is_taken_back_takes_its_evidence_along(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE, MEETING, evidence()], by="aoki", now=NOW)
    done = service.retract(
        jp, "live", "m-1", reason="it was another meeting", by="aoki", now=NOW + timedelta(hours=1)
    )

    assert len(done.ids) == 2
    with jp.database.app("live") as tx:
        assert [one.key for one in store.statements(tx, View.on("2026-11-22"))] == ["c-1"]
        then = View(day=NOW.date(), recorded_by=NOW)
        assert len(store.statements(tx, then)) == 3
        assert store.versions(tx, id_of(MEETING, "JP"))[0].body["retraction"] == "it was another meeting"


def test_amended_times_move_the_evidence(node):
    jp = node("JP")
    done = service.record(jp, "live", [PROMISE, MEETING, evidence()], by="aoki", now=NOW)
    later = Meeting(**{**as_dict(MEETING), "true_from": "2011-05-03", "known_public": "2011-05-04"})
    service.amend(jp, "live", later, seen_version=done.ids[1], by="aoki", now=NOW + timedelta(hours=1))
    with jp.database.app("live") as tx:
        found = store.statements(tx, View.on("2026-11-22"), types=["sct-evidence"])
        assert [one.body["true_from"] for one in found] == ["2011-05-03"]


BAD = {
    "an impossible date": (Meeting(key="x", kind="meeting", title="x", true_from="2012-02-30"), "true_from"),
    "an end before its beginning": (
        Meeting(key="x", kind="meeting", title="x", true_from="2012-02-03", true_to="2012-02-01"),
        "true_to",
    ),
    "due before promised": (
        Commitment(key="x", kind="commitment", title="x", true_from="2012-02-03", due="2012-02-01"),
        "due",
    ),
    "an unknown party": (
        Meeting(key="x", kind="meeting", title="x", true_from="2012", parties=("ATLANTIS",)),
        "parties",
    ),
    "a long quotation": (
        Meeting(
            key="x",
            kind="meeting",
            title="x",
            cites=(Cite(source_ref=ref("sct-source", "s"), quote="word " * 51),),
        ),
        "quote",
    ),
    "a span that is none": (
        Meeting(
            key="x",
            kind="meeting",
            title="x",
            cites=(Cite(source_ref=ref("sct-source", "s"), quote="a", start=9, end=3),),
        ),
        "cites/0",
    ),
    "evidence before its commitment": (evidence(key="x", true_from="2007-01", from_ref=None), "x"),
    "evidence for nothing": (evidence(key="x", for_ref=ref("sct-commitment", "none"), from_ref=None), "x"),
    "a relation that is none": (
        Relation(source_ref=ref("sct-a", "a"), target_ref=ref("sct-b", "b"), relationship_type="loves"),
        "loves",
    ),
}


@pytest.mark.parametrize(("draft", "where"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_with_place_and_advice_and_nothing_is_kept(node, draft, where):
    jp = node("JP")
    service.record(jp, "live", [PROMISE], by="aoki", now=NOW)
    with pytest.raises((InputError, NotFoundError)) as refused:
        service.record(jp, "live", [MEETING, draft], by="aoki", now=NOW)

    assert where in str(refused.value.where)
    assert refused.value.advice
    with jp.database.app("live") as tx:
        assert len(store.statements(tx, View.on("2026-11-22"))) == 1


def test_circular_supersession_is_refused(node):
    jp = node("JP")
    names = [MEETING, *(Meeting(**{**as_dict(MEETING), "key": f"m-{n}"}) for n in (2, 3))]
    a, b, c = (id_of(one, "JP") for one in names)

    def over(one, two):
        return Relation(source_ref=one, target_ref=two, relationship_type="supersedes")

    service.record(jp, "live", [*names, over(a, b), over(b, c)], by="aoki", now=NOW)
    with pytest.raises(ConflictError, match="supersedes the next"):
        service.record(jp, "live", [over(c, a)], by="aoki", now=NOW)


def test_a_source_may_carry_names_that_are_no_parties(node):
    jp = node("JP")
    source = Source(key="s", kind="source", title="A note", true_from="2012-06-26", publisher="A center")
    assert len(service.record(jp, "live", [source], by="aoki", now=NOW, tlp="CLEAR").ids) == 1
    with jp.database.app("live") as tx:
        assert store.statements(tx, View(day=NOW.date(), clear=True))[0].tlp == "CLEAR"


def test_the_nodes_own_code_names_a_party_where_it_is_no_states_code(node):
    team = node("ACME")
    draft = Meeting(
        key="m-own", kind="meeting", title="Own meeting", true_from="2010-05", parties=("ACME", "JP")
    )
    done = service.record(team, "live", [draft], by="aoki", now=NOW)
    assert len(done.ids) == 1
    with pytest.raises(InputError, match="'OTHER' is no party known here"):
        service.record(
            team,
            "live",
            [Meeting(key="m-2", kind="meeting", title="x", true_from="2010-05", parties=("OTHER",))],
            by="aoki",
            now=NOW,
        )
