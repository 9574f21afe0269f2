"""Leaving properties out: chosen by a person, recorded in the grant, kept from every reader."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from secretariat.agreements import grants, workflow
from secretariat.agreements.release import Basis, publish
from secretariat.base.errors import InputError
from secretariat.exchange import taxii_store
from secretariat.exchange.offer import offer
from secretariat.exchange.postgres import serving
from secretariat.exchange.taxii_query import Match, Query
from secretariat.exchange.wire import Cursor
from secretariat.ledger import dsse, entries, object_signature
from secretariat.ledger import service as ledger
from secretariat.ledger.keys import Keyring
from secretariat.ledger.property_tree import root_of
from secretariat.records import store as records
from secretariat.records.canonical import canonical
from secretariat.records.markings import label_of, tlp_marking
from secretariat.records.store import Version

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
CANARY = "canary-0815"
STAMP = "2026-11-20T08:00:00.000Z"
OBJECT = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--6f1d2c7e-5a0b-4c39-9e41-2008c5b3e7a1",
    "created": STAMP,
    "modified": STAMP,
    "name": "Beacon",
    "description": CANARY,
    "confidence": 80,
    "pattern": "[ipv4-addr:value = '198.51.100.7']",
    "pattern_type": "stix",
    "valid_from": STAMP,
    "object_marking_refs": [tlp_marking("CLEAR")["id"]],
}


@pytest.fixture
def jp(node):
    """JP holds what US signed, and has KR as a partner."""
    there = node("JP")
    data, salt, ring = (
        canonical(OBJECT),
        secrets.token_bytes(32),
        Keyring.generate("US", "live", "us.example"),
    )
    root = root_of(data, salt)
    with there.database.app("live") as tx:
        grants.keep_party(tx, "KR", name="KR", partner=True, now=NOW)
        held = Version(
            stix_id=OBJECT["id"],
            type="indicator",
            version=datetime.fromisoformat(STAMP),
            data=data,
            originator="US",
            source="US",
            label=label_of(OBJECT, {}, "US", "RED"),
            state="kept",
            recorded_at=NOW,
            known_at=NOW,
            created=STAMP,
            modified=STAMP,
            root=root,
            salt=salt,
            envelope=object_signature.sign_object(OBJECT, root, ring.record),
        )
        records.put(tx, [held])
    return there


def passed_on(jp, *names, later=0):
    return publish(
        jp,
        "live",
        [OBJECT["id"]],
        to=["KR"],
        basis=Basis(by="officer"),
        leave_out=names,
        now=NOW + timedelta(minutes=later),
    )


def rows_of(jp):
    with jp.database.app("live") as tx:
        found = ledger.read_entries(tx, recipient="KR")
        bodies = [entries.read(dsse.payload_of(one.envelope)) for one in found]
    return [row for one in bodies if one.kind == "grant" for row in one.body["rows"]]


def page(jp):
    with serving(jp, "live", "KR", NOW) as store:
        return offer(store, "KR", Cursor(), 0)


def by_taxii(jp):
    with jp.database.peer("live", "KR") as tx:
        (one,) = [one for one in taxii_store.shelves(tx) if one.kind == "partner"]
        found = taxii_store.page(tx, taxii_store.name_of(str(one.taxii)), Query(Match(), 10, 0, b"", False))
    return [json.loads(data) for _, data in found]


def test_what_is_left_out_stands_in_the_grant_and_reaches_no_reader(jp):
    passed_on(jp, "description", "confidence")
    ((row),) = rows_of(jp)
    (root,) = row["objects"]
    assert row["left_out"] == {root: ["confidence", "description"]}
    less = {k: v for k, v in OBJECT.items() if k not in {"description", "confidence"}}
    assert by_taxii(jp) == [less]
    (entry,) = [one for one in page(jp).entries if one.objects]
    assert json.loads(bytes(entry.objects[0].object)) == less
    assert entry.objects[0].salt is None
    assert len(entry.objects[0].leaves) == len(OBJECT)
    assert CANARY not in msgspec.json.encode(page(jp)).decode()


def test_more_may_follow_and_takes_its_place_but_never_less(jp):
    passed_on(jp, "description")
    again = passed_on(jp, "description", later=1)
    assert again.publication is None
    assert passed_on(jp, "description", "confidence", later=2).publication is None
    assert passed_on(jp, later=3).granted == {"KR": 1}
    assert by_taxii(jp) == [OBJECT]
    assert passed_on(jp, "description", later=4).publication is None
    first, second = [one for one in page(jp).entries if one.objects]
    assert first.objects[0].leaves
    assert second.objects[0].salt is not None


@pytest.mark.parametrize("name", ["pattern", "id", "object_marking_refs", "modified", "type"])
def test_what_must_stay_may_not_be_left_out(jp, name):
    with pytest.raises(InputError, match="may not be left out"):
        passed_on(jp, name)
    with pytest.raises(InputError, match="may not be left out"):
        workflow.propose(
            jp,
            "live",
            [OBJECT["id"]],
            title="t",
            to=["KR"],
            purpose=None,
            by="officer",
            leave_out=[name],
            now=NOW,
        )
    assert rows_of(jp) == []


def test_what_nobody_has_cannot_be_left_out(jp):
    with pytest.raises(InputError, match="nothing to leave out"):
        passed_on(jp, "labels")


def test_a_proposal_names_what_stays_and_the_release_keeps_it(jp):
    made = workflow.propose(
        jp,
        "live",
        [OBJECT["id"]],
        title="t",
        to=["KR"],
        purpose=None,
        by="officer",
        leave_out=["description"],
        now=NOW,
    )
    assert made.leave_out == ["description"]
    workflow.decide_release(jp, "live", made.id, by="other", now=NOW)
    assert "description" not in by_taxii(jp)[0]
