"""One instrument tried for one leg: what depends on the object is asked per property and remembered.

`Candidate` is made once per (instrument, sender, recipient, originator, day, known, facts). Everything that
does not look at the object is settled then. What does look at it is split by the property it looks at, the
facets: scope (classified, kind), level, use, colour, compartments. Each value of a property is judged once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.agreements.book import day_in
from secretariat.agreements.caveats import CLEAR, GREEN, ORDER, RED, STRICT
from secretariat.agreements.model import (
    CONDITION,
    DENY,
    DUTY,
    FAILS,
    HOLDS,
    MAY,
    NOTE,
    Article,
    Attempt,
    Facts,
    Instrument,
    Mark,
    Note,
    Tried,
)
from secretariat.agreements.obligations import DEEDS, Terms, recipients_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Moment
    from secretariat.agreements.naming import Side
    from secretariat.agreements.status import State

INTENT, UNCOVERED, NOT_IN_FORCE, REFUSED, PERMITS = 1, 2, 3, 4, 5
"""How close an instrument came: states intent only; does not cover this information; covers it but is not
in force; covers it, is in force, and one of its rules refuses; permits."""

RESTRICTS_ONLY = {"standard", "practice", "regulation"}
_CARRIES = {
    "DEFINE", "LEVELS", "MARK", "PURPOSE", "AUDIENCE", "ADMISSION", "COMPARTMENT", "HUB_ONLY",
    "EQUIV_PROTECTION", "DEFAULT_SHARE", "NON_BINDING", "THIRD_PARTY", "CLEARANCE", "NEED_TO_KNOW",
}  # fmt: skip
_STATEMENTS = {"association_statement", "statement_of_intent"}
"""Kinds that name their parties as a community; a declaration encourages and names none."""
_FIRMS = {"company", "contractor", "firm"}
_NOTED = {"NO_DUTY_TO_SHARE", "NOT_RELEASE_AUTHORITY", "IN_FORCE", "AMEND", "SUSPEND", "DURATION"}


class Facet(dict[Any, Any]):
    """Answers by value of a property; a missing one is worked out once, and old ones are dropped in bulk."""

    LIMIT = 8192

    def __init__(self, work: Callable[[Any], Any]) -> None:
        super().__init__()
        self.work = work

    def __missing__(self, key: Any) -> Any:
        if len(self) >= self.LIMIT:
            self.clear()
        found = self[key] = self.work(key)
        return found


class Piece(msgspec.Struct, frozen=True, eq=False):
    """What one facet says: whether it holds, the articles tried, what follows. Compared by identity."""

    ok: bool = True
    rows: tuple[Tried, ...] = ()
    mark: Mark | None = None
    score: int = 0
    """How many rules were met by facts, not by silence: the more, the more particular the instrument."""
    conditions: tuple[Tried, ...] = ()
    warnings: tuple[Note, ...] = ()


EMPTY = Piece()


def piece(rows: list[Tried], mark: Mark | None = None, warnings: tuple[Note, ...] = ()) -> Piece:
    """Make a piece of its rows."""
    return Piece(
        ok=all(r.result != FAILS for r in rows),
        rows=tuple(rows),
        mark=mark,
        score=sum(1 for r in rows if r.result == HOLDS),
        conditions=tuple(r for r in rows if r.result == CONDITION),
        warnings=warnings,
    )


class Judged:
    """One instrument as it answers for one combination of properties. Compared by identity."""

    __slots__ = ("attempt", "candidate", "pieces", "weight")

    def __init__(self, candidate: Candidate, pieces: tuple[Piece, ...]) -> None:
        self.candidate, self.pieces = candidate, pieces
        scope, levels, use, _, _ = pieces
        covered = scope.ok and use.ok and candidate.covered and not _without_level(levels)
        permits = candidate.fixed.ok and all(p.ok for p in pieces)
        if permits:
            rank = PERMITS
        elif candidate.intent_only:
            rank = INTENT
        elif not covered and not (candidate.routed and candidate.state.in_force):
            rank = UNCOVERED
        else:
            rank = REFUSED if candidate.state.in_force else NOT_IN_FORCE
        near = sum(p.score for p in (candidate.fixed, *pieces)) if permits else -candidate.state.distance
        self.weight = (rank, near, candidate.instrument.binding)
        rows = (candidate.fixed.rows, *(p.rows for p in pieces if p.rows))
        self.attempt = Attempt(candidate.instrument.key, MAY if permits else DENY, rank, rows)


def _without_level(levels: Piece) -> bool:
    return any(row.note.code == "levels.no_level" and row.result == FAILS for row in levels.rows)


class Candidate:
    """One instrument between two parties, for objects of one originator, on one day."""

    def __init__(
        self,
        book: Book,
        instrument: Instrument,
        state: State,
        *,
        sender: str,
        recipient: str,
        originator: str,
        sides: tuple[Side, Side],
        true: Moment,
        facts: Facts,
        dependencies: tuple[tuple[Instrument, State, bool], ...],
        through: tuple[str, ...] = (),
    ) -> None:
        self.book = book
        self.through = through
        self.instrument = instrument
        self.state = state
        self.sender, self.recipient, self.originator = sender, recipient, originator
        self.facts = facts
        self.day = day_in(true, instrument.timezone)
        self.dependencies = dependencies
        rules = [a.rule for a in instrument.articles]
        self.levelled = bool(instrument.tables) or "LEVELS" in rules
        self.speaks_of_classified = self.levelled or "DEFINE" in rules or "DEFAULT_SHARE" in rules
        self.intent_only = "NON_BINDING" in rules and all(r == "NON_BINDING" or r in _NOTED for r in rules)
        self.rests = tuple(
            i.key for i, s, names in dependencies if i.binding and s.in_force and (names or through)
        )
        self.stage = next((s for s in instrument.stages if s.name == facts.stage), None)
        self.communities = self._communities()
        self.max_tlp = self._max_tlp()
        self.recipient_schemes = self._schemes(recipient)
        fixed = self._fixed(sides)
        self.fixed = piece(fixed)
        self.covered = all(s.result != FAILS for side in sides for s in side.rows)
        self.routed = bool(through) and any(r.rule == "HUB_ONLY" and r.result == HOLDS for r in fixed)
        terms = Terms(instrument, state, sender=sender, recipient=recipient, originator=originator)
        self.obligations = terms.arising(self.day)
        self.after_end = terms.at_the_end() if state.word == "ended" else ()
        self.scope = Facet(self._scope)
        self.levels = Facet(self._levels)
        self.uses = Facet(self._use)
        self.colours = Facet(self._colour)
        self.compartments = Facet(self._compartments)
        self.judged = Facet(lambda pieces: Judged(self, pieces))

    # --- settled once --------------------------------------------------------------------------------

    def row(self, article: Article, result: str, code: str, *args: str) -> Tried:
        """Make a row of the trace for an article of this instrument."""
        return Tried(
            self.instrument.ref(article.art), article.rule, result, Note(code, args), article.verification
        )

    def _fixed(self, sides: tuple[Side, Side]) -> list[Tried]:
        instrument, state = self.instrument, self.state
        rows = [*sides[0].rows, *sides[1].rows]
        rows.append(Tried(state.ref, "IN_FORCE", HOLDS if state.in_force else FAILS, state.note))
        for dependency, its_state, _ in self.dependencies:
            rows.append(
                Tried(
                    instrument.key,
                    "IN_FORCE",
                    HOLDS if its_state.in_force else FAILS,
                    Note("depends.holds", (dependency.key,))
                    if its_state.in_force
                    else Note("depends.fails", (dependency.key, its_state.note.text)),
                )
            )
        tabled = {t.article for t in instrument.tables}
        for article in instrument.articles:
            if article.rule == "MARK" and article.art in tabled:
                continue  # tried with the level
            row = self._settled(article)
            if row is not None:
                rows.append(row)
        if instrument.kind in RESTRICTS_ONLY:
            rows.append(Tried(instrument.key, "AUDIENCE", FAILS, Note("kind.restricts", (instrument.kind,))))
        carrying = [a for a in instrument.articles if a.rule in _CARRIES]
        if not any(a.verification == "read" for a in carrying):
            rows.append(
                Tried(
                    instrument.key,
                    "DEFAULT_SHARE",
                    FAILS,
                    Note("unread.all", (instrument.key,)),
                    "unverified",
                )
            )
        return rows

    def _settled(self, article: Article) -> Tried | None:
        rule, facts = article.rule, self.facts
        if rule in {"CLEARANCE", "NEED_TO_KNOW"}:
            stated = facts.clearance if rule == "CLEARANCE" else facts.need_to_know
            if stated is None:
                return self.row(article, CONDITION, "person.confirm")
            return self.row(
                article, HOLDS if stated else FAILS, "person.confirmed" if stated else "person.negative"
            )
        if rule == "CONTRACTOR":
            party = self.book.parties.get(self.recipient)
            if party is None or (party.kind or "").casefold() not in _FIRMS:
                return self.row(article, NOTE, "contractor.state")
            if facts.contractor:
                return self.row(article, HOLDS, "person.confirmed")
            return self.row(article, FAILS, "contractor.missing", self.recipient)
        if rule == "PII":
            if facts.personal_data is None:
                return self.row(article, CONDITION, "pii.confirm")
            if facts.personal_data:
                return self.row(article, FAILS, "pii.present")
            return self.row(article, HOLDS, "person.confirmed")
        if rule == "HUB_ONLY":
            return self._hub(article)
        if rule == "REL_TO":
            standing = article.get("list", ())
            if standing and self.recipient not in standing:
                return self.row(article, FAILS, "rel.fails", self.recipient, ", ".join(standing))
            return self.row(
                article, HOLDS if standing else NOTE, "rel.holds" if standing else "rel.none", self.recipient
            )
        if rule == "DEFAULT_SHARE":
            if article.verification == "read":
                return self.row(article, HOLDS, "default_share.holds")
            return self.row(article, FAILS, "default_share.unread")
        if rule in {"THIRD_PARTY", "ORCON"}:
            return self.row(article, DUTY, "third.duty", self.recipient, self.originator)
        if article.get("recipients_shown") is not None:
            shown = recipients_shown(self.instrument) is not None
            return self.row(article, DUTY, "recipients.shown" if shown else "recipients.hidden")
        if rule in _NOTED:
            return self.row(article, NOTE, "noted")
        if rule in DEEDS or rule in {"RETENTION", "RETURN_OR_DESTROY", "LOSS_REPORT", "TERMINATION_EFFECT"}:
            return self.row(article, DUTY, "duty")
        if rule == "NOFORN":
            return self.row(article, NOTE, "noted")
        return None  # looks at the object

    def _hub(self, article: Article) -> Tried:
        hub = article.get("hub")
        if hub is None and self.dependencies:
            shared = set.intersection(*(set(i.parties) for i, _, _ in self.dependencies))
            hub = next(iter(shared)) if len(shared) == 1 else None
        if hub is None:
            return self.row(article, FAILS, "hub.unknown")
        if hub in {self.sender, self.recipient, *self.through}:
            return self.row(article, HOLDS, "hub.holds", hub)
        return self.row(article, FAILS, "hub.fails", hub, self.sender, self.recipient)

    def _communities(self) -> tuple[Article, ...]:
        stated = [a for a in self.instrument.articles if a.rule == "NON_BINDING"]
        chosen = tuple(a for a in stated if a.get("community") or a.get("max_tlp"))
        silent = all(a.get("community") is None for a in stated)
        if not chosen and silent and self.instrument.kind in _STATEMENTS:
            return tuple(stated)
        return chosen

    def _max_tlp(self) -> str | None:
        """The tightest colour the instrument carries, before its stages are asked."""
        stated = [
            a.get("max_tlp") for a in self.instrument.articles if a.rule == "AUDIENCE" and a.get("max_tlp")
        ]
        if stated:
            return str(min(stated, key=ORDER.__getitem__))
        if self.instrument.binding or self.rests:
            return STRICT
        opened = [str(a.get("max_tlp", GREEN)) for a in self.communities]
        return max(opened, key=ORDER.__getitem__) if opened else None

    def _schemes(self, code: str) -> tuple[str, ...]:
        found: list[str] = []
        for owner in (code, *self.book.ancestors(code)):
            found += self.book.owners.get(owner, ())
        for group in self.instrument.parties:
            if group in self.book.groups and code in self.book.members(group, self.day):
                found += self.book.owners.get(group.removesuffix("_MEMBERS"), ())
        return tuple(found)

    # --- asked per property of the object --------------------------------------------------------------

    def _scope(self, key: tuple[bool, str | None, str | None]) -> Piece:
        """DEFINE: (classified, kind, colour)."""
        classified, kind, tlp = key
        rows: list[Tried] = []
        by_name = not classified and tlp == GREEN and self.instrument.binding
        if classified and not self.speaks_of_classified and not self.intent_only:
            rows.append(Tried(self.instrument.key, "DEFINE", FAILS, Note("define.not_classified_text")))
        for article in self.instrument.articles:
            if article.rule != "DEFINE":
                continue
            kinds, origins = article.get("kinds", ()), article.get("originators", ())
            if by_name and (article.get("classified") or kinds):
                rows.append(self.row(article, NOTE, "tlp.green"))
            elif article.get("classified") and not classified:
                rows.append(self.row(article, FAILS, "define.classified"))
            elif kinds and kind is not None and kind not in kinds:
                rows.append(self.row(article, FAILS, "define.kind", ", ".join(kinds), kind))
            elif origins and self.originator not in origins:
                rows.append(self.row(article, FAILS, "define.orig", ", ".join(origins), self.originator))
            elif kinds and kind is None:
                rows.append(self.row(article, CONDITION, "define.kind_unstated", ", ".join(kinds)))
            elif kinds or origins or article.get("classified"):
                rows.append(self.row(article, HOLDS, "define.holds"))
            elif not article.get("offices"):
                rows.append(self.row(article, NOTE, "define.any"))
        return piece(rows)

    def _levels(self, key: tuple[str | None, str | None, str | None]) -> Piece:
        """LEVELS and the tables: (scheme, level, colour); a level that is not classified is None."""
        scheme, level, tlp = key
        articles = [a for a in self.instrument.articles if a.rule == "LEVELS"]
        rows: list[Tried] = []
        if not self.levelled:
            return EMPTY
        if level is None:
            by_name = tlp == GREEN and self.instrument.binding
            result, code = (NOTE, "tlp.green") if by_name else (FAILS, "levels.no_level")
            rows += [self.row(a, result, code) for a in articles]
            rows += [
                Tried(self.instrument.ref(t.article), "LEVELS", result, Note(code), t.verification)
                for t in self.instrument.tables
                if not articles
            ]
            return piece(rows)
        for article in articles:
            allowed = article.get("levels", ())
            if allowed and level not in [str(w) for w in allowed]:
                rows.append(self.row(article, FAILS, "levels.not_listed", level))
        if not self.instrument.tables:
            rows += [
                self.row(a, CONDITION, "levels.no_table", level) for a in articles if not a.get("levels")
            ]
            rows += [self.row(a, HOLDS, "define.holds") for a in articles if level in a.get("levels", ())]
            return piece(rows, warnings=(Note("warn.no_table", (self.instrument.key, level)),))
        return self._tabled(articles, rows, scheme, level)

    def _tabled(self, articles: list[Article], rows: list[Tried], scheme: str | None, level: str) -> Piece:
        failure = Note("levels.not_in_table", (level, self.instrument.key))
        mark: Mark | None = None
        table = self.instrument.tables[0]
        for table in self.instrument.tables:
            column = next((n for n, c in enumerate(table.columns) if c == scheme), None)
            if column is None:
                continue
            mine = next((n for n, c in enumerate(table.columns) if c in self.recipient_schemes), None)
            if mine is None:
                failure = Note("levels.no_column", (self.recipient,))
                continue
            row = next((r for r in table.rows if r[column] == level), None)
            if row is None:
                continue
            if row[mine] is None:
                failure = Note("levels.none", (level, self.recipient))
                continue
            mark = Mark(self.recipient, str(row[mine]), self.instrument.ref(table.article))
            break
        ref = self.instrument.ref(table.article)
        marking = next(
            (a for a in self.instrument.articles if a.art == table.article and a.rule == "MARK"), None
        )
        if mark is None:
            rows += [
                Tried(self.instrument.ref(a.art), "LEVELS", FAILS, failure, a.verification) for a in articles
            ]
            if not any(a.art == table.article for a in articles):
                rows.append(Tried(ref, "MARK" if marking else "LEVELS", FAILS, failure, table.verification))
            return piece(rows)
        note = Note("levels.holds", (level, mark.level, self.recipient))
        rows += [Tried(self.instrument.ref(a.art), "LEVELS", HOLDS, note, a.verification) for a in articles]
        rows.append(
            Tried(ref, "MARK", HOLDS, Note("mark.as", (self.recipient, mark.level)), table.verification)
        )
        return piece(rows, mark)

    def _use(self, provided: str | None) -> Piece:
        """PURPOSE: the purpose of provision; the stated use is a fact of the question."""
        use = self.facts.purpose or provided
        rows: list[Tried] = []
        for article in self.instrument.articles:
            if article.rule != "PURPOSE":
                continue
            purposes = article.get("purposes")
            if purposes is not None:
                shown = ", ".join(purposes)
                if use is None:
                    rows.append(self.row(article, FAILS, "purpose.missing", shown))
                elif use in purposes:
                    rows.append(self.row(article, HOLDS, "purpose.holds", use))
                else:
                    rows.append(self.row(article, FAILS, "purpose.fails", use, shown))
            elif use is None:
                rows.append(self.row(article, CONDITION, "purpose.confirm"))
            elif provided is not None and use != provided:
                rows.append(self.row(article, FAILS, "purpose.other", provided, use))
            else:
                rows.append(self.row(article, CONDITION, "purpose.same", use))
        return piece(rows)

    def _colour(self, key: tuple[str | None, bool]) -> Piece:
        """AUDIENCE, ADMISSION, NON_BINDING: (colour, classified)."""
        tlp, classified = key
        rows: list[Tried] = []
        for article in self.instrument.articles:
            if article.rule == "AUDIENCE":
                rows.append(self._audience(article, tlp))
            elif article.rule == "ADMISSION":
                rows += self._admission(article, tlp)
            elif article.rule == "NON_BINDING":
                rows.append(self._statement(article, tlp, classified=classified))
        if self.instrument.stages and not any(a.rule == "ADMISSION" for a in self.instrument.articles):
            rows += self._admission(Article(art="stages", rule="ADMISSION"), tlp)
        stated = any(a.rule == "AUDIENCE" and a.get("max_tlp") for a in self.instrument.articles)
        if (
            tlp is not None
            and not stated
            and not self.intent_only
            and (self.max_tlp is None or ORDER[tlp] > ORDER[self.max_tlp])
            and not (self.stage is not None and self.stage.max_tlp == tlp == RED)
            and not (tlp == CLEAR or (classified and tlp == GREEN))
        ):
            code = "tlp.red" if tlp == RED else "tlp.unbound"
            rows.append(Tried(self.instrument.key, "AUDIENCE", FAILS, Note(code, (tlp, self.recipient))))
        if tlp == RED and all(r.result != FAILS for r in rows):
            rows.append(Tried("tlp-2/RED", "AUDIENCE", CONDITION, Note("tlp.red_persons")))
        silent = not self.intent_only and not any(a.rule == "NON_BINDING" for a in self.instrument.articles)
        if classified and silent and not self.instrument.binding and not self.rests:
            rows.append(Tried(self.instrument.key, "NON_BINDING", FAILS, Note("nonbinding.classified")))
        return piece(rows)

    def _audience(self, article: Article, tlp: str | None) -> Tried:
        limit = article.get("max_tlp")
        if tlp is None:
            return self.row(article, NOTE, "audience.uncoloured")
        if limit is None:
            return self.row(article, NOTE, "audience.any")
        if ORDER[tlp] <= ORDER[limit]:
            return self.row(article, HOLDS, "audience.holds", tlp, limit)
        return self.row(article, FAILS, "audience.fails", tlp, limit)

    def _admission(self, article: Article, tlp: str | None) -> list[Tried]:
        name = self.facts.stage
        if name is None:
            return [self.row(article, FAILS, "stage.missing", self.recipient)]
        stage = self.stage
        if stage is None:
            return [self.row(article, FAILS, "stage.unknown", name)]
        limit = stage.max_tlp or CLEAR
        if tlp is not None and ORDER[tlp] > ORDER[limit]:
            return [self.row(article, FAILS, "stage.fails", name, tlp)]
        rows = [self.row(article, HOLDS, "stage.holds", name, limit)]
        if stage.min_days is not None:
            since = self.facts.stage_since
            if since is None:
                rows.append(self.row(article, CONDITION, "stage.days_confirm", name, str(stage.min_days)))
            elif (self.day - since).days < stage.min_days:
                days = str((self.day - since).days)
                return [self.row(article, FAILS, "stage.days", days, name, str(stage.min_days))]
        return rows

    def _statement(self, article: Article, tlp: str | None, *, classified: bool) -> Tried:
        if classified:
            if self.rests:
                return self.row(article, HOLDS, "nonbinding.rests", ", ".join(self.rests))
            return self.row(article, FAILS, "nonbinding.classified")
        if not self.intent_only:
            return self.row(article, NOTE, "noted")
        if article not in self.communities:
            code = NOTE if self.communities else FAILS
            return self.row(article, code, "nonbinding.no_community")
        limit = str(article.get("max_tlp", GREEN))
        if tlp is not None and ORDER[tlp] > ORDER[limit]:
            return self.row(article, FAILS, "nonbinding.colour", limit, tlp)
        return self.row(article, HOLDS, "nonbinding.supports")

    def _compartments(self, needed: tuple[str, ...]) -> Piece:
        """COMPARTMENT: all compartments of the object."""
        articles = [a for a in self.instrument.articles if a.rule == "COMPARTMENT"]
        if not needed:
            return piece([self.row(a, NOTE, "compartment.none") for a in articles])
        held: set[str] | None = None if self.facts.holds is None else set(self.facts.holds)
        if self.stage is not None:
            held = (held or set()) | set(self.stage.compartments)
        for article in articles:
            if article.get("compartments"):
                held = (held or set()) | set(article.get("compartments"))
        shown = ", ".join(needed)
        if held is None:
            note = Note("compartment.unknown", (self.recipient, shown))
        elif set(needed) <= held:
            note = Note("compartment.holds", (self.recipient, shown))
        else:
            note = Note("compartment.fails", (self.recipient, ", ".join(n for n in needed if n not in held)))
        result = HOLDS if note.code == "compartment.holds" else FAILS
        if not articles:
            return piece([Tried("marking/compartments", "COMPARTMENT", result, note)])
        return piece(
            [Tried(self.instrument.ref(a.art), a.rule, result, note, a.verification) for a in articles]
        )
