"""Joint statements for people: who has signed, who has not and since when; sign, reserve, object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, SecretariatError
from secretariat.base.marking import Marking
from secretariat.ledger import joint, joint_service, joint_store
from secretariat.people.model import Permission
from secretariat.records import store as records
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import screen_of
from secretariat.web.tables import Column, Table
from secretariat.web.words import gettext as _
from secretariat.web.words import mark

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.base.clock import AsOf
    from secretariat.ledger.joint import Word
    from secretariat.ledger.joint_service import Standing
    from secretariat.records.store import Stored

PAGE = 200
_HEX = re.compile(r"[0-9a-f]{64}")

STANCES = {
    "signed": mark("has signed"),
    "reservation": mark("has signed with reservation"),
    "objects": mark("objects"),
    "silent": mark("has not answered"),
    "void": mark("its word counts no more"),
}
REASONS = {
    "lost": mark("the key was lost"),
    "stolen": mark("the key was stolen"),
    "ended": mark("the key ended"),
}
OUTCOMES = {
    "agreed": mark("agreed by all"),
    "agreed-with-reservations": mark("agreed, with reservations"),
    "objected": mark("objected to"),
    "open": mark("waits for signatures"),
}
_SHAPES = {
    "signed": ("seal", "is-good"),
    "reservation": ("seal", "is-loud"),
    "objects": ("not", "is-loud"),
    "silent": ("waiting", ""),
    "void": ("not", "is-loud"),
    "agreed": ("seal", "is-good"),
    "agreed-with-reservations": ("seal", "is-loud"),
    "objected": ("not", "is-loud"),
    "open": ("waiting", ""),
}


def _titles(tx: sa.Connection, roots: list[bytes]) -> dict[bytes, tuple[str, Stored]]:
    """Give what is held of the versions named, with a title."""
    found = {}
    for root, held in records.by_roots(tx, roots).items():
        said = held.object()
        title = next((said[one] for one in ("name", "title", "summary", "description") if said.get(one)), "")
        found[root] = (str(title)[:200] or held.stix_id, held)
    return found


def waiting(tx: sa.Connection, party: str) -> list[tuple[Standing, str]]:
    """Give the joint statements on which a party has not said its word, each with its title."""
    found = joint_service.waiting(tx, party)
    titles = _titles(tx, [one.kept.root for one in found])
    return [(one, titles[one.kept.root][0] if one.kept.root in titles else one.kept.stix_id) for one in found]


def about(tx: sa.Connection, stix_id: str, as_of: AsOf) -> list[tuple[Standing, str]]:
    """Give the joint statements about an object with what came of each, in words."""
    return [(one, _(OUTCOMES[one.outcome])) for one in joint_service.of_object(tx, stix_id, as_of)]


def _marking(held: Stored) -> Marking:
    label = held.label
    return Marking.of(label.tlp, label.scheme, label.level, label.orig)


def _revoked(word: Word) -> dict[str, Any]:
    """Give what the page says of a word whose key is revoked."""
    assert word.revoked is not None
    return {
        "what": _(STANCES[word.stance]),
        "at": word.at,
        "since": word.revoked.since,
        "why": _(REASONS[word.revoked.reason]),
        "counts": word.counts,
    }


def _shape(word: str) -> tuple[str, str]:
    return _SHAPES[word]


@page("/ledger/joint", Permission.READ_REPORTS)
def joints_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List joint statements, those first on which this party has not said its word."""
    return _list(request)


