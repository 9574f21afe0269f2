"""A guest's person at its host: what it reads and does, and that nothing else of the host opens."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from secretariat.agreements.release import Basis, publish
from secretariat.base.clock import now
from secretariat.base.errors import ConflictError, DeniedError, InputError, StateError
from secretariat.exchange import guest_view, guests, service
from secretariat.exchange.guest_settling import settle
from secretariat.ledger import audit, guest_keys, keys
from secretariat.ledger import service as ledger
from secretariat.people.model import Permission, Role
from secretariat.web.words import LANGUAGES
from web.guests.stage import CLEAR, PASSWORD, SECRET, bring, bundle, person, report, rows_of


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
