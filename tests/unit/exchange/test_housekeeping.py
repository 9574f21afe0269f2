"""What is done every few seconds beside the exchange: one failing step keeps nothing else waiting."""

from __future__ import annotations

from secretariat.base.errors import StateError
from secretariat.exchange import sync


def test_a_step_that_fails_keeps_no_other_step_and_no_other_realm_waiting(node, monkeypatch, caplog):
    done = []

    def fails(one, realm, *, now):
        raise StateError(f"not today in {realm}")

    def works(one, realm, *, now):
        done.append(realm)

    one = node("KR")
    monkeypatch.setattr(sync, "_STEPS", (sync._forget_nonces, fails, works))
    sync._housekeeping(one)
    assert done == list(one.settings.realms)
    said = [one.message for one in caplog.records if one.name == "secretariat.exchange"]  # others may talk
    assert said == [f"fails in the realm {realm} failed" for realm in one.settings.realms]
