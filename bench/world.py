"""A real node with a durable database of its own, twenty partners, and mixed objects to measure with."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from secretariat.agreements import grants, store
from secretariat.agreements.book import build, check, schema
from secretariat.agreements.facts import keep_book
from secretariat.agreements.reading import read
from secretariat.base.clock import now, stamp
from secretariat.base.settings import NodeSettings
from secretariat.ledger import keys
from secretariat.ledger.node import Node
from secretariat.records.markings import tlp_marking
from secretariat.storage.embedded import Server
from secretariat.storage.engine import REALMS, Database
from secretariat.storage.provision import create_database, provision

OWN = "JP"
PARTNERS = [f"P{number:02}" for number in range(1, 21)]
PURPOSE = "network_defence"
LIVE = "live"
CLEAR = tlp_marking("CLEAR")["id"]


@contextlib.contextmanager
def node(partners: list[str] = PARTNERS, host: str = "bench.example") -> Iterator[Node]:
    """Give a node of JP whose partners have all agreed an instrument up to AMBER with it."""
    folder = Path(tempfile.mkdtemp(prefix="sct-bench-"))
    folder.chmod(0o711)
    server = Server(folder / "d")
    try:
        server.create()
        server.start()
        create_database(server.conninfo(superuser=True, dbname="postgres"), "bench")
        provision(server.conninfo(superuser=True, dbname="bench"), server.secret.app, REALMS, prefix="bench")
        settings = NodeSettings(party=OWN, name="bench", data=folder, host=host)
        for realm in settings.realms:
            keys.create(keys.folder_of(folder, realm), party=OWN, realm=realm, host=settings.host)
        database = Database.open(server.conninfo(dbname="bench"), settings.realms, prefix="bench")
        try:
            made = Node.open(settings, database)
            enrol(made, partners)
            yield made
        finally:
            database.close()
    finally:
        server.stop()
        server.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def enrol(made: Node, partners: list[str]) -> None:
    """Record the partners and one synthetic instrument with each."""
    text = "instruments:\n" + "".join(
        f"- id: syn-bench-{code.lower()}\n  synthetic: true\n  title: Invented terms with {code}\n"
        f"  kind: mou\n  binding: true\n  parties: [{OWN}, {code}]\n  in_force: 2020-01-01\n  articles:\n"
        f'    - {{art: "1", rule: PURPOSE, purposes: [{PURPOSE}]}}\n'
        f'    - {{art: "2", rule: AUDIENCE, max_tlp: AMBER}}\n'
        f'    - {{art: "3", rule: RETENTION, days: 365}}\n'
        for code in partners
    )
    source = read(text.encode(), "bench.yaml")
    check(source, schema("instruments"))
    book = build(source, readings=True)
    at = now()
    with made.database.app(LIVE) as tx:
        keep_book(tx, book, now=at)
        for number, code in enumerate(partners):
            grants.keep_party(tx, code, name=code, partner=True, now=at)
            mine = [one.hash for one in store.instruments(tx) if one.key == f"syn-bench-{code.lower()}"]
            for side in (OWN, code):
                store.keep_agreed(
                    tx, partner=code, by=side, hashes=mine, origin=f"{side}/x", position=number, now=at
                )


def objects(count: int, seed: int = 20) -> list[dict[str, Any]]:
    """Give mixed STIX objects: six types, CLEAR to AMBER with a few RED, the sizes of everyday sharing."""
    chance = random.Random(seed)
    marks = [tlp_marking(word)["id"] for word in ("CLEAR", "GREEN", "AMBER", "RED")]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made: list[dict[str, Any]] = []
    for number in range(count):
        kind = number % 6
        moment = stamp(start + timedelta(seconds=number))
        one: dict[str, Any] = {
            "type": ("indicator", "malware", "infrastructure", "relationship", "ipv4-addr", "domain-name")[
                kind
            ],
            "spec_version": "2.1",
            "object_marking_refs": [chance.choices(marks, weights=(30, 30, 38, 2))[0]],
        }
        one["id"] = f"{one['type']}--{uuid.UUID(int=chance.getrandbits(128), version=4)}"
        if kind < 4:
            one |= {"created": moment, "modified": moment}
        text = " ".join(chance.choices(_WORDS, k=40))
        if kind == 0:
            address = f"198.51.{chance.randrange(256)}.{chance.randrange(256)}"
            one |= {
                "name": f"Beacon {number}",
                "description": text,
                "pattern": f"[ipv4-addr:value = '{address}']",
                "pattern_type": "stix",
                "valid_from": moment,
                "indicator_types": ["malicious-activity"],
                "labels": ["beacon", f"set-{number % 97}"],
            }
        elif kind == 1:
            one |= {"name": f"Loader {number}", "is_family": False, "description": text}
        elif kind == 2:
            one |= {
                "name": f"Host {number}",
                "infrastructure_types": ["command-and-control"],
                "description": text,
            }
        elif kind == 3:
            one |= {
                "relationship_type": "indicates",
                "source_ref": made[number - 3]["id"],
                "target_ref": made[number - 2]["id"],
            }
        elif kind == 4:
            one["value"] = f"203.0.{number // 256 % 256}.{number % 256}"
        else:
            one["value"] = f"host-{number}.example"
        made.append(one)
    return made


_WORDS = re.findall(
    "[a-z]+",
    "beacon traffic seen from several networks after a mail with an attached archive was opened on a host"
    " whose owner told the team within the hour and gave us the sample and the log of its connections",
)
