"""Checks taken out of the shipped code one at a time: a hundred worlds notice each, and hold with all."""

from __future__ import annotations

import pytest

from secretariat.exchange import evidence, memory, recomputing, withdrawal_receipts
from secretariat.ledger import dsse, entries, keys
from simulator.run import play, world

pytestmark = pytest.mark.slow
SEEDS = range(100)
SELDOM = range(60, 160)
"""Where a check matters in few worlds, the hundred begin near one of them, so that `make test` is short."""


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


MUTATIONS = [
    grant_check_removed,
    signature_check_removed,
    receipt_forged,
    filter_dropped,
    reader_filter_dropped,
    pytest.param(consent_unverified, marks=pytest.mark.long),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
def test_a_check_taken_out_is_noticed_within_a_hundred_worlds(monkeypatch, mutation):
    mutation(monkeypatch)
    for seed in SELDOM if mutation is consent_unverified else SEEDS:
        if failed := play(world(seed)).failed:
            assert "Traceback" not in failed, failed
            return
    pytest.fail(f"no world of {len(SEEDS)} noticed: {mutation.__doc__}")


@pytest.mark.long
def test_with_every_check_in_place_the_same_worlds_hold():
    failed = {seed: why for seed in SEEDS if (why := play(world(seed)).failed)}
    assert not failed
