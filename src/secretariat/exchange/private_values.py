"""What can be asked for privately: types of values, their one writing, and the set of an epoch (no I/O).

Rules:
1. A value is asked for under one type, in one writing: what differs in writing only is one value.
2. Values come from own objects: observables, and indicators whose STIX pattern is one comparison with `=`.
   Any other pattern says more than one value does, and is left out.
3. An epoch is an ISO week in UTC. Per realm, type and epoch a party has one set; it is fixed once.
4. The set is pinned before anything is asked: leaf = SHA-256(0x00 ‖ HMAC-SHA-256(salt, type ‖ 0x00 ‖
   value)), in the order of the leaves, root as in RFC 9162. salt = HMAC-SHA-256(seed, value), `seed` being
   32 secret bytes: a leaf says nothing about its value without the salt, and one salt nothing of another.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from secretariat.base.errors import InputError, ProofError
from secretariat.ledger import merkle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

GUESSABLE: Final = frozenset({"ipv4-addr"})
"""Types of which every value can be tried: from a partner that does, nothing asked about them is hidden."""
_EPOCH: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")
_LONGEST: Final = 2_048
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")
_DOMAIN: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_COMPARISON: Final = re.compile(
    r"\s*\[\s*([a-z0-9-]+):([A-Za-z0-9_.'-]+)\s*=\s*'((?:[^'\\]|\\['\\])*)'\s*\]\s*", re.ASCII
)


def _ipv4(text: str) -> str:
    return str(ipaddress.IPv4Address(text))


def _ipv6(text: str) -> str:
    return str(ipaddress.IPv6Address(text))


def _domain(text: str) -> str:
    word = text.rstrip(".").lower()
    if not word.isascii():
        word = word.encode("idna").decode("ascii")
    if len(word) > 253 or not _DOMAIN.fullmatch(word):
        raise ValueError(text)
    return word


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not parts.scheme or not parts.netloc:
        raise ValueError(text)
    return urlunsplit(parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment=""))


def _mail(text: str) -> str:
    name, at, host = text.rpartition("@")
    if not (name and at):
        raise ValueError(text)
    return f"{name.lower()}@{_domain(host)}"


def _sha256(text: str) -> str:
    if not re.fullmatch("[0-9A-Fa-f]{64}", text):
        raise ValueError(text)
    return text.lower()


class Type(msgspec.Struct, frozen=True):
    """One type of value: which STIX object bears it, at which property, and how it is written."""

    name: str
    stix: str
    path: tuple[str, ...]
    write: Callable[[str], str]

    def of(self, thing: Any) -> Any:
        """Give the property of an observable, or None."""
        for step in self.path:
            thing = thing.get(step) if isinstance(thing, dict) else None
        return thing


TYPES: Final = {
    one.name: one
    for one in (
        Type("domain-name", "domain-name", ("value",), _domain),
        Type("url", "url", ("value",), _url),
        Type("email-addr", "email-addr", ("value",), _mail),
        Type("file-sha256", "file", ("hashes", "SHA-256"), _sha256),
        Type("ipv6-addr", "ipv6-addr", ("value",), _ipv6),
        Type("ipv4-addr", "ipv4-addr", ("value",), _ipv4),
    )
}
"""Every type that can be asked for, by its name on the wire."""


def type_of(name: str) -> Type:
    """Give a type by its name; refuses any other word."""
    if name not in TYPES:
        raise InputError(
            f"{name[:40]!r} cannot be asked for privately", where="type", advice=f"one of {', '.join(TYPES)}"
        )
    return TYPES[name]


def written(kind: Type, text: str) -> str:
    """Give the one writing of a value; refuses what is no value of this type."""
    try:
        if len(text) > _LONGEST or _CONTROL.search(text):
            raise ValueError(text)
        return kind.write(text)
    except ValueError as error:
        raise InputError(f"not a value of {kind.name}: {text[:60]!r}", where="value") from error


def values_in(obj: dict[str, Any], kind: Type) -> Iterator[str]:
    """Give the values of one type that an own object states, each in its one writing."""
    found: Any = None
    if obj.get("type") == kind.stix:
        found = kind.of(obj)
    elif obj.get("type") == "indicator" and obj.get("pattern_type") == "stix":
        match = _COMPARISON.fullmatch(str(obj.get("pattern", ""))[: _LONGEST * 2])
        if match is not None and match[1] == kind.stix:
            path = tuple(re.findall(r"'([^']+)'|([A-Za-z0-9_-]+)", match[2]))
            if tuple(quoted or plain for quoted, plain in path) == kind.path:
                found = re.sub(r"\\(['\\])", r"\1", match[3])
    if isinstance(found, str):
        try:
            yield written(kind, found)
        except InputError:
            return  # an address range in an address, a pattern in a name: more than one value


def epoch_of(moment: datetime) -> str:
    """Give the epoch of a moment: its ISO week in UTC, 2026-W47."""
    year, week, _ = moment.astimezone(UTC).isocalendar()
    return f"{year}-W{week:02}"


def end_of(epoch: str) -> datetime:
    """Give the first moment after an epoch. Refuses what names none."""
    match = _EPOCH.fullmatch(epoch)
    try:
        if match is None:
            raise ValueError(epoch)
        return datetime.fromisocalendar(int(match[1]), int(match[2]), 1).replace(tzinfo=UTC) + timedelta(7)
    except ValueError as error:
        raise InputError(
            f"not an epoch: {epoch[:20]!r}", where="epoch", advice="a year and an ISO week: 2026-W47"
        ) from error


# the pinned set


class Opening(msgspec.Struct, frozen=True):
    """One value of a pinned set with what proves that it stood there."""

    value: str
    salt: bytes
    position: int
    path: tuple[bytes, ...]


class PinnedSet(msgspec.Struct, frozen=True):
    """The set of one type and epoch: its values in their order, and the secret of their salts."""

    type: str
    seed: bytes
    values: tuple[str, ...]

    @property
    def leaves(self) -> list[tuple[bytes, str]]:
        """Give leaf and value in the order of the tree."""
        return sorted((leaf_of(self.type, value, salt_of(self.seed, value)), value) for value in self.values)

    @property
    def root(self) -> bytes:
        """Give the root that the log states."""
        return merkle.root(leaf for leaf, _ in self.leaves)

    def open(self, wanted: Sequence[str]) -> list[Opening]:
        """Show that values stood in this set; those that did not are left out."""
        hashes = [leaf for leaf, _ in self.leaves]
        return openings(self.type, self.seed, wanted, len(hashes), lambda: hashes)


def openings(
    kind: str, seed: bytes, wanted: Sequence[str], size: int, leaves: Callable[[], Iterable[bytes]]
) -> list[Opening]:
    """Show that values stood in a set of `size`; its leaves, in order, are gone through twice."""
    leaf_at = {value: leaf_of(kind, value, salt_of(seed, value)) for value in wanted}
    asked = set(leaf_at.values())
    places = {leaf: number for number, leaf in enumerate(leaves()) if leaf in asked}
    ranges = {place: merkle.inclusion_ranges(place, size) for place in places.values()}
    needed = {node for spans in ranges.values() for node in merkle.nodes_of(spans)}
    frontier = merkle.Frontier()
    nodes: dict[merkle.NodeAt, bytes] = {}
    for number, leaf in enumerate(leaves()):
        for level, closed in frontier.append(leaf):
            if (level, number >> level) in needed:
                nodes[level, number >> level] = closed
    return [
        Opening(
            value,
            salt_of(seed, value),
            places[leaf_at[value]],
            tuple(merkle.hashes_of(ranges[places[leaf_at[value]]], nodes.__getitem__)),
        )
        for value in wanted
        if leaf_at[value] in places
    ]


def pin(kind: str, seed: bytes, values: Iterable[str]) -> PinnedSet:
    """Fix a set: each value once, in the order of their bytes."""
    return PinnedSet(kind, seed, tuple(sorted(set(values))))


def salt_of(seed: bytes, value: str) -> bytes:
    """Give the salt of one value (rule 4)."""
    return hmac.digest(seed, value.encode(), "sha256")


def leaf_of(kind: str, value: str, salt: bytes) -> bytes:
    """Give the leaf under which a set holds a value (rule 4)."""
    return merkle.leaf_hash(hmac.digest(salt, kind.encode() + b"\0" + value.encode(), "sha256"))


def check_opening(kind: str, shown: Opening, size: int, root: bytes) -> None:
    """Check that a value stood in a set of this size and root. Refuses with ProofError."""
    leaf = leaf_of(kind, shown.value, shown.salt)
    if len(shown.salt) != 32 or not merkle.verify_inclusion(leaf, shown.position, size, shown.path, root):
        raise ProofError(
            f"{shown.value[:60]!r} did not stand in the set that was pinned",
            where="matches",
            advice="what was not logged before the question does not count",
        )
