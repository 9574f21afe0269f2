"""Correct: put right what a published object says. Who holds it gets the new version and reads the reason.

The page says what happens to each holder before anything is sent: whom an agreement no longer permits the new
version stands there as NOT. The earlier version stays with holders as history, unless it is taken back too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.desk import changes, store
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import change_store, remarking
from secretariat.exchange.changes import Change
from secretariat.people.model import Permission
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from secretariat.records.store import Stored

FIELDS = (
    "name",
    "description",
    "pattern",
    "content",
    "abstract",
    "explanation",
    "title",
    "text",
    "valid_until",
)
"""Texts that a person corrects in a field of its own; anything else in the object itself."""
_JSON_MAX = 100_000


@page("/reports/{stix_id:str}/correct", Permission.WITHDRAW)
def correct_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show the object's texts to be put right."""
    return _correct(request, stix_id, {})


def _fields(stored: Stored) -> dict[str, str]:
    obj = stored.object()
    return {name: obj[name] for name in FIELDS if isinstance(obj.get(name), str)}


def _plain(text: str) -> str:
    """Undo what a browser does to the ends of lines."""
    return text.replace("\r\n", "\n")


def _written(obj: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(obj), indent=2).decode()


def _value(stored: Stored, form: Form) -> dict[str, Any]:
    """Read what the form changes: the object as a whole where it was edited, then the single texts."""
    obj = stored.object()
    value: dict[str, Any] = dict(obj)
    typed = _plain(form.text("json")).strip()
    if typed and typed != _plain(_written(obj)).strip():
        try:
            value = msgspec.json.decode(typed.encode(), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise InputError(_("this is no JSON object"), where="json", advice=str(error)) from error
    for name, before in _fields(stored).items():
        text = _plain(form.text(f"f-{name}", before))
        if text.strip() != _plain(before).strip():
            if text.strip():
                value[name] = text.strip()
            else:
                value.pop(name, None)
    return value


def _correct(
    request: Request[Any, Any, Any],
    stix_id: str,
    given: dict[str, Any],
    change: Change | None = None,
    error: SecretariatError | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    stored = changes.stored_of(screen, stix_id)
    found = None
    if change is not None and error is None:
        try:
            found = remarking.forecast(screen.node, screen.realm, stix_id, change, now=now())
        except SecretariatError as refused:
            error = refused
    with screen.transaction() as tx:
        waits = change_store.waiting(tx, stix_id)
    line = store.line_of(stored)
    obj = stored.object()
    written = _written(obj)
    answer = screen.answer(
        "desk/correct.html",
        [],
        markings=[line.marking],
        line=line,
        waits=waits,
        fields=[(name, given.get(f"f-{name}", text)) for name, text in _fields(stored).items()],
        json=given.get("json") or (written if len(written) <= _JSON_MAX else ""),
        closed=changes.closed(screen, stored),
        found=found,
        after=changes.marking_after(found),
        seen=changes.digest_of(change) if change is not None else "",
        code=code_of(stix_id),
        reason=given.get("reason", ""),
        take_back=given.get("take_back") == "yes",
        error=error,
    )
    answer.status_code = 200 if error is None else error.status
    return answer


@act("/reports/{stix_id:str}/correct", Permission.WITHDRAW)
def correct(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Say what a correction would do; then do it, or propose it where two persons must.

    What is done is what was forecast: where a text was changed since, the forecast is shown again.
    """
    screen, form = screen_of(request), Form(request)
    stored = changes.stored_of(screen, stix_id)
    given: dict[str, Any] = {f"f-{name}": form.text(f"f-{name}") for name in _fields(stored)}
    given |= {name: form.text(name) for name in ("json", "reason", "take_back")}
    change = None
    try:
        reason = given["reason"].strip()[:REASON_MAX]
        if not reason:
            raise InputError(_("a correction needs its reason"), where="reason")
        change = Change(reason=reason, value=_value(stored, form), take_back=given["take_back"] == "yes")
        if form.text("step") == "do" and form.text("seen") == changes.digest_of(change):
            return see(changes.do(screen, form, stix_id, change))
    except SecretariatError as error:
        return _correct(request, stix_id, given, change, error)
    return _correct(request, stix_id, given, change)


routes = [correct_page, correct]
