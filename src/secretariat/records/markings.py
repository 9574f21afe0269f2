"""What an object may be shown to, read from its markings: one frozen `Label` per object version.

Rules:

1. Of several TLP words the most restrictive holds; a word nobody knows is RED; WHITE is CLEAR's old name.
2. A marking that is not known here, or says something we cannot read, makes the object RED.
3. A classification stands as its originator wrote it, levels are never compared here. A second one, or one of
   another originator than the object's, becomes a label the object is derived from: all must permit.
4. Contradictory caveats (NF with REL) are kept side by side; the engine denies on them.
5. Granular markings count for the whole object: what marks a part marks the whole. Of a copy from which the
   part was left out on the way they mark nothing.
6. Statements, PAP, AIS and ACS markings say how to use something or whom to credit: they lower nothing.
7. Without any TLP and classification the node's default TLP holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from secretariat.base.errors import InputError
from secretariat.base.ids import NAMESPACE, uuid5
from secretariat.records.canonical import canonical

TLP_ORDER = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
"""FIRST, Traffic Light Protocol 2.0, from open to closed."""

CLASSIFICATION = f"extension-definition--{uuid5('extension/classification')}"
"""Our property extension of marking-definition: level and caveats in the originator's words."""

DERIVATION = f"extension-definition--{uuid5('extension/derivation')}"
"""Our property extension that says what an object was made from."""

TLP_2 = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
"""OASIS common object: how STIX 2.1 writes TLP 2.0."""

ACS = "extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce"
"""Access Control Specification of the US agencies (instrument `stix-acs`)."""

CLASSIFICATION_SINCE = "2026-11-22T00:00:00.000Z"
"""`created` of every classification marking: equal content has equal id and equal bytes."""

_TLP_1_IDS = {
    "WHITE": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
_TLP_2_IDS = {
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
UNCLASSIFIED = frozenset({"U", "NU", "UNCLASSIFIED"})
"""Words of level tables that say that something is not classified."""
_HARMLESS = frozenset({"statement", "pap", "ais"})


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a decision may know about an object; equal labels decide alike."""

    orig: str
    """Party code of the originator."""
    tlp: str | None = None
    """CLEAR, GREEN, AMBER, AMBER+STRICT or RED."""
    level: str | None = None
    """Classification in the originator's words, e.g. `GOKUHI`."""
    scheme: str | None = None
    """The level table that `level` belongs to, e.g. `JP_MOD`."""
    kind: str | None = None
    purpose: str | None = None
    compartments: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    """Caveats as written: NF, OC, `REL KOR` …"""
    rel_to: tuple[str, ...] = ()
    derived_from: tuple[Label, ...] = ()


def tlp_rank(label: Label) -> int:
    """Give the place of a label's TLP in TLP_ORDER; what bears none counts as RED."""
    return TLP_ORDER.index(label.tlp or "RED")


Word = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}\Z")]
Words = Annotated[tuple[Word, ...], Meta(max_length=100)]


class Classification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What our extension of marking-definition says (docs/objects.md)."""

    originator: Word
    scheme: Word | None = None
    level: Word | None = None
    caveats: Words = ()
    rel_to: Words = ()
    compartments: Words = ()
    kind: Word | None = None
    purpose: Word | None = None

    def label(self) -> Label:
        """Say it as a label."""
        return Label(
            self.originator,
            level=self.level,
            scheme=self.scheme,
            kind=self.kind,
            purpose=self.purpose,
            compartments=self.compartments,
            controls=self.caveats,
            rel_to=self.rel_to,
        )


class Parent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that an object was made from, with the marking it had."""

    originator: Word
    ref: Word | None = None
    tlp: Word | None = None
    scheme: Word | None = None
    level: Word | None = None
    caveats: Words = ()
    rel_to: Words = ()
    compartments: Words = ()
    kind: Word | None = None
    purpose: Word | None = None


def tlp_marking(word: str) -> dict[str, Any]:
    """Give the standard's marking-definition for a TLP 2.0 word. Refuses an unknown word."""
    word = word.upper()
    if word not in _TLP_2_IDS:
        raise InputError(f"no TLP word: {word!r}", advice=f"write one of {', '.join(TLP_ORDER)}")
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": _TLP_2_IDS[word],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{word}",
        "extensions": {TLP_2: {"extension_type": "property-extension", "tlp_2_0": word.lower()}},
    }


