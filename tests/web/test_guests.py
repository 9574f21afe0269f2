"""A guest's person at its host: what it reads and does, and that nothing else of the host opens."""

from __future__ import annotations

import io
import json
import re
import subprocess
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from litestar.testing import TestClient

from secretariat.agreements.release import Basis, publish
from secretariat.app import build
from secretariat.base.clock import now
from secretariat.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    NotFoundError,
    ProofError,
    StateError,
)
from secretariat.base.ids import collection_id, party_id
from secretariat.base.settings import Limits
from secretariat.exchange import enrolment, guest_meeting, guest_moving, guest_view, guests, service
from secretariat.exchange.guest_settling import settle
from secretariat.ledger import audit, dsse, entries, guest_keys, keys
from secretariat.ledger import service as ledger
from secretariat.people import service as people
from secretariat.people.model import Permission, Role, Scope
from secretariat.people.store import person_by_login
from secretariat.records.service import import_stream
from secretariat.storage import backup
from secretariat.storage.installation import OURSELVES, programs
from secretariat.web.words import LANGUAGES

PASSWORD = "correct horse battery"
CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
SECRET = "never for guests 7f3a"


def report(name, *, marking=None, number=None):
    stix_id = f"report--{number or uuid.uuid4()}"
    return stix_id, {
        "type": "report",
        "spec_version": "2.1",
        "id": stix_id,
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "name": name,
        "published": "2026-11-01T00:00:00.000Z",
        "object_refs": ["indicator--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c4e"],
        **({"object_marking_refs": [marking]} if marking else {}),
    }


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": list(objects)}).encode()


def bring(node, *objects):
    result = import_stream(node.database, "live", node.party, io.BytesIO(bundle(*objects)))
    assert result.accepted == len(objects), result


@pytest.fixture
def host(node):
    """Give a node KR with two guests, a released report, and one that is nobody's business."""
    one = node("KR", name="Korea")
    with one.database.app("live") as tx:
        for role in Role:
            people.add_person(
                tx, login=role.value, name=role.value, password=PASSWORD, roles=[role], by="test", now=now()
            )
    for party in ("KISIA", "OTHER"):
        guests.add(one, party, name=f"Association {party}", by="admin", now=now())
        for role in (Role.ANALYST, Role.RELEASER):
            guests.add_person(
                one,
                "live",
                party,
                login=f"{party}.{role}".lower(),
                name=f"{role} of {party}",
                password=PASSWORD,
                roles=[role],
                by="admin",
                now=now(),
            )
    return one


@pytest.fixture
def sign_in(host):
    application = build(host)
    with TestClient(application, base_url="http://kr.local:8400"):

        def make(login):
            client = TestClient(application, base_url="http://kr.local:8400", raise_server_exceptions=False)
            client.headers["accept"] = "text/html"
            answer = client.post(
                "/sign-in", data={"login": login, "password": PASSWORD}, follow_redirects=False
            )
            assert answer.status_code == 303, answer.text
            client.landed = answer.headers["location"]
            return client

        yield make


def rows_of(tx, stix_id):
    asked = "SELECT originator, source, state FROM object_version WHERE stix_id = %s"
    return [tuple(row) for row in tx.exec_driver_sql(asked, (stix_id,))]


def person(node, login):
    with node.database.app("live") as tx:
        return person_by_login(tx, login)


def test_a_guest_signs_in_and_reads_one_granted_report(host, sign_in):
    stix_id, granted = report("For everybody", marking=CLEAR)
    kept, secret = report(SECRET)
    bring(host, granted, secret)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    client = sign_in("kisia.analyst")
    assert client.landed == "/guest"
    page = client.get("/guest")
    assert page.status_code == 200, page.text
    assert "For everybody" in page.text
    assert SECRET not in page.text
    assert "hosted by KR" in page.text
    assert client.get(f"/guest/reports/{stix_id}").status_code == 200
    assert client.get(f"/guest/reports/{kept}").status_code == 404
    other = sign_in("other.analyst")
    assert "For everybody" not in other.get("/guest").text
    assert other.get(f"/guest/reports/{stix_id}").status_code == 404


