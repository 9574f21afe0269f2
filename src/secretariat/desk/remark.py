"""Mark anew: another TLP word, level, caveats, release list; what happens to each holder, and then the deed.

Where one person may, it is done; where two must, it is put before a second one (changes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements.facts import whole_book
from secretariat.base.clock import now
from secretariat.base.errors import SecretariatError
from secretariat.base.marking import TLP_ORDER
from secretariat.desk import changes, store
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import change_store, remarking
from secretariat.exchange.changes import NO_TLP, Change, Marks, own_classification, words_of
from secretariat.exchange.postgres import transaction
from secretariat.people.model import Permission
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretariat.records.store import Stored
    from secretariat.web.screen import Screen

CAVEATS = ("NF", "OC")
NAMES = ("tlp", "scheme", "level", "caveats", "rel_to", "compartments")
_FIELD_MAX = 500


@page("/reports/{stix_id:str}/remark", Permission.WITHDRAW)
def remark_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Show what another marking would do to each holder."""
    query = screen_of(request).query
    return _remark(request, stix_id, {name: query[name] for name in NAMES if name in query})


def _present(screen: Screen, stored: Stored) -> dict[str, str]:
    """Give the present marking as the form's fields hold it."""
    with transaction(screen.node, screen.realm, now()) as one:
        says = own_classification(
            stored.object(), remarking.markings_of(one, stored.object()), stored.originator
        )
    return {
        "tlp": stored.label.tlp or NO_TLP,
        "scheme": says.scheme or "",
        "level": says.level or "",
        "caveats": ", ".join(says.caveats),
        "rel_to": ", ".join(says.rel_to),
        "compartments": ", ".join(says.compartments),
    }


def _marks(given: Mapping[str, str]) -> Marks:
    def words(name: str) -> tuple[str, ...] | None:
        return words_of(given[name][:_FIELD_MAX]) if name in given else None

    def word(name: str) -> str | None:
        return given[name].strip()[:_FIELD_MAX] if name in given else None

    return Marks(
        tlp=given.get("tlp") or None,
        scheme=word("scheme"),
        level=word("level"),
        caveats=words("caveats"),
        rel_to=words("rel_to"),
        compartments=words("compartments"),
    )


def _remark(
    request: Request[Any, Any, Any],
    stix_id: str,
    given: dict[str, str],
    error: SecretariatError | None = None,
    reason: str = "",
) -> Response[Any]:
    screen = screen_of(request)
    stored = changes.stored_of(screen, stix_id)
    present = _present(screen, stored)
    found = None
    if given and error is None:
        try:
            change = Change(reason=reason, marks=_marks(given))
            found = remarking.forecast(screen.node, screen.realm, stix_id, change, now=now())
        except SecretariatError as refused:
            error = refused
    with screen.transaction() as tx:
        schemes = whole_book(tx).schemes
        waits = change_store.waiting(tx, stix_id)
    line = store.line_of(stored)
    ours = {key: one for key, one in schemes.items() if one.owner == screen.party} or schemes
    answer = screen.answer(
        "desk/remark.html",
        [],
        markings=[line.marking],
        line=line,
        words=(*TLP_ORDER, NO_TLP),
        NO_TLP=NO_TLP,
        given={**present, **given},
        asked={name: given[name] for name in NAMES if name in given},
        schemes=sorted(ours),
        levels=sorted({level for one in ours.values() for level in one.order}),
        caveats=CAVEATS,
        waits=waits,
        closed=changes.closed(screen, stored),
        found=found,
        after=changes.marking_after(found),
        code=code_of(stix_id),
        error=error,
        reason=reason,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/{stix_id:str}/remark", Permission.WITHDRAW)
def remark(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Publish it under the chosen marking, or propose that to a second person where two must.

    Refuses a wrong code and no reason.
    """
    screen, form = screen_of(request), Form(request)
    sent = {name: form.text(name, "\0") for name in NAMES}
    given = {name: text for name, text in sent.items() if text != "\0"}
    reason = form.text("reason").strip()[:REASON_MAX]
    try:
        return see(changes.do(screen, form, stix_id, Change(reason=reason, marks=_marks(given))))
    except SecretariatError as error:
        return _remark(request, stix_id, given, error, reason)


routes = [remark_page, remark]
