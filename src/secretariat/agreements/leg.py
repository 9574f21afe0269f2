"""One leg, from a sender to a recipient, on one day, with the facts at hand: everything but the object.

A route of several legs is asked leg by leg, and once as a whole `through` its relays.

`Leg` finds the instruments that name the pair; `View` adds the originator: its own information, third-party
rules of the instruments under which the sender may hold it, consents. `View.decide` then answers for a label.
The rules it follows stand in `rules`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from secretariat.agreements.book import day_in
from secretariat.agreements.candidate import (
    EMPTY,
    INTENT,
    NOT_IN_FORCE,
    PERMITS,
    UNCOVERED,
    Candidate,
    Facet,
    Judged,
    Piece,
    piece,
)
from secretariat.agreements.caveats import AMBER, CLEAR, GREEN, GROUP_NAMES, STRICT, colour, read_caveats
from secretariat.agreements.consents import verdict
from secretariat.agreements.model import (
    CONDITION,
    DEFAULT_DENY,
    DENY,
    FAILS,
    HOLDS,
    MAY,
    NOTE,
    OWN,
    Decision,
    Note,
    Obligation,
    Tried,
)
from secretariat.agreements.naming import Side, name_side
from secretariat.agreements.reasons import colour_refusal, concerns, failing_refs, relied, sort_failing
from secretariat.agreements.status import state_at
from secretariat.records.markings import UNCLASSIFIED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from secretariat.agreements.book import Book
    from secretariat.agreements.model import Article, Facts, Instrument, Moment
    from secretariat.agreements.status import State
    from secretariat.records.markings import Label

RESTRICTED = 6
"""Rank of a refusal by the object's own restrictions: above every instrument."""

OWN_DECISION = Decision(outcome=OWN, article=OWN, because=())


class Level:
    """What the level of an object means: classified or not, and whether it is known at all."""

    __slots__ = ("classified", "known", "level", "scheme")

    def __init__(
        self, scheme: str | None, level: str | None, *, classified: bool, row: Tried | None = None
    ) -> None:
        self.scheme, self.level, self.classified = scheme, level, classified
        self.known = EMPTY if row is None else piece([row])


class Leg:
    """Everything about a leg that does not depend on the object."""

    def __init__(
        self,
        book: Book,
        sender: str,
        recipient: str,
        true: Moment,
        known: Moment | None,
        facts: Facts,
        through: tuple[str, ...] = (),
    ) -> None:
        self.book, self.sender, self.recipient = book, sender, recipient
        self.through = through
        self.true, self.known, self.facts = true, known, facts
        self.day: date = day_in(true, "UTC")
        self.states: dict[tuple[str, tuple[str, ...]], State] = {}
        self.views: dict[str, View] = {}
        self.clear_ref = self._clear_ref()

    def _clear_ref(self) -> str:
        """TLP 2.0 calls it CLEAR from its first day; before, version 1 called it WHITE."""
        second = self.book.instruments.get("tlp-2")
        if second is not None and second.effective is not None:
            day = day_in(self.true, second.timezone)
            return "tlp-2/CLEAR" if day >= second.effective else "tlp-1/WHITE"
        return "tlp-2/CLEAR" if self.day.isoformat() >= "2022-08-01" else "tlp-1/WHITE"

    def view(self, originator: str) -> View:
        """Give the view of this leg for objects of one originator."""
        found = self.views.get(originator)
        if found is None:
            found = self.views[originator] = View(self, originator)
        return found

    def state(self, instrument: Instrument, pair: tuple[str, ...]) -> State:
        """Give the state of an instrument for a pair."""
        key = (instrument.key, pair)
        found = self.states.get(key)
        if found is None:
            found = self.states[key] = state_at(instrument, self.true, self.known, pair)
        return found

    def sides(self, instrument: Instrument, one: str, other: str) -> tuple[Side, Side]:
        """Tell how an instrument names two parties."""
        day = day_in(self.true, instrument.timezone)
        first = name_side(
            self.book, instrument, one, self.facts.from_office if one == self.sender else None, day
        )
        second = name_side(
            self.book, instrument, other, self.facts.to_office if other == self.recipient else None, day
        )
        return first, second

    def candidates(self, one: str, other: str, originator: str) -> list[Candidate]:
        """Give every instrument known by then that names both."""
        found: list[Candidate] = []
        for instrument in self.book.instruments.values():
            if len(instrument.parties) < 1 or one == other:
                continue
            sides = self.sides(instrument, one, other)
            if not (sides[0].named and sides[1].named):
                continue
            if len(instrument.parties) == 1 and instrument.parties[0] not in self.book.groups:
                continue
            state = self.state(instrument, (one, other))
            if state.word == "unheard":
                continue
            dependencies: list[tuple[Instrument, State, bool]] = []
            for key in instrument.depends_on:
                dependency = self.book.instruments[key]
                named = all(s.named for s in self.sides(dependency, one, other))
                dependencies.append((dependency, self.state(dependency, ()), named))
            found.append(
                Candidate(
                    self.book,
                    instrument,
                    state,
                    sender=one,
                    recipient=other,
                    originator=originator,
                    sides=sides,
                    true=self.true,
                    facts=self.facts,
                    dependencies=tuple(dependencies),
                    through=self.through,
                )
            )
        return found


