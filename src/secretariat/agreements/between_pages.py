"""Instruments between us and each partner, and the texts that partners gave, for a person to agree to."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.agreements import offered, store
from secretariat.agreements.between import MISSING, OFFERED, RECORDED, REFUSED, between
from secretariat.agreements.wording import VERIFICATION_WORDS, rule_meaning
from secretariat.base.clock import now
from secretariat.base.errors import InputError, SecretariatError
from secretariat.people.model import Permission
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

REASON_MAX = 2000
TEXT_WORDS = {
    RECORDED: mark("recorded here"),
    OFFERED: mark("came from the partner: read it"),
    REFUSED: mark("refused by us"),
    "agreed": mark("recorded here"),
    MISSING: mark("asked for"),
}


@page("/agreements/between", Permission.READ_AGREEMENTS)
def between_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show for each partner which instruments we and they signed, and since when both did."""
    screen = screen_of(request)
    with screen.transaction() as tx:
        lines = between(tx, screen.party, recorded_by=screen.bar.as_of.recorded_by)
        offers = store.offers(tx, state="offered")
    table = Table(
        "between",
        (
            Column("partner", _("Partner")),
            Column("key", _("Instrument")),
            Column("ours", _("Signed by us")),
            Column("theirs", _("Signed by them")),
            Column("both", _("By both since")),
            Column("text", _("Text")),
            Column("hash", _("Hash")),
        ),
        [
            {
                "partner": one.partner,
                "key": one.key,
                "ours": one.ours,
                "theirs": one.theirs,
                "both": one.both,
                "text": _(TEXT_WORDS[one.text]),
                "state": one.text,
                "hash": one.hash,
            }
            for one in lines
        ],
    ).sorted_by(screen.query)
    return screen.answer("agreements/between.html", [table], offers=offers)


@page("/agreements/offered/{digest:str}", Permission.READ_AGREEMENTS)
def offered_page(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[Any]:
    """Show a text that a partner gave: its articles, and where it differs from the one in use here."""
    return _offered(request, digest)


def _offered(
    request: Request[Any, Any, Any], digest: str, error: SecretariatError | None = None
) -> Response[Any]:
    screen = screen_of(request)
    with screen.transaction() as tx:
        offer = offered.offer_of(tx, digest)
        changes = offered.changes(tx, offer)
        one = offered.book_with(tx, offer).instrument(offer.key)
    articles = Table(
        "articles",
        (
            Column("art", _("Article")),
            Column("rule", _("Rule")),
            Column("says", _("What it says (our words)")),
            Column("terms", _("Terms")),
            Column("verification", _("Text")),
        ),
        [
            {
                "art": article.art,
                "rule": article.rule,
                "meaning": rule_meaning(article.rule),
                "says": article.says,
                "terms": ", ".join(f"{name}: {value}" for name, value in article.params),
                "verification": _(VERIFICATION_WORDS.get(article.verification, article.verification)),
            }
            for article in one.articles
        ],
    )
    differences = Table(
        "differences",
        (Column("where", _("Where")), Column("ours", _("In use here")), Column("theirs", _("In this text"))),
        [{"where": each.where, "ours": each.ours, "theirs": each.theirs} for each in changes or ()],
    )
    answer = screen.answer(
        "agreements/offered.html",
        [articles, differences],
        offer=offer,
        digest=offer.hash.hex(),
        one=one,
        replaces=changes is not None,
        may_decide=screen.acts and offer.state != "agreed" and screen.may(Permission.EDIT_AGREEMENTS),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/agreements/offered/{digest:str}/agree", Permission.EDIT_AGREEMENTS)
def agree(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[Any]:
    """Take the text as one of this party's; partners are told of it within seconds."""
    screen = screen_of(request)
    offered.agree(screen.node, screen.realm, _hash(digest), by=_by(screen), now=now())
    return see("/agreements/between")


@act("/agreements/offered/{digest:str}/refuse", Permission.EDIT_AGREEMENTS)
def refuse(request: Request[Any, Any, Any], digest: FromPath[str]) -> Response[Any]:
    """Say that this party does not agree to the text, with the reason."""
    screen, form = screen_of(request), Form(request)
    reason = form.text("reason").strip()[:REASON_MAX]
    if not reason:
        return _offered(request, digest, InputError("a reason is missing", where="reason"))
    try:
        offered.refuse(screen.node, screen.realm, _hash(digest), by=_by(screen), reason=reason, now=now())
    except InputError as error:
        return _offered(request, digest, error)
    return see(f"/agreements/offered/{digest}")


def _by(screen: Any) -> str:
    return screen.visitor.login if screen.visitor else "?"


def _hash(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest)
    except ValueError:
        raise InputError("not the hash of a text", where=digest[:70]) from None


routes = [between_page, offered_page, agree, refuse]
