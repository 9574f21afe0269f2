"""What the Register's pages share: the sections, the question of the bar, links, markings and table rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from secretariat.base.clock import now
from secretariat.base.marking import Marking
from secretariat.register.model import Row, View
from secretariat.register.wording import KIND_WORDS, STATUS_WORDS, state_word, word_of
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from secretariat.web.screen import Screen

SECTIONS = (
    ("timeline", mark("Time line"), "/register"),
    ("meetings", mark("Meetings"), "/register/meetings"),
    ("instruments", mark("Instruments"), "/register/instruments"),
    ("commitments", mark("Commitments"), "/register/commitments"),
    ("projects", mark("Projects"), "/register/projects"),
    ("parties", mark("Parties"), "/register/parties"),
    ("boards", mark("Boards"), "/register/boards"),
    ("intake", mark("Intake"), "/register/intake"),
    ("notes", mark("Notes"), "/register/notes"),
    ("brief", mark("Brief"), "/register/brief"),
)
"""Second line of navigation: key, word, address."""

WORDS_MAX = 200
PARTIES_MAX = 12


def sections() -> list[tuple[str, str, str]]:
    """Give the sections in the page's language, for the macro `tabs`."""
    return [(key, _(word), address) for key, word, address in SECTIONS]


def view_of(screen: Screen, *, clear: bool = False, parties: tuple[str, ...] | None = None) -> View:
    """Give the question that the bar and the choice of parties ask."""
    chosen = chosen_parties(screen.query) if parties is None else parties
    return View.of(
        screen.bar.as_of,
        now=now(),
        zone=screen.zone,
        parties=chosen,
        clear=clear,
        own=screen.party,
        lag_days=screen.node.settings.lag_days,
    )


def chosen_parties(query: Mapping[str, str]) -> tuple[str, ...]:
    """Read the codes of a choice of parties, `JP,KR`; at most a dozen, the rest is left out."""
    words = query.get("party", "")[:WORDS_MAX].replace("-", ",").replace(" ", ",")
    return tuple(dict.fromkeys(one for one in words.split(",") if one))[:PARTIES_MAX]


def address_of(one: Row | str) -> str:
    """Give the address of a statement's own page, by key; by id where the key cannot stand in an address."""
    if isinstance(one, str):
        return f"/register/statements/{quote(one, safe='')}"
    if one.type == "sct-source":
        return f"/register/sources/{quote(one.key, safe='')}"
    return f"/register/statements/{one.stix_id if '/' in one.key else quote(one.key, safe='')}"


def marking_of(row: Row) -> Marking:
    """Give the marking of a statement as its page bears it."""
    return Marking(row.tlp, None, 0, row.originator)


def markings_of(rows: Iterable[Row]) -> list[Marking]:
    """Give the markings of all that a page shows."""
    return [marking_of(one) for one in rows]


def when(row: Row) -> str:
    """Write when it was true, as precisely as is known."""
    if row.true_from is None:
        return ""
    return (
        f"{row.true_from} – {row.true_to}" if row.true_to and row.true_to != row.true_from else row.true_from
    )


def line_of(row: Row, view: View) -> dict[str, Any]:
    """Give the row of a table of statements."""
    state = row.state(view)
    return {
        "key": row.key,
        "address": address_of(row),
        "when": when(row),
        "sort": str(row.true_first or ""),
        "kind": word_of(KIND_WORDS, row.kind),
        "title": row.title,
        "lang": row.body.get("lang") or "en",
        "parties": sorted(row.parties),  # by ISO code: no party stands first (decisions.md 7)
        "orgs": list(row.orgs),
        "place": row.body.get("place") or "",
        "state": state,
        "state_word": state_word(row.kind, state),
        "status": row.status,
        "status_word": word_of(STATUS_WORDS, row.status),
        "sources": len(row.cites),
        "originator": row.originator,
        "tlp": row.tlp,
        "known": row.known,
    }
