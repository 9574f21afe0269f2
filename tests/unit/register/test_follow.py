"""What partners give becomes statements: known when received, gone when called back."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import msgspec

from secretariat.records import service as records
from secretariat.records import store as versions
from secretariat.records.canonical import canonical
from secretariat.records.markings import Label
from secretariat.records.service import Settings
from secretariat.records.store import Version
from secretariat.register import follow, questions, service, store
from secretariat.register.model import Account, Commitment, Meeting, View, id_of, to_object

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
