"""The form of a record as YAML: which key of a row is which member of a statement (docs/register.md).

A file has `meta`, `sources`, `facts`, and lists of pairs `overlaps` and `not_overlaps`. Every key of every
row is read or refused: nothing is dropped in silence, and `write` gives back what `read` took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec
import yaml

from secretariat.base.errors import InputError
from secretariat.register.model import (
    KINDS,
    Absence,
    Account,
    Cite,
    Commitment,
    Draft,
    Evidence,
    Instrument,
    InstrumentStatus,
    Meeting,
    Project,
    Relation,
    Source,
    Statement,
    evidence_of,
    stix_id,
    type_of,
)
from secretariat.register.times import parse

_FACT = {
    "id": "key",
    "kind": "kind",
    "title": "title",
    "date": "true_from",
    "end": "true_to",
    "zone": "zone",
    "date_note": "date_note",
    "announced": "announced",
    "known": "known_public",
    "status": "status",
    "place": "place",
    "level": "level",
    "parties": "parties",
    "groups": "groups",
    "orgs": "orgs",
    "target": "target",
    "scope": "scope",
    "mentions_cyber": "mentions_cyber",
    "series": "series",
    "round": "round",
    "aim": "aim",
    "summary": "summary",
    "lang": "lang",
}
"""Key of a fact -> member of every statement. `refs`, `accounts`, `evidence` are read apart."""

_MORE: dict[type[Statement], dict[str, str]] = {
    Meeting: {"agenda": "agenda", "agenda_held": "agenda_held"},
    Instrument: {"instrument": "instrument", "binding": "binding"},
    InstrumentStatus: {"state": "state", "party": "party", "effect_on": "effect_on"},
    Commitment: {"by": "owed_by", "due": "due", "due_text": "due_text", "cadence": "cadence"},
    Project: {"lead": "lead", "partners": "partners", "milestones": "milestones", "budget": "budget"},
    Absence: {"looked_by": "looked_by", "looked_in": "looked_in"},
}
_SHAPES: dict[str, type[Statement]] = {
    "meeting": Meeting,
    "instrument": Instrument,
    "commitment": Commitment,
    "project": Project,
    "absence": Absence,
}
_SOURCE = {
    "id": "key",
    "origin": "origin",
    "seed": "seed",
    "via": "via",
    "title": "title",
    "publisher": "publisher",
    "date": "true_from",
    "date_note": "date_note",
    "url": "url",
    "kind": "source_kind",
    "lang": "lang",
}
_META = {
    "title": "title",
    "compiled": "true_from",
    "language": "lang",
    "covers": "covers",
    "note": "summary",
}
_PARTS = ("refs", "accounts", "evidence", "about", "of")
_PAIRS = {"overlaps": "same-aim", "not_overlaps": "different-aim"}
_TOP = ("meta", "sources", "facts", *_PAIRS)
DEPTH = 12
"""Levels of nesting in a record file."""
BYTES = 128 * 2**20
META_ORIGIN = "record"
_Shape = TypeVar("_Shape", bound=Statement)


class Placed(msgspec.Struct, frozen=True):
    """A draft and where it stands in its file."""

    where: str
    draft: Draft


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A record file as drafts, in the order in which they are recorded."""

    record: str
    drafts: list[Placed]
    sources: int
    facts: int
    accounts: int
    evidence: int
    relations: int


