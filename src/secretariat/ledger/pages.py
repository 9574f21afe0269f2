"""The log over HTTP, as C2SP tlog-tiles has it: checkpoint, tiles, and proofs as JSON.

Rules:

1. Only digests are served here: leaves are salted, so that a tile tells how many entries there are and
   nothing about them. Entries themselves go to their recipient only.
2. Every read runs under the peer role with the public reader; the database shows it tiles and checkpoints,
   and no entry.
3. A tile is immutable and may be cached for ever; a checkpoint may not.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from secretariat.base.errors import NotFoundError
from secretariat.ledger import checkpoint as notes
from secretariat.ledger import service, tiles, witnessing
from secretariat.ledger.node import Node
from secretariat.ledger.witness import members
from secretariat.web.guard import PUBLIC, requires

ANYBODY = "*"
_FOR_EVER = "public, max-age=31536000, immutable"
_NOW = "no-cache"

Natural = Annotated[int, QueryParameter(ge=0, le=2**53 - 1)]
Perhaps = Annotated[int | None, QueryParameter(ge=0, le=2**53 - 1)]


class InclusionProof(msgspec.Struct, frozen=True):
    """That the entry at `position` stands in the tree of `size`: the path from the leaf up, in hex."""

    origin: str
    position: int
    size: int
    root: str
    path: list[str]


class ConsistencyProof(msgspec.Struct, frozen=True):
    """That the log of `old` entries is a prefix of that of `new`, in hex."""

    origin: str
    old: int
    new: int
    old_root: str
    new_root: str
    path: list[str]


def _node(request: Request[Any, Any, Any], realm: str) -> Node:
    node: Node = request.app.state.node
    if realm not in node.keys:
        raise NotFoundError(f"no realm {realm!r} here")
    return node


@get("/{realm:str}/log/checkpoint", sync_to_thread=True, name="log:checkpoint", opt=requires(PUBLIC))
def read_checkpoint(request: Request[Any, Any, Any], realm: FromPath[str]) -> Response[bytes]:
    """Give the newest checkpoint as a signed note, with the cosignatures of who may be known to everybody."""
    node = _node(request, realm)
    with node.database.peer(realm, ANYBODY) as tx:
        note = service.checkpoint(tx)
    if any(ANYBODY in members(circle) for circle in node.settings.circles):
        with node.database.app(realm) as tx:
            named = witnessing.may_be_named(tx, node.settings.circles, ANYBODY)
            note = witnessing.checkpoint(tx, notes.parse(note).size, of=named)
    return Response(note, media_type="text/plain", headers={"Cache-Control": _NOW})


@get("/{realm:str}/log/tile/{tile:path}", sync_to_thread=True, name="log:tile", opt=requires(PUBLIC))
def read_tile(request: Request[Any, Any, Any], realm: FromPath[str], tile: FromPath[str]) -> Response[bytes]:
    """Give a tile of hashes by its C2SP address."""
    node = _node(request, realm)
    wanted = tiles.parse_path(tile.lstrip("/"))
    with node.database.peer(realm, ANYBODY) as tx:
        hashes = service.read_tile(tx, wanted)
    return Response(hashes, media_type="application/octet-stream", headers={"Cache-Control": _FOR_EVER})


@get("/{realm:str}/log/proof/inclusion", sync_to_thread=True, name="log:inclusion", opt=requires(PUBLIC))
def read_inclusion(
    request: Request[Any, Any, Any], realm: FromPath[str], position: Natural, size: Perhaps = None
) -> InclusionProof:
    """Prove that the entry at `position` is in the log; without `size`, in the newest checkpoint."""
    node = _node(request, realm)
    with node.database.peer(realm, ANYBODY) as tx:
        at = notes.parse(service.checkpoint(tx)).size if size is None else size
        path = service.inclusion(tx, position, at)
        root = service.root_at(tx, at)
    return InclusionProof(node.origin(realm), position, at, root.hex(), [item.hex() for item in path])


@get("/{realm:str}/log/proof/consistency", sync_to_thread=True, name="log:consistency", opt=requires(PUBLIC))
def read_consistency(
    request: Request[Any, Any, Any], realm: FromPath[str], old: Natural, new: Perhaps = None
) -> ConsistencyProof:
    """Prove that the log only grew from `old` to `new` entries; without `new`, to the newest checkpoint."""
    node = _node(request, realm)
    with node.database.peer(realm, ANYBODY) as tx:
        at = notes.parse(service.checkpoint(tx)).size if new is None else new
        path = service.consistency(tx, old, at)
        before, after = service.root_at(tx, old), service.root_at(tx, at)
    return ConsistencyProof(
        node.origin(realm), old, at, before.hex(), after.hex(), [item.hex() for item in path]
    )


routes = [read_checkpoint, read_tile, read_inclusion, read_consistency]
