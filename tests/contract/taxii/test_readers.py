"""What an operator asks: which tools may have read an object, and where clients find what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.taxii.target import indicator
from secretariat.exchange import taxii_store

if TYPE_CHECKING:
    from contract.taxii.conftest import World


def test_only_tokens_that_were_used_and_could_see_it_may_have_read_it(world: World) -> None:
    for_jp, for_us, for_all = indicator(1), indicator(2), indicator(3)
    world.put("jp", [for_jp])
    world.put("us", [for_us])
    world.put("clear", [for_all])
    with world.client("jp") as client:
        client.get(world.of("jp") + "objects/")
    with world.node.database.app("live") as tx:
        may = {
            one["id"]: [(found.reader, found.label) for found in taxii_store.may_have_read(tx, one["id"])]
            for one in (for_jp, for_us, for_all)
        }
    assert may == {for_jp["id"]: [("JP", "jp")], for_us["id"]: [], for_all["id"]: [("JP", "jp")]}


def test_collections_with_their_counts(world: World) -> None:
    world.put("jp", [indicator(number) for number in range(3)])
    with world.node.database.app("live") as tx:
        counts = {one.reader: one.items for one in taxii_store.filled(tx) if one.kind == "partner"}
    assert counts == {"JP": 3, "US": 0}
