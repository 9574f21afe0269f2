"""A guest among the host's partners: tokens, tools, and what partners granted to it."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import pytest
from litestar.testing import TestClient

from secretariat.agreements.release import Basis, publish
from secretariat.app import build
from secretariat.base.clock import now
from secretariat.base.errors import DeniedError
from secretariat.base.ids import collection_id, party_id
from secretariat.exchange import enrolment, guests
from secretariat.ledger import audit
from secretariat.people import service as people
from secretariat.people.model import Role, Scope
from web.guests.stage import CLEAR, PASSWORD, SECRET, bring, bundle, person, reading, report, rows_of


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
