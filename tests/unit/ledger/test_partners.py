"""Following a partner's log: what it showed once it cannot take back."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest

from secretariat.base.errors import NotFoundError, ProofError, StateError
from secretariat.ledger import checkpoint, entries, merkle, partners, service
from secretariat.ledger.entries import Draft, Note, Receipt
from secretariat.ledger.keys import Keyring
from secretariat.ledger.model import PeerLog, Proven
from secretariat.ledger.partners import ContradictionError, LateError
from secretariat.storage.engine import Database

PARTNER = Keyring.generate("JP", "live", "jp.example")


class PartnerLog:
    """A partner's log in memory, honest unless told otherwise."""

    def __init__(self, now: datetime, keyring: Keyring = PARTNER) -> None:
        self.keyring = keyring
        self.now = now
        self.sealed: list[entries.Sealed] = []

    def write(self, count: int, *, origin: str | None = None) -> PartnerLog:
        for number in range(count):
            draft = Draft(
                "receipt",
                "KR",
                Receipt(to="KR", about=entries.EntryRef("kr.example/live", number), state="kept"),
            )
            payload = entries.payload(
                draft, realm="live", origin=origin or self.keyring.origin, party="JP", now=self.now
            )
            salt = secrets.token_bytes(32)
            self.sealed.append(entries.seal(payload, draft, self.keyring.record, salt))
        return self

    @property
    def leaves(self) -> list[bytes]:
        return [item.leaf for item in self.sealed]

    def note(self, size: int | None = None) -> bytes:
        leaves = self.leaves[:size]
        return checkpoint.sign(self.keyring.origin, len(leaves), merkle.root(leaves), self.keyring.log)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        return merkle.consistency_path(self.leaves, old, new)

    def proven(self, position: int, size: int | None = None) -> Proven:
        item = self.sealed[position]
        path = merkle.inclusion_path(self.leaves, position, size)
        return Proven(position, item.envelope, item.salt, tuple(path))


class Follower:
    """This node, following JP's log."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database = database
        self.now = now

    def follow(self, note: bytes, proof: Sequence[bytes] = (), *, asked_from: int | None = None) -> PeerLog:
        return partners.follow(
            self.database,
            "live",
            origin=PARTNER.origin,
            party="JP",
            note=note,
            keys=[PARTNER.log.public],
            proof=proof,
            asked_from=asked_from,
            now=self.now,
        )

    @property
    def kept(self) -> PeerLog | None:
        with self.database.app("live") as tx:
            return partners.kept_log(tx, PARTNER.origin)


@pytest.fixture
def log(now: datetime) -> PartnerLog:
    return PartnerLog(now).write(5)


@pytest.fixture
def follower(database: Database, now: datetime) -> Follower:
    return Follower(database, now)


def test_an_honest_log_is_followed(log: PartnerLog, follower: Follower) -> None:
    assert follower.follow(log.note()).size == 5
    log.write(7)
    assert follower.follow(log.note(), log.consistency(5)).size == 12
    assert follower.follow(log.note()).size == 12
    assert follower.kept is not None
    assert follower.kept.root == merkle.root(log.leaves)


def test_a_log_that_rolls_back_is_suspended(log: PartnerLog, follower: Follower) -> None:
    follower.follow(log.note())
    with pytest.raises(ContradictionError, match="went back from 5 entries to 3") as caught:
        follower.follow(log.note(3))
    assert caught.value.kept == log.note()
    assert caught.value.shown == log.note(3)
    kept = follower.kept
    assert kept is not None
    assert (kept.state, kept.size) == ("suspended", 5)
    log.write(1)
    with pytest.raises(StateError, match="suspended"):
        follower.follow(log.note(), log.consistency(5))


def test_a_log_that_forks_at_the_kept_size_is_suspended(
    log: PartnerLog, follower: Follower, now: datetime
) -> None:
    follower.follow(log.note())
    with pytest.raises(ContradictionError, match="two different logs of 5"):
        follower.follow(PartnerLog(now).write(5).note())
    assert follower.kept is not None
    assert follower.kept.state == "suspended"


def test_a_log_that_forks_beyond_the_kept_size_is_suspended(
    log: PartnerLog, follower: Follower, now: datetime
) -> None:
    follower.follow(log.note())
    fork = PartnerLog(now).write(9)
    with pytest.raises(ContradictionError, match="does not continue"):
        follower.follow(fork.note(), fork.consistency(5))


def test_a_partner_takes_our_word_on_its_log(log: PartnerLog, follower: Follower, keyring: Keyring) -> None:
    kept = follower.follow(log.note())
    note = partners.cosigned(kept, keyring, now=follower.now)
    word = checkpoint.verify_cosignature(note, keyring.origin, keyring.witness.public)
    assert word.seconds == int(follower.now.timestamp())
    assert checkpoint.verify(note, PARTNER.origin, [PARTNER.log.public]).size == 5


def test_a_missing_proof_is_a_contradiction(log: PartnerLog, follower: Follower) -> None:
    follower.follow(log.note())
    log.write(2)
    with pytest.raises(ContradictionError, match="does not continue"):
        follower.follow(log.note())


def test_a_person_resumes_from_the_kept_checkpoint(
    log: PartnerLog, follower: Follower, database: Database
) -> None:
    follower.follow(log.note())
    with pytest.raises(ContradictionError):
        follower.follow(log.note(2))
    with database.app("live") as tx:
        partners.resume(tx, PARTNER.origin)
    log.write(2)
    assert follower.follow(log.note(), log.consistency(5)).size == 7
    with pytest.raises(NotFoundError), database.app("live") as tx:
        partners.resume(tx, "us.example/live")


def test_a_note_of_a_stranger_changes_nothing(log: PartnerLog, follower: Follower, now: datetime) -> None:
    """Somebody in between cannot get a log suspended: the note must bear its key's signature."""
    follower.follow(log.note())
    stranger = Keyring.generate("JP", "live", "jp.example")
    with pytest.raises(ProofError, match="known key"):
        follower.follow(PartnerLog(now, stranger).write(2).note())
    assert follower.kept is not None
    assert follower.kept.state == "ok"


