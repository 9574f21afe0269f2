"""A source that stays here: the sponsor signs, no partner learns who it is, each has a name of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
import sqlalchemy as sa

from secretariat.agreements import grants, sponsoring
from secretariat.agreements.release import Basis, publish
from secretariat.base.errors import DeniedError, InputError
from secretariat.base.ids import party_id
from secretariat.exchange import taxii_store
from secretariat.exchange.offer import offer
from secretariat.exchange.postgres import serving
from secretariat.exchange.taxii_query import Match, Query
from secretariat.exchange.wire import Cursor, encode
from secretariat.ledger import service as ledger
from secretariat.records import store as records
from secretariat.records.canonical import canonical
from secretariat.records.markings import label_of, tlp_marking
from secretariat.records.store import Version

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
STAMP = "2026-11-20T08:00:00.000Z"
SOURCE = "Kisarazu Gas 株式会社"


def indicator(number, **more):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--6f1d2c7e-5a0b-4c39-9e41-2008c5b3e7{number:02d}",
        "created": STAMP,
        "modified": STAMP,
        "name": "Beacon",
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "pattern_type": "stix",
        "valid_from": STAMP,
        "object_marking_refs": [tlp_marking("CLEAR")["id"]],
        **more,
    }


def draft(tx, value, originator="JP"):
    row = Version(
        stix_id=value["id"],
        type=value["type"],
        version=datetime.fromisoformat(STAMP),
        data=canonical(value),
        originator=originator,
        source=originator,
        label=label_of(value, {}, originator, "RED"),
        state="draft" if originator == "JP" else "kept",
        recorded_at=NOW,
        known_at=NOW,
        created=STAMP,
        modified=STAMP,
        created_by=value.get("created_by_ref"),
    )
    records.put(tx, [row])
    return row


@pytest.fixture
def jp(node):
    """JP is a hub with KR as a partner."""
    there = node("JP")
    with there.database.app("live") as tx:
        grants.keep_party(tx, "KR", name="KR", partner=True, now=NOW)
    return there


def named(jp, *values, source=SOURCE, originator="JP"):
    with jp.database.app("live") as tx:
        rows = [draft(tx, value, originator) for value in values]
        sponsoring.name_source(tx, rows, source, party="JP", by="officer", now=NOW)


def released(jp, *values):
    names = [value["id"] for value in values]
    return publish(jp, "live", names, to=["KR"], basis=Basis(by="officer"), now=NOW)


def test_nothing_that_leaves_names_the_source(jp):
    named(jp, indicator(1))
    assert released(jp, indicator(1)).granted == {"KR": 1}
    with serving(jp, "live", "KR", NOW) as store:
        told = encode(offer(store, "KR", Cursor(), 0))
    with jp.database.peer("live", "KR") as tx:
        (shelf,) = [one for one in taxii_store.shelves(tx) if one.kind == "partner"]
        query = Query(Match(), 10, 0, b"", False)
        told += b"".join(
            data for _, data in taxii_store.page(tx, taxii_store.name_of(str(shelf.taxii)), query)
        )
    with jp.database.app("live") as tx:
        told += b"".join(one.envelope for one in ledger.read_entries(tx))
        (held,) = sponsoring.sources_of(tx, [indicator(1)["id"]]).values()
    assert held.source == SOURCE
    assert len(told) > 1000
    for secret in (SOURCE, "Kisarazu", json.dumps(SOURCE)[1:-1], "source-"):
        assert secret.encode() not in told


def test_a_partner_cannot_read_who_the_source_is(jp):
    named(jp, indicator(1))
    for table in ("unnamed_source", "source_secret"):
        with (
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
            jp.database.peer("live", "KR") as tx,
        ):
            tx.exec_driver_sql(f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    "where",
    [
        {"description": f"seen at {SOURCE} first"},
        {"name": SOURCE.upper()},
        {"labels": ["ＫＩＳＡＲＡＺＵ  gas 株式会社"]},
        {"external_references": [{"source_name": SOURCE}]},
    ],
    ids=["text", "letter case", "width", "reference"],
)
def test_an_object_that_names_its_source_is_not_released(jp, where):
    with pytest.raises(DeniedError, match="names its source"):
        named(jp, indicator(1, **where))
    named(jp, indicator(2))
    with jp.database.app("live") as tx:
        draft(tx, indicator(3, **where))
    with pytest.raises(DeniedError, match="names its source"):
        released(jp, indicator(2), indicator(3))


def test_a_sponsor_names_only_what_it_signs_itself(jp):
    with pytest.raises(InputError, match="signed by this party"):
        named(jp, indicator(1), originator="US")
    with pytest.raises(InputError, match="names its author"):
        named(jp, indicator(2, created_by_ref=party_id("US")))
    with pytest.raises(InputError, match="letters"):
        named(jp, indicator(3), source=" ")
    named(jp, indicator(4, created_by_ref=party_id("JP")))


def test_a_pseudonym_is_one_per_partner_and_stays(jp):
    with jp.database.app("live") as tx:
        first = sponsoring.pseudonym(tx, SOURCE, "KR")
    with jp.database.app("live") as tx:
        again, other = (sponsoring.pseudonym(tx, SOURCE, one) for one in ("KR", "US"))
        another = sponsoring.pseudonym(tx, "Another", "KR")
    assert first == again
    assert len({first, other, another}) == 3
    assert msgspec.json.encode(first).decode().startswith('"source-')
