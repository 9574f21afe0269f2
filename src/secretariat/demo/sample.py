"""The sample of the demonstration as STIX 2.1 objects, made new at every run.

`data/report-2013-03-20.yaml` holds the words; this module gives ids, markings, times and references. Ids are
UUIDv5 of party and key, so two runs make the same objects with other times. One report object per marking: no
report lists an object that its readers may not have.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from secretariat.base.errors import InputError
from secretariat.base.ids import party_id, uuid5
from secretariat.records.markings import classification_marking, tlp_marking

SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""STIX 2.1 section 2.9: namespace of deterministic ids of cyber-observable objects."""
SCO_TYPES = frozenset({"file", "ipv4-addr", "domain-name"})
UNLISTED = frozenset({"report", "language-content"})
"""A report lists domain, relationship and observable objects; stock stix2 refuses anything else."""
SET_KEYS = frozenset({"publisher", "marking", "objects", "synthetic", "also"})

JsonObject = dict[str, Any]


class Part(msgspec.Struct, frozen=True):
    """Objects of one publisher under one marking; `report` is the id of the report that lists them."""

    key: str
    publisher: str
    objects: tuple[JsonObject, ...]
    report: str | None

    def bundle(self) -> bytes:
        """Give the part as a STIX bundle, markings first."""
        name = f"bundle--{uuid5(f'demo/{self.key}')}"
        return json.dumps({"type": "bundle", "id": name, "objects": list(self.objects)}).encode()


def object_id(publisher: str, key: str, kind: str) -> str:
    """Give the id of the sample's object `key`, the same at every run."""
    return f"{kind}--{uuid5(f'demo/{publisher}/{key}')}"


def parts(now: datetime) -> dict[str, Part]:
    """Read the sample and stamp it with `now`. Refuses a key, source or reference that is not there."""
    text = files("secretariat.demo").joinpath("data/report-2013-03-20.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    sources: dict[str, JsonObject] = raw.pop("sources")
    raw.pop("meta")
    ids = _ids(raw)
    return {key: _part(key, body, ids, sources, now) for key, body in raw.items()}


def _ids(raw: dict[str, JsonObject]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for part, body in raw.items():
        for key, item in body["objects"].items():
            if key in ids:
                raise InputError(f"the key {key!r} stands twice", where=f"/{part}/objects/{key}")
            if "party" in item:
                ids[key] = party_id(item["party"])
            elif item["type"] in SCO_TYPES:
                ids[key] = _sco_id(item)
            else:
                ids[key] = object_id(body["publisher"], key, item["type"])
    return ids


def _sco_id(item: JsonObject) -> str:
    seed = {key: item[key] for key in ("hashes", "name", "value") if key in item}
    if "hashes" in seed:  # STIX 2.1 section 6.7: the first of MD5, SHA-1, SHA-256, SHA-512 that is present
        seed["hashes"] = {"MD5": seed["hashes"]["MD5"]}
    name = json.dumps(seed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{item['type']}--{uuid.uuid5(SCO_NAMESPACE, name)}"


def _part(
    part: str, body: JsonObject, ids: dict[str, str], sources: dict[str, JsonObject], now: datetime
) -> Part:
    if unknown := set(body) - SET_KEYS:
        raise InputError(f"unknown keys {sorted(unknown)}", where=f"/{part}")
    publisher = body["publisher"]
    markings = _markings(publisher, body["marking"])
    refs = [marking["id"] for marking in markings]
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    made = [
        _object(part, key, item, ids, sources, publisher=publisher, refs=refs, moment=moment)
        for key, item in body["objects"].items()
    ]
    report = next((one["id"] for one in made if one["type"] == "report"), None)
    for one in made:
        if one["type"] == "report":
            one["object_refs"] = [other["id"] for other in made if other["type"] not in UNLISTED]
    also = [tlp_marking(word) for word in body.get("also", ())]
    return Part(key=part, publisher=publisher, objects=(*markings, *also, *made), report=report)


def _markings(publisher: str, marking: str | JsonObject) -> list[JsonObject]:
    if isinstance(marking, str):
        return [tlp_marking(marking)]
    fields = dict(marking)
    tlp = fields.pop("tlp", None)
    found = [] if tlp is None else [tlp_marking(tlp)]
    return [*found, classification_marking(originator=publisher, **fields)]


def _object(
    part: str,
    key: str,
    item: JsonObject,
    ids: dict[str, str],
    sources: dict[str, JsonObject],
    *,
    publisher: str,
    refs: list[str],
    moment: str,
) -> JsonObject:
    where = f"/{part}/objects/{key}"
    one: JsonObject = {"type": item["type"], "spec_version": "2.1", "id": ids[key]}
    if item["type"] not in SCO_TYPES:
        one |= {"created_by_ref": party_id(publisher), "created": moment, "modified": moment}
    one["object_marking_refs"] = list(refs)
    for name, value in item.items():
        if name in {"type", "party", "refs", "sources"}:
            continue
        one[name] = _resolved(value, ids, f"{where}/{name}")
    if item["type"] == "indicator":
        one["valid_from"] = moment
    if item["type"] == "report":
        one["published"] = moment
    if "sources" in item:
        missing = [name for name in item["sources"] if name not in sources]
        if missing:
            raise InputError(f"no source {missing[0]!r}", where=f"{where}/sources")
        one["external_references"] = [sources[name] for name in item["sources"]]
    return one


def _resolved(value: Any, ids: dict[str, str], where: str) -> Any:
    if isinstance(value, list):
        return [_resolved(one, ids, where) for one in value]
    if isinstance(value, str) and value.startswith("@"):
        if value[1:] not in ids:
            raise InputError(f"no object {value!r}", where=where)
        return ids[value[1:]]
    return value
