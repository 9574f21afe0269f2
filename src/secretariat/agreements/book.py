"""A book: the instruments, level tables, groups and parties that decisions are made from.

Loaded from files in the format of `schemas/instruments.schema.json`. Refused, each with its line: an unknown
key or rule code, a parameter its rule does not read, two instruments of one key, tables and `depends_on` that
name an instrument which is not there, a day that is none.

Articles of public instruments carry no parameters in files that only quote them. The package's own reading
of such an article (its parameters, in data/instruments.yaml) is added where key, number, rule code and `says`
are the same, and the article says so (`reading`). `says` itself is never interpreted.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from secretariat.agreements.checking import check, problems, schema
from secretariat.agreements.model import (
    Article,
    Instrument,
    Membership,
    Moment,
    Party,
    Scheme,
    Stage,
    StatusEvent,
    Table,
)
from secretariat.agreements.reading import Source, read
from secretariat.base.errors import InputError, NotFoundError
from secretariat.records.canonical import canonical
from secretariat.records.markings import UNCLASSIFIED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


_ARTICLE_KEYS = {"art", "rule", "says", "verification", "source", "note"}

__all__ = ["Book", "build", "check", "load", "package_book", "problems", "schema"]


class Book:
    """Instruments and what they need to be read. Never changed after it is made."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        schemes: Iterable[Scheme] = (),
        groups: Mapping[str, tuple[Membership, ...]] | None = None,
        parties: Iterable[Party] = (),
    ) -> None:
        self.instruments: dict[str, Instrument] = {i.key: i for i in instruments}
        self.schemes: dict[str, Scheme] = {s.key: s for s in schemes}
        self.groups: dict[str, tuple[Membership, ...]] = dict(groups or {})
        self.parties: dict[str, Party] = {p.code: p for p in parties}
        self.owners = _owners(self.instruments.values(), self.schemes)
        self.contexts: dict[Any, Any] = {}
        """Prepared legs of `rules`, by question without the object; bounded there."""

    def with_parties(self, parties: Iterable[Party]) -> Book:
        """Give the same book with more parties."""
        merged = {**self.parties, **{p.code: p for p in parties}}
        return Book(
            self.instruments.values(),
            schemes=self.schemes.values(),
            groups=self.groups,
            parties=merged.values(),
        )

    def only(self, keys: Collection[str]) -> Book:
        """Give the book with these of its instruments alone."""
        return Book(
            (one for key, one in self.instruments.items() if key in keys),
            schemes=self.schemes.values(),
            groups=self.groups,
            parties=self.parties.values(),
        )

    def joined(self, other: Book) -> Book:
        """Give this book with everything of `other` added; `other` wins where both speak."""
        return Book(
            {**self.instruments, **other.instruments}.values(),
            schemes={**self.schemes, **other.schemes}.values(),
            groups={**self.groups, **other.groups},
            parties={**self.parties, **other.parties}.values(),
        )

    def ancestors(self, code: str) -> tuple[str, ...]:
        """Give the parties that `code` stands under, nearest first."""
        found: list[str] = []
        party = self.parties.get(code)
        while party is not None and party.under is not None and party.under not in found:
            found.append(party.under)
            party = self.parties.get(party.under)
        return tuple(found)

    @cached_property
    def zones(self) -> tuple[str, ...]:
        """Give the zones in which this book counts its days."""
        return tuple(sorted({"UTC", *(i.timezone for i in self.instruments.values())}))

    def days(self, when: Moment) -> Moment | tuple[date, ...]:
        """Give all that decisions can see of a moment: the civil day in each zone of the book."""
        if isinstance(when, datetime):
            return tuple(day_in(when, zone) for zone in self.zones)
        return when

    def members(self, group: str, day: date) -> frozenset[str]:
        """Give the members of a group on a day."""
        return frozenset(
            m.party
            for m in self.groups.get(group, ())
            if (m.since is None or m.since <= day) and (m.until is None or day < m.until)
        )

    def instrument(self, key: str) -> Instrument:
        """Give one instrument. Refuses an unknown key and names the near ones."""
        try:
            return self.instruments[key]
        except KeyError:
            near = [k for k in self.instruments if key.lower() in k or k in key.lower()]
            advice = f"did you mean {', '.join(sorted(near))}?" if near else "`agreements list` shows all"
            raise NotFoundError(f"no instrument {key!r}", advice=advice) from None

    def hashes(self) -> dict[str, str]:
        """Give the SHA-256 of each instrument as it takes part in decisions, with its tables."""
        return {key: instrument_hash(i, self) for key, i in self.instruments.items()}

    @cached_property
    def hash(self) -> str:
        """The instruments hash: SHA-256 over the sorted list of hashes, one per line."""
        return set_hash(self.hashes().values())


