"""The value types of STIX 2.1 (section 2) as msgspec annotations, and words for refusals."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
"""RFC 9562 with its variant bits; STIX asks for version 4 or 5, later versions are let in."""

TYPE_NAME = "[a-z][a-z0-9-]{1,248}[a-z0-9]"
"""Section 3.1 (naming of types): 3 to 250 characters, lower case, digits and hyphens."""

_ID = rf"^{TYPE_NAME}--{UUID}\Z"
_MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z"
_FINE_MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,}Z\Z"
_HEX = r"^([0-9a-fA-F]{2})+\Z"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z"
_LANGUAGE = r"^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*\Z"


_REFUSED = ("bundle", "language-content", "marking-definition", "relationship", "sighting")
_END = rf"^(?!(?:{'|'.join(_REFUSED)})--){TYPE_NAME}--{UUID}\Z"
_MEMBER = rf"^(?!bundle--){TYPE_NAME}--{UUID}\Z"
_SEEN = rf"^(?!(?:bundle|language-content|marking-definition)--){TYPE_NAME}--{UUID}\Z"

WORDS = {
    _ID: "an identifier: type, two hyphens, UUID (section 2.9)",
    _MOMENT: "a UTC time such as 2013-03-20T05:00:00Z (section 2.16)",
    _FINE_MOMENT: "a UTC time with milliseconds such as 2013-03-20T05:00:00.000Z (section 3.2)",
    _HEX: "pairs of hexadecimal digits (section 2.6)",
    _BASE64: "base64 (section 2.1)",
    _LANGUAGE: "a language tag such as ko or zh-Hans (RFC 5646)",
    _END: "the identifier of an object or observable (section 5.1)",
    _MEMBER: "the identifier of an object",
    _SEEN: "the identifier of an object or relationship",
}
"""Regular expression -> what it asks for, so that a refusal speaks of STIX and not of expressions."""


def ref(*types: str) -> str:
    """Write the expression for a reference to one of these types."""
    pattern = rf"^(?:{'|'.join(types)})--{UUID}\Z"
    WORDS[pattern] = f"the identifier of a {' or '.join(types)}"
    return pattern


Id = Annotated[str, Meta(pattern=_ID)]
Moment = Annotated[str, Meta(pattern=_MOMENT)]
FineMoment = Annotated[str, Meta(pattern=_FINE_MOMENT)]
Hex = Annotated[str, Meta(pattern=_HEX)]
Base64 = Annotated[str, Meta(pattern=_BASE64)]
LanguageTag = Annotated[str, Meta(pattern=_LANGUAGE)]
NotEmpty = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Confidence = Annotated[int, Meta(ge=0, le=100)]
Strings = Annotated[list[str], Meta(min_length=1)]
Dictionary = Annotated[dict[str, Any], Meta(min_length=1)]

IdentityRef = Annotated[str, Meta(pattern=ref("identity"))]
MarkingRef = Annotated[str, Meta(pattern=ref("marking-definition"))]
EndRef = Annotated[str, Meta(pattern=_END)]
MemberRef = Annotated[str, Meta(pattern=_MEMBER)]
SightedRef = Annotated[str, Meta(pattern=_SEEN)]

Members = Annotated[list[MemberRef], Meta(min_length=1)]

HASH_LENGTHS = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128, "SHA3-256": 64, "SHA3-512": 128}
"""Section 10.7 (hash-algorithm-ov): hexadecimal digits of each algorithm; others are free text."""

Hashes = Annotated[dict[str, NotEmpty], Meta(min_length=1)]


class Part(msgspec.Struct, kw_only=True):
    """Base of everything that is read: what it names is checked, what it does not name is kept unread."""


class ExternalReference(Part, kw_only=True):
    """Section 2.5."""

    source_name: NotEmpty
    description: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    external_id: str | UnsetType = UNSET


class KillChainPhase(Part, kw_only=True):
    """Section 2.11."""

    kill_chain_name: NotEmpty
    phase_name: NotEmpty


class GranularMarking(Part, kw_only=True):
    """Section 7.2.3."""

    selectors: Strings
    marking_ref: MarkingRef | UnsetType = UNSET
    lang: LanguageTag | UnsetType = UNSET


KillChain = Annotated[list[KillChainPhase], Meta(min_length=1)]


class Common(Part, kw_only=True):
    """Section 3.2: what objects, relationships and the meta objects have in common."""

    id: Id
    spec_version: Literal["2.1"]
    created: FineMoment
    created_by_ref: IdentityRef | UnsetType = UNSET
    revoked: bool | UnsetType = UNSET
    labels: Strings | UnsetType = UNSET
    confidence: Confidence | UnsetType = UNSET
    lang: LanguageTag | UnsetType = UNSET
    external_references: Annotated[list[ExternalReference], Meta(min_length=1)] | UnsetType = UNSET
    object_marking_refs: Annotated[list[MarkingRef], Meta(min_length=1)] | UnsetType = UNSET
    granular_markings: Annotated[list[GranularMarking], Meta(min_length=1)] | UnsetType = UNSET
    extensions: dict[str, dict[str, Any]] | UnsetType = UNSET


class Versioned(Common, kw_only=True):
    """Section 3.6: what has versions."""

    modified: FineMoment


class Observable(Part, kw_only=True):
    """Section 3.2, column of the cyber-observables."""

    id: Id
    spec_version: Literal["2.1"] | UnsetType = UNSET
    object_marking_refs: Annotated[list[MarkingRef], Meta(min_length=1)] | UnsetType = UNSET
    granular_markings: Annotated[list[GranularMarking], Meta(min_length=1)] | UnsetType = UNSET
    defanged: bool | UnsetType = UNSET
    extensions: dict[str, dict[str, Any]] | UnsetType = UNSET
