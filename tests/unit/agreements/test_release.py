"""Release: what goes to whom, under which article, in one transaction."""

import io
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import pytest

from secretariat.agreements import grants, store, workflow
from secretariat.agreements.book import build, check, schema
from secretariat.agreements.facts import keep_book
from secretariat.agreements.lowering import is_lower
from secretariat.agreements.reading import read
from secretariat.agreements.release import Basis, publish, publish_in
from secretariat.agreements.service import explain, with_members
from secretariat.base.clock import AsOf
from secretariat.base.errors import ConflictError, DeniedError, NotFoundError, StateError
from secretariat.ledger import service as ledger
from secretariat.records import collections
from secretariat.records import store as records
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label, label_of, tlp_marking
from secretariat.records.service import import_stream
from secretariat.records.store import Version

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
INSTRUMENTS = """
instruments:
- id: syn-jp-kr
  synthetic: true
  title: Invented terms between JP and KR
  kind: mou
  binding: true
  parties: [JP, KR]
  in_force: 2020-01-01
  articles:
    - {art: "2", rule: PURPOSE, purposes: [network_defence]}
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER}
    - {art: "5", rule: RETENTION, days: 365}
"""


def prepared(node, *partners):
    """A node of JP whose partners are known; with KR an instrument is agreed."""
    jp = node("JP")
    source = read(INSTRUMENTS.encode(), "test.yaml")
    check(source, schema("instruments"))
    with jp.database.app("live") as tx:
        hashes = keep_book(tx, build(source, readings=True), now=NOW)
        for code in partners:
            grants.keep_party(tx, code, name=code, partner=True, now=NOW)
        for side in ("JP", "KR"):
            store.keep_agreed(tx, partner="KR", by=side, hashes=hashes, origin=side, position=0, now=NOW)
    return jp


def indicator(tlp, name="Beacon", **more):
    stamp = "2026-11-20T08:00:00.000Z"
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid4()}",
        "created": stamp,
        "modified": stamp,
        "name": name,
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "pattern_type": "stix",
        "valid_from": stamp,
        "object_marking_refs": [tlp_marking(tlp)["id"]],
        **more,
    }


def version(obj, markings=(), party="JP"):
    return Version(
        stix_id=obj["id"],
        type=obj["type"],
        version=datetime.fromisoformat(obj.get("modified", "2026-11-20T08:00:00Z")),
        data=canonical(obj),
        originator=party,
        source=party,
        label=label_of(obj, {one["id"]: one for one in markings}, party, "AMBER"),
        state="draft",
        recorded_at=NOW,
        known_at=NOW,
        created=obj.get("created"),
        modified=obj.get("modified"),
    )


def released(jp, *objects, **more):
    with jp.database.app("live") as tx:
        return publish_in(
            tx,
            jp,
            "live",
            [
                version(one, [two for two in objects if two["type"] == "marking-definition"])
                for one in objects
            ],
            basis=Basis(by="officer"),
            purpose="network_defence",
            now=NOW,
            **more,
        )


def readable(jp, reader):
    """What the database itself shows to this reader."""
    with jp.database.peer("live", reader) as tx:
        rows = tx.exec_driver_sql("SELECT stix_id FROM object_version").fetchall()
    return {stix_id for (stix_id,) in rows}


def test_each_partner_gets_what_an_article_permits_and_nothing_else(node):
    jp = prepared(node, "KR", "CN")
    clear, amber, red = indicator("CLEAR"), indicator("AMBER"), indicator("RED")

    done = released(jp, clear, amber, red)

    assert done.granted == {"CN": 1, "KR": 2}
    assert readable(jp, "KR") == {clear["id"], amber["id"]}
    assert readable(jp, "CN") == {clear["id"]}
    assert readable(jp, "US") == {clear["id"]}, "what is CLEAR stands in the public collection"
    assert readable(jp, "") == set()
    withheld = {(one.party, name): one for one in done.withheld for name in one.objects}
    assert withheld["CN", amber["id"]].article == "default-deny"
    assert withheld["CN", amber["id"]].missing
    assert ("KR", red["id"]) in withheld


def test_one_publish_call_writes_one_publication_one_grant_a_recipient_and_one_decision(node):
    jp = prepared(node, "KR", "CN")

    done = released(jp, indicator("CLEAR"), indicator("AMBER"))

    with jp.database.app("live") as tx:
        kinds = [
            (one.statement.kind, one.entry.recipient)
            for one in (ledger.detail(tx, number) for number in range(done.publication, ledger.head(tx).size))
        ]
        grant = ledger.detail(tx, done.publication + 2).statement
    assert kinds == [
        ("publication", None),
        ("grant", "CN"),
        ("grant", "KR"),
        ("grant", "*"),
        ("decision", None),
    ]
    articles = {article for row in grant.body["rows"] for article in row["articles"]}
    assert {"tlp-2/CLEAR", "syn-jp-kr/3"} <= articles


