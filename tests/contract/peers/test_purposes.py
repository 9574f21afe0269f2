"""One key, one purpose, one party; one name, one log (rules of exchange/purposes.py), at both ways in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contract.peers.test_nodes import Nodes
from secretariat.base.errors import ConflictError
from secretariat.exchange import enrolment, renewal
from secretariat.exchange import store as tables
from secretariat.ledger.keys import Signer, key_id
from secretariat.ledger.revocation import Revoked


@pytest.fixture
def world(node):
    return Nodes(node, "KR", "JP")


def with_keys(node, **roles):
    """The node as if it had these keys in `live`."""
    return replace(node, keys={**node.keys, "live": replace(node.keyring("live"), **roles)})


def descriptor(node, world):
    world.now += timedelta(seconds=1)
    return enrolment.describe(node, now=world.now)


def accept(world, sealed):
    from secretariat.exchange.fingerprint import fingerprint

    found = enrolment.open_descriptor(sealed)
    words = fingerprint(found.party, found.root.public)
    return enrolment.accept(world.nodes["JP"], sealed, words, now=world.now)


def both_ways(world, sealed, match):
    before = tables_of(world)
    with pytest.raises(ConflictError, match=match):
        accept(world, sealed)
    with pytest.raises(ConflictError, match=match):
        renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    assert tables_of(world) == before


def tables_of(world):
    with world.nodes["JP"].database.app("live") as tx:
        return tables.read_peers(tx)


PAIRS = [
    (one, other)
    for number, one in enumerate(("record", "log", "transport", "witness"))
    for other in ("record", "log", "transport", "witness")[number + 1 :]
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_key_stands_for_two_roles(world, one, other):
    shared = Signer.generate()
    node = with_keys(world.nodes["KR"], **{one: shared, other: shared})
    both_ways(world, descriptor(node, world), "one key for two purposes")


class Pointless(Signer):
    """A "key" of small order: R = A and S = 0 is a signature under it over whatever is said."""

    @classmethod
    def make(cls):
        one = cls.generate()
        one.public = bytes([1]) + bytes(31)
        one.key_id = key_id(one.public)
        return one


@pytest.mark.parametrize("role", ["record", "log", "transport", "witness"])
def test_no_key_is_of_small_order(world, role):
    node = with_keys(world.nodes["KR"], **{role: Pointless.make()})
    both_ways(world, descriptor(node, world), f"the {role} key of KR in live is no Ed25519 key")


def test_no_key_is_the_root_key_besides(world):
    node = world.nodes["KR"]
    both_ways(
        world,
        descriptor(with_keys(node, transport=node.keyring("live").root), world),
        "one key for two purposes: transport key of live, root key",
    )


def test_no_key_stands_in_two_realms(world):
    node = world.nodes["KR"]
    shared = with_keys(node, log=node.keyring("exercise").log)
    both_ways(world, descriptor(shared, world), "log key of exercise, log key of live")


def test_no_key_of_a_certificate_is_another_key_besides(world):
    import msgspec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from secretariat.ledger.tls_key import pin_of

    node = world.nodes["KR"]
    ring = node.keyring("live")
    pin = pin_of(Ed25519PublicKey.from_public_bytes(ring.transport.public))
    shared = with_keys(node, tls=msgspec.structs.replace(ring.tls, pin=pin))
    both_ways(world, descriptor(shared, world), "transport key of live, certificate key of live")
    settings = node.settings
    settings.url, settings.server_pins = "https://kr.example", (ring.tls.pin,)
    both_ways(world, descriptor(node, world), "certificate key of live, server's key")


def test_one_front_may_serve_both_realms_with_one_certificate(world):
    node = world.nodes["KR"]
    node.settings.url, node.settings.exercise_url = "https://kr.example", "https://ex.kr.example"
    node.settings.server_pins = ("5" * 64,)
    assert accept(world, descriptor(node, world)).renewed


def test_a_key_does_not_change_its_purpose(world):
    """The former record key stays known for old signatures; as a transport key it would open the doors."""
    node = world.nodes["KR"]
    ring = node.keyring("live")
    changed = with_keys(node, record=Signer.generate(), transport=ring.record)
    both_ways(world, descriptor(changed, world), "the transport key of KR was its record key before")


def test_no_key_is_another_partys_or_ours(world, node):
    us = node("US")
    world.accept(world.nodes["JP"], us)
    theirs = with_keys(world.nodes["KR"], transport=us.keyring("live").transport)
    both_ways(world, descriptor(theirs, world), "the transport key of KR is a key of US here")
    ours = with_keys(world.nodes["KR"], witness=world.nodes["JP"].keyring("live").record)
    both_ways(world, descriptor(ours, world), "the witness key of KR is a key of JP here")


@pytest.mark.parametrize("host", ["jp.example", "kr.example"])
def test_no_log_bears_our_logs_name_or_another_partners(world, node, host):
    us = node("US", host=host)
    whose = {"jp.example": "JP", "kr.example": "KR"}[host]
    sealed = descriptor(us, world)
    with pytest.raises(ConflictError, match=f"the log of US bears the name of the log of {whose}"):
        accept(world, sealed)
    assert [one.party for one in tables_of(world)] == ["KR"]


def test_no_two_realms_name_one_log(world, node):
    us = node("US")
    one = replace(us.keyring("exercise"), origin=us.keyring("live").origin)
    sealed = descriptor(replace(us, keys={**us.keys, "exercise": one}), world)
    with pytest.raises(ConflictError, match="exercise and live of US name one log"):
        accept(world, sealed)


def test_keys_that_were_replaced_one_by_one_are_taken(world):
    node = world.nodes["KR"]
    fresh = {role: Signer.generate() for role in ("record", "log", "transport", "witness")}
    sealed = descriptor(with_keys(node, **fresh), world)
    assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        pytest.param([f"ed25519-{number:032x}" for number in range(998)], None, id="a thousand"),
        pytest.param([f"ed25519-{number:032x}" for number in range(999)], "more than 1000", id="one more"),
        pytest.param(["k" * 65], "no key's id", id="an id of any length"),
    ],
)
def test_a_partner_is_remembered_with_so_many_keys_at_most(world, ids, match):
    """What is revoked is kept for good: else a partner makes us read a longer list with every message."""
    kr = world.nodes["KR"]
    revoked = {one: Revoked("record", world.now, "ended") for one in ids}
    sealed = descriptor(with_keys(kr, revoked=revoked), world)
    if match is None:
        assert renewal.renew(world.nodes["JP"], "live", sealed, now=world.now)
    else:
        both_ways(world, sealed, match)
