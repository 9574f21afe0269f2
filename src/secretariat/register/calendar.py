"""Meetings and days that something is due, as an iCalendar file (RFC 5545).

Rules:

1. A meeting that was only announced, or is still to come, is TENTATIVE; so is one of which only the month is
   known: it spans the month. Of what only the year is known there is no day: it is left out and counted in
   the description.
2. A promise that is due in a month or a year stands on its last day, as on the boards; what is done is left
   out. Milestones of projects stand likewise. What a statement promises without a day is in no calendar.
3. A calendar goes to programs that show no marking: an entry above CLEAR bears its marking before its title,
   and where `titles` is False nothing but its kind and its address.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from secretariat.register import boards, monitoring, store
from secretariat.register.model import HELD, Row, View
from secretariat.register.times import Moment, parse
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

MEDIA_TYPE = "text/calendar; charset=utf-8"
MOST = 5_000
"""Statements of one calendar; the rest is counted in its description."""
_LINE = 75
"""Octets of a line (RFC 5545, section 3.1)."""
_CLOSED = frozenset({"done", "late"})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: a meeting, a day on which something is due, or a milestone."""

    uid: str
    row: Row
    what: str
    """meeting, due, milestone or answer (the day by which one is asked)."""
    title: str
    first: date
    last: date
    starts: datetime | None = None
    """The instant, where it is known."""
    ends: datetime | None = None
    sure: bool = True


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """What a calendar holds, and how many statements had no day to stand on."""

    events: list[Event]
    left_out: int = 0


def events(tx: sa.Connection, view: View, *, first: date | None = None, last: date | None = None) -> Events:
    """Give the meetings and due days that the question sees, by day; `first` and `last` bound the days."""
    held = store.statements(tx, view, kinds=sorted(HELD), first=first, last=last, limit=MOST)
    promised = store.statements(
        tx, view, types=["sct-commitment", "sct-project"], announced=False, limit=MOST
    )
    evidence = boards.evidence_for(tx, [one.stix_id for one in promised], view)
    found: list[Event] = []
    left_out = 0
    for one in held:
        event = _meeting(one, view)
        left_out += event is None
        found += [] if event is None else [event]
    for one in promised:
        state = monitoring.standing(one, evidence.get(one.stix_id, ()), view).state
        found += [] if state in _CLOSED else _due(one)
    kept = [
        one for one in found if (first is None or one.last >= first) and (last is None or one.first <= last)
    ]
    return Events(events=sorted(kept, key=lambda one: (one.first, one.uid)), left_out=left_out)


def _meeting(row: Row, view: View) -> Event | None:
    if row.true_from is None:
        return None
    begins = parse(row.true_from)
    ends = begins if row.true_to is None else parse(row.true_to)
    if "year" in {begins.precision, ends.precision}:
        return None
    return Event(
        uid=row.stix_id,
        row=row,
        what="meeting",
        title=row.title,
        first=begins.first,
        last=max(ends.last, begins.first),
        starts=begins.at,
        ends=None if ends is begins else ends.at,
        sure=begins.precision != "month" and row.state(view) not in {"announced", "undated", "planned"},
    )


def _due(row: Row) -> list[Event]:
    found = []
    if row.due_last is not None:
        day = row.due_last
        found.append(
            Event(uid=f"{row.stix_id}-due", row=row, what="due", title=row.title, first=day, last=day)
        )
    for number, step in enumerate(row.body.get("milestones", ())):
        if step.get("due") and not step.get("done"):
            due: Moment = parse(step["due"])
            found.append(
                Event(
                    uid=f"{row.stix_id}-{number}",
                    row=row,
                    what="milestone",
                    title=f"{step['title']} – {row.title}",
                    first=due.last,
                    last=due.last,
                )
            )
    return found


def calendar(
    tx: sa.Connection,
    view: View,
    *,
    party: str,
    realm: str,
    address: str,
    titles: bool = True,
    first: date | None = None,
    last: date | None = None,
) -> bytes:
    """Write the calendar of what the question sees. `address` is this realm's own, without a final slash."""
    found = events(tx, view, first=first, last=last)
    return write(
        found.events, party=party, realm=realm, address=address, titles=titles, left_out=found.left_out
    )