def test_what_was_granted_is_not_granted_twice(node):
    jp = prepared(node, "KR")
    obj = indicator("AMBER")
    released(jp, obj)

    again = publish(jp, "live", [obj["id"]], basis=Basis(by="officer"), purpose="network_defence", now=NOW)

    assert again.granted == {"KR": 0}
    with jp.database.app("live") as tx:
        assert len(tx.exec_driver_sql("SELECT FROM item").fetchall()) == 1


def test_a_marking_accompanies_the_object_that_refers_to_it(node):
    jp = prepared(node, "KR")
    marking = {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": f"marking-definition--{uuid.uuid4()}",
        "created": "2026-11-20T08:00:00.000Z",
        "definition_type": "statement",
        "definition": {"statement": "ours"},
        "object_marking_refs": [tlp_marking("RED")["id"]],
    }
    obj = indicator("AMBER")
    obj["object_marking_refs"].append(marking["id"])

    released(jp, obj, marking)

    assert readable(jp, "KR") == {obj["id"], marking["id"]}


def test_a_stranger_is_no_recipient(node):
    jp = prepared(node, "KR")
    with pytest.raises(NotFoundError, match="no partner RU"):
        released(jp, indicator("CLEAR"), to=["RU"])


def test_nothing_above_the_ceiling_is_released(node):
    jp = prepared(node, "KR")
    obj = indicator("AMBER")
    secret = version(obj)
    secret = type(secret)(
        **{
            **{name: getattr(secret, name) for name in secret.__struct_fields__},
            "label": type(secret.label)(orig="JP", level="GOKUHI", scheme="JP_MOD", kind="defence"),
        }
    )
    with pytest.raises(DeniedError, match="above the ceiling"), jp.database.app("live") as tx:
        publish_in(tx, jp, "live", [secret], basis=Basis(by="officer"), now=NOW)
    assert readable(jp, "KR") == set()


def test_the_explanation_of_today_is_the_decision_and_another_day_is_only_a_question(node):
    jp = prepared(node, "KR")
    obj = indicator("AMBER")
    released(jp, obj)

    today = explain(jp, "live", obj["id"], "KR", purpose="network_defence", now=NOW)
    before = explain(
        jp,
        "live",
        obj["id"],
        "KR",
        AsOf(true_on=datetime(2019, 12, 31, 12, tzinfo=UTC)),
        purpose="network_defence",
        now=NOW,
    )

    assert (today.decision.outcome, len(today.standing_grants)) == ("may", 1)
    assert before.decision.outcome == "deny"
    with jp.database.app("live") as tx:
        assert {one.kind for one in collections.all_of(tx)} == {"partner"}


def drafted(jp, obj):
    result = import_stream(
        jp.database, "live", "JP", io.BytesIO(json.dumps({"objects": [obj]}).encode()), now=NOW
    )
    assert result.accepted == 1, result


def proposed(jp, obj):
    return workflow.propose(
        jp, "live", [obj["id"]], title="x", to=["KR"], purpose="network_defence", by="anna", now=NOW
    )


@pytest.mark.parametrize("later", ["RED", "AMBER", "CLEAR"])
def test_what_changed_after_it_was_proposed_is_not_released(node, later):
    jp = prepared(node, "KR")
    one = indicator("GREEN")
    drafted(jp, one)
    release = proposed(jp, one)
    marked = {"modified": "2026-11-20T08:30:00.000Z", "object_marking_refs": [tlp_marking(later)["id"]]}
    drafted(jp, {**one, **marked})
    for person in ("anna", "ben"):
        with pytest.raises(StateError, match="changed since it was proposed"):
            workflow.decide_release(jp, "live", release.id, by=person, now=NOW)
    assert readable(jp, "KR") == set()


def test_a_rule_made_after_the_proposal_asks_its_office_too(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    release = proposed(jp, one)
    rule = {"from_tlp": "AMBER", "offices": ["legal"]}
    with jp.database.app("live") as tx:
        tx.execute(store.house_rule.insert().values(rule=rule, recorded_at=NOW, by="test"))
    with pytest.raises(StateError, match="legal must concur"):
        workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)


