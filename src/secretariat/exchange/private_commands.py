"""`secretariat questions …`: ask a partner privately how many values both have; allow, answer, see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

if TYPE_CHECKING:
    from secretariat.exchange.private_store import Question

commands = typer.Typer(
    help="Private questions: how many values do we both have, and no more than that.", no_args_is_help=True
)
Partner = Annotated[str, typer.Option("--partner", help="The partner's code.")]
Number = Annotated[int, typer.Argument(help="The question's number, from `questions list`.")]
WARNING = (
    "The partner learns how many values are asked about, never which. Values that can be guessed, every IPv4"
    " address among them, are not protected: whoever has a guess in its own set learns whether it was right."
)


@commands.command("allow")
def allow(
    partner: Partner,
    under: Annotated[str, typer.Option("--under", help="Key of the instrument that it rests on.")],
    types: Annotated[list[str], typer.Option("--type", help="Type of value, e.g. domain-name; repeatable.")],
    elements: Annotated[
        int, typer.Option("--elements", help="Values a week, of all its questions.")
    ] = 10_000,
    standing: Annotated[
        bool, typer.Option("--standing", help="Answer within it at once; otherwise a person decides.")
    ] = False,
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Turn private questions with a partner on. Nothing is asked or answered before."""
    from secretariat.exchange import private_service

    with node_at(data) as node:
        private_service.allow(
            node,
            realm,
            partner,
            under=under,
            types=types,
            elements=elements,
            standing=standing,
            by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS),
            now=now(),
        )
    emit(
        {"party": partner, "under": under, "types": types, "elements": elements, "standing": standing},
        f"private questions with {partner} under {under}: {', '.join(types)}, {elements} values a week",
        json=json,
    )


@commands.command("forbid")
def forbid(
    partner: Partner, data: Data = DATA, realm: Realm = "live", by: By = "", json: Json = False
) -> None:
    """Turn private questions with a partner off; what is under way ends."""
    from secretariat.exchange import private_service

    with node_at(data) as node:
        private_service.forbid(
            node, realm, partner, by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS), now=now()
        )
    emit({"party": partner}, f"no private questions with {partner} any more", json=json)


@commands.command("allowed")
def allowed(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List with whom private questions are on, and within what."""
    from secretariat.exchange import private_service

    with node_at(data) as node:
        found = private_service.allowances(node, realm)
    lines = [
        f"{one.party:8} {one.under}  {', '.join(one.types)}  {one.elements} values a week"
        f"{'  answered at once' if one.standing else '  a person decides'}  (by {one.allowed_by})"
        for one in found
    ]
    emit(found, "\n".join(lines) or "with nobody: secretariat questions allow", json=json)


@commands.command("ask")
def ask(
    partner: Partner,
    kind: Annotated[str, typer.Option("--type", help="Type of value, e.g. domain-name.")],
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Ask a partner how many values of one type both have. The running node asks; see `questions list`."""
    from secretariat.exchange import private_asking

    with node_at(data) as node:
        number = private_asking.ask(
            node,
            realm,
            partner,
            kind,
            by=doer_at(node.database, realm, by, Permission.APPROVE_RELEASE),
            now=now(),
        )
    emit(
        {"question": number, "party": partner, "type": kind},
        f"question {number} goes to {partner} while the node runs:"
        f" secretariat questions show {number}\n{WARNING}",
        json=json,
    )


@commands.command("list")
def list_all(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List private questions of both directions, newest first."""
    from secretariat.exchange import private_service

    with node_at(data) as node:
        found = private_service.list_questions(node, realm)
    shown = [_shown(one) for one in found]
    emit(shown, "\n".join(map(_line, found)) or "none: secretariat questions ask", json=json)


@commands.command("show")
def show(number: Number, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Show a private question, and which values they are once both sides' persons said so."""
    from secretariat.exchange import private_asking, private_service

    with node_at(data) as node:
        found = private_service.one_question(node, realm, number)
        matches = private_asking.matches_of(node, realm, number)
    emit({**_shown(found), "matches": matches}, "\n".join([_line(found), *matches]), json=json)


@commands.command("answer")
def answer(
    number: Number,
    word: Annotated[str, typer.Argument(help="yes or no.")],
    matches: Annotated[
        bool, typer.Option("--matches", help="Decide on showing which they are, not on the count.")
    ] = False,
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Say as a person whether a partner's question is answered, or its matches are shown. Once."""
    from secretariat.base.errors import InputError
    from secretariat.exchange import private_service

    if word not in {"yes", "no"}:
        raise InputError(f"{word[:20]!r} is neither yes nor no", where="word")
    what: Literal["answer", "opening"] = "opening" if matches else "answer"
    with node_at(data) as node:
        private_service.decide(
            node,
            realm,
            number,
            what=what,
            yes=word == "yes",
            by=doer_at(node.database, realm, by, Permission.APPROVE_RELEASE),
            now=now(),
        )
    emit({"question": number, "what": what, "said": word}, f"question {number}: {word}", json=json)


@commands.command("open")
def open_matches(
    number: Number, data: Data = DATA, realm: Realm = "live", by: By = "", json: Json = False
) -> None:
    """Ask which values they are. Ours that match, and may go to the partner, are then shown to it, proven."""
    from secretariat.exchange import private_asking

    with node_at(data) as node:
        private_asking.want_opened(
            node, realm, number, by=doer_at(node.database, realm, by, Permission.APPROVE_RELEASE), now=now()
        )
    emit({"question": number}, f"question {number}: the partner's person decides", json=json)


def _shown(one: Question) -> dict[str, object]:
    """Give what may leave the node on a screen: never secrets."""
    return {
        "question": one.id,
        "side": one.side,
        "party": one.party,
        "type": one.type,
        "epoch": one.epoch,
        "under": one.under,
        "state": one.state,
        "stage": one.stage,
        "size": one.size,
        "their_size": one.their_size,
        "result": one.result,
        "shown": one.shown,
        "why": one.why,
        "by": one.by,
        "at": stamp(one.at),
        "entry": one.entry,
    }


def _line(one: Question) -> str:
    found = "" if one.result is None else f"  {one.result} in both"
    proven = "" if one.shown is None else f", {one.shown} shown and proven"
    way = "to" if one.side == "asks" else "from"
    why = f"  ({one.why})" if one.why else ""
    return f"{one.id:4} {way} {one.party:8} {one.type:12} {one.epoch}  {one.state}{found}{proven}{why}"
