"""Checks taken out of the shipped code one at a time: a hundred worlds notice each, and hold with all."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from secretariat.exchange import (
    arrivals,
    evidence,
    mailbox,
    memory,
    recomputing,
    volumes,
    withdrawal_receipts,
)
from secretariat.ledger import dsse, entries, joint, keys, revocation, witness
from simulator.run import play, world

pytestmark = pytest.mark.slow
SEEDS = range(100)


def grant_check_removed(patch):
    """The receiver believes every grant."""
    patch.setattr(recomputing, "difference", lambda *_: None)


def signature_check_removed(patch):
    """Whoever names a key has signed with it."""
    patch.setattr(keys, "signature_holds", lambda *_: True)
    patch.setattr(dsse, "signature_holds", lambda *_: True)


def receipt_forged(patch):
    """The word of a holder further down is believed as whoever passes it on gives it."""
    patch.setattr(
        withdrawal_receipts,
        "spoken",
        lambda _store, _party, envelope, *_: entries.read(dsse.payload_of(envelope)),
    )


def filter_dropped(patch):
    """A page brings whatever its grants ever listed, called back or not."""

    def granted(self, recipient, roots):
        return {one: self._m.held[one] for one in roots if one in self._m.held}

    patch.setattr(memory.MemoryStore, "granted", granted)


def reader_filter_dropped(patch):
    """A page brings what was written for others."""

    def addressed(self, recipient, start, end=None):
        return (one for one in self._m.log[start:end] if one.recipient)

    patch.setattr(memory.MemoryStore, "addressed", addressed)


def consent_unverified(patch):
    """Whoever carries an originator's consent is believed."""
    patch.setattr(
        evidence, "spoken", lambda _store, _party, envelope, *_: entries.read(dsse.payload_of(envelope))
    )


def joint_version_check_removed(patch):
    """A word counts for any version of what is put to signature."""

    def digest_of(data):
        named = joint.read(data)
        return sha256(f"{named.object.id} {named.parties}".encode()).digest()

    patch.setattr(joint, "digest_of", digest_of)


def partial_count_check_removed(patch):
    """A relay's word on what it left out is believed."""
    patch.setattr(arrivals, "check_names", lambda *_: None)


def mailbox_number_check_removed(patch):
    """A letter is read again whenever the mailbox gives it again."""
    hear = mailbox.hear

    def anew(mail, letter, now):
        return hear(msgspec.structs.replace(mail, heard=min(mail.heard, letter.number - 1)), letter, now)

    patch.setattr(mailbox, "hear", anew)


def volume_hash_check_removed(patch):
    """A volume's own word on its hash is believed."""
    scan = volumes.scan

    def believing(*given, **more):
        found = scan(*given, **more)
        return msgspec.structs.replace(found, sha256=found.end.sha256)

    patch.setattr(volumes, "scan", believing)


def revocation_ignored(patch):
    """What a revoked key signed counts whenever it was signed."""
    patch.setattr(revocation, "counts", lambda *_: True)


def stop_ignored(patch):
    """A node that was put back goes on, whatever partners hold of its log."""
    hear = memory.MemoryStore.hear

    def deaf(self, peer, note):
        try:
            return hear(self, peer, note)
        except witness.BehindError:
            return None

    patch.setattr(memory.MemoryStore, "hear", deaf)


MUTATIONS = [
    grant_check_removed,
    signature_check_removed,
    receipt_forged,
    filter_dropped,
    reader_filter_dropped,
    joint_version_check_removed,
    partial_count_check_removed,
    mailbox_number_check_removed,
    volume_hash_check_removed,
    revocation_ignored,
    stop_ignored,
    pytest.param(consent_unverified, marks=pytest.mark.long),
]
MATTERS = {
    receipt_forged: lambda plan: any(one.kind == "forged_word" for one in plan.deeds),
    reader_filter_dropped: lambda plan: len(plan.parties) <= 4,  # such a world never comes to rest
    mailbox_number_check_removed: lambda plan: plan.posted,
    volume_hash_check_removed: lambda plan: plan.carried,
    revocation_ignored: lambda plan: any(one.kind == "theft" for one in plan.deeds),
    stop_ignored: lambda plan: any(one.kind == "revert" for one in plan.deeds),
}
"""Which of the hundred worlds have what a check is about at all: the others need not be played."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
def test_a_check_taken_out_is_noticed_within_a_hundred_worlds(monkeypatch, mutation):
    mutation(monkeypatch)
    matters = MATTERS.get(mutation, lambda _: True)
    for plan in filter(matters, map(world, SEEDS)):
        if failed := play(plan).failed:
            assert "Traceback" not in failed, failed
            return
    pytest.fail(f"no world of {len(SEEDS)} noticed: {mutation.__doc__}")


@pytest.mark.long
def test_with_every_check_in_place_the_same_worlds_hold():
    failed = {seed: why for seed in SEEDS if (why := play(world(seed)).failed)}
    assert not failed
