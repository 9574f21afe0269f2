"""The fixtures that all parts build on."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from secretariat.ledger.node import Node


def test_nodes_share_nothing(node: Callable[..., Node]) -> None:
    """Two nodes have their own database, keys and origin."""
    jp, kr = node("JP"), node("KR")
    names = set()
    for one in (jp, kr):
        with one.database.app("live") as tx:
            names.add(tx.execute(sa.text("SELECT current_database()")).scalar())
    assert len(names) == 2
    assert jp.keys["live"].record.key_id != kr.keys["live"].record.key_id
    assert jp.origin("live") == "jp.example/live"
