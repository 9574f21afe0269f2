"""`secretariat requests …`: ask, answer, decline, pass on, withdraw, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat.agreements.release_commands import Purpose, node_at
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import NotFoundError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at
from secretariat.register.asking import KnownBy, RecordedBy, TrueOn, asking

if TYPE_CHECKING:
    from secretariat.register.requests.rules import Thread
    from secretariat.register.requests.service import Done

commands = typer.Typer(
    help="Requests between parties: asked, answered, declined, passed on, silent.", no_args_is_help=True
)

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Either side's number, or the STIX id.")]
Tlp = Annotated[str, typer.Option("--tlp", help="Marking. Default: the node's.")]
Lang = Annotated[str, typer.Option("--lang", help="Language of the words.")]
Decide = Annotated[
    bool,
    typer.Option("--release", help="Say DO as well, where one person may; else a release is proposed."),
]


@commands.command("list")
def list_command(
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these states; repeat for several.")
    ] = None,
    to_us: Annotated[bool, typer.Option("--to-us", help="Only what we are asked.")] = False,
    from_us: Annotated[bool, typer.Option("--from-us", help="Only what we asked.")] = False,
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    json: Json = False,
) -> None:
    """List requests with their state, newest first, as of any time."""
    from secretariat.register.requests import store

    with asking(data, realm, true_on, known_by, recorded_by, None) as asked:
        own = asked.node.party
        found = [
            one
            for one in store.threads(asked.tx, asked.view, own)
            if (not state or one.state in state)
            and (not to_us or one.asked_of == own)
            and (not from_us or one.asked_by == own)
        ]
        forged = store.forged(asked.tx, asked.view)
    lines = [
        f"{one.number:<14} {one.their_number or '–':<14} {one.asked_by} > {one.asked_of}  "
        f"{one.state:<10} {one.due or '':<10}  {one.request.title}"
        for one in found
    ]
    lines += [
        f"not taken: {one.body.get('number')} in the name of {one.body.get('asked_by')},"
        f" signed by {one.originator}"
        for one in forged
    ]
    value = {
        "requests": [_data(one) for one in found],
        "not_taken": [{"id": one.stix_id, "signed_by": one.originator} for one in forged],
    }
    emit(value, "\n".join(lines) or "no request", json=json)


@commands.command("show")
def show_command(
    number: Number,
    data: Data = DATA,
    realm: Realm = "live",
    true_on: TrueOn = "",
    known_by: KnownBy = "",
    recorded_by: RecordedBy = "",
    json: Json = False,
) -> None:
    """Show a request with everything that was said to it."""
    from secretariat.register.requests import store

    with asking(data, realm, true_on, known_by, recorded_by, None) as asked:
        found = store.thread(asked.tx, asked.view, asked.node.party, number)
    if found is None:
        raise NotFoundError(f"no request {number[:80]!r}", advice="secretariat requests list")
    lines = [
        f"{found.number} ({found.their_number or 'no number of theirs yet'}): {found.asked_by} asks"
        f" {found.asked_of}; {found.state}"
        + (f", {found.late} days late" if found.late else "")
        + (f"; answer by {found.due}" if found.due else ""),
        f"  {found.request.title}",
        f"  {found.request.body.get('asks')}",
    ]
    lines += [
        f"  {one.originator} {one.says} ({one.key}, known {one.known:%Y-%m-%d}): {one.body.get('reply', '')}"
        for one in reversed(found.answers)
    ]
    lines += [f"  not released: {one.says} ({one.key})" for one in found.drafts]
    lines += [f"  evidence of {one.originator}: {one.says} on {one.true_from}" for one in found.evidence]
    lines += [f"  absence {one.key}: looked, as of {one.true_from}" for one in found.absences]
    emit(_data(found), "\n".join(lines), json=json)


@commands.command("ask")
def ask_command(
    party: Annotated[str, typer.Argument(help="The partner that is asked.")],
    asks: Annotated[str, typer.Argument(help="The request in words.")],
    about: Annotated[
        list[str] | None,
        typer.Option("--about", help="Key or id of a statement, report, indicator; repeatable."),
    ] = None,
    wants: Annotated[str, typer.Option("--wants", help="answer, join, divide, stop or agenda.")] = "answer",
    answer_by: Annotated[str, typer.Option("--answer-by", help="Day by which an answer is asked.")] = "",
    title: Annotated[str, typer.Option("--title", help="Default: that of what it is about.")] = "",
    tlp: Tlp = "",
    lang: Lang = "en",
    purpose: Purpose = "",
    by: By = "",
    release: Decide = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Ask a partner; the request gets our number and a release of its own."""
    from secretariat.register.requests import service

    with node_at(data) as node:
        done = service.ask(
            node,
            realm,
            of=party,
            asks=asks,
            about=about or (),
            wants=wants,
            answer_by=answer_by,
            title=title,
            lang=lang,
            tlp=tlp.upper() or None,
            purpose=purpose or None,
            by=doer_at(node.database, realm, by, *_rights(release=release)),
            now=now(),
            decide=release,
        )
    _tell([done], json=json)


