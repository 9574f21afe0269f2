"""What `--state FILE` writes: where the nodes are and how to get in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from secretariat.base.private import write_private
from secretariat.demo.accounts import Access, collections_of
from secretariat.demo.nodes import Cluster

REALM = "live"


def describe(cluster: Cluster, access: Mapping[str, Access]) -> dict[str, Any]:
    """Give addresses, collections, tools and people of every node."""
    return {
        "nodes": [
            {
                "party": one.party,
                "url": one.url,
                "taxii_discovery": one.page("/taxii2/"),
                "taxii_root": one.page(f"/{REALM}/taxii2/"),
                "collections": collections_of(one),
                "tools": msgspec.to_builtins(access[one.party].tools),
                "people": msgspec.to_builtins(access[one.party].people),
            }
            for one in cluster
        ]
    }


def write(path: Path, cluster: Cluster, access: Mapping[str, Access]) -> None:
    """Write the state whole or not at all, readable by its owner only: it holds passwords."""
    write_private(path, msgspec.json.format(msgspec.json.encode(describe(cluster, access)), indent=2) + b"\n")