def instrument_body(instrument: Instrument, book: Book | None = None) -> bytes:
    """Give the canonical bytes of an instrument: its facts as read, and its tables.

    Levels and groups of `book` that the instrument rests on go along where they are not the package's: who
    agrees to an instrument agrees to what its words mean.
    """
    body = {k: v for k, v in instrument.source.items() if k not in {"equivalence", "levels", "groups"}}
    body |= {} if book is None else _meanings(instrument, book)
    body["timezone"] = instrument.timezone
    body["articles"] = [_article_body(article) for article in instrument.articles]
    body["equivalence"] = [
        {
            "article": t.article,
            "columns": list(t.columns),
            "rows": [list(r) for r in t.rows],
            "verification": t.verification,
        }
        for t in instrument.tables
    ]
    return canonical(body)


def _meanings(instrument: Instrument, book: Book) -> dict[str, Any]:
    shipped = _shipped()
    columns = {column for table in instrument.tables for column in table.columns}
    levels = {
        s.key: {
            "order": list(s.order),
            "owner": s.owner,
            "unclassified": list(s.unclassified),
            "beside": {level: {"rank_as": rank} for level, rank in s.beside},
            "names": dict(s.names),
        }
        for s in book.schemes.values()
        if s != shipped[0].get(s.key) and (s.key in columns or s.owner in instrument.parties)
    }
    groups = {
        name: {
            "members": [
                {
                    k: v.isoformat() if isinstance(v, date) else v
                    for k, v in msgspec.to_builtins(m, builtin_types=(date,)).items()
                    if v
                }
                for m in book.groups[name]
            ]
        }
        for name in instrument.parties
        if name in book.groups and book.groups[name] != shipped[1].get(name)
    }
    for level in levels.values():
        if level["owner"] is None:
            del level["owner"]
    return ({"levels": levels} if levels else {}) | ({"groups": groups} if groups else {})


@cache
def _shipped() -> tuple[dict[str, Scheme], dict[str, tuple[Membership, ...]]]:
    """Give the package's level tables and groups, without making its book."""
    value = package_source().value
    source = package_source()
    return (
        {key: _scheme(key, raw) for key, raw in value["levels"].items()},
        {name: _members(raw, source, name) for name, raw in value["groups"].items()},
    )


def _article_body(article: Article) -> dict[str, Any]:
    """Give an article with the parameters it is decided by, those of the package's reading too."""
    body: dict[str, Any] = {"art": article.art, "rule": article.rule, "verification": article.verification}
    for key in ("says", "source", "note"):
        if getattr(article, key) is not None:
            body[key] = getattr(article, key)
    return body | {key: _thaw(value, key) for key, value in article.params}


def _thaw(value: Any, key: str = "") -> Any:
    if key == "offices":
        return {party: list(names) if isinstance(names, tuple) else names for party, names in value}
    return [_thaw(v) for v in value] if isinstance(value, tuple) else value


