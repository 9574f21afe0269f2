"""Partners for the administrator: health, inviting, accepting with the twelve words, suspending, ending.

Rules are those of exchange/enrolment.py. The page never shows the words of a key before somebody typed them:
they are to be heard from a person, and compared here.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from litestar import Request, Response
from litestar.background_tasks import BackgroundTask
from litestar.params import FromPath
from litestar.response import File

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.desk import store
from secretariat.exchange import enrolment, guest_store, service, transfer_service
from secretariat.exchange.fingerprint import fingerprint
from secretariat.exchange.transfer import BY_HAND
from secretariat.people.model import Permission
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _

DESCRIPTOR_BYTES = 262_144
REASON_MAX = 2000
WHOLE_MB = 1_000_000
CODE = re.compile(r"[A-Z0-9][A-Z0-9_.-]{0,31}")
CARRIED = "transfer-"
"""Folders of this name in the data folder hold what is on its way out or in by hand."""
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def lines(screen: Screen, rows: list[Any]) -> list[dict[str, Any]]:
    """Lay out enrolled partners: in contact or not, since when, up to where their logs are read."""
    due = timedelta(seconds=screen.node.settings.limits.checkpoint_age_s)
    moment = now()
    found = []
    for row in rows:
        state = row.state
        if state == "accepted":
            heard = row.last_contact is not None and moment - row.last_contact <= due
            state = "ok" if heard else "out of contact"
            state = "by hand" if row.via == BY_HAND else state
        found.append(
            {
                "party": row.party,
                "name": row.name,
                "state": state,
                "last_contact": row.last_contact,
                "url": row.url,
                "via": row.via,
                "origin": row.origin,
                "fingerprint": fingerprint(row.party, row.root_key),
                "position": row.cursor_position,
                "reason": row.reason or row.last_error,
            }
        )
    return found


def _refused(rows: list[Any]) -> Table:
    return Table(
        "refused",
        (
            Column("last_at", _("Time")),
            Column("party", _("Party")),
            Column("code", _("Code")),
            Column("what", _("What was wrong")),
            Column("where", _("Where")),
            Column("position", _("Entry"), number=True),
            Column("times", _("Times"), number=True),
        ),
        [
            {
                name: getattr(row, name)
                for name in ("last_at", "party", "code", "what", "where", "position", "times")
            }
            for row in rows
        ],
    )


def _guests(found: list[guest_store.Met]) -> Table:
    """Lay out the parties that partners host, as they were introduced."""
    columns = (
        Column("party", _("Guest")),
        Column("name", _("Name")),
        Column("host", _("Host")),
        Column("since", _("Since")),
        Column("key", _("Key")),
    )
    rows = [
        {
            "party": one.party,
            "name": one.name,
            "host": one.host,
            "since": one.since,
            "key": one.public.hex(),
        }
        for one in found
    ]
    return Table("guests", columns, rows)


@page("/admin/partners", Permission.MANAGE_PEERS)
def partners_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the enrolled partners, and how another one is enrolled."""
    return _partners(request)


