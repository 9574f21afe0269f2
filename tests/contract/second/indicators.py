"""What a party of the second implementation shares: one indicator, written as STIX 2.1 says."""

from __future__ import annotations

import uuid
from typing import Any

from contract.second import by_the_page as page

CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
OURS = uuid.UUID("6f1d2c7e-5a0b-5c39-9e41-2008c5b3e7a1")


def indicator(party: str, **more: Any) -> dict[str, Any]:
    at = page.moment()[:23] + "Z"
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid4()}",
        "created": at,
        "modified": at,
        "created_by_ref": f"identity--{uuid.uuid5(OURS, party)}",
        "name": f"of {party}",
        "object_marking_refs": [CLEAR],
        "pattern": "[ipv4-addr:value = '203.0.113.7']",
        "pattern_type": "stix",
        "valid_from": at,
        **more,
    }