def book_of_bodies(bodies: Iterable[bytes]) -> Book:
    """Make a book of recorded instruments (`instrument_body`), on the package's level tables and groups.

    What an instrument depends on and is not among them is not asked for: it is not agreed, so nothing that
    rests on it stands.
    """
    instruments: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    levels: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for body in bodies:
        raw = json.loads(body)
        tables += [{**table, "instrument": raw["id"]} for table in raw.pop("equivalence", [])]
        levels |= raw.pop("levels", {})
        groups |= raw.pop("groups", {})
        instruments.append(raw)
    here = {raw["id"] for raw in instruments}
    for raw in instruments:
        missing = [key for key in raw.get("depends_on") or () if key not in here]
        if missing:
            raw["depends_on"] = [key for key in raw["depends_on"] if key in here]
            raw["in_force"] = None
            raw.pop("ends", None)
            raw["status_history"] = []
    value = {"instruments": instruments, "equivalence": tables, "levels": levels, "groups": groups}
    return build(Source("instruments recorded here", value, {}), readings=True)


def instrument_hash(instrument: Instrument, book: Book | None = None) -> str:
    """Give the SHA-256 of `instrument_body`, hexadecimal."""
    return hashlib.sha256(instrument_body(instrument, book)).hexdigest()


def set_hash(hashes: Iterable[str]) -> str:
    """Give the hash of a set of instruments: SHA-256 over the sorted hashes, each ended by a newline."""
    return hashlib.sha256("".join(f"{h}\n" for h in sorted(hashes)).encode()).hexdigest()


# --- loading -----------------------------------------------------------------------------------------


@cache
def package_source() -> Source:
    """Give the package's own instruments file as values."""
    data = resources.files("secretariat.agreements").joinpath("data/instruments.yaml").read_bytes()
    return read(data, "data/instruments.yaml")


@cache
def package_book() -> Book:
    """Give the book of public facts that ships with the package; a test holds the file to its schema."""
    return build(package_source(), readings=False)


def load(paths: Sequence[Path | str], *, readings: bool = True) -> Book:
    """Load a book from files; later files add to earlier ones. Refuses one key in two files."""
    book: Book | None = None
    for path in paths:
        source = read_file(path)
        check(source, schema("instruments"))
        more = build(source, readings=readings, known=book)
        both = set(more.instruments) & set(book.instruments) if book is not None else set()
        if both:
            raise InputError(
                f"the instrument {min(both)} stands in two files", where=str(path), advice="keep one of them"
            )
        book = more if book is None else book.joined(more)
    return book if book is not None else package_book()


def read_file(path: Path | str) -> Source:
    """Read one file. Refuses what cannot be opened, saying which."""
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from error
    return read(data, file.name)


def moment(text: str, where: str) -> Moment:
    """Read a day or an instant. Refuses a day that does not exist."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no such day or time", where=where) from error


def day(text: str | None, where: str) -> date | None:
    """Read a civil day; None stays None."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no such day", where=where) from error


def day_in(when: Moment, zone: str) -> date:
    """Give the civil day of a moment in a zone; a date is that day, an instant without zone is read there."""
    if isinstance(when, datetime):
        return when.date() if when.tzinfo is None else when.astimezone(_zone(zone)).date()
    return when


@cache
def _zone(name: str) -> Any:
    return UTC if name == "UTC" else ZoneInfo(name)


