"""Tiles against C2SP tlog-tiles, and proofs out of tiles against proofs out of leaves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretariat.base.errors import InputError, NotFoundError, ProofError
from secretariat.ledger import merkle, tiles
from secretariat.ledger.merkle import Frontier
from secretariat.ledger.tiles import Tile, TileAt

LEAVES = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]


def grown(steps: list[int]) -> dict[TileAt, bytes]:
    """Grow a tree in steps, as a database would keep its tiles."""
    frontier, held = Frontier(), dict[TileAt, bytes]()
    for step in steps:
        for level, number, before, added in tiles.grow(
            frontier, LEAVES[frontier.size : frontier.size + step]
        ):
            at = TileAt(level, number)
            assert len(held.get(at, b"")) == before * 32
            held[at] = held.get(at, b"") + added
    return held


def test_the_tiles_of_a_tree_of_70_000() -> None:
    """The example of tlog-tiles: 273 full and one of 112, one full and one of 17, one of 1."""
    held = grown([70_000])
    widths = {at: len(hashes) // 32 for at, hashes in held.items()}
    assert [widths[TileAt(0, number)] for number in (0, 272, 273)] == [256, 256, 112]
    assert [widths[TileAt(1, number)] for number in (0, 1)] == [256, 17]
    assert widths[TileAt(2, 0)] == 1
    assert len(widths) == 274 + 2 + 1
    for at, width in widths.items():
        assert tiles.width_at(at.level, at.number, 70_000) == width
    assert tiles.width_at(0, 274, 70_000) == tiles.width_at(3, 0, 70_000) == 0


def test_a_tree_of_256_has_a_full_tile_and_one_above() -> None:
    held = grown([256])
    assert held[TileAt(0, 0)] == b"".join(LEAVES[:256])
    assert held[TileAt(1, 0)] == merkle.root(LEAVES[:256])


@settings(max_examples=30)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.data())
def test_proofs_out_of_tiles_are_the_proofs_out_of_leaves(steps: list[int], data: st.DataObject) -> None:
    held, size = grown(steps), sum(steps)
    at = data.draw(st.integers(1, size))
    position = data.draw(st.integers(0, at - 1))
    old = data.draw(st.integers(0, at))

    def node(wanted: tuple[int, int]) -> bytes:
        return tiles.node_from(held, wanted)

    ranges = merkle.inclusion_ranges(position, at)
    assert merkle.hashes_of(ranges, node) == merkle.inclusion_path(LEAVES, position, at)
    ranges = merkle.consistency_ranges(old, at)
    assert merkle.hashes_of(ranges, node) == merkle.consistency_path(LEAVES, old, at)
    needed = tiles.tiles_for(merkle.nodes_of(merkle.inclusion_ranges(position, at)))
    assert len(needed) <= 4


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "0/000"),
        (Tile(0, 1234067), "0/x001/x234/067"),
        (Tile(2, 999, 5), "2/999.p/5"),
        (Tile(63, 1000, 255), "63/x001/000.p/255"),
    ],
)
def test_addresses(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_an_address_names_one_tile(level: int, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert tiles.parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("0/0", id="short group"),
        pytest.param("00/000", id="leading zero in level"),
        pytest.param("64/000", id="level beyond 63"),
        pytest.param("0/x000/001", id="group of zeroes in front"),
        pytest.param("0/001/001", id="group without x"),
        pytest.param("0/x001", id="x in the last group"),
        pytest.param("0/000.p/0", id="width 0"),
        pytest.param("0/000.p/256", id="full width as partial"),
        pytest.param("0/000.p/05", id="leading zero in width"),
        pytest.param("0/000.p/300", id="width beyond 256"),
        pytest.param("0/../checkpoint", id="path out of the tiles"),
        pytest.param("entries/000", id="entry bundle"),
        pytest.param("0/000\n", id="newline"),
        pytest.param("0/" + "x999/" * 20 + "000", id="number beyond any log"),
        pytest.param("", id="nothing"),
    ],
)
def test_every_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(NotFoundError):
        tiles.parse_path(path)


def test_a_short_or_missing_tile_is_named() -> None:
    with pytest.raises(ProofError, match="shorter"):
        tiles.node_in(bytes(32), (1, 0))
    with pytest.raises(ProofError, match="tile 0/0 is missing"):
        tiles.node_from({}, (0, 3))
    with pytest.raises(InputError):
        tiles.split(bytes(33))