def test_an_answer_that_was_overtaken_is_late_not_wrong(log: PartnerLog, follower: Follower) -> None:
    """Two questions at once: the smaller answer arrives second."""
    follower.follow(log.note(2))
    follower.follow(log.note(5), log.consistency(2), asked_from=2)
    with pytest.raises(LateError):
        follower.follow(log.note(4), log.consistency(2, 4), asked_from=2)
    assert follower.kept is not None
    assert follower.kept.state == "ok"


def test_the_evidence_of_a_contradiction_is_an_entry(
    log: PartnerLog, follower: Follower, database: Database, keyring: Keyring, now: datetime
) -> None:
    follower.follow(log.note())
    with pytest.raises(ContradictionError) as caught:
        follower.follow(log.note(3))
    with database.app("live") as tx:
        [entry] = service.append(tx, keyring, [partners.suspect_draft("JP", caught.value)], now=now)
        body = service.detail(tx, entry.position).statement.body
    for held in ("kept", "shown"):
        checkpoint.verify(body[held].encode(), PARTNER.origin, [PARTNER.log.public])


KEYS = {PARTNER.record.key_id: PARTNER.record.public}


def test_proven_entries_are_kept_once(
    log: PartnerLog, follower: Follower, database: Database, now: datetime
) -> None:
    follower.follow(log.note())
    for _ in range(2):
        with database.app("live") as tx:
            verified = partners.keep_entries(
                tx, PARTNER.origin, "live", [log.proven(1), log.proven(4)], KEYS, now=now
            )
    assert [item.statement.kind for item in verified] == ["receipt", "receipt"]
    with database.app("live") as tx:
        kept = partners.kept_entries(tx, origin=PARTNER.origin)
    assert [item.position for item in kept] == [1, 4]
    steps = [kept[0].proof[at : at + 32] for at in range(0, len(kept[0].proof), 32)]
    leaf = entries.leaf_of(entries.digest_of(kept[0].envelope, kept[0].salt))
    assert merkle.verify_inclusion(leaf, 1, kept[0].proof_size, steps, merkle.root(log.leaves))


def changed(item: Proven, **changes: object) -> Proven:
    return msgspec.structs.replace(item, **changes)


@pytest.mark.parametrize(
    ("bend", "message"),
    [
        pytest.param(lambda p: changed(p, position=3), "not in the partner's log", id="another position"),
        pytest.param(lambda p: changed(p, salt=bytes(32)), "not in the partner's log", id="another salt"),
        pytest.param(lambda p: changed(p, salt=b"x"), "32 bytes", id="short salt"),
        pytest.param(lambda p: changed(p, path=p.path[:-1]), "not in the partner's log", id="short path"),
        pytest.param(
            lambda p: changed(p, envelope=p.envelope + b" "), "not in the partner's log", id="a byte more"
        ),
        pytest.param(lambda p: changed(p, position=99), "not in the partner's log", id="beyond the log"),
    ],
)
def test_an_entry_that_is_not_proven_is_refused(
    log: PartnerLog, follower: Follower, database: Database, now: datetime, bend: object, message: str
) -> None:
    follower.follow(log.note())
    with pytest.raises(ProofError, match=message), database.app("live") as tx:
        partners.keep_entries(tx, PARTNER.origin, "live", [bend(log.proven(2))], KEYS, now=now)  # type: ignore[operator]
    with database.app("live") as tx:
        assert partners.kept_entries(tx) == []


def test_an_entry_signed_by_another_key_is_refused(
    log: PartnerLog, follower: Follower, database: Database, now: datetime
) -> None:
    """In the log and proven, but not by the party's record key."""
    follower.follow(log.note())
    with pytest.raises(ProofError, match="unknown key"), database.app("live") as tx:
        partners.keep_entries(tx, PARTNER.origin, "live", [log.proven(2)], {}, now=now)


def test_an_entry_of_another_log_is_refused(follower: Follower, database: Database, now: datetime) -> None:
    """A party copies an entry of its exercise log into its live log."""
    log = PartnerLog(now).write(2).write(1, origin="jp.example/exercise")
    follower.follow(log.note())
    with pytest.raises(ProofError, match=r"jp\.example/exercise"), database.app("live") as tx:
        partners.keep_entries(tx, PARTNER.origin, "live", [log.proven(2)], KEYS, now=now)


def test_without_a_kept_checkpoint_nothing_is_kept(
    log: PartnerLog, database: Database, now: datetime
) -> None:
    with pytest.raises(StateError, match="no checkpoint"), database.app("live") as tx:
        partners.keep_entries(tx, PARTNER.origin, "live", [log.proven(0)], KEYS, now=now)


def test_a_draft_is_what_its_struct_says(now: datetime) -> None:
    """A mapping and a struct sign the same bytes."""
    from_struct = entries.payload(
        Draft("note", None, Note(act="x")), realm="live", origin="o", party="JP", now=now
    )
    from_mapping = entries.payload(
        Draft("note", None, {"act": "x"}), realm="live", origin="o", party="JP", now=now
    )
    assert from_struct == from_mapping
