"""Publishes without end and says each acknowledgement on stdout, to be killed at any moment by test_kill.py.

usage: python tests/crash/writer.py DATA
"""

from __future__ import annotations

import io
import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from secretariat.agreements.release import Basis, publish
from secretariat.base.errors import UnavailableError
from secretariat.base.settings import NodeSettings
from secretariat.ledger.node import Node
from secretariat.records.service import import_stream
from secretariat.storage.opening import opened

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"  # TLP 2.0 CLEAR, FIRST
BATCH = 20


def batch() -> list[dict[str, object]]:
    """Make indicators that everybody may read."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.uuid4()}",
            "created": stamp,
            "modified": stamp,
            "pattern": "[domain-name:value = 'example.org']",
            "pattern_type": "stix",
            "valid_from": stamp,
            "object_marking_refs": [CLEAR],
        }
        for _ in range(BATCH)
    ]


def main() -> None:
    settings = NodeSettings.load(Path(sys.argv[1]))
    with opened(settings) as database:
        node = Node.open(settings, database)
        sys.stdout.write("ready\n")
        while True:
            objects = batch()
            ids = [str(one["id"]) for one in objects]
            bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
            try:
                result = import_stream(
                    database, "live", settings.party, io.BytesIO(json.dumps(bundle).encode())
                )
                assert result.accepted == BATCH, result
                done = publish(node, "live", ids, basis=Basis(by="crash test"), now=datetime.now(UTC))
                assert done.published == BATCH
            except UnavailableError:
                continue  # not acknowledged: the database was killed under us and will be back
            sys.stdout.write(f"published {' '.join(ids)}\n")
            sys.stdout.flush()


main()