@commands.command("answer")
def answer_command(
    number: Number,
    reply: Annotated[str, typer.Argument(help="The answer in words.")],
    promise_is: Annotated[
        str,
        typer.Option(
            "--promise-is", help="done, late, partly, progress, slipped or none: becomes our evidence."
        ),
    ] = "",
    on: Annotated[str, typer.Option("--on", help="Day on which that is so. Default: today.")] = "",
    received: Annotated[bool, typer.Option("--received", help="Only confirm that it arrived.")] = False,
    tlp: Tlp = "",
    lang: Lang = "en",
    purpose: Purpose = "",
    by: By = "",
    release: Decide = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Answer a request to us, or change the answer."""
    from secretariat.register.requests import service

    with node_at(data) as node:
        done = service.answer(
            node,
            realm,
            number,
            says="received" if received else "answered",
            reply=reply,
            promise_is=promise_is,
            on=on,
            lang=lang,
            tlp=tlp.upper() or None,
            purpose=purpose or None,
            by=doer_at(node.database, realm, by, *_rights(release=release)),
            now=now(),
            decide=release,
        )
    _tell([done], json=json)


@commands.command("decline")
def decline_command(
    number: Number,
    reason: Annotated[str, typer.Argument(help="Why.")],
    tlp: Tlp = "",
    lang: Lang = "en",
    purpose: Purpose = "",
    by: By = "",
    release: Decide = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Decline a request to us, with the reason."""
    from secretariat.register.requests import service

    with node_at(data) as node:
        done = service.answer(
            node,
            realm,
            number,
            says="declined",
            reply=reason,
            lang=lang,
            tlp=tlp.upper() or None,
            purpose=purpose or None,
            by=doer_at(node.database, realm, by, *_rights(release=release)),
            now=now(),
            decide=release,
        )
    _tell([done], json=json)


@commands.command("pass-on")
def pass_on_command(
    number: Number,
    to: Annotated[str, typer.Option("--to", help="The party or office that gets it.")],
    asks: Annotated[
        str,
        typer.Option("--asks", help="Ask that partner at once, in our own words; nothing else goes along."),
    ] = "",
    reply: Annotated[str, typer.Option("--reply", help="Words to who asked.")] = "",
    answer_by: Annotated[
        str, typer.Option("--answer-by", help="Day by which that partner should answer.")
    ] = "",
    tlp: Tlp = "",
    lang: Lang = "en",
    by: By = "",
    release: Decide = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Tell the asker that another answers; with --asks, ask that partner."""
    from secretariat.register.requests import service

    with node_at(data) as node:
        done = service.pass_on(
            node,
            realm,
            number,
            to=to,
            asks=asks,
            reply=reply,
            answer_by=answer_by,
            lang=lang,
            tlp=tlp.upper() or None,
            by=doer_at(node.database, realm, by, *_rights(release=release)),
            now=now(),
            decide=release,
        )
    _tell(done, json=json)


@commands.command("withdraw")
def withdraw_command(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    by: By = "",
    release: Decide = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Take a request of ours back."""
    from secretariat.register.requests import service

    with node_at(data) as node:
        done = service.withdraw(
            node,
            realm,
            number,
            reason=reason,
            by=doer_at(node.database, realm, by, *_rights(release=release)),
            now=now(),
            decide=release,
        )
    _tell([done], json=json)


def _rights(*, release: bool) -> list[Permission]:
    """What the person who is named must have: saying DO at once is a right of its own."""
    return [Permission.EDIT_REGISTER, *([Permission.APPROVE_RELEASE] if release else ())]


def _tell(done: list[Done], *, json: bool) -> None:
    words = {
        "sent": "on its way",
        "proposed": "recorded; its release waits: secretariat release approve",
        "refused": "recorded, and stays here: no agreement lets it go",
        "draft": "recorded",
    }
    lines = [
        f"{one.number}: {words[one.state]}"
        + (f" {one.release}" if one.state == "proposed" else "")
        + (f" ({one.article})" if one.article else "")
        + (f"; {len(one.kept)} statements it is about stay here" if one.kept else "")
        for one in done
    ]
    emit({"done": done}, "\n".join(lines), json=json)


def _data(one: Thread) -> dict[str, Any]:
    return {
        "number": one.number,
        "their_number": one.their_number,
        "id": one.request.stix_id,
        "asked_by": one.asked_by,
        "asked_of": one.asked_of,
        "state": one.state,
        "late_days": one.late,
        "title": one.request.title,
        "asks": one.request.body.get("asks"),
        "wants": one.request.body.get("wants", "answer"),
        "about": one.request.body.get("about_refs", []),
        "about_keys": one.request.body.get("about_keys", []),
        "asked_on": one.request.true_from,
        "answer_by": one.request.body.get("answer_by"),
        "sent": one.sent,
        "tlp": one.request.tlp,
        "answers": [_answer(row) for row in one.answers],
        "not_released": [_answer(row) for row in one.drafts],
        "words_of_others": [_answer(row) for row in one.strangers],
        "evidence": [
            {"key": row.key, "by": row.originator, "says": row.says, "on": row.true_from}
            for row in one.evidence
        ],
        "absences": [{"key": row.key, "as_of": row.true_from} for row in one.absences],
    }


def _answer(row: Any) -> dict[str, Any]:
    return {
        "id": row.stix_id,
        "by": row.originator,
        "number": row.key,
        "answer": row.says,
        "reply": row.body.get("reply"),
        "passed_to": row.body.get("passed_to"),
        "known": row.known,
    }