def build(source: Source, *, readings: bool, known: Book | None = None) -> Book:
    """Make a book of a checked file. Refuses contradictions between its parts."""
    value: dict[str, Any] = source.value if isinstance(source.value, dict) else {}
    base = package_book() if readings else None
    tables: dict[str, list[Table]] = {}
    raw_instruments = value.get("instruments") or []
    keys = {raw["id"] for raw in raw_instruments} | (set(known.instruments) if known else set())
    for n, raw in enumerate(value.get("equivalence") or []):
        if raw["instrument"] not in keys:
            raise InputError(
                f"a table of levels names {raw['instrument']!r}, which is not in the book",
                where=source.where(("equivalence", n, "instrument")),
            )
        width = len(raw["columns"])
        for r, row in enumerate(raw["rows"]):
            if len(row) != width:
                raise InputError(
                    f"a row of {len(row)} levels under {width} columns",
                    where=source.where(("equivalence", n, "rows", r)),
                )
        tables.setdefault(raw["instrument"], []).append(
            Table(
                instrument=raw["instrument"],
                article=str(raw["article"]),
                columns=tuple(raw["columns"]),
                rows=tuple(tuple(None if c is None else str(c) for c in row) for row in raw["rows"]),
                verification=raw.get("verification", "read"),
                note=raw.get("note"),
            )
        )
    instruments: dict[str, Instrument] = {}
    for n, raw in enumerate(raw_instruments):
        path: tuple[str | int, ...] = ("instruments", n)
        if raw["id"] in instruments:
            raise InputError(f"the instrument {raw['id']} a second time", where=source.where((*path, "id")))
        for d, key in enumerate(raw.get("depends_on") or []):
            if key not in keys:
                raise InputError(
                    f"depends on {key!r}, which is not in the book",
                    where=source.where((*path, "depends_on", d)),
                )
        read_before = base.instruments.get(raw["id"]) if base is not None else None
        instruments[raw["id"]] = _instrument(raw, source, path, tuple(tables.get(raw["id"], ())), read_before)
    groups = {name: _members(raw, source, name) for name, raw in (value.get("groups") or {}).items()}
    schemes = {key: _scheme(key, raw) for key, raw in (value.get("levels") or {}).items()}
    if base is not None:
        groups = {**base.groups, **groups}
        for key, scheme in base.schemes.items():
            mine = schemes.setdefault(key, scheme)
            if mine.owner is None and mine.order == scheme.order:
                schemes[key] = msgspec.structs.replace(
                    mine, owner=scheme.owner, unclassified=mine.unclassified or scheme.unclassified
                )
    parties = [
        Party(
            p["code"],
            p.get("name"),
            p.get("kind"),
            p.get("under"),
            p.get("office"),
            tuple(p.get("clients_of") or ()),
        )
        for p in value.get("parties") or []
    ]
    return Book(instruments.values(), schemes=schemes.values(), groups=groups, parties=parties)


def _members(raw: dict[str, Any], source: Source, name: str) -> tuple[Membership, ...]:
    where = source.where(("groups", name))
    return tuple(
        Membership(m["party"], day(m.get("since"), where), day(m.get("until"), where))
        for m in raw.get("members") or []
    )


def _scheme(key: str, raw: dict[str, Any]) -> Scheme:
    order = tuple(str(level) for level in raw["order"])
    return Scheme(
        key=key,
        order=order,
        owner=raw.get("owner"),
        beside=tuple(
            (str(k), str((v or {}).get("rank_as", k))) for k, v in (raw.get("beside") or {}).items()
        ),
        unclassified=tuple(raw.get("unclassified") or [w for w in order if w in UNCLASSIFIED]),
        names=(
            *((str(k), str(v)) for k, v in (raw.get("names") or {}).items()),
            *((str(k), str(v["name"])) for k, v in (raw.get("beside") or {}).items() if v and "name" in v),
        ),
    )


def _owners(instruments: Iterable[Instrument], schemes: Mapping[str, Scheme]) -> dict[str, tuple[str, ...]]:
    """Tell whose levels a table holds: as stated, else by the columns of an equivalence, else by its key."""
    owners: dict[str, list[str]] = {}
    for scheme in schemes.values():
        if scheme.owner is not None:
            owners.setdefault(scheme.owner, []).append(scheme.key)
    stated = {s.key for s in schemes.values() if s.owner is not None}
    for instrument in instruments:
        for table in instrument.tables:
            columns = [c for c in table.columns if c in schemes]
            if len(columns) == len(instrument.parties) == 2:
                for party, column in zip(instrument.parties, columns, strict=True):
                    if column not in stated and column not in owners.setdefault(party, []):
                        owners[party].append(column)
    placed = {key for keys in owners.values() for key in keys}
    for key in schemes:
        if key not in placed:
            owners.setdefault(key, []).append(key)
    return {party: tuple(keys) for party, keys in owners.items()}


