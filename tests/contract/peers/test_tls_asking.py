"""A node that asks a partner behind TLS: with its own certificate, and only of a server with a stated key
(rules of exchange/connecting.py). Real sockets, real TLS, real nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import runpy
import ssl
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from contract.peers.front import Front, certificate
from contract.peers.test_nodes import indicator
from secretariat.agreements import release
from secretariat.agreements.release import Basis
from secretariat.base.clock import now
from secretariat.base.errors import InputError, UnavailableError
from secretariat.exchange import connecting, enrolment, peer_pages, renewal, service, sync
from secretariat.exchange import store as tables
from secretariat.exchange.postgres import transaction
from secretariat.ledger import tls_key
from secretariat.ledger.keys import folder_of
from secretariat.ledger.node import Node

_HERE = Path(__file__).parent
served = runpy.run_path(str(_HERE / "served.py"))
nodes = runpy.run_path(str(_HERE / "test_nodes.py"))
until = served["until"]
FRONT = "127.0.0.2"


class World:
    """KR behind a front with TLS; JP, which nobody can reach, asks it."""

    def __init__(self, node, folder: Path, stack: contextlib.ExitStack, **settings: object) -> None:
        self.stack, self.folder = stack, folder
        self.listening = served["free_socket"]()
        stack.callback(self.listening.close)
        port = self.listening.getsockname()[1]
        self.server = certificate(folder / "server.pem")
        self.jp = node("JP", realms=("live",), port=1, reachable=False)
        self.jp.settings.limits = msgspec.structs.replace(
            self.jp.settings.limits, peer_poll_s=1, peer_wait_s=1
        )
        self.front = Front(self.server.path, port, [self.own], address=FRONT)
        stack.callback(self.front.close)
        words = {"client_cert_from": (FRONT,), "server_pins": (self.server.pin,), **settings}
        self.kr = node("KR", realms=("live",), port=port, url=self.front.url, **words)
        for one, other in ((self.kr, self.jp), (self.jp, self.kr)):
            sealed, spoken = enrolment.invite(other, one.party, now=now() - timedelta(minutes=1))
            enrolment.accept(one, sealed, spoken, now=now())

    @property
    def own(self) -> Path:
        return folder_of(self.jp.settings.data, "live") / "tls.pem"

    def serve(self) -> None:
        self.stack.enter_context(served["serving"](self.kr, self.listening))

    def follow(self) -> None:
        listening = served["free_socket"]()
        self.stack.callback(listening.close)
        self.stack.enter_context(served["serving"](self.jp, listening))

    def states(self, *pins: str) -> None:
        """KR's descriptor names these keys of its server; JP has taken it."""
        with self.jp.database.app("live") as tx:
            (found,) = tables.read_peers(tx, "WHERE party = 'KR'")
            tables.write_peer(tx, msgspec.structs.replace(found, server_pins=pins))

    def server_of_old(self) -> None:
        """KR's front is a plain one, as it was; neither side has heard of a certificate."""
        plain = f"http://127.0.0.1:{self.kr.settings.port}"
        for node, url in ((self.jp, plain), (self.kr, "")):
            with node.database.app("live") as tx:
                (found,) = tables.read_peers(tx)
                bare = msgspec.structs.replace(found, client_pins=(), server_pins=(), url=url, descriptor=b"")
                tables.write_peer(tx, bare)

    def ask(self):
        async def place():
            async with connecting.client(self.jp) as client:
                peer = service.known_peer(self.jp, "live", "KR")
                return await sync.Remote(self.jp, "live", peer, client).place()

        return asyncio.run(place())

    def publish(self, name: str) -> str:
        world = nodes["Nodes"].__new__(nodes["Nodes"])
        world.nodes, world.now = {"KR": self.kr}, now()
        ids = world.load("KR", indicator(name))
        release.publish(self.kr, "live", ids, basis=Basis(by="r"), now=now())
        return ids[0]

    def sees(self) -> set[str]:
        with transaction(self.jp, "live", now()) as store:
            return {one.stix_id for one in store.shown()}

    def agreed(self) -> bool:
        from secretariat.agreements import store as agreements

        with self.kr.database.app("live") as tx:
            return bool(agreements.agreed(tx, "JP", "KR"))


@pytest.fixture
def there(node, tmp_path, monkeypatch):
    monkeypatch.setattr("secretariat.app.ROUTES", tuple(peer_pages.routes))
    with contextlib.ExitStack() as stack:
        yield lambda **settings: World(node, tmp_path, stack, **settings)


@pytest.fixture
def world(there):
    made = there()
    made.serve()
    return made


def test_two_nodes_keep_in_step_over_tls_with_a_certificate_on_either_side(there):
    world = there()
    world.serve()
    world.follow()
    until(world.agreed, 60)
    stix_id = world.publish("a")
    until(lambda: world.sees() == {stix_id}, 30)
    held = {("JP", "received")}

    def answered() -> bool:
        found = service.holders(world.kr, "live", stix_id, now=now())
        return {(one.holder, one.state) for one in found if one.holder != "*"} == held

    until(answered, 90)  # brought over the same front


