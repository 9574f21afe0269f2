"""One real node that serves on loopback, and parties of the second implementation that attack it over HTTP.

A party here knows docs/protocol.md alone (by_the_page). What the node keeps is looked at behind its doors.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import logging
import re
import runpy
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from contract.second import by_the_page as page
from contract.second.indicators import indicator
from secretariat.base.clock import now
from secretariat.base.settings import Limits, NodeSettings
from secretariat.exchange import enrolment, service
from secretariat.exchange.fingerprint import fingerprint
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.storage.embedded import Server
from secretariat.storage.engine import Database, raw

TESTS = Path(__file__).parents[2]
served = runpy.run_path(str(TESTS / "contract/peers/served.py"))
fixtures = runpy.run_path(str(TESTS / "conftest.py"))
REPRS = re.compile(
    r"Traceback|<class |object at 0x| line \d+, in |psycopg|sqlalchemy|msgspec|NoneType|Exception"
    r"|\b[A-Z][A-Za-z]+\([a-z_]+=|(?<!\S)b'|\('[a-z]|\{'|\['|datetime\.|UNSET",
)
KEPT = {
    "place": "SELECT cursor_position, cursor_offset FROM peer WHERE party = %(party)s",
    "log": "SELECT size, root, state FROM peer_log WHERE origin = %(origin)s",
    "entries": "SELECT count(*) FROM peer_entry WHERE origin = %(origin)s",
    "arrivals": "SELECT count(*) FROM arrival WHERE origin = %(origin)s",
    "objects": "SELECT count(*) FROM object_version WHERE originator = %(party)s",
    "letters": "SELECT count(*) FROM letter WHERE sender = %(party)s",
    "questions": "SELECT count(*) FROM private_question WHERE party = %(party)s",
}


class Faults(logging.Handler):
    """What the nodes' log says of faults of their own."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.found.append(self.format(record))


class Town:
    """KR and JP serve, partners of each other; strangers may settle as partners of either."""

    def __init__(self, server: Server, folder: Path, stack: contextlib.ExitStack) -> None:
        self.nodes: dict[str, Node] = {}
        self.settled = 0
        self.faults = Faults()
        logging.getLogger().addHandler(self.faults)
        stack.callback(logging.getLogger().removeHandler, self.faults)
        doors = {}
        for party in ("KR", "JP"):
            doors[party] = stack.enter_context(contextlib.closing(served["free_socket"]()))
            data = folder / party
            data.mkdir()
            settings = NodeSettings(
                party=party,
                name=party,
                data=data,
                host=f"{party.lower()}.example",
                url=f"http://127.0.0.1:{doors[party].getsockname()[1]}",
                circles=("*",),
                limits=Limits(peer_wait_s=2, peer_poll_s=1),
            )
            for realm in settings.realms:
                keys.create(keys.folder_of(data, realm), party=party, realm=realm, host=settings.host)
            url = stack.enter_context(fixtures["fresh"](server))
            database = Database.open(url, settings.realms, prefix=fixtures["TEMPLATE"])
            stack.callback(database.close)
            self.nodes[party] = Node.open(settings, database)
        for one, other in (("KR", "JP"), ("JP", "KR")):
            sealed, words = enrolment.invite(self.nodes[other], one, now=now())
            enrolment.accept(self.nodes[one], sealed, words, now=now())
        for party, node in self.nodes.items():
            stack.enter_context(served["serving"](node, doors[party]))

    def code(self) -> str:
        """Give a party code that nobody has yet."""
        self.settled += 1
        return f"X{self.settled}"

    def answers(self) -> None:
        """Fail where one of the nodes answers no more."""
        for node in self.nodes.values():
            host, port = node.settings.address("live").removeprefix("http://").split(":")
            assert get((host, int(port)), "/health")[0] == 200

    def kept(self, at: str, party: page.Party) -> dict[str, Any]:
        """What a node keeps of a party: that nothing is half-loaded is that this did not change."""
        with self.nodes[at].database.app("live") as tx:
            return {
                name: [tuple(row) for row in raw(tx).execute(query, vars(party) | {"party": party.code})]
                for name, query in KEPT.items()
            }

    def refused(self, at: str, party: str) -> list[str]:
        """The codes of what a node recorded as refused of a party, oldest first."""
        return [one.code for one in service.refusals(self.nodes[at], "live", party=party)][::-1]


