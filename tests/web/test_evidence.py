"""What stands behind entries, proofs against logs and a stopped node, as people see them."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec

from secretariat.base.clock import now
from secretariat.ledger import accusation, checkpoint, service, store, witness, witness_store, witnessing
from secretariat.ledger.entries import Draft, EntryRef, Receipt
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import Contradiction, PeerLog, ShownLog

JP, US = (Keyring.generate(code, "live", f"{code.lower()}.example") for code in ("JP", "US"))


def log_of(ring: Keyring, size: int = 5, root: int = 1) -> PeerLog:
    note = checkpoint.sign(ring.origin, size, bytes([root]) * 32, ring.log)
    return PeerLog(ring.origin, ring.party, size, bytes([root]) * 32, note, "ok", None, now())


def say(client, *witnesses: Keyring) -> None:
    """Let these witnesses cosign our newest checkpoint."""
    ring = client.node.keyring("live")
    with client.node.database.app("live") as tx:
        for one in witnesses:
            note = service.checkpoint(tx)
            word = witness.give(checkpoint.parse(note), one, 1_795_313_376)
            publics = [one.witness.public]
            witnessing.hear(
                tx, ring, one.party, note + word.line, name=one.origin, publics=publics, now=now()
            )


def test_an_entry_is_verified_then_cosigned_then_final(site):
    client = site("auditor")
    ring = client.node.keyring("live")
    body = Receipt(to="JP", about=EntryRef(JP.origin, 0), state="received")
    with client.node.database.app("live") as tx:
        [entry] = service.append(tx, ring, [Draft("receipt", "JP", body)], now=now())
        store.write_peer_log(tx, log_of(JP))
    address = f"/ledger/entries/{entry.position}?lang=en"
    assert "no third witness" in client.get(address).text
    with client.node.database.app("live") as tx:
        store.write_peer_log(tx, log_of(US))
    assert "awaits a third witness" in client.get(address).text
    say(client, JP)
    page = client.get(address).text
    assert "cosigned" in page
    assert "awaits a third witness" in page
    say(client, US)
    page = client.get(address).text
    assert "final" in page
    assert "third witness" not in page
    rows = json.loads(client.get("/ledger/checkpoints?download=checkpoints.json&lang=en").text)
    assert "JP, US" in json.dumps(rows)


def test_a_log_that_did_not_grow_for_long_is_no_partner_out_of_contact(site):
    client = site("auditor")
    with client.node.database.app("live") as tx:
        store.write_peer_log(tx, msgspec.structs.replace(log_of(JP), checked_at=now() - timedelta(days=2)))
    page = client.get("/ledger/partners?lang=en").text
    assert "out of contact" not in page
    assert "verified" in page


def test_a_proof_against_a_log_is_shown_and_downloaded(site):
    client = site("auditor")
    one, other = log_of(JP), log_of(JP, root=2)
    found = Contradiction(JP.origin, "JP", 5, one.note, other.note, "US", now())
    with client.node.database.app("live") as tx:
        store.write_peer_log(tx, one)
        witness_store.add_contradiction(tx, found)
        shown = ShownLog(JP.origin, "US", 9, b"\3" * 32, b"", "open", now(), now())
        witness_store.write_shown(tx, shown)
    page = client.get("/ledger/partners?lang=en").text
    assert f"/ledger/accusations/{found.name}" in page
    assert "Not yet proven to be one log" in page
    answer = client.get(f"/ledger/accusations/{found.name}")
    assert "attachment" in answer.headers["content-disposition"]
    assert accusation.read(answer.content).notes == (one.note.decode(), other.note.decode())
    assert client.get("/ledger/accusations/00").status_code == 404
    assert site().get(f"/ledger/accusations/{found.name}", follow_redirects=False).status_code != 200


def test_a_stopped_node_says_so_on_every_page_and_reads_on(site):
    client = site("releaser")
    client.node.stopped["live"] = "JP holds 9 entries, this node has 7"
    with client.node.database.app("live") as tx:
        witnessing.stop(tx, client.node.stopped["live"])
    for address in ("/", "/ledger", "/reports"):
        page = client.get(f"{address}?lang=en").text
        assert "JP holds 9 entries, this node has 7" in page
        assert "Restore a backup" in page
    assert client.get("/health").json()["state"] == "read-only"


def test_a_proof_stays_on_the_page_when_no_partner_is_there(site):
    client = site("auditor")
    one, other = log_of(JP), log_of(JP, root=2)
    found = Contradiction(JP.origin, "JP", 5, one.note, other.note, "US", now())
    with client.node.database.app("live") as tx:
        witness_store.add_contradiction(tx, found)
    assert f"/ledger/accusations/{found.name}" in client.get("/ledger/partners?lang=en").text