def _instrument(
    raw: dict[str, Any],
    source: Source,
    path: tuple[str | int, ...],
    tables: tuple[Table, ...],
    known: Instrument | None,
) -> Instrument:
    def at(key: str) -> date | None:
        return day(raw.get(key), source.where((*path, key)))

    binding = bool(raw.get("binding", False))
    signatures = [day(s, source.where((*path, "signatures"))) for s in (raw.get("signatures") or {}).values()]
    signed = at("signed") or max((s for s in signatures if s is not None), default=None)
    promulgated = raw.get("promulgated")
    promulgated = f"{promulgated}-01" if promulgated is not None and len(promulgated) == 7 else promulgated
    issued = (
        at("published")
        or at("decided")
        or at("released")
        or day(promulgated, source.where((*path, "promulgated")))
    )
    in_force = at("in_force")
    status = tuple(
        _event(e, source.where((*path, "status_history", n)))
        for n, e in enumerate(raw.get("status_history") or [])
    )
    zone = raw.get("timezone") or (known.timezone if known is not None else "UTC")
    try:
        _zone(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"no time zone {zone!r}", where=source.where((*path, "timezone"))) from error
    public: Moment | None = moment(raw["known"], source.where((*path, "known"))) if raw.get("known") else None
    public = public or signed or issued or in_force
    ends = at("ends")
    articles = tuple(_article(a, known) for a in raw["articles"])
    if ends is None and in_force is not None:
        ends = _end_by_duration(articles, in_force)
    if ends is not None and in_force is not None and ends <= in_force:
        raise InputError("it ends before it is in force", where=source.where((*path, "ends")))
    offices = raw.get("party_offices") or {}
    effective = in_force
    if "in_force" not in raw and not binding:
        effective = signed or issued
    return Instrument(
        key=raw["id"],
        title=raw["title"],
        kind=raw["kind"],
        binding=binding,
        synthetic=bool(raw.get("synthetic", False)),
        parties=tuple(raw.get("parties") or ()),
        party_offices=tuple((p, _tuple(names)) for p, names in offices.items()),
        covers_offices=bool(raw.get("covers_offices", False)),
        timezone=zone,
        known=public,
        effective=effective,
        in_force_stated="in_force" in raw,
        ends=ends,
        status=status,
        depends_on=tuple(raw.get("depends_on") or ()),
        stages=tuple(
            Stage(
                name,
                (s or {}).get("max_tlp"),
                tuple((s or {}).get("compartments") or ()),
                (s or {}).get("min_days"),
            )
            for name, s in (raw.get("stages") or {}).items()
        ),
        articles=articles,
        tables=tables,
        source=raw,
    )


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (str(value),) if isinstance(value, str | int) else tuple(str(v) for v in value)


def _end_by_duration(articles: tuple[Article, ...], in_force: date) -> date | None:
    for article in articles:
        years = article.get("years")
        if article.rule == "DURATION" and years and article.get("renewal") == "none":
            return add_years(in_force, int(years))
    return None


def add_years(start: date, years: int) -> date:
    """Give the same civil day some years later; 29 February becomes 1 March."""
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return date(start.year + years, 3, 1)


def _event(raw: dict[str, Any], where: str) -> StatusEvent:
    on = day(raw["on"], where)
    assert on is not None
    return StatusEvent(
        on=on,
        state=raw.get("state"),
        event=raw.get("event"),
        by=raw.get("by"),
        effect_on=day(raw.get("effect_on"), where),
        basis=None if raw.get("basis") is None else str(raw["basis"]),
        known=moment(raw["known"], where) if raw.get("known") else None,
        note=raw.get("note"),
        source=raw.get("source"),
    )


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_freeze(v) for v in value)
    if isinstance(value, dict):
        return tuple((str(k), _freeze(v)) for k, v in value.items())
    return value


def _article(raw: dict[str, Any], known: Instrument | None) -> Article:
    params = {k: _freeze(v) for k, v in raw.items() if k not in _ARTICLE_KEYS}
    art = str(raw["art"])
    reading = False
    if known is not None:
        for twin in known.articles:
            if (twin.art, twin.rule, twin.says) == (art, raw["rule"], raw.get("says")):
                added = {k: v for k, v in twin.params if k not in params}
                reading = bool(added)
                params.update(added)
                break
    return Article(
        art=art,
        rule=raw["rule"],
        says=raw.get("says"),
        verification=raw.get("verification", "read"),
        source=raw.get("source"),
        note=raw.get("note"),
        reading=reading,
        params=tuple(sorted(params.items())),
    )
