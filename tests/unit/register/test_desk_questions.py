"""A desk officer's morning: questions to the sample record, and what must stand in each answer."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from secretariat.base.errors import InputError
from secretariat.records import store as versions
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.records.store import Version
from secretariat.register import boards, follow, questions, record_file, same_words, service
from secretariat.register.model import Commitment, Evidence, Meeting, View, id_of, to_object
from secretariat.register.sample import sample

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def ask(node):
    jp = node("JP")
    record_file.import_bytes(jp, "live", sample(), by="aoki", now=NOW)

    def run(question, *args, **given):
        with jp.database.app("live") as tx:
            return question(tx, *args, **given)

    return run


def test_the_morning(ask):
    """One node, one record, the questions one after the other."""
    # What became of the GSOMIA that was promised in 2012? It slipped, and the answer says so.
    slipped = ask(questions.status, "jk-c-gsomia", View.on("2012-07-15", "2012-07-15"))
    assert slipped.state == "open"
    assert "latest evidence: slipped on 2012-06-29" in slipped.words
    assert slipped.acts[-1].key == "jk-gsomia-postponed-2012"
    assert "latest act: " in slipped.words
    # A day before, nobody knew of it.
    before = ask(questions.status, "jk-c-gsomia", View.on("2012-06-28", "2012-06-28"))
    assert "slipped" not in before.words

    # The agreement of 2016 was not known in 2012; what was known by then is named instead.
    unknown = ask(questions.status, "jk-gsomia-2016", View.on("2012-07-01", "2012-07-01"))
    assert not unknown.checked
    assert "jk-c-gsomia" in {one.key for one in unknown.near}
    # A word instead of a key finds what is near, and never what was known only later.
    near = ask(questions.status, "tokyo", View.on("2012-06-25", "2012-06-25")).near
    assert near
    assert "jp-no-response-2012" not in {one.key for one in near}
    assert "jp-no-response-2012" in {
        one.key for one in ask(questions.status, "tokyo", View.on("2012-06-26", "2012-06-26")).near
    }

    # Which two bodies follow the same sentence? Camp David's.
    (promise,) = ask(same_words.promises, View.on("2025-12-31"), "ujk-c-hlg-quarterly")
    assert promise.promise.key == "ujk-c-wg-2023"
    assert {name for name, _ in promise.works} == {"ujk-hlg", "ujk-dwg"}
    assert [one.key for one in promise.beside] == ["ujk-c-hlg-quarterly"]
    # On the day before the second body, one followed it.
    earlier = ask(same_words.promises, View.on("2023-12-06", "2023-12-06"), "ujk-c-wg-2023")
    assert "ujk-c-wg-2023" not in {one.promise.key for one in earlier}

    # Who met whom: every meeting that is counted is named.
    view = View.on("2012-06-25", "2012-06-25")
    met = {(one.one, one.other): one.times for one in ask(boards.who_met, view)}
    named = ask(boards.meetings, view)
    for (one, other), times in met.items():
        assert times == sum({one, other} <= set(row.parties) for row in named)


SENTENCES = {
    "The U.S. agreed. Tokyo did not. ": (17, 32),
    "It was said on Nov. 3 in Tokyo. Later no.": (0, 32),
    "“We agree.” Then they met. ": (12, 27),
    "合意した。次回は来年。": (5, 11),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_where_a_sentence_begins_and_ends(text):
    begin, end = SENTENCES[text]
    assert same_words.sentence_at(text, begin + 1) == (begin, end)


# --- two parties state the same -------------------------------------------------------------------------

PROMISE = Commitment(
    key="c-1",
    kind="commitment",
    title="Share",
    true_from="2012-01-10",
    known_public="2012-01-10",
    due="2012-12-31",
    parties=("JP", "KR"),
    owed_by=("KR",),
)
ROUND = Meeting(
    key="m-2013",
    kind="meeting",
    title="Round",
    true_from="2013-05-01",
    known_public="2013-05-01",
    parties=("JP", "KR"),
)


def from_korea(jp, *drafts):
    """Write what the partner's node gave, as exchange does, and let the Register follow."""
    for draft in drafts:
        obj = to_object(draft, party="KR", created=NOW)
        version = Version(
            stix_id=obj["id"],
            type=obj["type"],
            version=NOW,
            data=canonical(obj),
            originator="KR",
            source="KR",
            label=Label("KR", tlp="GREEN"),
            state="kept",
            recorded_at=NOW,
            known_at=NOW,
            created=obj["created"],
            modified=obj["modified"],
            created_by=obj["created_by_ref"],
            revoked=False,
        )
        with jp.database.app("live") as tx:
            versions.put(tx, [version])
    follow.catch_up(jp, "live")