def _list(request: Request[Any, Any, Any], error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    wanted = screen.query.get("object", "").strip()[:200]
    with screen.transaction() as tx:
        found = joint_service.newest(tx, PAGE, screen.bar.as_of)
        titles = _titles(tx, [one.kept.root for one in found])
        refused = joint_store.refused(tx)
        chosen = records.latest(tx, [wanted]).get(wanted) if wanted else None
        partners = sorted(records.enrolled(tx))
    here = screen.party
    found.sort(key=lambda one: here not in one.silent)
    table = Table(
        "joint",
        (
            Column("title", _("Statement")),
            Column("outcome", _("State")),
            Column("parties", _("Parties")),
            Column("silent", _("Not yet signed")),
            Column("since", _("Since")),
        ),
        [
            {
                "key": one.key,
                "title": titles[one.kept.root][0] if one.kept.root in titles else one.kept.stix_id,
                "outcome": one.outcome,
                "word": _(OUTCOMES[one.outcome]),
                "parties": " ".join(one.kept.parties),
                "silent": " ".join(side.party for side in one.sides if not side.signed),
                "since": one.kept.first_at,
                "sides": one.sides,
                "ours": here in one.silent,
            }
            for one in found
        ],
    ).sorted_by(screen.query)
    answer = screen.answer(
        "ledger/joints.html",
        [table],
        markings=[_marking(held) for _title, held in titles.values()],
        refused=refused,
        shape=_shape,
        stances={key: _(word) for key, word in STANCES.items()},
        chosen=chosen,
        chosen_id=wanted,
        partners=[one for one in partners if one != here],
        may_sign=screen.acts and screen.may(Permission.APPROVE_RELEASE),
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/ledger/joint", Permission.APPROVE_RELEASE)
def propose(request: Request[Any, Any, Any]) -> Response[Any]:
    """Put an own object to signature, and sign it first."""
    screen, form = screen_of(request), Form(request)
    try:
        parties = form.texts("party")
        if not parties:
            raise InputError(_("no party is chosen"), where="party", advice=_("tick at least one party"))
        digest = joint_service.propose(
            screen.node,
            screen.realm,
            form.text("object").strip(),
            parties,
            by=screen.visitor.login if screen.visitor else "?",
            now=now(),
        )
    except SecretariatError as error:
        return _list(request, error)
    return see(f"/ledger/joint/{digest.hex()}")


@page("/ledger/joint/{key:str}", Permission.READ_REPORTS)
def joint_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Show where each party stands on one joint statement, in its own words."""
    return _one(request, key)


def _one(request: Request[Any, Any, Any], key: str, error: SecretariatError | None = None) -> Response[Any]:
    screen = screen_of(request)
    digest = _digest(key)
    with screen.transaction() as tx:
        found = joint_service.standing(tx, digest, screen.bar.as_of)
        titles = _titles(tx, [found.kept.root])
        others = [
            one for one in joint_service.of_object(tx, found.kept.stix_id, screen.bar.as_of) if one.key != key
        ]
        newer = records.latest(tx, [found.kept.stix_id]).get(found.kept.stix_id)
    held = titles.get(found.kept.root)
    table = Table(
        "sides",
        (
            Column("party", _("Party")),
            Column("state", _("State")),
            Column("text", _("In its own words")),
            Column("since", _("Since")),
            Column("entry", _("Entry")),
        ),
        [
            {
                "party": side.party,
                "state": side.state,
                "word": _(STANCES[side.state]),
                "text": side.word.text if side.word else "",
                "later": side.later.text if side.later else "",
                "keys": [
                    _revoked(word)
                    for word in (side.word, side.void)
                    if word is not None and word.revoked is not None
                ],
                "since": side.word.at if side.word else found.kept.first_at,
                "entry": f"{side.word.origin} {side.word.position}" if side.word else "",
                "own": side.word.position if side.word and side.party == screen.party else None,
            }
            for side in found.sides
        ],
    )
    mine = next((side for side in found.sides if side.party == screen.party), None)
    answer = screen.answer(
        "ledger/joint.html",
        [table],
        markings=[] if held is None else [_marking(held[1])],
        one=found,
        title=held[0] if held else found.kept.stix_id,
        held=held[1] if held else None,
        statement=joint.read(found.kept.payload),
        outcome_word=_(OUTCOMES[found.outcome]),
        shape=_shape,
        mine=mine,
        others=[(one, _(OUTCOMES[one.outcome])) for one in others],
        newer=newer is not None and newer.root != found.kept.root,
        may_sign=screen.acts and mine is not None and screen.may(Permission.APPROVE_RELEASE),
        text_max=joint.TEXT_MAX,
        error=error,
    )
    if error is not None:
        answer.status_code = error.status
    return answer


@act("/ledger/joint/{key:str}/say", Permission.APPROVE_RELEASE)
def say(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Sign, sign with reservation, or object."""
    screen, form = screen_of(request), Form(request)
    try:
        stance = form.text("stance")
        if stance not in {"signed", "reservation", "objects"}:
            raise InputError(_("choose what this party says"), where="stance")
        joint_service.say(
            screen.node,
            screen.realm,
            _digest(key),
            stance,  # type: ignore[arg-type]
            form.text("text"),
            by=screen.visitor.login if screen.visitor else "?",
            now=now(),
        )
    except SecretariatError as error:
        return _one(request, key, error)
    return see(f"/ledger/joint/{key}")


def _digest(key: str) -> bytes:
    if not _HEX.fullmatch(key):
        raise NotFoundError("no such joint statement", where=key[:80])
    return bytes.fromhex(key)


routes = [joints_page, propose, joint_page, say]
