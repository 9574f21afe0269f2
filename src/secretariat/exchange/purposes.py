"""One key, one purpose, one party: what a descriptor is refused for before anything of it is kept (no I/O).

Rules, each with a test of its name in tests/contract/peers/test_purposes.py:
1. No key of a descriptor stands twice: not for two roles, not in two realms, not as the key of a certificate
   besides. Who steals one key then has that one purpose, and a signature for one is never taken for another.
   Two things are one by nature: the root key of the descriptor is that of one realm, and one front may serve
   both realms with one certificate.
2. Nor does a key change its purpose: what was the record key before is no transport key later.
3. No key is another party's here, ours among them: what it signs would count for both.
4. No two realms of a descriptor, and no two parties, name one log; nobody names ours. Whose word on a log is
   whose would be lost.
5. Every key is a point of the group in which signatures mean something (keys.is_point). Under a key of small
   order anybody signs anything.
6. A partner is remembered with a thousand keys at most, former and revoked ones too, each by an id of an id's
   length: they are kept for good and read with every message.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import UNSET

from secretariat.base.errors import ConflictError
from secretariat.ledger.keys import is_point

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from secretariat.exchange.model import Peer
    from secretariat.exchange.wire import Descriptor, Key, RealmKeys
    from secretariat.ledger.keys import Keyring

_ED25519: Final = bytes.fromhex("302a300506032b6570032100")
_X25519: Final = bytes.fromhex("302a300506032b656e032100")
"""What stands before the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410 section 4)."""
MAX_KEYS: Final = 1_000
MAX_KEY_ID: Final = 64
_ADVICE: Final = "each purpose has a key of its own: secretariat keys rotate ROLE on the partner's node"


def check(found: Descriptor) -> None:
    """Refuse a descriptor in which one key, or one log's name, stands twice."""
    seen: dict[str, str] = {}
    server: set[str] = set()
    names: dict[str, str] = {}
    for realm, keys in found.realms.items():
        for role, one in _named(keys):
            if not is_point(one.public):
                raise ConflictError(
                    f"the {role} key of {found.party} in {realm} is no Ed25519 key: no point of the group",
                    where="descriptor",
                    advice=f"the partner replaces it: secretariat keys rotate {role}",
                )
        for role, pin in _pins(keys):
            _once(seen, pin, f"{role} key of {realm}")
        server |= set(() if keys.tls is UNSET else keys.tls.server)
        if keys.origin in names:
            raise ConflictError(
                f"{names[keys.origin]} and {realm} of {found.party} name one log, {keys.origin}",
                where="realms",
            )
        names[keys.origin] = realm
    for pin in sorted(server):
        _once(seen, pin, "server's key")
    root = _pin(found.root.public)
    if not seen.get(root, "root key").startswith("root key"):
        _once(seen, root, "root key")


def check_change(before: Peer, keys: RealmKeys) -> None:
    """Refuse a key that had another purpose at this partner before."""
    held: Mapping[str, Mapping[str, bytes]] = {
        "record": before.record_keys,
        "log": {**before.former_log_keys, **before.log_keys},
        "transport": before.transport_keys,
        "witness": before.witness_keys,
    }
    former = {_pin(public): role for role, ones in held.items() for public in ones.values()}
    former |= dict.fromkeys(before.client_pins, "certificate")
    for role, pin in _pins(keys):
        was = former.get(pin, role)
        if was != role:
            raise ConflictError(
                f"the {role} key of {before.party} was its {was} key before",
                where=keys.origin,
                advice=_ADVICE,
            )


def check_others(party: str, keys: RealmKeys, others: Iterable[Peer], own: Iterable[Keyring]) -> None:
    """Refuse what another partner, or this node, has already: a key, or the name of its log."""
    names: dict[str, str] = {}
    held: dict[str, str] = {}
    for one in others:
        if one.party == party:
            continue
        names[one.origin] = one.party
        publics = [one.root_key, *one.record_keys.values(), *one.log_keys.values()]
        publics += [*one.former_log_keys.values(), *one.transport_keys.values(), *one.witness_keys.values()]
        held |= dict.fromkeys([*map(_pin, publics), *one.client_pins], one.party)
    for ring in own:
        names[ring.origin] = ring.party
        held |= dict.fromkeys(map(_pin, ring.public.values()), ring.party)
        if ring.tls is not None:
            held[ring.tls.pin] = ring.party
    if keys.origin in names:
        raise ConflictError(
            f"the log of {party} bears the name of the log of {names[keys.origin]}: {keys.origin}",
            where="origin",
            advice="the partner takes another host name; a log is known by its name for ever",
        )
    for role, pin in _pins(keys):
        if pin in held:
            raise ConflictError(
                f"the {role} key of {party} is a key of {held[pin]} here", where=keys.origin, advice=_ADVICE
            )


def check_number(fresh: Peer) -> None:
    """Refuse more keys than are kept of one partner, and a revoked one whose id is none."""
    long = next((key for key in fresh.revoked if len(key) > MAX_KEY_ID), None)
    if long is not None:
        raise ConflictError(f"{fresh.party} revokes {long[:40]!r}, which is no key's id", where="revoked")
    held = fresh.record_keys.keys() | fresh.log_keys.keys() | fresh.former_log_keys.keys()
    if len(held | fresh.revoked.keys()) > MAX_KEYS:
        raise ConflictError(
            f"{fresh.party} states more than {MAX_KEYS} keys, former ones counted",
            where="descriptor",
            advice="the partner enrols anew, with another log: secretariat peers rebind",
        )


def _named(keys: RealmKeys) -> list[tuple[str, Key]]:
    named = [("record", keys.record), ("log", keys.log), ("transport", keys.transport)]
    also = (("witness", keys.witness), ("root", keys.root))
    return [*named, *((role, one) for role, one in also if one is not None)]


def _pins(keys: RealmKeys) -> Iterator[tuple[str, str]]:
    yield from ((role, _pin(one.public)) for role, one in _named(keys))
    if keys.sealing is not None:
        yield "sealing", _pin(keys.sealing.public, _X25519)
    if keys.tls is not UNSET:
        yield from (("certificate", pin) for pin in keys.tls.client)


def _pin(public: bytes, kind: bytes = _ED25519) -> str:
    return hashlib.sha256(kind + public).hexdigest()


def _once(seen: dict[str, str], pin: str, purpose: str) -> None:
    if pin in seen:
        raise ConflictError(
            f"one key for two purposes: {seen[pin]}, {purpose}", where="descriptor", advice=_ADVICE
        )
    seen[pin] = purpose
