"""Transfers between two nodes on PostgreSQL, as the service writes and takes them: places, refusals."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path

import msgspec
import pytest

from secretariat.agreements import offered, release
from secretariat.agreements.book import build, check, schema
from secretariat.agreements.reading import read
from secretariat.agreements.recording import record_book
from secretariat.agreements.release import Basis
from secretariat.base.clock import now
from secretariat.base.errors import InputError, LimitError, NotFoundError, StateError
from secretariat.exchange import enrolment, service, transfer_service
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import transaction
from secretariat.exchange.transfer import BY_HAND
from secretariat.records.service import import_stream
from simulator import indicator

TERMS = """
instruments:
- id: syn-us-jp-terms
  synthetic: true
  title: Invented terms between US and JP
  kind: mou
  binding: true
  parties: [JP, US]
  in_force: 2020-01-01
  articles:
    - {art: "3", rule: AUDIENCE, max_tlp: AMBER}
"""
CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"


@pytest.fixture
def pair(node):
    """Give US and JP, enrolled by hand, after their first transfers."""
    us, jp = node("US"), node("JP", port=8500)
    for one, other in ((us, jp), (jp, us)):
        sealed, words = enrolment.invite(one, other.party, now=now())
        enrolment.accept(other, sealed, words, via=BY_HAND, now=now())
    return us, jp


def publish(node, *names: str) -> None:
    values = [indicator(name, object_marking_refs=[CLEAR], description="x" * 30_000) for name in names]
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": values}
    import_stream(node.database, "live", node.party, io.BytesIO(json.dumps(bundle).encode()))
    release.publish(node, "live", [str(one["id"]) for one in values], basis=Basis(by="x"), now=now())


def carry(writer, reader, folder: Path, **given):
    made = transfer_service.export(writer, "live", reader.party, folder, now=now(), **given)
    return transfer_service.take(reader, "live", [Path(one) for one in made.files], now=now())


def states(found) -> list[str]:
    return [one.state for one in found]


def test_places_folders_and_what_is_said_of_both(pair, tmp_path):
    us, jp = pair
    first = transfer_service.export(us, "live", "JP", tmp_path / "a", now=now())
    assert "has not told its instruments" in first.hint
    assert states(transfer_service.take(jp, "live", [tmp_path / "a"], now=now())) == ["taken"]
    assert states(carry(jp, us, tmp_path / "b")) == ["taken"]
    (standing,) = transfer_service.standings(us, "live", now=now())
    assert (standing.by_hand, standing.waits, standing.confirmed) == (True, False, standing.sent)
    assert [one.confirmed for one in standing.carried if one.out] == [True]

    # a lost transfer, then one from where it ended: named; the next one, from the confirmed place, brings all
    publish(us, "one")
    transfer_service.export(us, "live", "JP", tmp_path / "lost", now=now())
    publish(us, "two")
    gap = carry(us, jp, tmp_path / "c", since="last")
    assert (gap[0].state, gap[0].code) == ("refused", "transfer-out-of-order")
    assert "import transfer" in gap[0].advice
    made = transfer_service.export(us, "live", "JP", tmp_path / "c", again=True, now=now())
    assert not made.hint
    # the folder holds both: the older one is refused, and the newer one is still tried
    assert states(transfer_service.take(jp, "live", [tmp_path / "c"], now=now())) == ["refused", "taken"]
    (got,) = transfer_service.take(jp, "live", [tmp_path / "lost"], now=now())
    assert got.state == "already taken"
    assert states(carry(us, jp, tmp_path / "d", since="whole")) == ["taken"]
    assert states(carry(us, jp, tmp_path / "e", since="0.0")) == ["taken"]
    assert service.refusals(jp, "live") == []

    with pytest.raises(InputError, match="not a cursor"):
        transfer_service.export(us, "live", "JP", tmp_path / "f", since="yesterday", now=now())
    with pytest.raises(StateError, match="this log ends at"):
        transfer_service.export(us, "live", "JP", tmp_path / "f", since="9999.0", now=now())
    with pytest.raises(NotFoundError):
        transfer_service.export(us, "live", "KR", tmp_path / "f", now=now())
    with pytest.raises(LimitError, match="volumes, 1 may be"):
        us.settings.limits = msgspec.structs.replace(us.settings.limits, transfer_volumes=1)
        publish(us, *(f"n{number}" for number in range(30)))
        transfer_service.export(us, "live", "JP", tmp_path / "f", volume_mb=1, since="whole", now=now())
    assert not list((tmp_path / "f").glob("*"))


def test_a_changed_volume_is_recorded_and_a_partner_without_sealing_key_is_said(pair, tmp_path):
    us, jp = pair
    made = transfer_service.export(us, "live", "JP", tmp_path, now=now())
    path = Path(made.files[0])
    whole = path.read_bytes()
    at = whole.index(b'"box":"') + 200
    path.write_bytes(whole[:at] + (b"A" if whole[at : at + 1] != b"A" else b"B") + whole[at + 1 :])
    (bent,) = transfer_service.take(jp, "live", [path], now=now())
    assert (bent.state, bent.code) == ("refused", "transfer-broken")
    assert bent.what.startswith("part 0: ")
    (noted,) = service.refusals(jp, "live", party="US")
    assert noted.code == "transfer-broken"
    path.write_bytes(whole)
    assert states(transfer_service.take(jp, "live", [path], now=now())) == ["taken"]
    (foreign,) = transfer_service.take(us, "live", [path], now=now())
    assert foreign.code == "transfer-not-for-us"
    (realm,) = transfer_service.take(jp, "exercise", [path], now=now())
    assert realm.code == "transfer-other-realm"
    with transaction(us, "live", now()) as store:
        peer = store.peer("JP")
        tables.write_peer(store.tx, msgspec.structs.replace(peer, sealing_keys={}))
    with pytest.raises(StateError, match="no sealing key"):
        transfer_service.export(us, "live", "JP", tmp_path / "x", now=now())
    service.suspend(jp, "live", "US", reason="a drill", by="x", now=now())
    (stopped,) = transfer_service.take(jp, "live", [path], now=now())
    assert stopped.code == "transfer-unknown-writer"


def test_the_text_of_an_instrument_is_asked_for_and_given_on_media(pair, tmp_path):
    us, jp = pair
    carry(us, jp, tmp_path / "1")
    carry(jp, us, tmp_path / "2")
    source = read(TERMS.encode(), "terms.yaml")
    check(source, schema("instruments"))
    record_book(us, "live", build(source, readings=True), now=now())
    enrolment.announce(us, "live", now=now())
    carry(us, jp, tmp_path / "3")  # names it
    carry(jp, us, tmp_path / "4")  # asks for it
    carry(us, jp, tmp_path / "5")  # brings it
    with jp.database.app("live") as tx:
        assert offered.offer_of(tx, "syn-us-jp-terms").key == "syn-us-jp-terms"
    assert service.refusals(jp, "live") == []
    carry(jp, us, tmp_path / "6")  # wants it no more
    with transaction(us, "live", now()) as store:
        assert store.handover("JP").wanted == ()