def test_without_the_applications_filter_the_database_still_shows_only_grants(host):
    stix_id, granted = report("For everybody", marking=CLEAR)
    _kept, secret = report(SECRET)
    bring(host, granted, secret)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    for reader, seen in (("KISIA", {stix_id}), ("OTHER", set()), ("", set())):
        with host.database.peer("live", reader) as tx:
            found = {row[0] for row in tx.exec_driver_sql("SELECT stix_id FROM object_version")}
        assert found == seen, reader


def test_what_a_guest_writes_the_host_does_not_see(host, sign_in):
    stix_id, draft = report(SECRET, marking=CLEAR)
    client = sign_in("kisia.analyst")
    answer = client.post("/guest/drafts", data={"bundle": bundle(draft).decode()}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert SECRET in client.get("/guest").text
    for login in ("analyst", "releaser", "admin", "auditor"):
        own = sign_in(login)
        for address in (
            "/",
            "/reports",
            "/reports?kind=*",
            f"/reports/{stix_id}",
            f"/reports/{stix_id}/release",
        ):
            assert SECRET not in own.get(address).text, (login, address)
    with host.database.app("live") as tx:
        assert rows_of(tx, stix_id) == []
    assert sign_in("other.analyst").get(f"/guest/reports/{stix_id}").status_code == 404


def test_every_address_of_the_host_refuses_a_guest(host, sign_in):
    """The route table, walked: whatever is not a guest's page or open to everybody answers 403."""
    stix_id, secret = report(SECRET)
    bring(host, secret)
    client = sign_in("kisia.releaser")
    walked = 0
    for route in client.app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
            right = str(handler.opt.get("permission"))
            if right in {"public", "token", "peer"} or right.startswith("guest."):
                continue
            path = re.sub(r"\{[a-z]+:int\}", "0", route.path).replace("{stix_id:str}", stix_id)
            path = re.sub(r"\{number[^}]*\}|\{token[^}]*\}", str(uuid.uuid4()), path)
            path = re.sub(r"\{[^}]*\}", "x", path)
            for method in set(handler.http_methods) - {"OPTIONS", "HEAD"}:
                answer = client.request(method, path, follow_redirects=False)
                assert answer.status_code == 403, (method, path, answer.status_code)
                assert SECRET not in answer.text
                walked += 1
    assert walked > 25


def test_guest_pages_refuse_the_hosts_people(sign_in):
    for login in Role:
        client = sign_in(login.value)
        for path in ("/guest", "/guest/log", "/guest/reports/x"):
            assert client.get(path).status_code == 403
        for path in ("/guest/drafts", "/guest/reports/x/release", "/guest/reports/x/withdraw"):
            assert client.post(path, data={"bundle": "{}"}, follow_redirects=False).status_code == 403


def test_every_guest_page_in_every_language(host, sign_in):
    stix_id, granted = report("For everybody", marking=CLEAR)
    bring(host, granted)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    for login, pages in (
        ("kisia.releaser", ("/guest", f"/guest/reports/{stix_id}", "/guest/log")),
        ("admin", ("/admin/guests", "/admin/roles")),
    ):
        client = sign_in(login)
        for language in LANGUAGES:
            for path in pages:
                answer = client.get(f"{path}?lang={language}")
                assert answer.status_code == 200, (path, answer.text[:500])


def test_a_person_of_the_host_says_nothing_for_a_guest(host):
    for login in ("releaser", "admin"):
        with pytest.raises(DeniedError, match="says nothing for a guest"):
            guests.publish(host, "live", person(host, login), "report--x", now=now())
    analyst = person(host, "kisia.analyst")
    with pytest.raises(DeniedError):
        guests.publish(host, "live", analyst, "report--x", now=now())


def test_a_guests_person_cannot_run_the_node(host):
    for role in (Role.ADMIN, Role.INTEGRATOR, Role.PLANNER):
        with pytest.raises(InputError, match="guest's person"):
            guests.add_person(
                host, "live", "KISIA", login="x", name="x", password=PASSWORD, roles=[role], by="t", now=now()
            )
    assert not person(host, "kisia.releaser").may(Permission.READ_REPORTS)


def test_receipts_are_the_guests_own_word_and_the_log_verifies(host):
    stix_id, granted = report("For everybody", marking=CLEAR)
    bring(host, granted)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    settle(host, "live", now=now())
    held = {one.holder: one.state for one in service.holders(host, "live", stix_id, now=now())}
    assert held["KISIA"] == "received"
    called = service.withdraw(host, "live", stix_id, reason="wrong", by="releaser", now=now())
    assert called.asked == ("KISIA",)
    settle(host, "live", now=now())
    held = {one.holder: one.state for one in service.holders(host, "live", stix_id, now=now())}
    assert held["KISIA"] == "destroyed"
    with host.database.app("live") as tx:
        signed = set(tx.exec_driver_sql("SELECT party, kind FROM entry WHERE kind = 'receipt'").all())
        report_ = audit.verify_database(tx, host.keyring("live"))
        (position,) = tx.exec_driver_sql("SELECT min(position) FROM entry WHERE kind = 'receipt'").one()
        assert ledger.verify_entry(tx, host.keyring("live"), position).holds
    assert [tuple(one) for one in signed] == [("KISIA", "receipt")]
    assert report_.holds, report_.problems


def test_two_who_hand_over_at_once_hand_over_once(host):
    stix_id, granted = report("For everybody", marking=CLEAR)
    bring(host, granted)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    with ThreadPoolExecutor(2) as both:
        with host.database.app("live") as tx:
            ledger.lock(tx)
            done = [both.submit(settle, host, "live", now=now()) for _ in range(2)]
            asked = "SELECT pg_sleep(0.01), count(*) FROM pg_locks WHERE NOT granted"
            while tx.exec_driver_sql(asked).one()[1] < 2:
                assert not any(one.done() for one in done), "it did not wait for the log"
        assert sum(one.result() for one in done) > 0
    with host.database.app("live") as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM entry WHERE kind = 'receipt'").scalar_one() == 1


def test_a_guest_publishes_to_its_host_and_withdraws(host, sign_in):
    stix_id, draft = report("From the association", marking=CLEAR)
    client = sign_in("kisia.releaser")
    client.post("/guest/drafts", data={"bundle": bundle(draft).decode()})
    page = client.get(f"/guest/reports/{stix_id}")
    assert 'name="to" value="KR"' in page.text, page.text
    answer = client.post(
        f"/guest/reports/{stix_id}/release", data={"to": ["KR", "OTHER"]}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    assert "From the association" in sign_in("analyst").get("/reports").text
    assert "From the association" in sign_in("other.analyst").get("/guest").text
    with host.database.app("live") as tx:
        assert rows_of(tx, stix_id) == [("KISIA", "KISIA", "kept")]
    answer = client.post(
        f"/guest/reports/{stix_id}/withdraw", data={"reason": "wrong"}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    with host.database.app("live") as tx:
        assert rows_of(tx, stix_id) == []
        report_ = audit.verify_database(tx, host.keyring("live"))
    assert report_.holds, report_.problems
    mine = guest_view.view(host, "live", "KISIA")
    held = {one.holder: one.state for one in service.holders(mine, "live", stix_id, now=now())}
    assert held == {"KR": "destroyed", "OTHER": "destroyed"}


def test_default_deny_for_guests_as_for_everybody(host):
    stix_id, amber = report("Amber without an instrument")
    bring(host, amber)
    done = publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    assert done.granted == {"KISIA": 0}
    assert done.withheld[0].article == "default-deny"


def test_a_guest_that_ended_is_signed_for_no_more(host, sign_in):
    client = sign_in("kisia.releaser")
    releaser = person(host, "kisia.releaser")
    guests.end(host, "KISIA", reason="left", by="admin", now=now())
    assert client.get("/guest", follow_redirects=False).status_code == 303
    with pytest.raises(DeniedError, match="does not sign for KISIA"):
        guests.publish(host, "live", releaser, "report--x", now=now())
    folder = keys.folder_of(host.settings.data, "live")
    with pytest.raises(StateError):
        guest_keys.load(folder, "KISIA", host.keyring("live"))
    with pytest.raises(ConflictError):
        guests.add(host, "KISIA", name="again", by="admin", now=now())


def test_keys_of_guests_are_the_owners_alone(host):
    for realm in host.settings.realms:
        path = keys.folder_of(host.settings.data, realm) / "guests" / "KISIA" / "guest.pem"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def moved(host, tmp_path):
    """Give the file of a guest that was granted one report, published another, and drafts a third."""
    granted, first = report("For everybody", marking=CLEAR)
    own, second = report("From the association", marking=CLEAR)
    draft, third = report("Not yet", marking=CLEAR)
    bring(host, first)
    publish(host, "live", [granted], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    releaser = person(host, "kisia.releaser")
    guests.write(host, "live", releaser, io.BytesIO(bundle(second, third)), now=now())
    guests.publish(host, "live", releaser, own, to=["KR"], now=now())
    out = tmp_path / "kisia.guest"
    done = guest_moving.move(host, "KISIA", out, by="admin", now=now())
    assert done.objects["live"] >= 3
    return out, {granted: "kept", own: "published", draft: "draft"}


def test_a_guest_moves_to_its_own_node_with_its_history(host, moved, node):
    path, states = moved
    assert path.stat().st_mode & 0o777 == 0o600
    arrived = guest_moving.read(path)
    fresh = node("KISIA", name="Association")
    for realm in fresh.settings.realms:
        guest_moving.take_keys(arrived, keys.folder_of(fresh.settings.data, realm), realm)
    fresh = type(fresh).open(fresh.settings, fresh.database)
    done = guest_moving.take(fresh, arrived, now=now())
    assert done.entries["live"] > 5
    with fresh.database.app("live") as tx:
        for stix_id, state in states.items():
            assert [row[2] for row in rows_of(tx, stix_id)] == [state], stix_id
        kinds = {
            row[0]
            for row in tx.exec_driver_sql("SELECT kind FROM peer_entry WHERE origin = 'kr.example/live'")
        }
        assert {"grant", "receipt", "guest", "key", "publication"} <= kinds
        (envelope,) = tx.exec_driver_sql("SELECT envelope FROM entry WHERE kind = 'guest'").one()
        report_ = audit.verify_database(tx, fresh.keyring("live"))
    assert report_.holds, report_.problems
    body = entries.read(dsse.payload_of(envelope)).body
    sealed = json.dumps(body["statement"]).encode()
    old = bytes.fromhex(body["key"])
    word = json.loads(dsse.open_envelope(sealed, {keys.key_id(old): old}, guests.STATEMENT_TYPE))
    assert word["next"] == fresh.keyring("live").root_public.hex()
    assert keys.key_id(old) in fresh.keyring("live").public
    # what it published before, it can withdraw from its own node
    own = next(name for name, state in states.items() if state == "published")
    service.withdraw(fresh, "live", own, reason="wrong", by="releaser", now=now())


def test_the_host_refuses_to_sign_for_a_guest_that_moved(host, moved):
    with host.database.app("live") as tx:
        assert audit.verify_database(tx, host.keyring("live")).holds
    with pytest.raises(DeniedError, match="moved"):
        guest_view.view(host, "live", "KISIA")
    for realm in host.settings.realms:
        folder = keys.folder_of(host.settings.data, realm)
        assert not (folder / "guests" / "KISIA" / "guest.pem").exists()
    with pytest.raises(ConflictError, match="moved"):
        guests.add(host, "KISIA", name="again", by="admin", now=now())
    stix_id, after = report("After", marking=CLEAR)
    bring(host, after)
    with pytest.raises(NotFoundError):
        publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())


def test_an_entry_that_the_host_forges_after_the_move_fails_the_audit(host, moved):
    """Whoever kept a copy of the key still cannot make the log say anything for that party."""
    path, _states = moved
    signer = guest_moving.read(path).signers["live"]
    ring = guest_keys.ring_of(signer, "KISIA", host.keyring("live"))
    with host.database.app("live") as tx:
        body = entries.Note(act="forged")
        ledger.append(tx, ring, [entries.Draft("note", None, body)], now=now())
        report_ = audit.verify_database(tx, host.keyring("live"))
        (position,) = tx.exec_driver_sql("SELECT max(position) FROM entry").one()
        assert not ledger.verify_entry(tx, host.keyring("live"), position).holds
    assert not report_.holds


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("objects/live.json", lambda data: data.replace(b"KISIA", b"KISIB", 1)),
        ("log/live.jsonl", lambda data: data.replace(b"a", b"b", 1)),
        ("log/live.jsonl", lambda data: data[:-200]),
        ("guest.json", lambda data: data.replace(b'"host":"KR"', b'"host":"JP"')),
        ("guest.json", lambda data: data[:-9]),
    ],
    ids=["object changed", "log changed", "log cut", "another host", "head cut"],
)
def test_a_changed_file_is_refused_whole(moved, tmp_path, name, change):
    path, _states = moved
    other = tmp_path / "changed"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for one in old.namelist():
            data = old.read(one)
            new.writestr(one, change(data) if one == name else data)
    with pytest.raises((ProofError, InputError)):
        guest_moving.read(other)


def test_a_guests_token_reads_its_own_collections_only(host, sign_in):
    stix_id, granted = report("For everybody", marking=CLEAR)
    _kept, secret = report(SECRET)
    bring(host, granted, secret)
    publish(host, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    publish(host, "live", [stix_id], to=["OTHER"], basis=Basis(by="releaser"), now=now())
    with host.database.app("live") as tx:
        _token, word = people.create_token(
            tx, label="SIEM", reader="KISIA", scopes=[Scope.READ, Scope.WRITE], lifetime=timedelta(days=1),
            by="admin", limits=host.settings.limits, now=now(),
        )  # fmt: skip
        every = {
            row[0]: str(row[1])
            for row in tx.exec_driver_sql("SELECT kind || '/' || reader, taxii FROM collection")
        }
    client = TestClient(sign_in("admin").app, base_url="http://kr.local:8400")
    client.headers.update({"authorization": f"Bearer {word}", "accept": "application/taxii+json;version=2.1"})
    seen = {one["id"] for one in client.get("/live/taxii2/collections/").json()["collections"]}
    mine = {"partner/KISIA", "own/KISIA", "clear/*"}
    assert seen == {every[one] for one in mine}
    for one, number in every.items():
        answer = client.get(f"/live/taxii2/collections/{number}/objects/")
        assert answer.status_code == (200 if one in mine else 404), one
        assert SECRET not in answer.text
    assert stix_id in client.get(f"/live/taxii2/collections/{every['partner/KISIA']}/objects/").text
    guests.end(host, "KISIA", reason="left", by="admin", now=now())
    assert client.get("/live/taxii2/collections/").status_code == 401


def reading(tx, reader):
    """Give the collections' ids by name and a client's secret for a party's tools."""
    _token, word = people.create_token(
        tx, label="tools", reader=reader, scopes=[Scope.READ, Scope.WRITE], lifetime=timedelta(days=1),
        by="admin", limits=Limits(), now=now(),
    )  # fmt: skip
    rows = tx.exec_driver_sql("SELECT kind || '/' || reader, taxii FROM collection")
    return word, {row[0]: str(row[1]) for row in rows}


def test_a_guests_tools_post_drafts_that_only_the_guest_sees_and_releases(host, sign_in):
    bring(host, report("Of the host")[1])
    with host.database.app("live") as tx:
        word, every = reading(tx, "KISIA")
    client = TestClient(sign_in("admin").app, base_url="http://kr.local:8400")
    form = "application/taxii+json;version=2.1"
    client.headers.update({"authorization": f"Bearer {word}", "accept": form, "content-type": form})
    stix_id, draft = report(SECRET, marking=CLEAR)
    _other, hosts = report("in the host's name", marking=CLEAR)
    hosts["created_by_ref"] = party_id("KR")
    address = f"/live/taxii2/collections/{every['own/KISIA']}/objects/"

    told = client.post(address, content=json.dumps({"objects": [draft, hosts]})).json()

    assert (told["success_count"], told["failure_count"]) == (1, 1)
    assert stix_id in client.get(address).text
    assert client.post(address.replace(every["own/KISIA"], every["own/KR"]), content="{}").status_code == 404
    assert client.post(address.replace(every["own/KISIA"], every["clear/*"]), content="{}").status_code == 403
    assert SECRET in sign_in("kisia.analyst").get("/guest").text
    assert SECRET not in sign_in("analyst").get("/reports").text
    with host.database.app("live") as tx:
        assert rows_of(tx, stix_id) == []
    guests.publish(host, "live", person(host, "kisia.releaser"), stix_id, to=["KR"], now=now())
    assert client.delete(f"{address}{stix_id}/").status_code == 403
    assert client.get(f"/live/taxii2/status/{told['id']}/").status_code == 200


def test_what_a_guest_releases_to_everybody_stands_in_the_hosts_public_collection(host, sign_in):
    stix_id, clear = report("Public word", marking=CLEAR)
    kept, amber = report(SECRET)
    client = sign_in("kisia.releaser")
    guests.write(host, "live", person(host, "kisia.releaser"), io.BytesIO(bundle(clear, amber)), now=now())
    assert 'value="*"' in client.get(f"/guest/reports/{stix_id}").text
    assert 'value="*"' not in client.get(f"/guest/reports/{kept}").text
    for name in (stix_id, kept):
        client.post(f"/guest/reports/{name}/release", data={"to": "*"}, follow_redirects=False)
    public = TestClient(client.app, base_url="http://kr.local:8400")
    public.headers.update({"accept": "application/taxii+json;version=2.1"})

    seen = public.get("/live/taxii2/collections/clear/objects/").text

    assert stix_id in seen
    assert SECRET not in seen
    with host.database.app("live") as tx:
        found = tx.exec_driver_sql("SELECT reader, taxii FROM collection WHERE kind = 'clear'").fetchall()
        assert audit.verify_database(tx, host.keyring("live")).holds
    assert [(reader, number) for reader, number in found] == [("*", collection_id("KR", "clear", "live"))]
    guests.withdraw(host, "live", person(host, "kisia.releaser"), stix_id, reason="wrong", now=now())
    left = public.get("/live/taxii2/collections/clear/objects/").json()["objects"]
    assert [(one["id"], one["revoked"]) for one in left] == [(stix_id, True)], "the public is told"


def test_a_backup_holds_what_is_kept_for_guests(host, tmp_path):
    """The rows that the host does not see must not be lost with a restore."""
    stix_id, draft = report(SECRET, marking=CLEAR)
    guests.write(host, "live", person(host, "kisia.analyst"), io.BytesIO(bundle(draft)), now=now())
    dump = tmp_path / "live.dump"
    backup._dump(host.database, "live", dump, lambda _: None)
    with psycopg.connect(**host.database.parameters("live")) as connection:
        assert (
            connection.execute("SELECT 1 FROM object_version WHERE stix_id = %s", (stix_id,)).fetchall() == []
        )
    program = str(programs(OURSELVES) / "bin" / "pg_restore")
    text = subprocess.run(
        [program, "--data-only", "--table=object_version", "-f", "-", str(dump)],
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    assert stix_id in text


def test_killed_between_the_file_and_the_end_the_move_is_done_again(host, tmp_path, monkeypatch):
    """The file is whole before anything ends here; a second `move` does the rest, the key then goes."""
    with monkeypatch.context() as patch:
        patch.setattr(guests, "leave", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            guest_moving.move(host, "KISIA", tmp_path / "one", by="admin", now=now())
    assert guest_moving.read(tmp_path / "one").head.party == "KISIA"
    guest_moving.move(host, "KISIA", tmp_path / "two", by="admin", now=now())
    with pytest.raises(StateError):
        guest_moving.move(host, "KISIA", tmp_path / "three", by="admin", now=now())


def test_a_key_that_an_ending_left_behind_is_destroyed(host, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(guest_keys, "destroy", lambda *_: None)
        guests.end(host, "KISIA", reason="left", by="admin", now=now())
    folder = keys.folder_of(host.settings.data, "live")
    assert (folder / "guests" / "KISIA" / "guest.pem").exists()
    guests.agree_again(host, "live", now=now())
    assert not (folder / "guests" / "KISIA" / "guest.pem").exists()


def test_a_party_with_a_node_is_no_guest(host, node):
    """Two must not speak for one party: neither a second host nor a node beside its host."""
    with pytest.raises(InputError):
        guests.add(host, "KR", name="itself", by="admin", now=now())
    with pytest.raises(ConflictError):
        guests.add(host, "KISIA", name="again", by="admin", now=now())
    other = node("KISIA", name="Claims to be it")
    sealed, words = enrolment.invite(other, "KR", now=now())
    with pytest.raises(ConflictError, match="guest"):
        enrolment.accept(host, sealed, words, now=now())
    guest_moving.move(host, "KISIA", host.settings.data / "file", by="admin", now=now())
    assert enrolment.accept(host, sealed, words, now=now()).party == "KISIA"


def test_a_guest_releases_to_nobody_whose_node_could_not_believe_it(host, node):
    """An entry of another party in the host's log would make a partner refuse the host's whole page."""
    partner = node("JP", name="Japan")
    sealed, words = enrolment.invite(partner, "KR", now=now())
    enrolment.accept(host, sealed, words, now=now())
    stix_id, draft = report("From the association", marking=CLEAR)
    releaser = person(host, "kisia.releaser")
    guests.write(host, "live", releaser, io.BytesIO(bundle(draft)), now=now())
    with pytest.raises(DeniedError, match="does not reach JP"):
        guests.publish(host, "live", releaser, stix_id, to=["KR", "JP"], now=now())
    done = guests.publish(host, "live", releaser, stix_id, now=now())
    assert set(done.granted) == {"KR", "OTHER"}
    with host.database.app("live") as tx:
        asked = "SELECT count(*) FROM entry WHERE recipient = 'JP' AND party <> 'KR'"
        assert tx.exec_driver_sql(asked).scalar() == 0


@pytest.fixture
def granted_by_jp(host, node):
    """Give JP's report, granted to KISIA alone and taken for it by its host; and JP's node."""
    partner = node("JP", name="Japan")
    for one, other in ((host, partner), (partner, host)):
        enrolment.accept(one, *enrolment.invite(other, one.party, now=now()), now=now())
    sealed, words = guest_meeting.introduce(host, "KISIA", now=now())
    guest_meeting.meet(partner, sealed, words, now=now())
    take(partner, host)
    stix_id, secret = report(SECRET, marking=CLEAR)
    bring(partner, secret)
    publish(partner, "live", [stix_id], to=["KISIA"], basis=Basis(by="releaser"), now=now())
    take(partner, host)
    take(partner, host, "KISIA")
    take(host, partner)
    return stix_id, partner


def take(sender, receiver, guest=""):
    place = service.place(receiver, "live", sender.party, guest=guest)
    page, _carried = service.make_page(
        sender, "live", guest or receiver.party, place.after, place.size, now=now()
    )
    service.take_page(receiver, "live", sender.party, page, guest=guest, now=now())


def test_what_a_partner_granted_to_a_guest_stands_on_its_pages_and_on_no_other(host, sign_in, granted_by_jp):
    stix_id, _partner = granted_by_jp
    client = sign_in("kisia.analyst")
    listed = client.get("/guest").text
    assert SECRET in listed
    assert re.search(r'<td class="code">JP</td><td class="code">JP</td>', listed), "whose, and by whom"
    one = client.get(f"/guest/reports/{stix_id}")
    assert one.status_code == 200, one.text
    assert SECRET in one.text
    for login in ("other.analyst", "other.releaser"):
        other = sign_in(login)
        assert SECRET not in other.get("/guest").text
        assert other.get(f"/guest/reports/{stix_id}").status_code == 404
    for login in ("analyst", "releaser", "officer", "admin", "auditor"):
        own = sign_in(login)
        for address in (
            "/", "/reports", "/reports?kind=*", "/reports?q=guests", f"/reports/{stix_id}",
            f"/reports/{stix_id}/release", "/ledger/receipts", "/ledger/entries", "/ledger/partners",
            "/admin/partners", "/admin/guests",
        ):  # fmt: skip
            text = own.get(address).text
            assert SECRET not in text, (login, address)
            assert stix_id not in text or stix_id in address, (login, address)


def test_by_taxii_a_guest_reads_what_a_partner_granted_to_it_and_nobody_else_does(
    host, sign_in, granted_by_jp
):
    stix_id, _partner = granted_by_jp
    texts = {}
    for reader in ("KISIA", "OTHER", "KR", "JP"):
        with host.database.app("live") as tx:
            _token, word = people.create_token(
                tx, label="SIEM", reader=reader, scopes=[Scope.READ], lifetime=timedelta(days=1),
                by="admin", limits=host.settings.limits, now=now(),
            )  # fmt: skip
        client = TestClient(sign_in("admin").app, base_url="http://kr.local:8400")
        client.headers.update(
            {"authorization": f"Bearer {word}", "accept": "application/taxii+json;version=2.1"}
        )
        numbers = [one["id"] for one in client.get("/live/taxii2/collections/").json()["collections"]]
        texts[reader] = "".join(
            client.get(f"/live/taxii2/collections/{number}/objects/").text for number in numbers
        )
    assert stix_id in texts["KISIA"]
    assert SECRET in texts["KISIA"]
    for reader in ("OTHER", "KR", "JP"):
        assert stix_id not in texts[reader], reader


def test_pages_of_the_partner_say_who_hosts_the_guest(host, node, granted_by_jp):
    stix_id, partner = granted_by_jp
    with partner.database.app("live") as tx:
        people.add_person(
            tx, login="kim", name="Kim", password=PASSWORD, roles=list(Role), by="test", now=now()
        )
    with TestClient(build(partner), base_url="http://jp.local:8400") as client:
        client.headers["accept"] = "text/html"
        client.post("/sign-in", data={"login": "kim", "password": PASSWORD}, follow_redirects=False)
        for address in (f"/reports/{stix_id}", "/ledger/receipts", f"/reports/{stix_id}/release"):
            page = client.get(address)
            assert page.status_code == 200, (address, page.text)
            assert "hosted by KR" in page.text, address
        partners = client.get("/admin/partners").text
        assert "Association KISIA" in partners
