"""What partners give becomes statements: known when received, gone when called back."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import msgspec

from secretariat.records import extensions
from secretariat.records import service as records
from secretariat.records import store as versions
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.records.service import Settings
from secretariat.records.store import Version
from secretariat.register import follow, questions, service, store
from secretariat.register.model import (
    Account,
    Commitment,
    Instrument,
    InstrumentStatus,
    Meeting,
    View,
    id_of,
    to_draft,
    to_object,
)

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
PROMISE = Commitment(
    key="c-1",
    kind="commitment",
    title="Launch",
    true_from="2008-12-13",
    known_public="2008-12-13",
    parties=("JP", "CN"),
)


def arrive(jp, obj, *, by="CN", state="kept", at=NOW):
    """Write what a partner's node gave, as exchange does."""
    version = Version(
        stix_id=obj["id"],
        type=obj["type"],
        version=datetime.fromisoformat(obj["modified"]),
        data=canonical(obj),
        originator=by,
        source=by,
        label=Label(by, tlp="GREEN"),
        state=state,
        recorded_at=at,
        known_at=at,
        created=obj["created"],
        modified=obj["modified"],
        created_by=obj["created_by_ref"],
        revoked=obj.get("revoked", False),
    )
    with jp.database.app("live") as tx:
        return versions.put(tx, [version])[0]


def account(**given):
    made = Account(
        key="c-1:cn",
        kind="account",
        title="Our account",
        about_ref=id_of(PROMISE, "JP"),
        said_by="CN",
        position="different-reading",
        text="from 2009 onwards",
    )
    return to_object(made, party="CN", created=NOW, **given)


def test_a_partners_account_stands_beside_ours(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE], by="aoki", now=NOW)
    arrive(jp, account())

    assert follow.catch_up(jp, "live") == 1
    assert follow.catch_up(jp, "live") == 0
    with jp.database.app("live") as tx:
        answer = questions.status(tx, "c-1", View.on("2026-11-22"))
        assert [(one.originator, one.says) for one in answer.accounts] == [("CN", "different-reading")]
        then = View.on("2026-11-22", "2026-11-21")
        assert questions.status(tx, "c-1", then).accounts == []


def test_what_was_quarantined_counts_once_it_is_kept(node):
    jp = node("JP")
    service.record(jp, "live", [PROMISE], by="aoki", now=NOW)
    number = arrive(jp, account(), state="waiting")
    assert follow.catch_up(jp, "live") == 0
    with jp.database.app("live") as tx:
        versions.set_state(tx, [number], "kept")
    assert follow.catch_up(jp, "live") == 1
    with jp.database.app("live") as tx:
        versions.set_state(tx, [number], "quarantined")
    assert follow.catch_up(jp, "live") == 1
    with jp.database.app("live") as tx:
        assert questions.status(tx, "c-1", View.on("2026-11-22")).accounts == []


def test_a_newer_version_replaces_and_an_older_one_does_not(node):
    jp = node("JP")
    made = Meeting(key="m", kind="meeting", title="Meeting", place="Beijing")
    newer = to_object(
        msgspec.structs.replace(made, place="Dalian"),
        party="CN",
        created=NOW,
        modified=NOW + timedelta(hours=1),
    )
    arrive(jp, newer)
    follow.catch_up(jp, "live")
    arrive(jp, to_object(made, party="CN", created=NOW), at=NOW + timedelta(hours=2))
    follow.catch_up(jp, "live")
    with jp.database.app("live") as tx:
        assert [one.body["place"] for one in store.statements(tx, View.on("2026-11-22"))] == ["Dalian"]


def test_what_is_called_back_or_destroyed_is_gone(node):
    jp = node("JP")
    made = Meeting(key="m", kind="meeting", title="Meeting")
    first = arrive(jp, to_object(made, party="CN", created=NOW))
    follow.catch_up(jp, "live")
    arrive(jp, to_object(made, party="CN", created=NOW, modified=NOW + timedelta(hours=1), revoked=True))
    follow.catch_up(jp, "live")
    with jp.database.app("live") as tx:
        assert store.statements(tx, View.on("2026-11-22")) == []
        versions.destroy(tx, [first])
        assert len(store.versions(tx, id_of(made, "CN"))) == 1


def test_an_own_import_and_what_is_no_statement(node):
    jp = node("JP")
    good = to_object(Meeting(key="m", kind="meeting", title="Meeting"), party="JP", created=NOW)
    bad = {**good, "id": id_of(Meeting(key="x", kind="meeting", title="x"), "JP"), "true_from": "2012-02-31"}
    bundle = {"type": "bundle", "id": "bundle--5a3c0f8e-2d0b-4d6c-9a51-2f7c1f0e3b42", "objects": [good, bad]}
    with jp.database.app("live") as tx:
        settings = Settings(party="JP", realm="live")
        records.import_in(tx, settings, io.BytesIO(msgspec.json.encode(bundle)), now=NOW)
    follow.catch_up(jp, "live")
    with jp.database.app("live") as tx:
        assert [one.key for one in store.statements(tx, View.on("2026-11-22"))] == ["m"]


def test_the_agreements_instruments_and_acts_stand_in_the_register(node):
    jp = node("JP")
    stamp = "2026-11-22T00:00:00.000Z"
    arrive(
        jp,
        extensions.instrument_object(
            "jp-rok-gsomia-2016",
            created_by="KR",
            created=stamp,
            title="GSOMIA",
            kind="treaty",
            parties=["JP", "KR"],
            binding=True,
            body_sha256="0" * 64,
            signed="2016-11-23",
        ),
        by="KR",
    )
    arrive(
        jp,
        extensions.instrument_status_object(
            "jp-rok-gsomia-2016",
            created_by="KR",
            created=stamp,
            party="KR",
            status="termination_notice",
            true_from="2019-08-23",
            known_public="2019-08-22",
            effect_on="2019-11-23",
            note="Notice given",
        ),
        by="KR",
    )
    assert follow.catch_up(jp, "live") == 2
    with jp.database.app("live") as tx:
        answer = questions.status(tx, "jp-rok-gsomia-2016", View.on("2019-09-01"))
        assert (answer.row.kind, answer.row.body["signed"], answer.state) == (
            "instrument",
            "2016-11-23",
            "true",
        )
        assert [(one.says, one.by, one.title) for one in answer.acts] == [
            ("termination_notice", ["KR"], "Notice given")
        ]
        assert questions.status(tx, "jp-rok-gsomia-2016", View.on("2019-08-30", "2019-08-21")).acts == []


def test_an_act_of_the_register_is_read_back_as_it_was_said(node):
    jp = node("JP")
    pact = Instrument(key="p", kind="instrument", title="Pact", parties=("JP", "KR"), true_from="2016-11-23")
    act = InstrumentStatus(
        key="p-ends",
        kind="status-change",
        title="Notice",
        instrument_ref=id_of(pact, "JP"),
        state="termination_notice",
        party="KR",
        status="single",
        true_from="2019-08-22",
    )
    done = service.record(jp, "live", [pact, act], by="aoki", now=NOW)
    assert service.record(jp, "live", [pact, act], by="aoki", now=NOW).unchanged == 2
    extensions.check_own(to_object(act, party="JP", created=NOW))
    with jp.database.app("live") as tx:
        row = store.versions(tx, done.stix_ids[1])[0]
        assert (row.says, row.status, to_draft(row.body)) == ("termination_notice", "single", act)