def classification_marking(
    *,
    originator: str,
    scheme: str | None = None,
    level: str | None = None,
    controls: Sequence[str] = (),
    rel_to: Sequence[str] = (),
    compartments: Sequence[str] = (),
    kind: str | None = None,
    purpose: str | None = None,
) -> dict[str, Any]:
    """Give our marking-definition for a classification; its id is the UUIDv5 of the canonical content."""
    says = Classification(
        originator,
        scheme=scheme,
        level=level,
        caveats=tuple(controls),
        rel_to=tuple(rel_to),
        compartments=tuple(compartments),
        kind=kind,
        purpose=purpose,
    )
    words = [originator, scheme, level, *controls, *(f"REL {one}" for one in rel_to), *compartments]
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": classification_id(says),
        "created": CLASSIFICATION_SINCE,
        "name": " ".join(dict.fromkeys(word for word in words if word)),
        "extensions": {
            CLASSIFICATION: {"extension_type": "property-extension", **msgspec.json.decode(canonical(says))},
        },
    }


def classification_id(says: Classification) -> str:
    """Compute the id that a classification marking must have."""
    return f"marking-definition--{uuid.uuid5(NAMESPACE, canonical(says).decode())}"


def classification_of(marking: Mapping[str, Any]) -> Classification | None:
    """Read our extension of a marking-definition, None when it has none.

    Refuses a marking that says what the extension does not know, or whose id does not follow from it.
    """
    body = marking.get("extensions", {}).get(CLASSIFICATION)
    if body is None:
        return None
    where = f"/extensions/{CLASSIFICATION}"
    try:
        says = msgspec.convert({k: v for k, v in body.items() if k != "extension_type"}, Classification)
    except msgspec.ValidationError as error:
        raise InputError(f"a classification that cannot be read: {error}", where=where) from None
    if marking.get("id") != classification_id(says):
        raise InputError(
            "the id of a classification marking must follow from what it says",
            where="/id",
            advice=f"it would be {classification_id(says)}",
        )
    return says


def label_of(
    obj: Mapping[str, Any],
    markings: Mapping[str, Mapping[str, Any]],
    originator: str,
    default_tlp: str,
    parents: Iterable[Label] = (),
) -> Label:
    """Read the label of an object under the rules above; `markings` are the definitions known here."""
    return read_label(obj, markings, originator, default_tlp, parents)[0]


def read_label(
    obj: Mapping[str, Any],
    markings: Mapping[str, Mapping[str, Any]],
    originator: str,
    default_tlp: str,
    parents: Iterable[Label] = (),
) -> tuple[Label, list[str]]:
    """Read the label of an object, and say in words what had to be guessed on the safe side."""
    warnings: list[str] = []
    words: set[str] = set()
    says: set[Classification] = set()
    derived = set(parents)
    for ref in marking_refs(obj):
        _read_marking(ref, markings.get(ref), words, says, warnings)
    if obj.get("type") == "marking-definition":
        if obj["id"] in _FIXED:
            words.add("CLEAR")  # the standard's own words are public
        else:
            _read_marking(obj["id"], obj, words, says, warnings)
    derived.update(_parents(obj, words, warnings))
    mine = [one for one in says if one.originator == originator]
    own = sorted(mine, key=lambda one: (one.level is None, canonical(one)))
    others = sorted(says.difference(own[:1]), key=canonical)
    derived.update(one.label() for one in others)
    label = own[0].label() if own else Label(originator)
    tlp = most_restrictive(words)
    if tlp is None and (label.level is None or label.level in UNCLASSIFIED):
        tlp = default_tlp
    return (
        msgspec.structs.replace(label, tlp=tlp, derived_from=tuple(sorted(derived, key=canonical))),
        warnings,
    )


def marking_refs(obj: Mapping[str, Any]) -> list[str]:
    """Name the markings of an object and of those of its parts that are there."""
    return [*obj.get("object_marking_refs", ()), *marked_parts(obj)]