def granted_roots(jp):
    """Every root that a grant names, and every root that an object here has."""
    with jp.database.app("live") as tx:
        entries = ledger.read_entries(tx, kinds=["grant"])
        named = {
            root
            for one in entries
            for row in ledger.detail(tx, one.position).statement.body["rows"]
            for root in row["objects"]
        }
        there = {bytes(root).hex() for (root,) in tx.exec_driver_sql("SELECT root FROM object_version")}
    return named, there


def test_two_releases_of_one_draft_at_once_leave_one_signature(node):
    jp = prepared(node, "KR", "CN")
    one = indicator("CLEAR")
    drafted(jp, one)
    with ThreadPoolExecutor(1) as second:
        with jp.database.app("live") as tx:
            versions = with_members(tx, [one["id"]])
            publish_in(tx, jp, "live", versions, to=["KR"], basis=Basis(by="anna"), now=NOW)
            other = second.submit(publish, jp, "live", [one["id"]], basis=Basis(by="ben"), now=NOW)
            while not tx.exec_driver_sql("SELECT pg_sleep(0.01) FROM pg_locks WHERE NOT granted").fetchall():
                assert not other.done(), "the second did not wait for the first"
        assert other.result().granted == {"CN": 1, "KR": 0}, "the second sees what the first did"
    named, there = granted_roots(jp)
    assert named == there, "a grant names a root that no object has any more"


def test_what_somebody_else_released_or_hid_since_it_was_read_is_refused(node):
    jp = prepared(node, "KR")
    one, two = indicator("AMBER"), indicator("AMBER")
    drafted(jp, one)
    drafted(jp, two)
    with jp.database.app("live") as tx:
        read = with_members(tx, [one["id"]])
        hidden = with_members(tx, [two["id"]])
    publish(jp, "live", [one["id"]], basis=Basis(by="anna"), purpose="network_defence", now=NOW)
    with jp.database.app("live") as tx:
        records.set_state(tx, [hidden[0].id], "hidden")
    for versions in (read, hidden):
        with pytest.raises(ConflictError, match="changed meanwhile"), jp.database.app("live") as tx:
            publish_in(tx, jp, "live", versions, basis=Basis(by="ben"), purpose="network_defence", now=NOW)
    assert readable(jp, "KR") == {one["id"]}


def test_a_seal_is_put_once(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    publish(jp, "live", [one["id"]], basis=Basis(by="anna"), purpose="network_defence", now=NOW)
    with pytest.raises(ConflictError, match="changed meanwhile"), jp.database.app("live") as tx:
        (stored,) = records.latest(tx, [one["id"]]).values()
        records.seal(tx, [records.Seal(stored.id, b"r" * 32, b"s" * 32, b"{}")])


def basis_of(jp, done):
    with jp.database.app("live") as tx:
        grant = ledger.detail(tx, done.publication + 1).statement
    assert grant.kind == "grant"
    return grant.body["basis"]


def test_a_grant_names_the_person_who_said_do_not_the_one_who_asked(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    release = proposed(jp, one)
    done = workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)
    assert basis_of(jp, done) == {"by": "ben", "release": str(release.id)}


@pytest.mark.parametrize("later", ["RED", "AMBER+STRICT"])
def test_what_is_marked_higher_since_it_was_proposed_takes_two_persons(node, later):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    release = proposed(jp, one)
    with jp.database.app("live") as tx:
        (stored,) = records.latest(tx, [one["id"]]).values()
        records.relabel(tx, {stored.id: msgspec.structs.replace(stored.label, tlp=later)})
    with pytest.raises(DeniedError, match="a second person"):
        workflow.decide_release(jp, "live", release.id, by="anna", now=NOW)
    done = workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)
    with jp.database.app("live") as tx:
        said = ledger.detail(tx, done.publication + 1).statement.body["by"]
    assert said == {"by": "anna", "second": "ben", "release": str(release.id)}


@pytest.mark.parametrize("marked", ["RED", "AMBER+STRICT"])
def test_who_proposed_what_takes_two_persons_does_not_decide_it(node, marked):
    jp = prepared(node, "KR")
    one = indicator(marked)
    drafted(jp, one)
    release = proposed(jp, one)
    assert release.needs_two
    with pytest.raises(DeniedError, match="a second person"):
        workflow.decide_release(jp, "live", release.id, by="anna", now=NOW)
    assert readable(jp, "KR") == set()


def log_size(jp):
    with jp.database.app("live") as tx:
        return ledger.head(tx).size


