"""What every sheet bears at its top and bottom, made from the question, the node and who asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from secretariat.base.marking import Marking, highest
from secretariat.register.model import View
from secretariat.register.paper.dates import clock, written
from secretariat.register.paper.document import Head
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from secretariat.ledger.node import Node


def marking_words(markings: Iterable[Marking], default: str) -> str:
    """Write the highest marking, in the originator's words; the node's default where nothing bears one."""
    found = highest(markings)
    if found is None:
        return f"TLP:{default}"
    tlp = f"TLP:{found.tlp}" if found.tlp else f"TLP:{default}"
    return f"{tlp} · {found.level}" if found.level else tlp


def as_of_lines(view: View, language: str) -> tuple[str, ...]:
    """Write the three times of a question, and whose knowledge."""
    known = _("everything known") if view.known_day is None else written(view.known_day, language)
    if view.position is not None:
        recorded = _("entry %(position)s of the log") % {"position": view.position}
    elif view.recorded_by is not None:
        recorded = clock(view.recorded_by, view.zone, language)
    else:
        recorded = _("everything recorded")
    lines = [
        f"{_('true on')} {written(view.day, language)}",
        f"{_('known by')}: {known}" + (f" ({_('publicly known')})" if view.public else ""),
        f"{_('recorded by')}: {recorded}",
        view.zone,
    ]
    return tuple(lines)


def head(
    node: Node,
    realm: str,
    view: View,
    markings: Iterable[Marking],
    *,
    person: str,
    path: str,
    now: datetime,
    language: str,
) -> Head:
    """Give the head of a document in a language; the language of `gettext` must be `language`."""
    settings = node.settings
    exercise = realm == "exercise"
    return Head(
        party=f"{settings.name} ({settings.party})",
        realm=_("exercise") if exercise else _("live"),
        exercise=_("EXERCISE") if exercise else "",
        marking=marking_words(markings, settings.default_tlp),
        marking_word=_("Highest marking"),
        as_of=as_of_lines(view, language),
        person=person,
        made=clock(now, view.zone, language),
        address=settings.address(realm) + path,
        page_word=_("page"),
    )