def marked_parts(obj: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Give the markings of parts, each with the properties of the object that it marks a part of (rule 5).

    What was left out on the way is not there: a marking of nothing else marks nothing of this copy.
    """
    found: dict[str, tuple[str, ...]] = {}
    for one in obj.get("granular_markings", ()):
        if "marking_ref" in one:
            names = [str(selector).partition(".")[0] for selector in one.get("selectors", ())]
            there = [name for name in names if name in obj]
            if there or not names:
                ref = str(one["marking_ref"])
                found[ref] = tuple(dict.fromkeys([*found.get(ref, ()), *there]))
    return found


def is_standard(marking_id: str) -> bool:
    """Whether a marking is one of the standard's own TLP definitions, known everywhere."""
    return marking_id in _FIXED


def most_restrictive(words: Iterable[str]) -> str | None:
    """Give the most restrictive of TLP words as rule 1 has it; None of none."""
    known = [tlp_word(word) for word in words]
    return max(known, key=TLP_ORDER.index) if known else None


def tlp_word(word: str) -> str:
    """Write a TLP word as TLP 2.0 has it; a word nobody knows is RED."""
    plain = word.upper().replace("TLP:", "").strip()
    if plain == "WHITE":
        return "CLEAR"
    return plain if plain in TLP_ORDER else "RED"


def check_marking(marking: Mapping[str, Any]) -> None:
    """Refuse a marking-definition that gives a standard TLP id another content, or ours a wrong id."""
    word = _FIXED.get(str(marking.get("id")))
    if word is not None:
        said = _tlp_of(marking)
        if said is None or tlp_word(said) != tlp_word(word):
            raise InputError(
                f"the id of TLP:{word} with other content",
                where="/id",
                advice="this id is the standard's (7.2.1.4)",
            )
    classification_of(marking)


_FIXED = {one: word for table in (_TLP_1_IDS, _TLP_2_IDS) for word, one in table.items()}


def _read_marking(
    ref: str,
    marking: Mapping[str, Any] | None,
    words: set[str],
    says: set[Classification],
    warnings: list[str],
) -> None:
    if ref in _FIXED:
        words.add(_FIXED[ref])
        return
    if marking is None:
        words.add("RED")
        warnings.append(f"marking {ref} is not known here: read as TLP:RED")
        return
    try:
        classified = classification_of(marking)
    except InputError as error:
        words.add("RED")
        warnings.append(f"marking {ref} is wrong ({error.what}): read as TLP:RED")
        return
    if classified is not None:
        says.add(classified)
    word = _tlp_of(marking)
    if word is not None:
        if tlp_word(word) == "RED" and word.upper().replace("TLP:", "").strip() != "RED":
            warnings.append(f"marking {ref} says TLP {word!r}, which nobody knows: read as TLP:RED")
        words.add(word)
    if classified is None and word is None and not _harmless(marking):
        words.add("RED")
        warnings.append(f"marking {ref} says something that cannot be read here: read as TLP:RED")


def _tlp_of(marking: Mapping[str, Any]) -> str | None:
    extended = marking.get("extensions", {}).get(TLP_2)
    if extended is not None:
        return str(extended.get("tlp_2_0"))
    kind = marking.get("definition_type")
    if isinstance(kind, str) and kind.lower() == "tlp":
        definition = marking.get("definition", {})
        return str(definition.get("tlp", definition.get("TLP")))
    return None


def _harmless(marking: Mapping[str, Any]) -> bool:
    kind = marking.get("definition_type")
    if isinstance(kind, str):
        return kind.lower() in _HARMLESS
    return bool(marking.get("extensions", {}).keys() <= {ACS})


def _parents(obj: Mapping[str, Any], words: set[str], warnings: list[str]) -> list[Label]:
    body = obj.get("extensions", {}).get(DERIVATION)
    if body is None:
        return []
    try:
        parents = msgspec.convert(body.get("derived_from"), list[Parent])
    except msgspec.ValidationError as error:
        words.add("RED")
        warnings.append(f"what it is derived from cannot be read ({error}): read as TLP:RED")
        return []
    return [
        Label(
            one.originator,
            tlp=None if one.tlp is None else tlp_word(one.tlp),
            level=one.level,
            scheme=one.scheme,
            kind=one.kind,
            purpose=one.purpose,
            compartments=one.compartments,
            controls=one.caveats,
            rel_to=one.rel_to,
        )
        for one in parents
    ]
