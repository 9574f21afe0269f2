"""The digest: what waits, as counts and addresses, by mail, daily or weekly per person.

The Register counts its own; parts above add theirs with `count_also` (what is owed, which answers are late).
Nothing of any statement stands in it, neither title nor party nor key: a mail passes through servers that no
agreement names. It goes to who asked for it, in their language, and only while they may read the Register.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from secretariat.base.clock import now as clock
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.people import store as people
from secretariat.people.model import Permission
from secretariat.register.attention import Attention, attention
from secretariat.register.model import View
from secretariat.register.requests import mailing
from secretariat.register.requests.wording import COUNT_WORDS
from secretariat.register.times import day_of
from secretariat.storage.engine import raw
from secretariat.web import words
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from secretariat.ledger.node import Node
    from secretariat.people.model import Person

log = logging.getLogger("secretariat.register")
RHYTHMS = ("daily", "weekly")
Counting = Callable[["sa.Connection", "Node", "datetime"], "Sequence[Counted]"]
_ALSO: dict[str, Counting] = {}
_LOOK_S = 60.0
_RETRY = timedelta(minutes=15)


class Reader(msgspec.Struct, frozen=True):
    """Who gets a digest."""

    login: str
    address: str
    every: str
    last_sent: datetime | None
    last_error: str | None


class Counted(msgspec.Struct, frozen=True):
    """A count of a part above: what is counted (a msgid), how many, and the page that shows them."""

    words: str
    count: int
    place: str


def count_also(name: str, counting: Counting) -> None:
    """Have every digest count something of a part above, for who may read the log."""
    _ALSO[name] = counting


def counted(tx: sa.Connection, node: Node, person: Person | None, *, now: datetime) -> list[Counted]:
    """Give what the parts above count, where the person may read the log that it stands in."""
    if person is None or not person.may(Permission.READ_LEDGER):
        return []
    return [one for counting in _ALSO.values() for one in counting(tx, node, now)]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One digest: to whom, its text, and whether it went."""

    login: str
    address: str
    subject: str
    text: str
    sent: bool = False
    error: str | None = None


def subscribe(tx: sa.Connection, login: str, address: str, every: str) -> None:
    """Send a person digests from now on. Refuses who may not read the Register, and what is no address."""
    if every not in RHYTHMS:
        raise InputError(f"{every!r} is no rhythm", where="every", advice=", ".join(RHYTHMS))
    person = people.person_by_login(tx, login)
    if person is None or not person.may(Permission.READ_REGISTER):
        raise NotFoundError(f"nobody reads the Register as {login[:64]!r}", where="login")
    raw(tx).execute(
        "INSERT INTO register_digest (login, address, every) VALUES (%s, %s, %s) ON CONFLICT (login)"
        " DO UPDATE SET address = excluded.address, every = excluded.every, last_error = NULL",
        (login, mailing.check_address(address), every),
    )


def unsubscribe(tx: sa.Connection, login: str) -> bool:
    """Send a person no more; False when it got none."""
    return raw(tx).execute("DELETE FROM register_digest WHERE login = %s", (login,)).rowcount > 0


def readers(tx: sa.Connection) -> list[Reader]:
    """Give who gets digests."""
    found = raw(tx).execute(
        "SELECT login, address, every, last_sent, last_error FROM register_digest ORDER BY login"
    )
    return [Reader(*row) for row in found]


def is_due(one: Reader, now: datetime, zone: str) -> bool:
    """Whether its day or week has none yet."""
    if one.last_sent is None:
        return True
    last, today = day_of(one.last_sent, zone), day_of(now, zone)
    if one.every == "daily":
        return last < today
    return last.isocalendar()[:2] < today.isocalendar()[:2]


def compose(
    node: Node, realm: str, found: Attention, also: Sequence[Counted] = (), *, now: datetime
) -> tuple[str, str]:
    """Write subject and text in the language set: counts and addresses, nothing else."""
    party = node.party if realm == "live" else f"{_('EXERCISE')} {node.party}"
    base = node.settings.address(realm)
    day = day_of(now, node.settings.zone).isoformat()
    subject = _("Register of %(party)s, %(day)s") % {"party": party, "day": day}
    lines = [subject, ""]
    lines += [f"{count:>5}  {_(COUNT_WORDS[key])}\n       {base}{place}" for key, count, place in found.lines]
    lines.append(f"{len(found.meetings):>5}  {_(COUNT_WORDS['meetings'])}\n       {base}/register/meetings")
    lines += [f"{one.count:>5}  {_(one.words)}\n       {base}{one.place}" for one in also]
    lines += ["", _("Counts only: nothing of what is recorded stands in this mail. Change or end it at:")]
    lines.append(f"{base}/requests/mail")
    return subject, "\n".join(lines) + "\n"


def digests(
    node: Node, realm: str, *, now: datetime, only: str | None = None, due: bool = True, send: bool = False
) -> list[Sent]:
    """Write the digests that are due (or all, or one person's) and, where asked, send them."""
    zone = node.settings.zone
    with node.database.app(realm) as tx:
        wanted = [
            one
            for one in readers(tx)
            if (only is None or one.login == only) and (not due or is_due(one, now, zone))
        ]
        if only is not None and not wanted and not due:
            raise NotFoundError(f"{only[:64]!r} gets no digest", where="to", advice="subscribe first")
        found = attention(tx, View(day=day_of(now, zone), zone=zone), node.party, now=now) if wanted else None
        persons = {one.login: people.person_by_login(tx, one.login) for one in wanted}
        also = {login: counted(tx, node, person, now=now) for login, person in persons.items()}
    done = []
    for one in wanted:
        person = persons[one.login]
        if found is None or person is None or not person.may(Permission.READ_REGISTER):
            continue
        words.set_language(person.language)
        subject, text = compose(node, realm, found, also[one.login], now=now)
        result = Sent(login=one.login, address=one.address, subject=subject, text=text)
        if send:
            result = _send(node, realm, result, now)
        done.append(result)
    return done


def _send(node: Node, realm: str, one: Sent, now: datetime) -> Sent:
    try:
        mailing.send(node.settings, mailing.message(node.settings, one.address, one.subject, one.text))
    except SecretariatError as error:
        one = msgspec.structs.replace(one, error=str(error))
    else:
        one = msgspec.structs.replace(one, sent=True)
    with node.database.app(realm) as tx:
        raw(tx).execute(
            "UPDATE register_digest SET last_sent = CASE WHEN %s THEN %s ELSE last_sent END, last_error = %s"
            " WHERE login = %s",
            (one.sent, now, one.error, one.login),
        )
    return one


async def keep_sending(node: Node) -> None:
    """Send what is due, as long as the node serves and a mail server is named."""
    if not node.settings.smtp_host:
        return
    wait_until: datetime | None = None
    while True:
        moment = clock()
        if wait_until is None or moment >= wait_until:
            wait_until = None
            for realm in node.settings.realms:
                try:
                    done = await asyncio.to_thread(digests, node, realm, now=moment, send=True)
                except SecretariatError as error:
                    log.warning("no digest was sent: %s", error)
                    wait_until = moment + _RETRY
                    continue
                failed = [one for one in done if one.error]
                if failed:
                    log.warning("%d digests were not taken: %s", len(failed), failed[0].error)
                    wait_until = moment + _RETRY
        await asyncio.sleep(_LOOK_S)


background = [keep_sending]
