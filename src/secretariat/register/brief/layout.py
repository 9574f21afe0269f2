"""A brief as a document: headings, tables and numbered sources; each line names its statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from secretariat.register.answers import Contested
from secretariat.register.brief.model import Ask, Brief, Promise, Proposal
from secretariat.register.brief.rules import lag, urgency
from secretariat.register.model import Row
from secretariat.register.monitoring import Mark, Sum
from secretariat.register.overlap.model import Pair
from secretariat.register.paper.dates import span, written
from secretariat.register.paper.document import (
    Block,
    Bullets,
    Document,
    Head,
    Heading,
    Para,
    Run,
    Runs,
    Table,
    joined,
)
from secretariat.register.paper.naming import named
from secretariat.register.paper.numbering import Numbering
from secretariat.register.screens import address_of
from secretariat.register.wording import (
    ACT_WORDS,
    CADENCE_WORDS,
    FEATURE_WORDS,
    KIND_WORDS,
    POSITION_WORDS,
    RELATION_WORDS,
    SAYS_WORDS,
    WHY_NOT_WORDS,
    state_word,
    word_of,
)
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

CHANGES = 40
"""Most changes listed; the rest is counted."""

WHAT_WORDS = {
    "learned": mark("learned"),
    "happened": mark("happened"),
    "held": mark("held as announced"),
    "corrected": mark("corrected"),
    "taken-back": mark("taken back"),
    "no-longer-seen": mark("no longer seen"),
}


def document(brief: Brief, head: Head, names: Mapping[str, str], language: str) -> Document:
    """Give the brief as a document; the language of `gettext` must be `language`."""
    return _Layout(brief, names, language).made(head)


class _Layout:
    def __init__(self, brief: Brief, names: Mapping[str, str], language: str) -> None:
        self.brief = brief
        self.names = names
        self.language = language
        self.numbers = Numbering(brief.sources, language)

    def made(self, head: Head) -> Document:
        brief = self.brief
        at_last = [one for one in brief.promises if one.at_last]
        others = [one for one in brief.promises if not one.at_last]
        blocks: list[Block] = [*self.glance(), *self.agenda()]
        blocks += self.promised(
            _("What was promised last time, and what came of it"),
            at_last,
            _("No commitment of the last meeting is recorded."),
        )
        blocks += self.promised(
            _("What else is open"),
            sorted((one for one in others if one.open), key=urgency),
            _("Nothing else is open."),
        )
        done = [one for one in others if one.answer.state in {"done", "late"}]
        blocks += self.closed(done)
        blocks += self.silence()
        blocks += self.contested(brief.contested)
        blocks += self.overlaps()
        blocks += self.instruments()
        blocks += self.requests(brief.requests)
        blocks += self.changes()
        blocks += self.rules()
        return Document(
            title=self.title(),
            title_lang="" if brief.meeting is None else self.lang(brief.meeting),
            subtitle=_("Brief for a meeting of %(parties)s")
            % {"parties": named(brief.parties, self.names, self.language)},
            lang=self.language,
            head=head,
            blocks=tuple(blocks),
            notes=self.numbers.notes,
            notes_heading=_("Sources"),
        )

    def title(self) -> str:
        """The meeting's title, else the parties."""
        if self.brief.meeting is not None:
            return self.brief.meeting.title
        return " · ".join(self.names.get(one, one) for one in self.brief.parties)

    # --- pieces ----------------------------------------------------------------------------------------

    @staticmethod
    def lang(row: Row) -> str:
        return str(row.body.get("lang") or "en")

    def said(self, row: Row, *, style: str = "", cited: bool = True) -> Runs:
        """A statement: its title with the numbers of its sources, and its id."""
        notes = self.numbers.of(row) if cited else ()
        return (
            Run(
                row.title,
                lang=self.lang(row),
                style=style,
                href=address_of(row),
                notes=notes,
            ),
            Run(" "),
            Run(row.key, style="code"),
        )

    def day(self, row: Row) -> str:
        return span(row.true_from, row.true_to, self.language)

    def sum(self, one: Sum) -> str:
        whats = {"due": _("due"), "promised": _("promised")}
        values = {
            "until": written(one.until, self.language),
            "since": written(one.since, self.language),
            "what": whats.get(one.since_what) or word_of(SAYS_WORDS, one.since_what),
            "days": one.days,
        }
        if one.limit:
            text = _(
                "%(until)s − %(since)s (%(what)s) = %(days)s days;"
                " allowed are %(limit)s, so %(over)s too many"
            )
            return text % {**values, "limit": one.limit, "over": one.over}
        return _("%(until)s − %(since)s (%(what)s) = %(days)s days") % values

    def empty(self, text: str) -> Block:
        return Para((Run(text),), "empty-list")

    def section(
        self, heading: str, rows: Sequence[object], empty: str, made: Callable[[], Iterable[Block]]
    ) -> list[Block]:
        head = Heading(heading, 1, len(rows) or None)
        return [head, *made()] if rows else [head, self.empty(empty)]

    # --- sections --------------------------------------------------------------------------------------

    def glance(self) -> list[Block]:
        brief = self.brief
        items: list[Runs] = []
        if brief.meeting is not None:
            place = brief.meeting.body.get("place")
            where = f", {place}" if place else ""
            items.append(
                (
                    Run(_("The meeting: ")),
                    *self.said(brief.meeting),
                    Run(f" – {self.day(brief.meeting)}{where}"),
                )
            )
        if brief.last is None:
            items.append((Run(_("No earlier meeting is recorded: not checked."), style="loud"),))
        else:
            days = (brief.view.day - (brief.last.begun or brief.view.day)).days
            ago = _("%(day)s, %(days)s days before") % {"day": self.day(brief.last), "days": days}
            items.append((Run(_("The last meeting: ")), *self.said(brief.last), Run(f" – {ago}")))
        items += [
            (Run(_("Announced or planned: ")), *self.said(one), Run(f" – {self.day(one)}"))
            for one in brief.planned[:3]
            if brief.meeting is None or one.stix_id != brief.meeting.stix_id
        ]
        at_last = [one for one in brief.promises if one.at_last]
        if brief.last is not None:
            kept = sum(one.answer.state in {"done", "late"} for one in at_last)
            unseen = sum(not one.answer.checked for one in at_last)
            text = _(
                "Promised last time: %(all)s; kept: %(kept)s; open: %(open)s; not checked: %(unchecked)s."
            )
            values = {
                "all": len(at_last),
                "kept": kept,
                "open": len(at_last) - kept,
                "unchecked": unseen,
            }
            items.append((Run(text % values),))
        text = _(
            "In all %(open)s promises are open: %(overdue)s overdue, %(lagging)s lagging,"
            " %(unchecked)s not checked."
        )
        open_ones = [one for one in brief.promises if one.open]
        values = {
            "open": len(open_ones),
            "overdue": sum(one.answer.state == "overdue" for one in open_ones),
            "lagging": sum(lag(one) is not None for one in open_ones),
            "unchecked": sum(not one.answer.checked for one in open_ones),
        }
        items.append((Run(text % values, style="strong"),))
        text = _("Contested: %(contested)s. May be done twice: %(pairs)s. Requests open: %(requests)s.")
        values = {
            "contested": len(brief.contested),
            "pairs": len(brief.overlaps),
            "requests": len(brief.requests),
        }
        items.append((Run(text % values),))
        return [Heading(_("At a glance"), 1), Bullets(tuple(items))]

    def agenda(self) -> list[Block]:
        items = tuple(self.proposal(one) for one in self.brief.agenda)
        return self.section(
            _("Proposed agenda"),
            items,
            _("Nothing presses: no item is proposed."),
            lambda: [Bullets(items, numbered=True)],
        )

    def proposal(self, one: Proposal) -> Runs:
        row = one.rows[0]
        match one.why:
            case "announced":
                return (
                    Run(one.text, lang=self.lang(row)),
                    Run(" – " + _("as announced") + " "),
                    *self.id_of(row),
                )
            case "overlap":
                other = one.rows[1]
                return (
                    Run(_("Join, divide or stop one of two: "), style="strong"),
                    *self.said(row),
                    Run(" / "),
                    *self.said(other),
                )
            case "silent":
                text = _("Fix a day for the series %(series)s, silent for %(days)s days: ")
                return (
                    Run(text % {"series": one.text, "days": one.days}, style="strong"),
                    *self.said(row),
                )
        by = sorted(row.by or row.parties)
        every = set(by) >= set(self.brief.parties)
        owed = _("all parties") if every else named(by, self.names, self.language)
        words = {
            "overdue": _("Ask %(who)s for word, overdue by %(days)s days: "),
            "lagging": _("Ask %(who)s what moves it, still for %(days)s days: "),
            "unchecked": _("Ask %(who)s what came of it, nobody has looked: "),
            "request": _("Ask %(who)s for the answer, %(days)s days past its day: "),
            "contested": _("Hear each party's account: "),
        }
        text = words[one.why] % {"who": owed, "days": one.days}
        return (Run(text, style="strong"), *self.said(row))

    def id_of(self, row: Row) -> Runs:
        return (Run(row.key, style="code", href=address_of(row)),)

    def promised(self, heading: str, promises: Sequence[Promise], empty: str) -> list[Block]:
        def made() -> list[Block]:
            rows = tuple(
                (
                    self.said(one.row, style="strong"),
                    (Run(", ".join(sorted(one.row.by or one.row.parties))),),
                    self.due(one.row),
                    self.came(one),
                    self.stands(one),
                )
                for one in promises
            )
            heads = (_("Commitment"), _("Owed by"), _("Promised, due"), _("What came of it"), _("Standing"))
            return [Table(heads, rows, (28, 9, 14, 31, 22))]

        return self.section(heading, promises, empty, made)

    def due(self, row: Row) -> Runs:
        due = row.body.get("due")
        if due:
            text = _("due %(day)s") % {"day": written(str(due), self.language)}
        else:
            text = word_of(CADENCE_WORDS, row.cadence) or _("no day was given")
        return (Run(f"{self.day(row)}; "), Run(text))

    def came(self, one: Promise) -> Runs:
        """What the evidence says, what was looked for and not found, or that nobody looked."""
        standing = one.answer.standing
        runs: list[Run] = []
        for found in () if standing is None else standing.marks:
            runs += self.evidence(found)
        told = {found.row.other for found in (() if standing is None else standing.marks)}
        for absent in one.answer.absences:
            if absent.row.stix_id in told:
                continue
            said = _("looked and found nothing as of %(day)s") % {"day": written(absent.as_of, self.language)}
            who = ", ".join(absent.looked_by) or _("nobody named")
            runs.append(Run(f"{said} ({who})", notes=self.numbers.of(absent.row)))
            runs += [Run(" "), *self.id_of(absent.row), Run("; ")]
        if one.answer.acts:
            runs += [Run(_("latest act") + ": "), *self.act(one.answer.acts[-1]), Run("; ")]
        if not one.answer.checked:
            runs += [Run(_("not checked"), style="loud"), Run("; ")]
        for account in one.answer.accounts:
            said = f"{account.body.get('said_by')}: {word_of(POSITION_WORDS, account.says)}"
            runs += [Run(said, notes=self.numbers.of(account)), Run("; ")]
        return joined(runs)

    def act(self, row: Row) -> list[Run]:
        """An act about an instrument: by whom, what, when."""
        who = ", ".join(sorted(row.by or row.parties))
        said = Run(word_of(ACT_WORDS, row.says), style="strong")
        if not row.says:
            said = Run(row.title, lang=self.lang(row))
        return [
            Run(f"{who}: "),
            said,
            Run(f", {self.day(row)}", notes=self.numbers.of(row)),
            Run(" "),
            *self.id_of(row),
        ]

    def evidence(self, found: Mark) -> list[Run]:
        row = self.brief.resting.get(found.row.other or "", found.row)
        text = f"{written(found.row.true_from, self.language)} {word_of(SAYS_WORDS, found.says)}: "
        runs = [
            Run(text, style="quiet" if found.why_not else ""),
            Run(row.title, lang=self.lang(row), notes=self.numbers.of(row)),
            Run(" "),
            *self.id_of(row),
        ]
        if found.why_not:
            runs.append(Run(f" ({word_of(WHY_NOT_WORDS, found.why_not)})", style="quiet"))
        return [*runs, Run("; ")]

    def stands(self, one: Promise) -> Runs:
        standing = one.answer.standing
        loud = one.answer.state == "overdue" or lag(one) is not None
        runs = [Run(state_word("commitment", one.answer.state), style="loud" if loud else "strong")]
        if standing is not None and standing.overdue is not None:
            runs.append(Run(f": {self.sum(standing.overdue.sum)}. "))
        if standing is not None and standing.lagging is not None:
            runs += [
                Run(f"; {_('lagging')}" if standing.overdue is None else _("lagging"), style="loud"),
                Run(f": {self.sum(standing.lagging.sum)}. "),
            ]
        if one.row.status != "confirmed":
            runs.append(Run(f" {self.status(one.row)}.", style="quiet"))
        return tuple(runs)

    @staticmethod
    def status(row: Row) -> str:
        return {"single": _("one source"), "contested": _("contested")}.get(row.status, row.status)

    def closed(self, promises: Sequence[Promise]) -> list[Block]:
        since = [one for one in promises if one.moved]
        items = tuple(
            (*self.said(one.row), Run(" – "), *self.came(one)[:4])
            for one in sorted(since, key=lambda one: str(one.row.true_first), reverse=True)
        )
        blocks = self.section(
            _("Kept since the last meeting"),
            items,
            _("Nothing was closed since then."),
            lambda: [Bullets(items)],
        )
        earlier = len(promises) - len(since)
        if earlier:
            text = _("%(n)s earlier promises were kept before and are not listed.")
            blocks.append(Para((Run(text % {"n": earlier}),), "small"))
        return blocks

    def silence(self) -> list[Block]:
        found = self.brief.silence
        lines, absences = found.series.lines, found.absences.lines
        by_key = {one.row.key: one.row for one in self.brief.rounds}

        def made() -> list[Block]:
            blocks: list[Block] = []
            if lines:
                rows = []
                for one in lines:
                    last = by_key.get(one.last_key)
                    runs = (
                        self.said(last)
                        if last is not None
                        else (Run(one.last_title), Run(f" {one.last_key}", style="code"))
                    )
                    gap = (
                        "–"
                        if one.longest is None
                        else f"{one.longest} ({one.longest_from} – {one.longest_to})"
                    )
                    rows.append(
                        (
                            (Run(one.series, style="code"),),
                            (Run(f"{written(one.last, self.language)}: "), *runs),
                            (Run(str(one.held)),),
                            (Run(str(one.since), style="strong"),),
                            (Run(gap),),
                        )
                    )
                heads = (
                    _("Series"),
                    _("Last held"),
                    _("Times held"),
                    _("Days since"),
                    _("Longest gap, days"),
                )
                blocks.append(Table(heads, tuple(rows), (22, 40, 9, 9, 26)))
            if absences:
                blocks.append(Heading(_("Looked for, and not found"), 2, len(absences)))
                blocks.append(
                    Bullets(
                        tuple(
                            (
                                Run(_("as of") + f" {written(one.as_of, self.language)}: "),
                                *self.said(one.row),
                                Run(f" – {', '.join(one.looked_by) or _('nobody named')}", style="quiet"),
                            )
                            for one in absences
                        )
                    )
                )
            return blocks

        return self.section(
            _("Silent"), [*lines, *absences], _("No series and no absence is recorded."), made
        )

    def contested(self, found: Sequence[Contested]) -> list[Block]:
        def made() -> list[Block]:
            blocks: list[Block] = []
            for one in found:
                blocks.append(Para((*self.said(one.row, style="strong"), Run(f" – {self.day(one.row)}"))))
                if one.accounts:
                    items = tuple(
                        (
                            Run(f"{account.body.get('said_by')} ", style="strong"),
                            Run(f"({word_of(POSITION_WORDS, account.says)}): "),
                            Run(
                                str(account.body.get("text") or ""),
                                lang=self.lang(account),
                                notes=self.numbers.of(account),
                            ),
                            Run(f" {account.key}", style="code"),
                        )
                        for account in one.accounts
                    )
                    blocks.append(Bullets(items))
            return blocks

        return self.section(
            _("Contested accounts"), found, _("No accounts differ, as far as is recorded."), made
        )

    def overlaps(self) -> list[Block]:
        brief = self.brief

        def made() -> list[Block]:
            blocks: list[Block] = []
            if brief.overlaps:
                rows = tuple((self.said(p.one), self.said(p.other), self.why(p)) for p in brief.overlaps)
                blocks.append(Table((_("Statement"), _("and"), _("Why")), rows, (36, 36, 28)))
            if brief.judged:
                items = tuple(
                    (
                        *self.said(p.one),
                        Run(f" – {word_of(RELATION_WORDS, p.verdict.says if p.verdict else '')} – "),
                        *self.said(p.other),
                    )
                    for p in brief.judged
                )
                blocks += [Heading(_("Judged"), 2, len(items)), Bullets(items)]
            return blocks

        blocks = self.section(
            _("May be done twice"), [*brief.overlaps, *brief.judged], _("No pair stands out."), made
        )
        how = (
            _("Compared by a model of meaning; an officer decides, nothing is merged.")
            if brief.method == "meaning"
            else _("Compared by words, parties, bodies and dates; an officer decides, nothing is merged.")
        )
        blocks.append(Para((Run(how),), "small"))
        if brief.waiting:
            text = _("%(n)s statements have not been compared yet: not checked.")
            blocks.append(Para((Run(text % {"n": brief.waiting}, style="loud"),), "small"))
        return blocks

    def why(self, pair: Pair) -> Runs:
        reasons = sorted(pair.comparison.reasons, key=lambda one: -one.gives)[:3]
        words = [
            f"{word_of(FEATURE_WORDS, one.feature)}"
            + (f" ({', '.join(one.because[:4])})" if one.because else "")
            for one in reasons
            if one.gives > 0
        ]
        return (Run(f"{round(100 * pair.comparison.score)} %: ", style="strong"), Run(", ".join(words)))

    def instruments(self) -> list[Block]:
        found = self.brief.instruments

        def made() -> list[Block]:
            rows = []
            for one in found:
                acts: list[Run] = []
                for act in one.acts:
                    acts += [*self.act(act), Run("; ")]
                cell = joined(acts) if acts else (Run(_("no act is recorded: not checked"), style="quiet"),)
                rows.append((self.said(one.row), (Run(self.day(one.row)),), cell))
            heads = (_("Instrument"), _("Day"), _("Latest act of each party"))
            return [Table(heads, tuple(rows), (42, 16, 42))]

        return self.section(_("Instruments"), found, _("No instrument of these parties is recorded."), made)

    def requests(self, found: Sequence[Ask]) -> list[Block]:
        def made() -> list[Block]:
            rows = tuple(
                (
                    self.said(one.row),
                    (Run(f"{one.asked_by} → {one.asked_of}"),),
                    (Run(written(one.answer_by, self.language)),),
                    (
                        Run(_("%(days)s days past") % {"days": one.over}, style="loud")
                        if one.over > 0
                        else Run(_("waiting")),
                    ),
                )
                for one in found
            )
            return [
                Table((_("Request"), _("Who asks whom"), _("Answer by"), _("State")), rows, (52, 16, 18, 14))
            ]

        return self.section(_("Requests open"), found, _("No request between these parties waits."), made)

    def changes(self) -> list[Block]:
        brief = self.brief
        heading = _("What changed since the last meeting")
        if brief.changes is None:
            return [Heading(heading, 1), self.empty(_("No earlier meeting is recorded: not checked."))]
        shown = [one for one in brief.changes.changes if one.row.type not in {"relationship", "sct-evidence"}]
        blocks: list[Block] = [Heading(heading, 1, len(shown) or None)]
        if brief.changes.states:
            items = tuple(
                (
                    *self.said(row),
                    Run(f": {state_word(row.kind, was)} → "),
                    Run(state_word(row.kind, is_now), style="strong"),
                )
                for row, was, is_now in brief.changes.states
            )
            blocks += [Heading(_("Commitments that stand differently"), 2, len(items)), Bullets(items)]
        if shown:
            rows = tuple(
                (
                    (Run(self.day(one.row)),),
                    (Run(word_of(WHAT_WORDS, one.what)),),
                    (Run(word_of(KIND_WORDS, one.row.kind)),),
                    self.said(one.row),
                )
                for one in shown[:CHANGES]
            )
            blocks.append(Table((_("True on"), _("What"), _("Kind"), _("Statement")), rows, (16, 12, 14, 58)))
        elif not brief.changes.states:
            blocks.append(self.empty(_("Nothing changed, as far as is recorded.")))
        rest = brief.changes.total - len(brief.changes.changes) + max(0, len(shown) - CHANGES)
        if rest > 0:
            blocks.append(Para((Run(_("… and %(n)s more") % {"n": rest}),), "small"))
        return blocks

    def rules(self) -> list[Block]:
        texts = [
            _(
                "Last time means the latest meeting that was held before: of the same series, else of exactly"
                " these parties, else one in which all of them took part. Promised there is what bears its"
                " date, or cites one of its sources within 31 days."
            ),
            _(
                "Overdue: its last day passed without word that it was kept; what bears no day is never"
                " overdue. Lagging: nothing moved it for more than 365 days. Not checked: nobody recorded"
                " to have looked."
            ),
        ]
        if self.brief.left_out:
            texts.append(_("%(n)s older commitments are not in this brief.") % {"n": self.brief.left_out})
        return [Heading(_("How this was made"), 2), *(Para((Run(one),), "small") for one in texts)]
