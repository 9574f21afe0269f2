"""The tree of a log: hashes, proofs and their verification (RFC 9162 section 2.1).

Rules:

1. leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right), empty tree = SHA-256("").
2. A tree of n > 1 leaves splits at the largest power of two below n.
3. Every proof is a list of ranges of leaves; a range splits into complete subtrees, which are the nodes
   that a tile holds. So a proof names the nodes it needs, and any store of nodes can answer it.
4. Verification takes bytes and sizes only and says yes or no; a wrong length is a no.

Positions, sizes and levels are plain integers; the hash of the complete subtree at (level, index) covers
the leaves [index·2^level, (index+1)·2^level).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from secretariat.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]
"""Leaves from the first up to but not including the second."""
NodeAt = tuple[int, int]
"""(level, index) of a complete subtree."""


def leaf_hash(data: bytes) -> bytes:
    """Hash one leaf's data (RFC 9162 section 2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children (RFC 9162 section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash per set bit of its size, largest subtree first.

    Holds at most 64 hashes however large the log, and gives the root at any moment.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(item) != HASH_BYTES for item in self.hashes):
            raise InputError(f"{len(self.hashes)} hashes are no frontier of a tree of {size} leaves")

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Frontier:
        """Read the form written by `to_bytes`."""
        return cls(size, [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)])

    def to_bytes(self) -> bytes:
        """Write the hashes one after another."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> Iterator[tuple[int, bytes]]:
        """Add a leaf hash; give (level, hash) of every complete subtree that it closes, itself first."""
        closed = [(0, leaf)]
        level, rest = 0, self.size
        while rest & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            level += 1
            rest >>= 1
            closed.append((level, leaf))
        self.hashes.append(leaf)
        self.size += 1
        return iter(closed)

    def root(self) -> bytes:
        """Give the root of the tree as it stands."""
        return _fold(self.hashes)


def _fold(parts: Sequence[bytes]) -> bytes:
    """Join neighbouring complete subtrees, largest first, into the hash of their whole range."""
    if not parts:
        return EMPTY_ROOT
    whole = parts[-1]
    for part in reversed(parts[:-1]):
        whole = node_hash(part, whole)
    return whole


def root(leaves: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes (RFC 9162 section 2.1.1)."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def subtrees(span: Range) -> list[NodeAt]:
    """Split a range of leaves that a proof names into complete subtrees, left to right.

    The range must start where a subtree at least as large starts; every range of a proof does.
    """
    start, end = span
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def inclusion_ranges(position: int, size: int) -> list[Range]:
    """Name the path of leaf `position` in a tree of `size`, from the leaf up (RFC 9162 section 2.1.3.1)."""
    if not 0 <= position < size:
        raise InputError(
            f"no leaf {position} in a tree of {size}",
            where="position",
            advice="positions start at 0; ask for a size beyond the position",
        )
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if position < split:
            path.append((split, end))
            end = split
        else:
            path.append((start, split))
            start = split
    path.reverse()
    return path


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Name the proof that the tree of `old` leaves is a prefix of that of `new` (section 2.1.4.1)."""
    if not 0 <= old <= new:
        raise InputError(
            f"no consistency from {old} to {new}", where="old", advice="the old size is the smaller one"
        )
    if old in {0, new}:
        return []
    path: list[Range] = []
    start, end, whole = 0, new, True
    while start + old != end and old:
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old <= split:
            path.append((start + split, end))
            end = start + split
        else:
            path.append((start, start + split))
            start += split
            old -= split
            whole = False
    if not whole:
        path.append((start, end))
    path.reverse()
    return path


def nodes_of(ranges: Iterable[Range]) -> list[NodeAt]:
    """List every complete subtree that these ranges need."""
    return [node for span in ranges for node in subtrees(span)]


def hashes_of(ranges: Iterable[Range], node: Callable[[NodeAt], bytes]) -> list[bytes]:
    """Give the hash of each range, out of the complete subtrees that `node` knows."""
    return [_fold([node(at) for at in subtrees(span)]) for span in ranges]


def inclusion_path(leaves: Sequence[bytes], position: int, size: int | None = None) -> list[bytes]:
    """Prove leaf `position` in the tree of the first `size` leaf hashes, all in memory."""
    return _paths(leaves, inclusion_ranges(position, len(leaves) if size is None else size))


def consistency_path(leaves: Sequence[bytes], old: int, new: int | None = None) -> list[bytes]:
    """Prove that the first `old` leaf hashes are a prefix of the first `new`, all in memory."""
    return _paths(leaves, consistency_ranges(old, len(leaves) if new is None else new))


def extension_path(before: Frontier, leaves: Iterable[bytes]) -> list[bytes]:
    """Prove that the tree at `before` is a prefix of the same tree with `leaves` added; moves `before` on.

    Every node of such a proof is on the right edge of the old tree, or all new.
    """
    old, start = before.size, 0
    known: dict[NodeAt, bytes] = {}
    for item in before.hashes:
        level = (old - start).bit_length() - 1
        known[level, start >> level] = item
        start += 1 << level
    for leaf in leaves:
        for level, closed in before.append(leaf):
            known[level, (before.size >> level) - 1] = closed
    return hashes_of(consistency_ranges(old, before.size), known.__getitem__)


def _paths(leaves: Sequence[bytes], ranges: Iterable[Range]) -> list[bytes]:
    return [root(leaves[start:end]) for start, end in ranges]


def _hashes(*items: bytes) -> bool:
    return all(len(item) == HASH_BYTES for item in items)


def root_from_inclusion(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Give the root that `path` leads to, or None where it has the wrong length (section 2.1.3.2)."""
    if not 0 <= position < size or not _hashes(leaf, *path):
        return None
    index, last, result = position, size - 1, leaf
    for item in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            result = node_hash(item, result)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            result = node_hash(result, item)
        index >>= 1
        last >>= 1
    return result if last == 0 else None


def verify_inclusion(leaf: bytes, position: int, size: int, path: Sequence[bytes], tree_root: bytes) -> bool:
    """Say whether `leaf` stands at `position` in the tree of `size` leaves with this root."""
    return root_from_inclusion(leaf, position, size, path) == tree_root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Say whether the tree (old, old_root) is a prefix of (new, new_root) (section 2.1.4.2).

    From the empty tree no proof is needed and none may be given (C2SP tlog-witness has it so).
    """
    if old < 0 or new < old or not _hashes(old_root, new_root, *path):
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    items = list(path)
    if old & (old - 1) == 0:
        items.insert(0, old_root)
    if not items:
        return False
    index, last = old - 1, new - 1
    while index & 1:
        index >>= 1
        last >>= 1
    first = second = items[0]
    for item in items[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            first = node_hash(item, first)
            second = node_hash(item, second)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            second = node_hash(second, item)
        index >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root