def read(data: bytes, party: str, *, name: str = "record") -> Read:
    """Read a record file as drafts of `party`. Refuses what is no record, with line or place and advice."""
    value = _parsed(data, name)
    meta = _mapping(value.get("meta", {}), "meta")
    record = _record_key(meta)
    drafts: list[Placed] = []
    if meta:
        drafts.append(Placed("meta", _meta(meta, record)))
    sources: dict[str, Source] = {}
    for number, row in enumerate(_rows(value, "sources")):
        where = _where("sources", number, row)
        source = _source(row, where, record)
        _once(source.key, sources, where)
        sources[source.key] = source
        drafts.append(Placed(where, source))
    for source in sources.values():
        if source.via is not None and (source.via not in sources or source.via == source.key):
            raise _nothing(source.via, f"sources/{source.key}/via", "a source")
    facts: dict[str, Statement] = {}
    rows = _rows(value, "facts")
    for number, row in enumerate(rows):
        where = _where("facts", number, row)
        fact = _fact(row, where, record, sources, party, rows)
        _once(fact.key, facts, where)
        facts[fact.key] = fact
        drafts.append(Placed(where, fact))
    parts: list[Placed] = []
    for row in rows:
        parts += _parts(row, facts, sources, party)
    pairs = [
        Placed(
            f"{name}/{number}",
            Relation(
                source_ref=_id_of(pair, "a", facts, party, f"{name}/{number}"),
                target_ref=_id_of(pair, "b", facts, party, f"{name}/{number}"),
                relationship_type=kind,
                description=pair.get("why"),
            ),
        )
        for name, kind in _PAIRS.items()
        for number, pair in enumerate(_rows(value, name))
    ]
    return Read(
        record=record,
        drafts=[*drafts, *parts, *pairs],
        sources=len(sources),
        facts=len(facts),
        accounts=sum(isinstance(one.draft, Account) for one in parts),
        evidence=sum(isinstance(one.draft, Evidence) for one in parts),
        relations=len(pairs),
    )


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > BYTES:
        raise too_large(len(data), name)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 at byte {error.start}", where=name, advice="save the file as UTF-8"
        ) from None
    try:
        _refuse_shape(text, name)
        value = yaml.load(text, _Loader)  # noqa: S506 a safe loader that also refuses keys that stand twice
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        raise InputError(
            f"not YAML: {error.problem or error}",
            where=f"{name}, line {line}",
            advice="quote texts with a colon or a hash",
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", where=name, advice="correct the file") from None
    found = _mapping(value, name)
    unknown = sorted(str(one) for one in found.keys() - set(_TOP))
    if unknown or "facts" not in found:
        raise InputError(
            f"a record has no part {unknown[0]!r}" if unknown else "a record without facts",
            where=name,
            advice="its parts are " + ", ".join(_TOP),
        )
    return found


def too_large(size: int, name: str) -> InputError:
    """Say that a file is larger than one may be."""
    return InputError(
        f"{size} bytes, more than the {BYTES} that one file may have",
        where=name,
        advice="import it in several files",
    )


def _refuse_shape(text: str, name: str) -> None:
    """Refuse, before anything is built, what nests deeper than a record does, or grows by references."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        where = f"{name}, line {event.start_mark.line + 1 if event.start_mark else 0}"
        if depth > DEPTH:
            raise InputError(
                f"nested deeper than {DEPTH} levels", where=where, advice="a record has rows of plain values"
            )
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"a reference *{event.anchor}", where=where, advice="write every row out")


class _Loader(yaml.CSafeLoader):
    """The safe loader; a key that stands twice in a row is refused, a date stays a text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a row, refusing a key that stands twice."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice in one row", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_constructor(
    "tag:yaml.org,2002:timestamp",
    lambda loader, node: loader.construct_scalar(node),  # type: ignore[arg-type]
)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError("not a row of keys and values", where=where, advice="see docs/register.md")
    return value


def _rows(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = value.get(name) or []
    if not isinstance(rows, list):
        raise InputError("not a list", where=name, advice="see docs/register.md")
    return [_mapping(one, f"{name}/{number}") for number, one in enumerate(rows)]


def _where(part: str, number: int, row: Mapping[str, Any]) -> str:
    return f"{part}/{row.get('id', number)}"


def _once(key: str, seen: Mapping[str, Any], where: str) -> None:
    if key in seen:
        raise InputError(f"the id {key!r} stands twice", where=where, advice="give one of the two another id")


def _record_key(meta: Mapping[str, Any]) -> str:
    title = str(meta.get("title", "record"))
    return "record:" + "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())[:150]


def _meta(meta: Mapping[str, Any], record: str) -> Source:
    given = _given(meta, _META, "meta")
    given.setdefault("title", record)
    return _made(
        {**given, "key": record, "kind": "source", "source_kind": "record", "origin": META_ORIGIN},
        Source,
        "meta",
    )


def _source(row: Mapping[str, Any], where: str, record: str) -> Source:
    given = _given(row, _SOURCE, where)
    given.setdefault("title", given.get("key", ""))
    known = {"known_public": given["true_from"]} if "true_from" in given else {}
    return _made({**given, **known, "kind": "source", "record": record}, Source, where)


def _fact(
    row: Mapping[str, Any],
    where: str,
    record: str,
    sources: Mapping[str, Source],
    party: str,
    rows: Sequence[Mapping[str, Any]],
) -> Statement:
    kind = row.get("kind")
    if kind not in KINDS:
        raise InputError(
            f"no such kind: {kind!r}", where=f"{where}/kind", advice="one of " + ", ".join(KINDS)
        )
    shape = _SHAPES.get(kind, Statement)
    extra: dict[str, Any] = {}
    if kind == "status-change" and row.get("of") is not None:
        shape = InstrumentStatus
        extra["instrument_ref"] = _ref_to(row["of"], rows, party, f"{where}/of")
    if kind == "absence" and row.get("about") is not None:
        extra["about_ref"] = _ref_to(row["about"], rows, party, f"{where}/about")
    rest = {name: value for name, value in row.items() if name not in _PARTS}
    given = _given(rest, {**_FACT, **_MORE.get(shape, {})}, where)
    cites = tuple(_cite(one, sources, party, f"{where}/refs") for one in _list(row, "refs", where))
    return _made({**given, **extra, "record": record, "cites": cites}, shape, where)


def _ref_to(key: Any, rows: Sequence[Mapping[str, Any]], party: str, where: str) -> str:
    for row in rows:
        if row.get("id") == key:
            kind = row.get("kind", "")
            if kind == "status-change":
                return stix_id("sct-instrument-status" if row.get("of") else "sct-statement", party, key)
            return stix_id(_type_name(kind), party, key)
    raise _nothing(key, where, "a fact")


def _type_name(kind: str) -> str:
    return f"sct-{kind}" if kind in _SHAPES else "sct-statement"


def _cite(ref: Any, sources: Mapping[str, Source], party: str, where: str) -> Cite:
    row = _mapping(ref, where)
    unknown = row.keys() - {"s", "span", "start", "end", "sha256"}
    if unknown:
        raise _unread(min(unknown), where, ("s", "span", "start", "end", "sha256"))
    _word(row.get("s"), f"{where}/s")
    if row["s"] not in sources:
        raise _nothing(row["s"], where, "a source")
    _word(row.get("span", ""), f"{where}/span")
    for name in ("start", "end"):
        at = row.get(name)
        if at is not None and (isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < 2**31):
            raise InputError(
                f"not an offset: {at!r}", where=f"{where}/{name}", advice="letters from the start"
            )
    return Cite(
        source_ref=stix_id("sct-source", party, row["s"]),
        quote=row.get("span"),
        start=row.get("start"),
        end=row.get("end"),
        sha256=row.get("sha256"),
    )


def _parts(
    row: Mapping[str, Any], facts: Mapping[str, Statement], sources: Mapping[str, Source], party: str
) -> list[Placed]:
    """Give the accounts and the evidence that stand within a fact, as objects of their own."""
    fact = facts[row["id"]]
    own = stix_id(type_of(fact), party, fact.key)
    found: list[Placed] = []
    for number, one in enumerate(_list(row, "accounts", f"facts/{fact.key}"), 1):
        where = f"facts/{fact.key}/accounts/{number}"
        unknown = _mapping(one, where).keys() - {"by", "s", "position", "text"}
        if unknown:
            raise _unread(min(unknown), where, ("by", "s", "position", "text"))
        cites = tuple(_cite({"s": source}, sources, party, where) for source in _list(one, "s", where))
        account = {
            "key": f"{fact.key}:account:{number}",
            "kind": "account",
            "title": f"{one.get('by')}: {one.get('text') or one.get('position')}"[:400],
            "about_ref": own,
            "said_by": one.get("by"),
            "position": one.get("position"),
            "parties": fact.parties,
            "known_public": _first_published(_list(one, "s", where), sources) or fact.known_public,
            "record": fact.record,
            "cites": cites,
            **({"text": one["text"]} if "text" in one else {}),
        }
        found.append(Placed(where, _made(account, Account, where)))
    for number, one in enumerate(_list(row, "evidence", f"facts/{fact.key}"), 1):
        where = f"facts/{fact.key}/evidence/{number}"
        unknown = _mapping(one, where).keys() - {"for", "says"}
        if unknown:
            raise _unread(min(unknown), where, ("for", "says"))
        promise = facts.get(_word(one.get("for"), f"{where}/for"))
        if promise is None:
            raise _nothing(one.get("for"), where, "a fact")
        made = {
            "key": f"{fact.key}:evidence:{number}",
            "kind": "evidence",
            "title": f"{one.get('says')}: {fact.title}"[:400],
            "for_ref": stix_id(type_of(promise), party, promise.key),
            "from_ref": own,
            "says": one.get("says"),
            "record": fact.record,
        }
        found.append(Placed(where, evidence_of(fact, _made(made, Evidence, where))))
    return found


def _first_published(keys: Sequence[str], sources: Mapping[str, Source]) -> str | None:
    """Give the date of the earliest of some sources: by then what they say was known."""
    dated = [sources[key].true_from for key in keys if key in sources]
    found = [one for one in dated if one is not None]
    return min(found, key=lambda text: parse(text, where="sources").last, default=None)


def _id_of(pair: Mapping[str, Any], end: str, facts: Mapping[str, Statement], party: str, where: str) -> str:
    unknown = pair.keys() - {"a", "b", "why"}
    if unknown:
        raise _unread(min(unknown), where, ("a", "b", "why"))
    fact = facts.get(_word(pair.get(end), f"{where}/{end}"))
    if fact is None:
        raise _nothing(pair.get(end), f"{where}/{end}", "a fact")
    return stix_id(type_of(fact), party, fact.key)


def _list(row: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = row.get(name) or []
    if not isinstance(value, list):
        raise InputError("not a list", where=f"{where}/{name}", advice="see docs/register.md")
    return value


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"not a text: {value!r}"[:80], where=where, advice="see docs/register.md")
    return value


def _given(row: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    unknown = [str(one) for one in row if one not in names]
    if unknown:
        raise _unread(unknown[0], where, names)
    found = {}
    for name, value in row.items():
        if value is None:
            continue
        if isinstance(value, date | int) and names[name] in {"true_from", "true_to", "known_public", "due"}:
            value = str(value)  # noqa: PLW2901 a bare year is a number to YAML
        found[names[name]] = value
    return found


def _made(given: Mapping[str, Any], shape: type[_Shape], where: str) -> _Shape:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        name = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        raise InputError(what.replace("`", ""), where=where + name, advice="see docs/register.md") from None


def _nothing(key: Any, where: str, what: str) -> InputError:
    return InputError(f"{key!r} is not {what} of this file", where=where, advice="name one that stands in it")


def _unread(key: str, where: str, names: Sequence[str] | Mapping[str, str]) -> InputError:
    return InputError(f"a key nobody reads: {key!r}", where=where, advice="the keys are " + ", ".join(names))


# --- writing --------------------------------------------------------------------------------------------


def write(drafts: Sequence[tuple[str, Draft]]) -> dict[str, Any]:
    """Give a record of (STIX id, draft) pairs in the form that `read` takes, in their order.

    Accounts and evidence go back into the fact they are about or rest on; what is about no fact of these
    stays out (a request, a contact, another party's account of something that is not here).
    """
    keys = {stix: one.key for stix, one in drafts if isinstance(one, Statement)}
    meta: dict[str, Any] = {}
    sources: list[dict[str, Any]] = []
    facts: dict[str, dict[str, Any]] = {}
    for stix, one in drafts:
        if isinstance(one, Source):
            if one.origin == META_ORIGIN:
                meta = _row(one, _META)
            else:
                sources.append(_row(one, _SOURCE))
        elif isinstance(one, Statement) and one.kind in KINDS:
            facts[stix] = _fact_row(one, keys)
    pairs: dict[str, list[dict[str, Any]]] = {name: [] for name in _PAIRS}
    for _, one in drafts:
        if isinstance(one, Account) and one.about_ref in facts:
            row: dict[str, Any] = {"by": one.said_by, "s": _cited(one, keys), "position": one.position}
            facts[one.about_ref].setdefault("accounts", []).append(
                row if one.text is None else {**row, "text": one.text}
            )
        elif isinstance(one, Evidence) and one.from_ref in facts and one.for_ref in keys:
            facts[one.from_ref].setdefault("evidence", []).append(
                {"for": keys[one.for_ref], "says": one.says}
            )
        elif isinstance(one, Relation):
            name = next((key for key, kind in _PAIRS.items() if kind == one.relationship_type), None)
            if name is not None and one.source_ref in facts and one.target_ref in facts:
                why = {} if one.description is None else {"why": one.description}
                pairs[name].append({"a": keys[one.source_ref], "b": keys[one.target_ref], **why})
    return {"meta": meta, "sources": sources, "facts": list(facts.values()), **pairs}


def dump(value: Mapping[str, Any]) -> str:
    """Write a record as YAML text."""
    text: str = yaml.dump(
        dict(value), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=2**20
    )
    return text


def _row(one: Statement, names: Mapping[str, str]) -> dict[str, Any]:
    given = msgspec.to_builtins(one)
    return {name: _plain(given[member]) for name, member in names.items() if member in given}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _fact_row(one: Statement, keys: Mapping[str, str]) -> dict[str, Any]:
    row = _row(one, {**_FACT, **_MORE.get(type(one), {})})
    row.setdefault("parties", [])
    row.setdefault("status", one.status)
    if isinstance(one, Commitment):
        row.setdefault("by", [])
        row.setdefault("due", None)
    if isinstance(one, InstrumentStatus) and one.instrument_ref in keys:
        row["of"] = keys[one.instrument_ref]
    if isinstance(one, Absence) and one.about_ref is not None and one.about_ref in keys:
        row["about"] = keys[one.about_ref]
    row["refs"] = [
        {"s": keys[cite.source_ref], **({} if cite.quote is None else {"span": cite.quote})}
        for cite in one.cites
        if cite.source_ref in keys
    ]
    return row


def _cited(one: Statement, keys: Mapping[str, str]) -> list[str]:
    return [keys[cite.source_ref] for cite in one.cites if cite.source_ref in keys]
