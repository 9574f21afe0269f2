"""What a conformance run talks to: any TAXII 2.1 server, named by environment variables, or a node of ours.

TAXII_DISCOVERY=https://host/taxii2/  TAXII_ROOT=https://host/root/  TAXII_COLLECTION=<id, read and write>
TAXII_USER=…  TAXII_PASSWORD=…        [TAXII_READ_USER=…  TAXII_READ_PASSWORD=…]
pytest tests/contract/taxii/test_conformance.py
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import msgspec

TAXII = "application/taxii+json;version=2.1"


class Target(msgspec.Struct, frozen=True):
    """A server, its addresses, and credentials (user, password) that may write and that may only read."""

    discovery: str
    root: str
    collection: str
    writer: tuple[str, str]
    reader: tuple[str, str] | None = None

    @classmethod
    def of_environment(cls) -> Target | None:
        """Read the target from the environment; None when there is none."""
        given = os.environ
        if "TAXII_ROOT" not in given:
            return None
        reader = None
        if "TAXII_READ_PASSWORD" in given:
            reader = (given.get("TAXII_READ_USER", "reader"), given["TAXII_READ_PASSWORD"])
        return cls(
            given["TAXII_DISCOVERY"],
            given["TAXII_ROOT"],
            given["TAXII_COLLECTION"],
            (given.get("TAXII_USER", "tool"), given["TAXII_PASSWORD"]),
            reader,
        )

    @property
    def base(self) -> str:
        """Give the address of the collection."""
        return f"{self.root.rstrip('/')}/collections/{self.collection}/"

    def client(self, auth: tuple[str, str] | None) -> httpx.Client:
        """Give an HTTP client that accepts TAXII."""
        return httpx.Client(auth=auth, headers={"accept": TAXII}, timeout=60)


def indicator(
    number: int = 0, *, modified: datetime | None = None, one: uuid.UUID | None = None
) -> dict[str, Any]:
    """Make an indicator that is valid STIX 2.1 and that nobody has seen before."""
    created = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{one or uuid.uuid4()}",
        "created": stamp(created),
        "modified": stamp(modified or created),
        "name": f"conformance {number} – 適合 적합 符合 é",
        "indicator_types": ["benign"],
        "pattern": f"[ipv4-addr:value = '198.51.100.{number % 256}']",
        "pattern_type": "stix",
        "valid_from": stamp(created),
    }


def stamp(moment: datetime) -> str:
    """Write a STIX timestamp with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def post(client: httpx.Client, target: Target, objects: list[Any], **headers: str) -> httpx.Response:
    """Post objects into the collection."""
    body = msgspec.json.encode({"objects": objects})
    return client.post(target.base + "objects/", content=body, headers={"content-type": TAXII, **headers})


def complete(client: httpx.Client, target: Target, response: httpx.Response) -> dict[str, Any]:
    """Wait until a posting is complete and give its status."""
    assert response.status_code == 202, response.text
    status: dict[str, Any] = response.json()
    for _ in range(100):
        if status["status"] == "complete":
            return status
        time.sleep(0.1)
        status = client.get(f"{target.root.rstrip('/')}/status/{status['id']}/").json()
    raise AssertionError(status)


def pages(client: httpx.Client, address: str, limit: int, **filters: str) -> list[dict[str, Any]]:
    """Read every page by `next` and give all resources; ends by the server's word alone."""
    out = []
    asked: dict[str, Any] = {"limit": limit, **filters}
    while True:
        response = client.get(address, params=asked)
        assert response.status_code == 200, response.text
        out.append(response.json())
        if not out[-1].get("more"):
            return out
        asked["next"] = out[-1]["next"]
        assert len(out) < 100_000
