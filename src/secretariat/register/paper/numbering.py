"""Numbering the sources of a document: one number per source and quotation, in the order of first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secretariat.register.model import Row
from secretariat.register.paper.dates import written
from secretariat.register.paper.document import Run, Runs
from secretariat.register.screens import address_of
from secretariat.register.wording import SOURCE_WORDS, word_of
from secretariat.web.words import gettext as _

MOST = 6
"""Numbers after one line; a statement's page shows the rest."""


class Numbering:
    """Gives each cited source its number and, at the end, the notes."""

    def __init__(self, sources: Mapping[str, Row], language: str, *, links: bool = True) -> None:
        self._sources = sources
        self._links = links
        self._language = language
        self._numbers: dict[tuple[str, str], int] = {}
        self._notes: list[Runs] = []

    def of(self, *rows: Row) -> tuple[int, ...]:
        """Give the numbers of the sources that these statements cite."""
        found = [self.number(cite) for row in rows for cite in row.cites]
        return tuple(dict.fromkeys(one for one in found if one))[:MOST]

    def number(self, cite: Mapping[str, Any]) -> int:
        """Give the number of a source with the words quoted from it; 0 where the source is not here."""
        source = self._sources.get(str(cite["source_ref"]))
        if source is None:
            return 0
        key = (source.stix_id, str(cite.get("quote", "")))
        if key not in self._numbers:
            self._numbers[key] = len(self._notes) + 1
            self._notes.append(self._note(source, cite))
        return self._numbers[key]

    @property
    def notes(self) -> tuple[Runs, ...]:
        """The notes so far."""
        return tuple(self._notes)

    def note_of(self, cite: Mapping[str, Any]) -> Runs:
        """Give the note of one citation; of a source that is not here, its id."""
        source = self._sources.get(str(cite["source_ref"]))
        if source is not None:
            return self._note(source, cite)
        runs = [Run(_("a source that is not here") + ": "), Run(str(cite["source_ref"]), style="code")]
        if cite.get("quote"):
            runs.append(Run(f" “{cite['quote']}”", style="quote"))
        return tuple(runs)

    def _note(self, source: Row, cite: Mapping[str, Any]) -> Runs:
        body, lang = source.body, str(source.body.get("lang") or "en")
        runs = []
        if body.get("publisher"):
            runs.append(Run(f"{body['publisher']}: ", lang="en"))
        runs.append(
            Run(source.title, lang="en", style="strong", href=address_of(source) if self._links else "")
        )
        told = [written(source.true_from, self._language)]
        if source.says:
            told.append(word_of(SOURCE_WORDS, source.says))
        told.append(lang)
        runs.append(Run(f" ({', '.join(told)}). "))
        if cite.get("quote"):
            runs.append(Run(f"“{cite['quote']}”", lang=lang, style="quote"))
            if cite.get("start") is not None:
                place = _("letters %(start)s to %(end)s") % {"start": cite["start"], "end": cite["end"]}
                runs.append(Run(f" ({place})", style="quiet"))
            runs.append(Run(" "))
        if body.get("url"):
            runs.append(Run(f"{body['url']} ", href=str(body["url"]), style="quiet"))
        runs.append(Run(source.key, style="code"))
        return tuple(runs)