def test_what_two_parties_state_stands_once_and_says_who_else_states_it(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE, ROUND], by="aoki", now=NOW)
    from_korea(jp, PROMISE, ROUND)
    view = msgspec.structs.replace(View.on("2014-06-01"), own="JP")
    with jp.database.app("live") as tx:
        assert [(one.row.key, one.row.originator) for one in boards.overdue(tx, view).lines] == [
            ("c-1", "JP")
        ]
        assert boards.overdue(tx, view).total == boards.lagging(tx, view).total == 1
        assert [one.times for one in boards.who_met(tx, view)] == [1]
        rows = [row for row, _ in questions.timeline(tx, view)]
        assert [row.key for row in rows] == ["c-1", "m-2013"]
        beside = boards.also(tx, rows, view)
        assert {one.originator for found in beside.values() for one in found} == {"KR"}
        assert len(beside) == 2
        assert boards.contested(tx, view).total == 0
        answer = questions.status(tx, "c-1", view)
    assert (answer.row.originator, [one.originator for one in answer.others]) == ("JP", ["KR"])

    # Korea states evidence for its own statement of the promise: it counts for ours, and says whose it is.
    done = Evidence(
        key="c-1:kr",
        kind="evidence",
        title="done",
        for_ref=id_of(PROMISE, "KR"),
        says="done",
        true_from="2012-11-01",
        known_public="2012-11-01",
    )
    from_korea(jp, done)
    with jp.database.app("live") as tx:
        assert boards.overdue(tx, view).total == 0
        answer = questions.status(tx, "c-1", view)
    assert (answer.state, answer.standing.closing.originator) == ("done", "KR")


def test_what_two_parties_state_otherwise_under_one_key_is_contested(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE], by="aoki", now=NOW)
    from_korea(jp, msgspec.structs.replace(PROMISE, due="2013-12-31"))
    view = msgspec.structs.replace(View.on("2014-06-01"), own="JP")
    with jp.database.app("live") as tx:
        (one,) = boards.contested(tx, view).lines
        assert boards.overdue(tx, view).total == 1
    assert (one.row.originator, [row.body["due"] for row in one.otherwise]) == ("JP", ["2013-12-31"])


def test_a_promise_proves_nothing_of_itself(node):
    jp = node("JP")
    itself = Evidence(
        key="c-1:e",
        kind="evidence",
        title="done",
        for_ref=id_of(PROMISE, "JP"),
        from_ref=id_of(PROMISE, "JP"),
        says="done",
        true_from="2012-11-01",
    )
    with pytest.raises(InputError, match="rests on itself"):
        service.record(jp, "live", [PROMISE, itself], by="aoki", now=NOW)


def test_a_node_sets_other_limits_for_its_groups(ask):
    day = View.on("2012-09-03", "2012-09-03")
    ours = msgspec.structs.replace(day, lag_days={"KR,US": 60})
    assert "uk-c-exercises-2012" not in {one.row.key for one in ask(boards.lagging, day).lines}
    line = next(one for one in ask(boards.lagging, ours).lines if one.row.key == "uk-c-exercises-2012")
    assert line.sum.limit == 60
    assert ask(questions.status, "uk-c-exercises-2012", ours).standing.lagging.sum.text == line.sum.text