class Attacker:
    """A party that is enrolled at one node, and says there whatever it likes."""

    def __init__(self, town: Town, code: str, at: str = "KR", party: page.Party | None = None) -> None:
        self.town, self.at = town, at
        self.me = party or page.Party(code, f"{code.lower()}.example")
        self.objects: dict[str, Any] = {}
        node = town.nodes[at]
        sealed = enrolment.describe(node, now=now())
        self.them = page.Known(sealed, fingerprint(at, node.keyring("live").root_public))
        enrolment.accept(node, self.me.descriptor(), page.words(code, self.me.root.public), now=now())

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.them.url.removeprefix("http://").split(":")
        return host, int(port)

    def ask(self, method: str, path: str, body: bytes = b"", **over: Any) -> tuple[int, Any, bytes]:
        """One signed request; the answer is looked through for what no partner should see."""
        status, said, data = page.call(self.me, self.them, method, path, body, **over)
        clean(data)
        return status, said, data

    def place(self) -> dict[str, Any]:
        status, said, _ = self.ask("GET", "place")
        assert status == 200, said
        return said

    def pull(self) -> None:
        """Take everything that the node has for us."""
        for _ in range(20):
            at = self.them.after
            query = f"after={at[0]}.{at[1]}&size={self.them.size}&wait=0"
            status, found, said = self.ask("GET", "feed", query=query)
            assert status == 200, said
            self.them.take(found, self.me.code)
            if not found["entries"] and not found["more"]:
                return

    def deliver(
        self, change: Callable[[dict[str, Any]], object] | None = None, *, recount: bool = False, **made: Any
    ) -> tuple[int, Any]:
        """Bring what the node has not seen of our log; `change` bends the page on its way."""
        place = self.place()
        after = (place["after"]["position"], place["after"]["offset"])
        brought = copy.deepcopy(self.me.page(self.at, after, place["size"], self.objects, **made))
        if change is not None:
            change(brought)
        if recount:
            page.counted(brought)
        return self.ask("POST", "deliver", page.jcs(brought))[:2]

    def settle(self) -> Attacker:
        """Name the node's instruments as ours, so that grants under TLP are equal there."""
        self.pull()
        agreed = next(one for one in self.them.got.values() if one["kind"] == "instrument-agreed")
        self.me.append("instrument-agreed", {**agreed["body"], "to": self.at})
        self.set_hash = agreed["body"]["set_hash"]
        assert self.deliver()[0] == 200
        return self

    def grant(self, *roots: str, **over: Any) -> int:
        """Sign that the node may have these objects, under TLP:CLEAR."""
        publication = self.me.append("publication", {"objects": list(roots)})
        body = {
            "to": self.at,
            "publication": publication,
            "instruments": self.set_hash,
            "engine": "secretariat/decisions/1",
            "true_on": page.moment(),
            "rows": [{"articles": ["tlp-2/CLEAR"], "objects": list(roots)}],
        }
        return self.me.append("grant", body | over)

    def share(self, value: dict[str, Any] | None = None) -> tuple[str, int]:
        """Make an object and grant it; (root, position of the grant). Nothing is brought yet."""
        root, item = self.me.object(indicator(self.me.code) if value is None else value)
        self.objects[root] = item
        return root, self.grant(root)

    def receipts(self) -> list[dict[str, Any]]:
        """What the node answered, in its order."""
        self.pull()
        return [one["body"] for at, one in sorted(self.them.got.items()) if one["kind"] == "receipt"]


def clean(data: bytes) -> None:
    """Fail where an answer shows how the node is made."""
    text = data.decode(errors="replace")
    if text.startswith("{") and '"code"' in text:
        found = REPRS.search(text)
        assert found is None, f"{found.group()!r} stands in {text[:600]}"


def bare(address: tuple[str, int], data: bytes, wait: float = 5.0) -> bytes:
    """Send bytes as they are and give what comes back until the other side ends, or says no more."""
    with socket.create_connection(address, wait) as wire:
        wire.sendall(data)
        wire.settimeout(0.3)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := wire.recv(65_536):
                said += chunk
    return said


def get(address: tuple[str, int], path: str, **headers: str) -> tuple[int, bytes]:
    """Ask without a signature."""
    wire = http.client.HTTPConnection(*address, timeout=10)
    with contextlib.closing(wire):
        wire.request("GET", path, headers=headers)
        answer = wire.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def nothing_kept(attacker: Attacker) -> Iterator[None]:
    """What the node keeps of the attacker is after the block what it was before."""
    before = attacker.town.kept(attacker.at, attacker.me)
    yield
    assert attacker.town.kept(attacker.at, attacker.me) == before