def _partners(
    request: Request[Any, Any, Any],
    error: SecretariatError | None = None,
    given: dict[str, str] | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        rows = lines(screen, store.partners(tx))
        refused = store.refusals(tx, limit=200)
        guests = guest_store.met_parties(tx)
    table = Table(
        "partners",
        (
            Column("party", _("Party")),
            Column("name", _("Name")),
            Column("state", _("State")),
            Column("last_contact", _("Last contact")),
            Column("position", _("Read up to"), number=True),
            Column("url", _("Address")),
            Column("fingerprint", _("Fingerprint")),
        ),
        rows,
    ).sorted_by(screen.query)
    answer = screen.answer(
        "desk/partners.html",
        [table, _guests(guests), _refused(refused)],
        mailboxes=[row["party"] for row in rows if row["url"] and row["state"] != "suspended"],
        by_hand=BY_HAND,
        own_words=fingerprint(screen.party, screen.node.keyring(screen.realm).root_public),
        error=error,
        given=given or {},
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/admin/partners/invite", Permission.MANAGE_PEERS, status=200)
def invite(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give this node's descriptor for a party as a file; the act is an entry."""
    screen, party = screen_of(request), Form(request).text("party").strip().upper()
    try:
        if not CODE.fullmatch(party):
            raise InputError(
                _("not a party code"), where="party", advice=_("capital letters and digits, such as JP")
            )
        if party == screen.party:
            raise InputError(_("this is your own party"), where="party")
        sealed, _words = enrolment.invite(screen.node, party, now=now())
    except SecretariatError as error:
        return _partners(request, error, {"invite": party})
    name = _UNSAFE.sub("-", f"{screen.party}-for-{party}")
    return Response(
        sealed,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}.descriptor.json"'},
    )


@act("/admin/partners/accept", Permission.MANAGE_PEERS, takes_file=True)
def accept(request: Request[Any, Any, Any]) -> Response[Any]:
    """Enrol the party of a descriptor whose twelve words were heard from a person there."""
    screen, form = screen_of(request), Form(request)
    words, via = form.text("words").strip(), form.text("via").strip()
    try:
        file = form.file("file")
        if file is None:
            raise InputError(_("no file was chosen"), where="file", advice=_("choose a file first"))
        sealed = file.read(DESCRIPTOR_BYTES + 1)
        if len(sealed) > DESCRIPTOR_BYTES:
            raise InputError(_("this is no descriptor: it is too large"), where="file")
        done = enrolment.accept(screen.node, sealed, words, via=via or None, now=now())
    except SecretariatError as error:
        return _partners(request, error, {"words": words, "via": via})
    return see(f"/admin/partners/{done.party}")


@page("/admin/partners/{party:str}", Permission.MANAGE_PEERS)
def partner_page(request: Request[Any, Any, Any], party: FromPath[str]) -> Response[Any]:
    """Show one partner: contact, words, keys by name, what was refused of it; suspend, resume, end."""
    return _partner(request, party)


def _partner(
    request: Request[Any, Any, Any], party: str, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        found = [one for one in lines(screen, store.partners(tx)) if one["party"] == party]
        refused = store.refusals(tx, party=party, limit=200)
    if not found:
        raise NotFoundError(_("no such partner here"), where=party[:64], advice=_("Admin lists the partners"))
    carried = transfer_service.standings(screen.node, screen.realm, party, now=now())
    answer = screen.answer(
        "desk/partner.html",
        [_refused(refused)],
        one=found[0],
        error=error,
        by_hand=BY_HAND,
        carried=carried[0] if carried else None,
        most_mb=screen.node.settings.limits.max_request_bytes // 1_000_000,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


def clear_carried(data: Path) -> None:
    """Delete what a process that was killed left of transfers on their way; nobody may be serving."""
    for folder in data.glob(f"{CARRIED}*"):
        shutil.rmtree(folder, ignore_errors=True)


@act("/admin/partners/{party:str}/transfer/out", Permission.MANAGE_PEERS, status=200)
def carry_out(request: Request[Any, Any, Any], party: FromPath[str]) -> Response[Any]:
    """Give a transfer for a partner as one file to put on a medium: sealed to the partner."""
    screen, again = screen_of(request), Form(request).text("again") == "yes"
    folder = Path(tempfile.mkdtemp(prefix=CARRIED, dir=screen.node.settings.data))
    name = f"secretariat-{screen.realm}-{screen.party}-to-{_UNSAFE.sub('-', party)[:32]}.transfer"
    try:
        transfer_service.export(
            screen.node, screen.realm, party, folder / name, volume_mb=WHOLE_MB, again=again, one_file=True,
            now=now(),
        )  # fmt: skip
    except SecretariatError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _partner(request, party, error)
    return File(
        folder / name,
        filename=name,
        media_type="application/octet-stream",
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@act("/admin/partners/{party:str}/transfer/in", Permission.MANAGE_PEERS, takes_file=True)
def carry_in(request: Request[Any, Any, Any], party: FromPath[str]) -> Response[Any]:
    """Take a volume that was carried here. Refuses what the command refuses."""
    screen, form = screen_of(request), Form(request)
    folder = Path(tempfile.mkdtemp(prefix=CARRIED, dir=screen.node.settings.data))
    try:
        file = form.file("file")
        if file is None:
            raise InputError(_("no file was chosen"), where="file", advice=_("choose a file first"))
        path = folder / "volume.transfer"
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        (done,) = transfer_service.take(screen.node, screen.realm, [path], now=now())
        if done.state == "refused":
            where = done.where.replace(str(path), _("the chosen file"))
            raise InputError(done.what, where=where, advice=done.advice)
    except SecretariatError as error:
        return _partner(request, party, error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return see(f"/admin/partners/{done.party}#by-hand")


@act("/admin/partners/{party:str}/{deed:str}", Permission.MANAGE_PEERS)
def look_after(request: Request[Any, Any, Any], party: FromPath[str], deed: FromPath[str]) -> Response[Any]:
    """Suspend, resume or end a partnership. Refuses to suspend or end without the reason."""
    screen, form = screen_of(request), Form(request)
    by, reason = screen.visitor.login if screen.visitor else "?", form.text("reason").strip()[:REASON_MAX]
    try:
        if deed in {"suspend", "remove"} and not reason:
            raise InputError(_("this needs its reason"), where="reason")
        if deed == "suspend":
            service.suspend(screen.node, screen.realm, party, reason=reason, by=by, now=now())
        elif deed == "resume":
            service.resume(screen.node, screen.realm, party, by=by, now=now())
        elif deed == "remove":
            if form.text("code").strip().upper() != party.upper():
                raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
            enrolment.remove(screen.node, party, reason=f"{reason} (by {by})", now=now())
            return see("/admin/partners")
        else:
            raise NotFoundError(_("no such deed"), where=deed[:32])
    except SecretariatError as error:
        return _partner(request, party, error)
    return see(f"/admin/partners/{party}")


routes = [partners_page, invite, accept, partner_page, carry_out, carry_in, look_after]
