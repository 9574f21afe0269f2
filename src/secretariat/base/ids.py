"""Names that every node computes alike (UUIDv5 in one namespace)."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("6f1d2c7e-5a0b-5c39-9e41-2008c5b3e7a1")
"""Fixed for ever: a second implementation must use the same value (docs/protocol.md)."""


def uuid5(name: str) -> uuid.UUID:
    """Give the UUIDv5 of `name` in the project's namespace."""
    return uuid.uuid5(NAMESPACE, name)


def party_id(code: str) -> str:
    """Give the STIX identity id of a party code, e.g. `JP`."""
    return f"identity--{uuid5(code)}"


def instrument_id(key: str) -> str:
    """Give the STIX id of an instrument key, e.g. `jp-rok-gsomia-2016`."""
    return f"sct-instrument--{uuid5(key)}"


def collection_id(publisher: str, reader: str, realm: str) -> uuid.UUID:
    """Give the TAXII collection id of what `publisher` offers to `reader`.

    `reader` is a party code, or `own`, `from_partners`, `clear`.
    """
    return uuid5(f"{publisher}/{reader}/{realm}")
