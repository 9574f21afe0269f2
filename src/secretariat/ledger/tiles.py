"""Tiles: the tree as a finite set of static pieces (C2SP tlog-tiles).

Rules:

1. The n-th tile at level L holds, for i from 0 to 255, the hash of the complete subtree over the leaves
   [(256n + i)·256^L, (256n + i + 1)·256^L). Level 0 holds leaf hashes.
2. A full tile is 256 hashes (8,192 bytes) and never changes; the rightmost tile of a level may be partial and
   only grows. An empty tile does not exist.
3. Every node that a proof needs lies inside one tile, and is hashed from a power of two of its hashes.
4. A path is `tile/<L>/<N>` with N in groups of three digits, all but the last led by `x`; a partial tile of
   width W ends in `.p/<W>`. Any other spelling is refused, so that each tile has one address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from secretariat.base.errors import InputError, NotFoundError, ProofError
from secretariat.ledger.merkle import HASH_BYTES, Frontier, NodeAt, root

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
PART = 32
"""Hashes of one row in which a tile is kept: the row that grows with each entry is short."""
MAX_LEVEL = 63
MAX_NUMBER = 2**55
"""More leaf tiles than a log of 2^63 entries has."""

_PATH = re.compile(r"(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TileAt(NamedTuple):
    """Where a tile stands."""

    level: int
    number: int


class Tile(NamedTuple):
    """A tile as an address names it; `width` 256 is the full one."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Write the address below `tile/`."""
        groups = []
        rest = self.number
        while True:
            groups.append(f"{rest % 1000:03d}")
            rest //= 1000
            if not rest:
                break
        groups.reverse()
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return f"{self.level}/{name}{suffix}"


def parse_path(path: str) -> Tile:
    """Read an address below `tile/`. Refuses every spelling but the one that `Tile.path` writes."""
    match = _PATH.fullmatch(path)
    if match is not None:
        level = int(match[1])
        number = int(match[2].replace("x", "").replace("/", ""))
        width = WIDTH if match[3] is None else int(match[3])
        tile = Tile(level, number, width)
        if level <= MAX_LEVEL and number <= MAX_NUMBER and width <= WIDTH and tile.path == path:
            return tile
    raise NotFoundError(
        f"no tile has the address {path!r}", advice="write <level>/x001/x234/067 or <level>/000.p/5"
    )


def width_at(level: int, index: int, size: int) -> int:
    """Say how many hashes the tile (level, index) holds in a tree of `size`; 0 where it does not exist."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def tile_of(node: NodeAt) -> TileAt:
    """Say in which tile the hashes under a complete subtree stand."""
    level, index = node
    return TileAt(level // HEIGHT, index >> (HEIGHT - level % HEIGHT))


def node_in(tile: bytes, node: NodeAt) -> bytes:
    """Give the hash of a complete subtree out of its tile. Refuses a tile too short to hold it."""
    level, index = node
    inner = level % HEIGHT
    first = (index << inner) % WIDTH
    hashes = split(tile)[first : first + (1 << inner)]
    if len(hashes) < 1 << inner:
        raise ProofError(
            f"the tile at level {level // HEIGHT} is shorter than the tree says",
            where=f"node {level}/{index}",
            advice="run `secretariat log verify`; restore the log from a backup",
        )
    return root(hashes)


def split(tile: bytes) -> list[bytes]:
    """Cut a tile into its hashes."""
    if len(tile) % HASH_BYTES or len(tile) > TILE_BYTES:
        raise InputError(f"{len(tile)} bytes are no tile", advice="a tile is 1 to 256 hashes of 32 bytes")
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def tiles_for(nodes: Iterable[NodeAt]) -> set[TileAt]:
    """Name the tiles that hold these nodes."""
    return {tile_of(node) for node in nodes}


def node_from(held: Mapping[TileAt, bytes], node: NodeAt) -> bytes:
    """Give a node out of tiles already read. Refuses where its tile is missing."""
    at = tile_of(node)
    tile = held.get(at)
    if tile is None:
        raise ProofError(
            f"tile {at.level}/{at.number} is missing",
            where=f"node {node[0]}/{node[1]}",
            advice="run `secretariat log verify`; restore the log from a backup",
        )
    return node_in(tile, node)


def grow(frontier: Frontier, leaves: Iterable[bytes]) -> list[tuple[int, int, int, bytes]]:
    """Append leaf hashes to `frontier`; give the pieces (level, index, hashes held before, hashes added).

    A piece never crosses the edge of a tile or of a part of it, so each is one update of one row.
    """
    before = frontier.size
    added: dict[int, list[bytes]] = {}
    for leaf in leaves:
        for level, closed in frontier.append(leaf):
            if level % HEIGHT == 0:
                added.setdefault(level // HEIGHT, []).append(closed)
    pieces = []
    for level, hashes in sorted(added.items()):
        start, taken = before >> (HEIGHT * level), 0
        while taken < len(hashes):
            index, held = divmod(start + taken, WIDTH)
            part = hashes[taken : taken + PART - held % PART]
            pieces.append((level, index, held, b"".join(part)))
            taken += len(part)
    return pieces