def write(
    found: Iterable[Event], *, party: str, realm: str, address: str, titles: bool = True, left_out: int = 0
) -> bytes:
    """Write events as an iCalendar file, in the language of the page or feed that asks."""
    name = f"{_('EXERCISE')} {party}" if realm == "exercise" else party
    called = _text(_("Register of %(party)s") % {"party": name})
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Secretariat//Register//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{called}",
        f"X-WR-CALNAME:{called}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    ]
    if left_out:
        says = _("%(n)s meetings of which only the year is known are left out") % {"n": left_out}
        lines.append(f"DESCRIPTION:{_text(says)}")
    for one in found:
        lines += _lines(one, party=party, realm=realm, address=address, titles=titles)
    lines.append("END:VCALENDAR")
    return b"".join(map(_folded, lines))


def _lines(one: Event, *, party: str, realm: str, address: str, titles: bool) -> list[str]:
    row, clear = one.row, one.row.tlp == "CLEAR"
    what = {"meeting": _("Meeting"), "due": _("Due"), "milestone": _("Milestone"), "answer": _("Answer by")}[
        one.what
    ]
    title = (
        what if not titles and not clear else one.title if one.what == "meeting" else f"{what}: {one.title}"
    )
    if titles and not clear:
        title = f"[TLP:{row.tlp or '–'}] {title}"
    if realm == "exercise":
        title = f"{_('EXERCISE')} {title}"
    lines = [
        "BEGIN:VEVENT",
        f"UID:{one.uid}@{party.lower()}.{realm}.secretariat",
        f"DTSTAMP:{_stamp(row.recorded_at)}",
        f"LAST-MODIFIED:{_stamp(row.recorded_at)}",
        *_span(one),
        f"SUMMARY:{_text(title)}",
        f"STATUS:{'CONFIRMED' if one.sure else 'TENTATIVE'}",
        f"CLASS:{'PUBLIC' if clear else 'CONFIDENTIAL'}",
        f"TRANSP:{'OPAQUE' if one.what == 'meeting' and one.sure else 'TRANSPARENT'}",
        f"CATEGORIES:{_text(what)}",
        f"URL:{address}{_place(one, named=titles or clear)}",
    ]
    if titles or clear:
        who = ", ".join([*row.parties, *row.orgs])
        owed = (
            _("owed by %(parties)s") % {"parties": ", ".join(row.by)} if one.what == "due" and row.by else ""
        )
        about = [who, owed, str(row.body.get("due_text") or ""), "" if one.sure else _("not known as held")]
        says = "\n".join(part for part in about if part)
        if says:
            lines.append(f"DESCRIPTION:{_text(says)}")
        if row.body.get("place"):
            lines.append(f"LOCATION:{_text(str(row.body['place']))}")
    return [*lines, "END:VEVENT"]


def _place(one: Event, *, named: bool) -> str:
    """Give where it stands; a key may say as much as a title, an id says nothing."""
    if one.what == "answer":
        return f"/requests/{one.row.key}"
    return f"/register/statements/{one.row.key if named and '/' not in one.row.key else one.row.stix_id}"


def _span(one: Event) -> Sequence[str]:
    if one.starts is not None:
        ends = [] if one.ends is None else [f"DTEND:{_stamp(one.ends)}"]
        return [f"DTSTART:{_stamp(one.starts)}", *ends]
    after = one.last + timedelta(days=1)
    return [f"DTSTART;VALUE=DATE:{one.first:%Y%m%d}", f"DTEND;VALUE=DATE:{after:%Y%m%d}"]


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(words: str) -> str:
    """Escape a TEXT value; a control letter has no place in one (section 3.3.11)."""
    plain = words.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    plain = plain.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(letter for letter in plain if letter >= " " and letter != "\x7f")


def _folded(line: str) -> bytes:
    """Fold a line at 75 octets, between letters."""
    out, size = [b""], 0
    for letter in line:
        raw = letter.encode()
        if size + len(raw) > _LINE:
            out.append(b"\r\n ")
            size = 1
        out.append(raw)
        size += len(raw)
    return b"".join(out) + b"\r\n"
