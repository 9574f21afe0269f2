"""The calendar feed: meetings, days that something is due, days by which an answer is asked (RFC 5545).

A calendar program signs in by Basic with a token of the scope `calendar` as password; any user name will do.
Such a token opens nothing else, and only this party's own token opens the feed. What is marked above CLEAR
stands there by kind and address alone: calendars travel to telephones. `?lang=ko` chooses the language.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get

from secretariat.base.clock import now
from secretariat.people.model import Scope
from secretariat.people.service import authenticate_token
from secretariat.register import calendar
from secretariat.register.calendar import Event
from secretariat.register.model import View
from secretariat.register.requests import store
from secretariat.register.requests.rules import OPEN
from secretariat.register.times import day_of
from secretariat.web import words
from secretariat.web.guard import TOKEN, requires
from secretariat.web.realm import realm_of

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

BACK = timedelta(days=366)
"""How far back a feed reaches."""
_SECRET_MAX = 512


@get("/register/calendar.ics", opt=requires(TOKEN), sync_to_thread=True, include_in_schema=False)
def feed(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the calendar as it stands now to who shows a token of the scope `calendar`."""
    node: Node = request.app.state.node
    realm = realm_of(request)
    moment = now()
    with node.database.app(realm) as tx:
        secret = _secret(request.headers.get("authorization", ""))
        identity = None if secret is None else authenticate_token(tx, secret, now=moment)
        if identity is None or identity.reader != node.party or Scope.CALENDAR not in identity.scopes:
            return Response(
                b"a token of the scope `calendar` is needed, as the password of Basic\n",
                status_code=401,
                media_type="text/plain",
                headers={"WWW-Authenticate": f'Basic realm="secretariat {realm}", charset="UTF-8"'},
            )
        asked = request.query_params.get("lang", "")
        words.set_language(asked if asked in words.LANGUAGES else "en")
        view = View(day=day_of(moment, node.settings.zone), zone=node.settings.zone)
        body = write(tx, node, realm, view)
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type="text/calendar", headers=headers)  # utf-8 is added


def write(tx: sa.Connection, node: Node, realm: str, view: View) -> bytes:
    """Write the calendar of what the question sees, from a year back."""
    first = view.day - BACK
    found = calendar.events(tx, view, first=first)
    every = [*found.events, *_answers(tx, view, node.party)]
    return calendar.write(
        [one for one in every if one.last >= first],
        party=node.party,
        realm=realm,
        address=node.settings.address(realm),
        titles=False,
        left_out=found.left_out,
    )


def _answers(tx: sa.Connection, view: View, own: str) -> list[Event]:
    """Give the days by which an answer is asked, of requests that wait."""
    return [
        Event(
            uid=f"{one.request.stix_id}-answer",
            row=one.request,
            what="answer",
            title=f"{one.number} {one.asked_by} > {one.asked_of}: {one.request.title}",
            first=one.due,
            last=one.due,
        )
        for one in store.threads(tx, view, own)
        if one.due is not None and one.state in OPEN
    ]


def _secret(header: str) -> str | None:
    """Read the password out of Basic, or a Bearer token; None for anything else."""
    kind, _, rest = header.partition(" ")
    if len(rest) > _SECRET_MAX:
        return None
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


routes = [feed]