class View:
    """A leg for objects of one originator."""

    def __init__(self, leg: Leg, originator: str) -> None:
        self.leg, self.originator = leg, originator
        book = leg.book
        self.own = leg.recipient == originator or leg.recipient in book.ancestors(originator)
        self.onward = leg.sender != originator and leg.sender not in book.ancestors(originator)
        self.inside = leg.sender in book.ancestors(leg.recipient) or leg.recipient in book.ancestors(
            leg.sender
        )
        receiver = book.parties.get(leg.recipient)
        self.client = receiver is not None and leg.sender in receiver.clients_of
        self.consent_ok, self.consent_note, self.consent = self._consent(None, None)
        self.candidates = leg.candidates(leg.sender, leg.recipient, originator)
        if self.onward and self.consent_ok:
            tried = {c.instrument.key for c in self.candidates}
            self.candidates += [
                c
                for c in leg.candidates(originator, leg.recipient, originator)
                if c.instrument.key not in tried
            ]
        self.holding = self._holding() if self.onward else []
        self.level: Facet = Facet(self._level)
        self.colour: Facet = Facet(self._colour)
        self.caveats: Facet = Facet(self._caveats)
        self.third: Facet = Facet(self._third)
        self.colour_of: Facet = Facet(colour)
        self.colour_met: Facet = Facet(self._colour_met)
        self.colour_refused: Facet = Facet(self._colour_refused)
        self.answers: Facet = Facet(self._answer)
        self.failing: Facet = Facet(lambda one: failing_refs(one.attempt))
        self.by_label: Facet = Facet(self._decide)

    # --- settled once --------------------------------------------------------------------------------

    def _consent(
        self, level: str | None, purpose: str | None, article: Article | None = None
    ) -> tuple[bool, Note, date | None]:
        leg = self.leg
        silence = article is not None and article.get("silence") == "permit"
        ok, note, found = verdict(
            leg.facts.consents,
            originator=self.originator,
            sender=leg.sender,
            recipient=leg.recipient,
            day=leg.day,
            known=leg.known,
            level=level,
            purpose=purpose or leg.facts.purpose,
            form=str(article.get("consent", "written")) if article is not None else "written",
            silence_days=int(article.get("answer_days", 0)) if article is not None and silence else None,
        )
        return ok, note, found.until if found is not None else None

    def _holding(self) -> list[tuple[Instrument, tuple[Article, ...]]]:
        """Find the instruments under which the sender may hold it and that restrict its onward release."""
        leg, found = self.leg, []
        for instrument in leg.book.instruments.values():
            articles = tuple(a for a in instrument.articles if a.rule in {"THIRD_PARTY", "ORCON"})
            if not articles or not instrument.parties:
                continue
            if not all(s.named for s in leg.sides(instrument, self.originator, leg.sender)):
                continue
            if leg.state(instrument, (self.originator, leg.sender)).word in {"unheard", "not_yet", "never"}:
                continue
            found.append((instrument, articles))
        return found

    # --- asked per property of the object --------------------------------------------------------------

    def _level(self, key: tuple[str | None, str | None]) -> Level:
        """(level, scheme as stated): what it means."""
        word, stated = key
        book = self.leg.book
        if word is None or not word.strip() or word.strip().upper() in UNCLASSIFIED:
            return Level(None, None, classified=False)
        owned = [
            s for o in (self.originator, *book.ancestors(self.originator)) for s in book.owners.get(o, ())
        ]
        if stated is not None:
            owned = [stated] if stated in book.schemes else []
        elif not owned:
            holders = [k for k, s in book.schemes.items() if s.owner is None and s.find(word)]
            owned = holders if len(holders) == 1 else []
        for scheme in owned:
            level = book.schemes[scheme].find(word)
            if level is not None:
                if level in book.schemes[scheme].unclassified:
                    return Level(None, None, classified=False)
                return Level(scheme, level, classified=True)
        note = Note("levels.unknown", (word, stated or ", ".join(owned) or self.originator))
        return Level(None, word, classified=True, row=Tried("marking/level", "LEVELS", FAILS, note))

    def _colour(self, key: tuple[str | None, bool]) -> Piece:
        """(colour, classified): the restriction that the colour itself sets on this leg."""
        tlp, classified = key
        leg = self.leg
        if tlp is None:
            if classified:
                return EMPTY
            return piece([Tried("marking/none", "AUDIENCE", FAILS, Note("marking.none"))])
        if tlp == CLEAR:
            return piece([Tried(leg.clear_ref, "AUDIENCE", NOTE if classified else HOLDS, Note("tlp.clear"))])
        ref = f"tlp-2/{tlp}"
        if tlp == GREEN or not self.onward:
            return EMPTY  # whether an instrument names the pair is told by the attempts
        if self.consent_note.code == "third.refused":
            return piece([Tried(ref, "AUDIENCE", FAILS, self.consent_note)])
        if self.consent_ok:
            return piece(
                [Tried(ref, "AUDIENCE", HOLDS, Note("tlp.consent", (self.originator, leg.recipient)))]
            )
        if tlp in {AMBER, STRICT} and self.inside:
            return piece([Tried(ref, "AUDIENCE", HOLDS, Note("tlp.inside", (leg.sender, leg.recipient)))])
        if tlp == AMBER and self.client:
            return piece([Tried(ref, "AUDIENCE", HOLDS, Note("tlp.client", (leg.sender, leg.recipient)))])
        return piece([Tried(ref, "AUDIENCE", FAILS, Note("tlp.onward", (tlp, leg.sender)))])

    def _control(self, art: str, rule: str) -> tuple[str, str]:
        """Name the article of the book that stands for a caveat."""
        for instrument in self.leg.book.instruments.values():
            if instrument.kind == "standard":
                for article in instrument.articles:
                    if article.art == art and article.rule == rule:
                        return instrument.ref(art), article.verification
        return f"marking/{art}", "read"

    def _caveats(self, key: tuple[tuple[str, ...], tuple[str, ...]]) -> Piece:
        """(controls, release list)."""
        if not any(key):
            return EMPTY
        leg, caveats = self.leg, read_caveats(*key)
        recipient = leg.recipient
        rows: list[Tried] = []
        warnings: tuple[Note, ...] = ()

        def add(art: str, rule: str, result: str, code: str, *args: str) -> None:
            ref, verification = self._control(art, rule)
            rows.append(Tried(ref, rule, result, Note(code, args), verification))

        if caveats.contradiction is not None:
            add("NF", "NOFORN", FAILS, "nf.contradiction", *caveats.contradiction)
            warnings = (Note("warn.marking_error", (" + ".join(caveats.contradiction), self.originator)),)
        if caveats.noforn:
            home = {self.originator, *leg.book.ancestors(self.originator)}
            if home & {recipient, *leg.book.ancestors(recipient)}:
                add("NF", "NOFORN", HOLDS, "nf.inside", recipient, self.originator)
            elif caveats.contradiction is None:
                add("NF", "NOFORN", FAILS, "nf.fails", self.originator)
        listed = caveats.release is not None and self._listed(caveats.release)
        if caveats.release is not None:
            shown = ", ".join(sorted(caveats.release)) or "–"
            code = "rel.holds" if listed else "rel.fails"
            if listed or caveats.display is None:
                add("REL", "REL_TO", HOLDS if listed else FAILS, code, recipient, shown)
        if caveats.display is not None and not listed:
            if not self._listed(caveats.display):
                add(
                    "DISPLAYONLY",
                    "REL_TO",
                    FAILS,
                    "rel.fails",
                    recipient,
                    ", ".join(sorted(caveats.display)) or "–",
                )
            elif leg.facts.handling == "show":
                add("DISPLAYONLY", "REL_TO", CONDITION, "display.shown")
            else:
                add("DISPLAYONLY", "REL_TO", FAILS, "display.only", recipient)
        if caveats.orcon:
            self._orcon(caveats.orcon_inside, add)
        if caveats.relido:
            add("RELIDO", "NOT_RELEASE_AUTHORITY", CONDITION, "relido.confirm", self.originator)
        for holding in caveats.holdings:
            held = leg.facts.holds or ()
            add(
                "PR, FISA, DSEN, IMC, RS",
                "COMPARTMENT",
                HOLDS if holding in held else FAILS,
                "compartment.holds" if holding in held else "compartment.fails",
                recipient,
                holding,
            )
        rows += [
            Tried("marking/caveat", "REL_TO", FAILS, Note("control.unknown", (word,)))
            for word in caveats.unknown
        ]
        return piece(rows, warnings=warnings)

    def _orcon(self, inside: str | None, add: Callable[..., None]) -> None:
        leg = self.leg
        if not self.onward:
            add("OC", "ORCON", HOLDS, "orcon.first")
        elif inside is not None and inside in {leg.recipient, *leg.book.ancestors(leg.recipient)}:
            add("OC", "ORCON", HOLDS, "third.inside", leg.recipient)
        else:
            add(
                "OC",
                "ORCON",
                HOLDS if self.consent_ok else FAILS,
                self.consent_note.code,
                *self.consent_note.args,
            )

    def _listed(self, parties: frozenset[str]) -> bool:
        leg = self.leg
        if leg.recipient in parties:
            return True
        return any(
            name in parties and leg.recipient in leg.book.members(group, leg.day)
            for name, group in GROUP_NAMES.items()
        )

    def _third(self, key: tuple[bool, str | None, str | None, str | None, str | None]) -> Piece:
        """(classified, kind, level, purpose, colour): third-party rules of what the sender holds it under."""
        classified, kind, level, purpose, tlp = key
        leg = self.leg
        rows: list[Tried] = []
        if not self.onward or (tlp == CLEAR and not classified):
            return EMPTY
        for instrument, articles in self.holding:
            if not concerns(instrument, classified=classified, kind=kind, purpose=purpose):
                continue
            party = all(s.named for s in leg.sides(instrument, leg.recipient, leg.sender))
            for article in articles:
                ref = instrument.ref(article.art)
                everybody = article.rule == "ORCON" or article.get("third", "outside_pair") == "outside_pair"
                if not everybody and party:
                    note = Note("third.inside", (leg.recipient,))
                    rows.append(Tried(ref, article.rule, HOLDS, note, article.verification))
                    continue
                ok, note, _ = self._consent(level, purpose, article)
                rows.append(Tried(ref, article.rule, HOLDS if ok else FAILS, note, article.verification))
        if not rows and self.consent_note.code == "third.refused":
            rows.append(Tried("marking/consent", "THIRD_PARTY", FAILS, self.consent_note))
        return piece(rows)

    # --- the answer -------------------------------------------------------------------------------------

    def decide(self, label: Label) -> Decision:
        """Answer for one object beside its parents, which are decided for themselves; equal labels alike."""
        return self.by_label[label]  # type: ignore[no-any-return]

    def _decide(self, label: Label) -> Decision:
        if self.own:
            return OWN_DECISION
        tlp, known_word = self.colour_of[label.tlp]
        level: Level = self.level[label.level, label.scheme]
        classified = level.classified
        unknown = None if known_word else label.tlp
        restrictions = (
            self.caveats[label.controls, label.rel_to],
            self.third[classified, label.kind, level.level, label.purpose, tlp],
            level.known,
            self.colour[tlp, classified],
        )
        if tlp == CLEAR and not classified and not label.compartments:
            answer: Decision = self.answers[tlp, unknown, restrictions, None]
            return answer
        about, ranked = (classified, label.kind, tlp), (level.scheme, level.level, tlp)
        purpose, coloured, needed = label.purpose, (tlp, classified), label.compartments
        tried = tuple(
            [
                c.judged[
                    c.scope[about],
                    c.levels[ranked],
                    c.uses[purpose],
                    c.colours[coloured],
                    c.compartments[needed],
                ]
                for c in self.candidates
            ]
        )
        answer = self.answers[tlp, unknown, restrictions, tried]
        return answer  # noqa: RET504 - names the type

    def _answer(
        self, key: tuple[str | None, str | None, tuple[Piece, ...], tuple[Judged, ...] | None]
    ) -> Decision:
        """Put an answer together from its pieces; equal pieces make the same answer."""
        tlp, unknown, restrictions, tried = key
        warnings = tuple(note for p in restrictions for note in p.warnings)
        if unknown is not None:
            warnings = (*warnings, Note("warn.unknown_tlp", (unknown,)))
        ok = all(p.ok for p in restrictions)
        if tried is None:
            if not ok:
                return self._restricted(restrictions, (), warnings)
            ref = self.leg.clear_ref
            conditions = tuple(row for p in restrictions for row in p.conditions)
            rows = tuple(p.rows for p in restrictions if p.rows)
            return Decision(MAY, ref, (ref,), None, rows, (), (), conditions, (), warnings, None, PERMITS)
        if not ok:
            return self._restricted(restrictions, tried, warnings)
        best = max(tried, key=lambda one: one.weight) if tried else None
        if best is not None and best.candidate.state.word == "never":
            # What was never in force is named only where nothing in force binds the pair.
            bound = [
                one for one in tried if one.candidate.state.in_force and one.candidate.instrument.binding
            ]
            best = max(bound, key=lambda one: one.weight, default=best)
        if best is not None and best.attempt.outcome == MAY:
            return self._may(best, tlp, restrictions, tried, warnings)
        return self._denied(best, tlp, restrictions, tried, warnings)

    def _restricted(
        self, restrictions: tuple[Piece, ...], tried: tuple[Judged, ...], warnings: tuple[Note, ...]
    ) -> Decision:
        failing = [row for p in restrictions for row in p.rows if row.result == FAILS]
        first = failing[0]
        because = [row.ref for row in failing]
        because += [ref for one in tried if one.attempt.outcome == DENY for ref in self.failing[one]]
        return Decision(
            outcome=DENY,
            article=DEFAULT_DENY if first.ref in {"marking/none", "marking/level"} else first.ref,
            because=tuple(dict.fromkeys(because)),
            missing=first.note,
            restrictions=tuple(p.rows for p in restrictions if p.rows),
            attempts=tuple(one.attempt for one in tried),
            warnings=warnings,
            rank=RESTRICTED,
        )

    def _colour_met(self, tlp: str) -> Piece:
        code, args = ("tlp.green", ()) if tlp == GREEN else ("tlp.first", (tlp,))
        return piece([Tried(f"tlp-2/{tlp}", "AUDIENCE", HOLDS, Note(code, args))])

    def _colour_refused(self, tlp: str) -> Piece:
        note = colour_refusal(tlp, self.leg.sender, self.leg.recipient)
        return piece([Tried(f"tlp-2/{tlp}", "AUDIENCE", FAILS, note)])

    def _may(
        self,
        best: Judged,
        tlp: str | None,
        restrictions: tuple[Piece, ...],
        tried: tuple[Judged, ...],
        warnings: tuple[Note, ...],
    ) -> Decision:
        if tlp is not None and tlp != CLEAR and not restrictions[-1].rows:
            restrictions = (*restrictions[:-1], self.colour_met[tlp])
        candidate, pieces = best.candidate, (best.candidate.fixed, *best.pieces)
        state = candidate.state
        because = relied((*pieces, *restrictions), state.basis)
        until = state.until
        if self.onward and self.consent is not None:
            end = self.consent + timedelta(days=1)
            until = end if until is None or end < until else until
        return Decision(
            outcome=MAY,
            article=because[0],
            because=because,
            restrictions=tuple(p.rows for p in restrictions if p.rows),
            attempts=tuple(one.attempt for one in tried),
            marks=tuple(p.mark for p in pieces if p.mark is not None),
            conditions=tuple(row for p in (*restrictions, *pieces) for row in p.conditions),
            obligations=candidate.obligations,
            warnings=(*warnings, *state.warnings, *(note for p in pieces for note in p.warnings)),
            until=until,
            rank=PERMITS,
        )

    def _denied(
        self,
        best: Judged | None,
        tlp: str | None,
        restrictions: tuple[Piece, ...],
        tried: tuple[Judged, ...],
        warnings: tuple[Note, ...],
    ) -> Decision:
        leg = self.leg
        refs: list[str] = []
        for one in sorted(
            tried, key=lambda one: (one is not best, -one.attempt.rank, one.candidate.state.distance)
        ):
            refs += self.failing[one]
        if tlp is not None and tlp != CLEAR and not restrictions[-1].rows:
            restrictions = (*restrictions[:-1], self.colour_refused[tlp])
            refs.append(f"tlp-2/{tlp}")
        because = tuple(dict.fromkeys(refs))
        article = because[0] if because and "/" in because[0] else DEFAULT_DENY
        obligations: tuple[Obligation, ...] = ()
        rank = 0
        if best is None:
            missing = Note("missing.no_instrument", (leg.sender, leg.recipient))
            article = DEFAULT_DENY
        else:
            candidate, rank = best.candidate, best.attempt.rank
            reason = sort_failing([r for r in best.attempt.tried if r.result == FAILS], rank)[0]
            if rank == INTENT:
                missing = Note("missing.intent", (leg.sender, leg.recipient, candidate.instrument.key))
                article = DEFAULT_DENY
            elif rank == UNCOVERED:
                about = (leg.sender, leg.recipient, reason.note.text)
                missing = Note("missing.not_covered", about)
                article = because[0] if reason.rule == "PURPOSE" else DEFAULT_DENY
            elif rank == NOT_IN_FORCE:
                missing = Note("missing.none_in_force", (leg.sender, leg.recipient, reason.note.text))
                obligations = candidate.after_end
            else:
                missing = Note("missing.rule", (reason.ref, reason.note.text))
            warnings = (*warnings, *candidate.state.warnings)
        return Decision(
            outcome=DENY,
            article=article,
            because=because,
            missing=missing,
            restrictions=tuple(p.rows for p in restrictions if p.rows),
            attempts=tuple(one.attempt for one in tried),
            obligations=obligations,
            warnings=warnings,
            rank=rank,
        )