def test_publishing_an_unchanged_object_again_writes_nothing_and_says_so(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    first = publish(
        jp, "live", [one["id"]], to=["KR"], basis=Basis(by="r"), purpose="network_defence", now=NOW
    )
    size = log_size(jp)

    again = publish(
        jp, "live", [one["id"]], to=["KR"], basis=Basis(by="r"), purpose="network_defence", now=NOW
    )

    assert first.publication is not None
    assert (again.publication, again.published, again.granted) == (None, 0, {"KR": 0})
    assert log_size(jp) == size
    release = proposed(jp, one)
    assert workflow.decide_release(jp, "live", release.id, by="ben", now=NOW).publication is None
    with jp.database.app("live") as tx:
        assert workflow.get(tx, release.id).state == "released"
    assert log_size(jp) == size


def test_only_a_new_recipient_is_granted_what_others_have(node):
    jp = prepared(node, "KR", "CN")
    old, other = indicator("CLEAR"), indicator("AMBER")
    for one in (old, other):
        drafted(jp, one)
    names = [old["id"], other["id"]]
    publish(jp, "live", names, to=["KR"], basis=Basis(by="r"), purpose="network_defence", now=NOW)

    done = publish(
        jp, "live", names, to=["KR", "CN"], basis=Basis(by="r"), purpose="network_defence", now=NOW
    )

    assert done.granted == {"KR": 0, "CN": 1}
    with jp.database.app("live") as tx:
        said = [ledger.detail(tx, number) for number in range(done.publication, ledger.head(tx).size)]
    assert [(one.statement.kind, one.entry.recipient) for one in said] == [
        ("publication", None),
        ("grant", "CN"),
        ("decision", None),
    ]
    assert len(said[0].statement.body["objects"]) == 1, "what goes nowhere new is not published again"


def test_a_standing_release_is_not_used_up_by_what_is_there_already(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    terms = workflow.Terms(partners=["KR"], purpose="network_defence", types=[], per_day=3)
    standing = workflow.begin_standing(jp, "live", terms, title="x", by=["a", "b"], days=1, now=NOW)
    with jp.database.app("live") as tx:
        for _ in range(5):
            versions = [*records.latest(tx, [one["id"]]).values()]
            workflow.publish_standing_in(tx, jp, "live", versions, standing.id, now=NOW)
        assert workflow.standing(tx, standing.id).used == 1


def remarked(jp, obj, tlp, minute):
    newer = {"modified": f"2026-11-20T08:{minute}:00.000Z", "object_marking_refs": [tlp_marking(tlp)["id"]]}
    drafted(jp, {**obj, **newer})


def test_two_persons_release_what_is_marked_lower_than_before_and_no_standing_release_does(node):
    jp = prepared(node, "KR")
    one = indicator("AMBER")
    drafted(jp, one)
    remarked(jp, one, "CLEAR", 30)
    terms = workflow.Terms(partners=["KR"], purpose="network_defence", types=[])
    standing = workflow.begin_standing(jp, "live", terms, title="x", by=["a", "b"], days=1, now=NOW)
    with jp.database.app("live") as tx:
        versions = with_members(tx, [one["id"]])
        assert workflow.for_two(tx, jp, versions) == [one["id"]]
    with pytest.raises(DeniedError, match="lower than before"):
        workflow.publish_standing(jp, "live", versions, standing.id, now=NOW)
    release = proposed(jp, one)
    assert release.needs_two
    with pytest.raises(DeniedError, match="a second person"):
        workflow.decide_release(jp, "live", release.id, by="anna", now=NOW)
    workflow.decide_release(jp, "live", release.id, by="ben", now=NOW)

    remarked(jp, one, "CLEAR", 40)

    with jp.database.app("live") as tx:
        assert workflow.for_two(tx, jp, with_members(tx, [one["id"]])) == [], "two persons lowered it already"


@pytest.mark.parametrize(
    ("before", "now", "lower"),
    [
        (Label("JP", "AMBER"), Label("JP", "GREEN"), True),
        (Label("JP", "GREEN"), Label("JP", "AMBER"), False),
        (Label("JP"), Label("JP", "AMBER"), True),
        (Label("JP", "RED", level="HI"), Label("JP", "RED"), True),
        (Label("JP", "AMBER", controls=("NF",)), Label("JP", "AMBER"), True),
        (Label("JP", "AMBER", rel_to=("JP", "KR")), Label("JP", "AMBER", rel_to=("JP",)), False),
        (Label("JP", "AMBER", rel_to=("JP", "KR")), Label("JP", "AMBER", rel_to=("JP", "KR", "US")), True),
        (Label("JP", "AMBER", rel_to=("JP", "KR")), Label("JP", "AMBER"), True),
    ],
)
def test_what_lets_out_more_is_lower(before, now, lower):
    assert is_lower(now, before) is lower
