"""Three real processes on loopback, killed and cut off at random: the promises hold in their databases.

`seed` decides who is killed when, which connections break where, what is published and withdrawn.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.cutting import Cutting
from secretariat.agreements import release
from secretariat.agreements import store as agreements
from secretariat.agreements.release import Basis
from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.base.settings import NodeSettings
from secretariat.exchange import enrolment, service
from secretariat.exchange.model import ANSWERS
from secretariat.exchange.postgres import transaction
from secretariat.ledger.node import Node
from secretariat.records.service import import_stream
from secretariat.storage.opening import opened
from serving import Serving

pytestmark = pytest.mark.slow

SECONDS = 30.0
PATIENCE = 180.0
CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
STAMP = "2026-11-22T02:00:00.000Z"


class Three:
    """Three nodes, each in a process of its own behind a relay that cuts, and what was done on them."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.dice = random.Random(seed)
        self.serving = {party: Serving(folder / party, party) for party in ("JP", "KR", "US")}
        self.ways = {party: Cutting(one.port, f"{seed} {party}") for party, one in self.serving.items()}
        self.published: dict[str, str] = {}
        self.withdrawn: set[str] = set()
        self.doubtful: set[str] = set()
        """What was being done when the database went away: done or not, as a whole."""
        self.kills = 0

    @contextlib.contextmanager
    def node(self, party: str) -> Iterator[Node]:
        """Give the node's database, beside the process that serves it, or while none does."""
        settings = NodeSettings.load(self.serving[party].data)
        with opened(settings) as database:
            yield Node.open(settings, database)

    def begin(self) -> None:
        for party, one in self.serving.items():
            port = str(one.port)
            name = ["--name", f"Party {party}", "--host", f"{party.lower()}.localhost"]
            one.run("init", "--party", party, *name, "--port", port)
            file = one.data / "node.toml"  # partners are told the way that cuts, by its descriptor
            file.write_text(file.read_text().replace('\nurl = ""', f'\nurl = "{self.ways[party].url}"'))
            one.start()  # before anybody knows it: who finds nobody there pauses longer each time
        words = {}
        for party in self.serving:
            with self.node(party) as node:
                for other in self.serving:
                    if other != party:
                        words[party, other] = enrolment.invite(node, other, now=now())
        for party in self.serving:
            with self.node(party) as node:
                for other in self.serving:
                    if other != party:
                        sealed, spoken = words[other, party]
                        enrolment.accept(node, sealed, spoken, now=now())
        self.until(lambda: all(self.agreed(party) for party in self.serving), "nobody agreed")
        for way in self.ways.values():
            way.begin()

    def agreed(self, party: str) -> bool:
        with self.node(party) as node, node.database.app("live") as tx:
            return all(agreements.agreed(tx, other, party) for other in self.serving if other != party)

    def until(self, true: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < ends, what
            time.sleep(1)

    def act(self) -> None:
        """Do one thing at random; a database that is just down is no answer, and nothing was done."""
        party = self.dice.choice(sorted(self.serving))
        luck = self.dice.random()
        try:
            if luck < 0.55:
                self.publish(party)
            elif luck < 0.7:
                self.withdraw(party)
            elif luck < 0.85:
                self.ways[party].shut(self.dice.uniform(0.5, 4))
            else:
                self.kill(party)
        except SecretariatError:
            return

    def publish(self, party: str) -> None:
        values = [
            {
                "type": "indicator",
                "spec_version": "2.1",
                "id": f"indicator--{uuid.UUID(int=self.dice.getrandbits(128), version=4)}",
                "created": STAMP,
                "modified": STAMP,
                "name": f"{party} {self.dice.getrandbits(32)}",
                "description": "x" * self.dice.randrange(3_000),
                "pattern": "[ipv4-addr:value = '203.0.113.7']",
                "pattern_type": "stix",
                "valid_from": STAMP,
                "object_marking_refs": [CLEAR],
            }
            for _ in range(self.dice.randint(1, 4))
        ]
        bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": values}
        ids = [str(one["id"]) for one in values]
        self.doubtful |= set(ids)
        with self.node(party) as node:
            import_stream(node.database, "live", party, io.BytesIO(json.dumps(bundle).encode()), now=now())
            done = release.publish(node, "live", ids, basis=Basis(by="chaos"), now=now())
        assert done.published == len(ids)
        self.published |= dict.fromkeys(ids, party)
        self.doubtful -= set(ids)

    def withdraw(self, party: str) -> None:
        mine = sorted(one for one, by in self.published.items() if by == party and one not in self.withdrawn)
        if not mine:
            return
        stix_id = self.dice.choice(mine)
        self.doubtful.add(stix_id)
        with self.node(party) as node:
            service.withdraw(node, "live", stix_id, reason="wrong", by="chaos", now=now())
        self.withdrawn.add(stix_id)
        self.doubtful.discard(stix_id)

    def kill(self, party: str) -> None:
        """kill -9 the process, sometimes its database with it, and start it again."""
        one = self.serving[party]
        one.kill()
        if self.dice.random() < 0.3:
            one.kill_database()
        self.kills += 1
        one.start()

    def sees(self, party: str) -> set[str]:
        with self.node(party) as node, transaction(node, "live", now()) as store:
            return {one.stix_id for one in store.shown()}

    def arrived(self) -> bool:
        return all(
            self.sees(party) - self.doubtful
            == {one for one, by in self.published.items() if by != party and one not in self.withdrawn}
            - self.doubtful
            for party in self.serving
        )

    def owed(self) -> list[tuple[str, str, str]]:
        """Who has not answered which withdrawal."""
        found = []
        for stix_id in self.withdrawn:
            by = self.published[stix_id]
            with self.node(by) as node:
                said = service.holders(node, "live", stix_id, now=now())
            found += [
                (stix_id, one.holder, one.state)
                for one in said
                if one.holder in self.serving and one.state not in {*ANSWERS, "gone"}
            ]
        return found

    def sizes(self) -> dict[str, int]:
        found = {}
        for party in self.serving:
            with self.node(party) as node, transaction(node, "live", now()) as store:
                found[party] = store.head().size
        return found

    def end(self) -> None:
        for one in self.serving.values():
            one.remove()
        for way in self.ways.values():
            way.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", ["2013-03-20"])
def test_three_processes_killed_and_cut_off_at_random_keep_every_promise(seed):
    folder = Path(tempfile.mkdtemp(prefix="sct-chaos-", dir="/tmp"))
    folder.chmod(0o711)
    three = Three(folder, seed)
    try:
        three.begin()
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            three.act()
            time.sleep(three.dice.uniform(0, 0.3))
        for way in three.ways.values():
            way.heal()
        for party in three.serving:  # who starts anew does not sit out the pauses it had grown to
            three.kill(party)
        three.until(three.arrived, "not everything arrived, or what was withdrawn is still there")
        three.until(lambda: not three.owed(), "a withdrawal is not answered")
        sizes = three.sizes()
        time.sleep(5)
        assert three.sizes() == sizes, "messages after everything had arrived"
        for party, one in three.serving.items():
            assert one.run("log", "verify")["holds"]
            with three.node(party) as node:
                assert [(refused.party, refused.code) for refused in service.refusals(node, "live")] == []
        assert three.published
        assert three.kills
        assert sum(way.cuts for way in three.ways.values())
    finally:
        three.end()
        shutil.rmtree(folder, ignore_errors=True)
