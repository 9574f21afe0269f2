"""Give a receipt as a person, on what others granted us: returned, kept by which law, or control was lost.

The page says who will read it, and by which article a loss has to be reported within what time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements.wording import term_word
from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.desk import changes, store
from secretariat.desk.withdraw import REASON_MAX, code_of
from secretariat.exchange import own_words_service
from secretariat.exchange.own_words import KEPT, LOST, RETURNED
from secretariat.people.model import Permission
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from secretariat.exchange.own_words import Said
    from secretariat.web.screen import Screen

FIELDS = ("state", "how", "law", "until", "since", "what", "told", "members")


@page("/reports/{stix_id:str}/word", Permission.WITHDRAW)
def word_page(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Offer the three words, and say who will read them."""
    return _word(request, stix_id, {"state": screen_of(request).query.get("state", "")})


def _word(
    request: Request[Any, Any, Any],
    stix_id: str,
    given: dict[str, str],
    error: SecretariatError | None = None,
) -> Response[Any]:
    screen = screen_of(request)
    stored = changes.stored_of(screen, stix_id)
    demands = []
    try:
        demands = own_words_service.demands(screen.node, screen.realm, [stix_id], now=now())
    except SecretariatError as refused:
        error = error or refused
    line = store.line_of(stored)
    answer = screen.answer(
        "desk/word.html",
        [],
        markings=[line.marking],
        line=line,
        given={"members": "yes", **given},
        demands=[(one.owed_to, one.article, term_word(one.within)) for one in demands],
        code=code_of(stix_id),
        today=now().date().isoformat(),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/reports/{stix_id:str}/word", Permission.WITHDRAW)
def give_word(request: Request[Any, Any, Any], stix_id: FromPath[str]) -> Response[Any]:
    """Sign the word and send it. Refuses a wrong code, and a word without its facts."""
    screen, form = screen_of(request), Form(request)
    given = {name: form.text(name).strip()[:REASON_MAX] for name in FIELDS}
    try:
        if form.text("code").strip().lower() != code_of(stix_id):
            raise InputError(_("the code does not fit"), where="code", advice=_("type the code shown"))
        _say(screen, stix_id, given)
    except SecretariatError as error:
        return _word(request, stix_id, given, error)
    if given["state"] == LOST:
        return see(f"/reports/{stix_id}")
    return see("/ledger/duties")


def _say(screen: Screen, stix_id: str, given: dict[str, str]) -> Said:
    by = screen.visitor.login if screen.visitor else "?"
    where = (screen.node, screen.realm, [stix_id])
    members, moment = given["members"] == "yes", now()
    if given["state"] == RETURNED:
        return own_words_service.returned(*where, how=given["how"], by=by, members=members, now=moment)
    if given["state"] == KEPT:
        return own_words_service.keep_by_law(
            *where, law=given["law"], until=given["until"], by=by, members=members, now=moment
        )
    if given["state"] == LOST:
        return own_words_service.report_loss(
            *where,
            since=given["since"],
            what=given["what"],
            told=given["told"],
            by=by,
            members=members,
            now=moment,
        )
    raise InputError(_("choose what you want to say"), where="state")


routes = [word_page, give_word]
