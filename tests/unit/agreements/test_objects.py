"""Instruments as object versions: our signed statements, released by persons, for whom they concern."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path

import pytest
from stix2validator import ValidationOptions, validate_instance

from secretariat.agreements import grants, release, store
from secretariat.agreements.book import build, check, package_book, schema
from secretariat.agreements.facts import keep_book
from secretariat.agreements.objects import KINDS, keep_objects, statements_of
from secretariat.agreements.reading import read
from secretariat.agreements.recording import draft_ids, record_book
from secretariat.agreements.release import Basis
from secretariat.base.ids import instrument_id
from secretariat.records import store as records
from secretariat.storage.engine import raw

_spec = importlib.util.spec_from_file_location("releasing", Path(__file__).parent / "test_release.py")
releasing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(releasing)

NOW = releasing.NOW
LATER = NOW + timedelta(days=1)
TEXT = """
instruments:
- id: syn-jp-kr
  synthetic: true
  title: Invented terms between JP and KR
  kind: mou
  binding: true
  parties: [JP, KR]
  in_force: 2020-01-01
  status_history:
    - {on: 2021-05-01, event: termination_notice, by: KR, effect_on: 2021-11-01}
    - {on: 2021-10-30, event: notice_and_suspension_withdrawn, by: KR}
  articles:
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER+STRICT}
"""


def book(text=TEXT):
    source = read(text.encode(), "test.yaml")
    check(source, schema("instruments"))
    return build(source, readings=True)


def ours(tx):
    rows = (
        raw(tx)
        .execute("SELECT id FROM object_version WHERE type = ANY(%s) ORDER BY id", (list(KINDS),))
        .fetchall()
    )
    return records.by_ids(tx, [number for (number,) in rows])


def test_a_stock_validator_accepts_all_that_the_package_states():
    day = NOW.date()
    values = [
        one.value
        for instrument in [*package_book().instruments.values(), *book().instruments.values()]
        for one in statements_of(instrument, package_book(), party="JP", day=day)
    ]
    bundle = {"type": "bundle", "id": "bundle--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42", "objects": values}
    result = validate_instance(bundle, ValidationOptions(version="2.1"))
    assert [str(error) for error in result.errors] == []
    assert sum(value["type"] == KINDS[0] for value in values) == len(package_book().instruments) + 1


def test_each_instrument_and_each_act_is_an_object_of_this_party(node):
    jp = node("JP")
    record_book(jp, "live", book(), now=NOW)
    with jp.database.app("live") as tx:
        held = ours(tx)
        assert [one.type for one in held] == [KINDS[0], KINDS[1], KINDS[1]]
        instrument, notice, taken_back = (one.object() for one in held)
        assert instrument["id"] == instrument_id("syn-jp-kr") == notice["instrument_ref"]
        assert instrument["body_sha256"] == store.instruments(tx)[0].hash.hex()
        assert (notice["party"], notice["status"], notice["true_from"]) == (
            "KR",
            "termination_notice",
            "2021-05-01",
        )
        assert {one.originator for one in held} == {"JP"}
        assert {one.state for one in held} == {"draft"}
        assert {(one.label.tlp, one.label.rel_to) for one in held} == {("AMBER+STRICT", ("JP", "KR"))}
        assert draft_ids(tx, "JP") == []  # nobody's `--drafts` sends them
    assert taken_back["party"] == "KR"


def test_the_same_text_again_writes_nothing_and_another_text_new_versions(node):
    jp = node("JP")
    record_book(jp, "live", book(), now=NOW)
    with jp.database.app("live") as tx:
        assert keep_objects(tx, "JP", book(), now=LATER) == 0
        changed = book(
            TEXT.replace("    - {on: 2021-10-30, event: notice_and_suspension_withdrawn, by: KR}\n", "")
        )
        assert keep_objects(tx, "JP", changed, now=NOW) == 2  # the instrument's hash, and a line taken back
        versions = records.versions(tx, instrument_id("syn-jp-kr"))
        assert len(versions) == 2
        assert versions[0].created == versions[1].created
        assert versions[0].version > versions[1].version  # though the clock did not move
        assert [one.object()["status"] for one in ours(tx) if one.revoked] == [
            "notice_and_suspension_withdrawn"
        ]
        assert keep_objects(tx, "JP", changed, now=LATER) == 0
        assert keep_objects(tx, "JP", book(), now=LATER) == 2  # and stated again


def test_public_ones_are_clear_and_confidential_ones_go_to_their_parties_only(node):
    jp = releasing.prepared(node, "KR", "CN")
    with jp.database.app("live") as tx:
        hashes = keep_book(tx, book(), own="JP", now=NOW)
        for side in ("JP", "KR"):
            store.keep_agreed(tx, partner="KR", by=side, hashes=hashes, origin=side, position=1, now=NOW)
        for side in ("JP", "CN"):
            store.keep_agreed(tx, partner="CN", by=side, hashes=hashes, origin=side, position=1, now=NOW)
        keep_book(tx, package_book(), own="JP", now=NOW)
        public = instrument_id("jp-rok-gsomia-2016")
        assert records.get(tx, public).label.tlp == "CLEAR"
        secret = instrument_id("syn-jp-kr")
    release.publish(jp, "live", [public, secret], basis=Basis(by="r"), now=LATER)
    assert releasing.readable(jp, "KR") >= {secret}
    assert secret not in releasing.readable(jp, "CN")
    with jp.database.app("live") as tx:
        assert {one.code for one in grants.parties(tx, partners_only=True)} == {"CN", "KR"}


@pytest.mark.parametrize("code", ["CN", "KR", "XX"])
def test_where_a_party_stands_is_read_from_what_is_recorded(node, code):
    jp = node("JP")
    with jp.database.app("live") as tx:
        grants.keep_party(tx, "KR", name="KR", parent="ASIA", now=NOW)
        grants.keep_party(tx, "ASIA", name="Asia", parent="KR", now=NOW)  # a circle ends
        grants.keep_party(tx, "CN", name="CN", facts={"office": "cyber"}, now=NOW)
        found = store.place_of(tx, code)
    assert (found.ancestors, found.office) == {
        "CN": ((), "cyber"),
        "KR": (("ASIA",), None),
        "XX": ((), None),
    }[code]