def test_a_server_with_another_key_gets_no_byte_of_a_request(world):
    other = certificate(world.folder / "other.pem")
    between = Front(other.path, world.kr.settings.port, [world.own])
    world.stack.callback(between.close)
    world.kr.settings.url = between.url  # where the address of KR leads now
    with world.jp.database.app("live") as tx:
        (found,) = tables.read_peers(tx, "WHERE party = 'KR'")
        tables.write_peer(tx, msgspec.structs.replace(found, url=between.url))
    with pytest.raises(connecting.WrongServerError, match=other.pin) as refusal:
        world.ask()
    assert world.server.pin in refusal.value.what
    assert "nothing was sent" in (refusal.value.advice or "")
    assert between.requests == []


def test_a_certificate_that_an_authority_signed_for_the_name_is_refused_where_keys_are_stated(
    world, monkeypatch
):
    authority = certificate(world.folder / "authority.pem")
    bought = certificate(world.folder / "bought.pem", by=authority)
    between = Front(bought.path, world.kr.settings.port, [world.own], address=FRONT)
    world.stack.callback(between.close)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(authority.path), openssl_capath="")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    world.kr.settings.url = between.url
    with world.jp.database.app("live") as tx:
        (found,) = tables.read_peers(tx, "WHERE party = 'KR'")
        tables.write_peer(tx, msgspec.structs.replace(found, url=between.url))
    with pytest.raises(connecting.WrongServerError):
        world.ask()
    assert between.requests == []
    world.states()  # the same server where KR states no key: the system's list decides, as ever
    assert world.ask().size >= 0


def test_without_stated_keys_the_system_decides_and_knows_no_certificate_that_signed_itself(world):
    world.states()
    with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        world.ask()
    assert world.front.requests == []


def test_while_two_keys_are_stated_either_server_is_asked_and_then_the_new_one_alone(world):
    fresh = certificate(world.folder / "fresh.pem")
    world.states(world.server.pin, fresh.pin)
    assert world.ask().size >= 0
    world.front.context.load_cert_chain(fresh.path)
    assert world.ask().size >= 0
    world.states(fresh.pin)
    assert world.ask().size >= 0
    world.front.context.load_cert_chain(world.server.path)
    with pytest.raises(connecting.WrongServerError):
        world.ask()


def test_a_server_key_that_was_replaced_at_once_is_learnt_from_the_sealed_descriptor(world):
    """Nobody stated both keys before: the descriptor is fetched all the same, its seal alone is believed."""
    fresh = certificate(world.folder / "fresh.pem")
    world.front.context.load_cert_chain(fresh.path)
    with pytest.raises(connecting.WrongServerError):
        world.ask()
    peer = service.known_peer(world.jp, "live", "KR")

    async def fetch() -> bool:
        async with connecting.client(world.jp) as client:
            return await renewal.fetch(world.jp, "live", peer, client)

    assert not asyncio.run(fetch())  # what KR serves still names the old key: nothing is new
    with pytest.raises(connecting.WrongServerError):
        world.ask()
    world.kr.settings.server_pins = (fresh.pin,)
    assert renewal.renew(world.jp, "live", enrolment.describe(world.kr, now=now()), now=now())
    assert world.ask().size >= 0


def test_an_own_certificate_that_was_replaced_becomes_known_by_itself(there):
    world = there()
    world.serve()
    fresh = tls_key.rotate(folder_of(world.jp.settings.data, "live"))
    world.front.context.load_verify_locations(fresh.path)
    world.jp = Node.open(world.jp.settings, world.jp.database)  # started anew
    world.follow()
    until(world.agreed, 60)
    with world.kr.database.app("live") as tx:
        (found,) = tables.read_peers(tx, "WHERE party = 'JP'")
    assert found.client_pins == (fresh.pin,)


def test_a_first_certificate_of_either_side_becomes_known_though_nobody_meets_an_unknown_key(there):
    """Both were enrolled before there were certificates: neither knows a key of the other's."""
    world = there()
    world.server_of_old()
    world.serve()
    world.follow()

    def known() -> bool:
        with world.kr.database.app("live") as kr, world.jp.database.app("live") as jp:
            (theirs,), (ours,) = tables.read_peers(kr), tables.read_peers(jp)
        return bool(theirs.client_pins) and ours.server_pins == (world.server.pin,)

    until(known, 60)


def test_a_node_without_a_certificate_is_told_what_is_wrong(world):
    world.own.rename(world.own.with_suffix(".away"))
    world.jp = Node.open(world.jp.settings, world.jp.database)
    with pytest.raises(sync.RefusedError) as refusal:
        world.ask()
    assert refusal.value.code == "no-certificate"


def test_keys_of_a_server_without_tls_are_no_descriptor(there):
    world = there()
    found = enrolment.open_descriptor(enrolment.describe(world.kr, now=now()))
    keys = msgspec.structs.replace(found.realms["live"], url="http://kr.example")
    bad = msgspec.structs.replace(found, realms={"live": keys})
    from secretariat.exchange import wire

    with pytest.raises(InputError, match="keys of a server that has no TLS"):
        wire.read_descriptor(wire.encode(bad))


def test_the_private_key_is_for_its_owner_alone_and_a_rotation_leaves_none_behind(there):
    world = there()
    assert world.own.stat().st_mode & 0o777 == 0o600
    old = world.own.read_bytes()
    fresh = tls_key.rotate(folder_of(world.jp.settings.data, "live"))
    assert fresh.path == world.own
    assert world.own.stat().st_mode & 0o777 == 0o600
    folder = folder_of(world.jp.settings.data, "live")
    assert all(one.read_bytes() != old for one in folder.rglob("*") if one.is_file())
