"""Partners' logs as they are kept: our word on them, and suspending and resuming them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from secretariat.base.errors import NotFoundError
from secretariat.ledger import checkpoint, entries, partners, store, witnessing
from secretariat.ledger.entries import Draft, Note
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import PeerLog
from secretariat.storage.engine import Database

PARTNER = Keyring.generate("JP", "live", "jp.example")


@pytest.fixture
def kept(database: Database, now: datetime) -> PeerLog:
    note = checkpoint.sign(PARTNER.origin, 5, b"\1" * 32, PARTNER.log)
    log = PeerLog(PARTNER.origin, "JP", 5, b"\1" * 32, note, "ok", None, now)
    with database.app("live") as tx:
        store.write_peer_log(tx, log)
    return log


def test_a_partner_takes_our_word_on_its_log(
    kept: PeerLog, database: Database, keyring: Keyring, now: datetime
) -> None:
    with database.app("live") as tx:
        word = witnessing.cosign_kept(tx, keyring, kept.origin, now=now)
        later = witnessing.cosign_kept(tx, keyring, kept.origin, now=now + timedelta(hours=1))
    assert word is not None
    assert word == later  # asked again, the same line is given
    said = checkpoint.verify_cosignature(kept.note + word.line, keyring.origin, keyring.witness.public)
    assert said.seconds == word.seconds == int(now.timestamp())


def test_a_suspended_log_gets_no_word_until_a_person_resumes_it(
    kept: PeerLog, database: Database, keyring: Keyring, now: datetime
) -> None:
    with database.app("live") as tx:
        partners.suspend(tx, kept.origin, "two different logs")
        [log] = partners.kept_logs(tx)
    assert (log.state, log.reason, log.size) == ("suspended", "two different logs", 5)
    with database.app("live") as tx:
        assert witnessing.cosign_kept(tx, keyring, kept.origin, now=now) is None
        partners.resume(tx, kept.origin)
        assert partners.kept_log(tx, kept.origin) == kept


def test_a_log_of_which_nothing_is_kept_is_neither_suspended_nor_resumed(database: Database) -> None:
    for act in (
        lambda tx: partners.suspend(tx, "us.example/live", "x"),
        lambda tx: partners.resume(tx, "us.example/live"),
    ):
        with pytest.raises(NotFoundError), database.app("live") as tx:
            act(tx)


def test_a_draft_is_what_its_struct_says(now: datetime) -> None:
    """A mapping and a struct sign the same bytes."""
    from_struct = entries.payload(
        Draft("note", None, Note(act="x")), realm="live", origin="o", party="JP", now=now
    )
    from_mapping = entries.payload(
        Draft("note", None, {"act": "x"}), realm="live", origin="o", party="JP", now=now
    )
    assert from_struct == from_mapping
