"""Media carried by hand, on the partner's page: what waits for confirmation, download, upload."""

from __future__ import annotations

from pathlib import Path

from secretariat.base.clock import now
from secretariat.exchange import enrolment, transfer_service
from secretariat.exchange.fingerprint import fingerprint


def by_hand(site, node):
    """Enrol JP at the site's node and back, with media as the only way; give the client and JP's node."""
    client, jp = site("admin"), node("JP")
    words = fingerprint("JP", jp.keyring("live").root_public)
    done = client.post(
        "/admin/partners/accept",
        data={"words": words, "via": "hand"},
        files={"file": ("jp.json", enrolment.describe(jp, now=now()))},
        follow_redirects=False,
    )
    assert done.status_code == 303
    sealed = client.post("/admin/partners/invite", data={"party": "JP"}).content
    words = fingerprint("KR", enrolment.open_descriptor(sealed).root.public)
    enrolment.accept(jp, sealed, words, via="hand", now=now())
    return client, jp


def test_a_transfer_is_downloaded_carried_and_another_one_uploaded(site, node, tmp_path):
    client, jp = by_hand(site, node)
    page = client.get("/admin/partners/JP").text
    assert "By hand (air gap)" in page
    assert "by hand" in client.get("/admin/partners").text
    file = client.post("/admin/partners/JP/transfer/out", data={})
    assert file.status_code == 200
    assert "secretariat-live-KR-to-JP.transfer" in file.headers["content-disposition"]
    volume = tmp_path / "kr.transfer"
    volume.write_bytes(file.content)
    (taken,) = transfer_service.take(jp, "live", [volume], now=now())
    assert (taken.state, taken.party) == ("taken", "KR")
    assert "waits for confirmation" in client.get("/admin/partners/JP").text
    nothing = client.post("/admin/partners/JP/transfer/out", data={})
    assert nothing.status_code == 409
    assert "nothing new for JP" in nothing.text

    answer = transfer_service.export(jp, "live", "KR", tmp_path / "answer", now=now())
    data = Path(answer.files[0]).read_bytes()

    def upload(data):
        return client.post(
            "/admin/partners/JP/transfer/in", files={"file": ("v.transfer", data)}, follow_redirects=False
        )

    bent = upload(data[:-40])
    assert bent.status_code == 422
    assert "cut off" in bent.text
    assert upload(data).headers["location"] == "/admin/partners/JP#by-hand"
    page = client.get("/admin/partners/JP").text
    assert "confirmed by the partner" in page
    assert "volume 1 of 1" in page
    assert client.post("/admin/partners/JP/transfer/in", data={}).status_code == 422
    for login in ("analyst", "auditor"):
        other = site(login)
        assert other.post("/admin/partners/JP/transfer/out", data={}).status_code == 403
        refused = other.post("/admin/partners/JP/transfer/in", files={"file": ("v.transfer", data)})
        assert refused.status_code == 403
