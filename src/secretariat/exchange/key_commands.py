"""`secretariat keys …`: look after this node's keys: status, root key away, replace, revoke, drill."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, parse_stamp, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.settings import NodeSettings
from secretariat.ledger.revocation import Reason

if TYPE_CHECKING:
    from secretariat.exchange.own_keys import Done, Due, KeyLife, Status
    from secretariat.ledger.keys import Signer

commands = typer.Typer(help="This node's keys: status, root key away, replace, revoke.", no_args_is_help=True)

Root = Annotated[
    Path | None,
    typer.Option("--root", help="The file of `keys offline`, where the root key is not on this machine."),
]
Passphrase = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Read the passphrase of that file from here; else it is asked."),
]
Why = Annotated[Reason, typer.Option("--reason", help="Why it counts no more.")]


def _passphrase(file: Path | None, *, confirm: bool = False) -> str:
    if file is None:
        asked: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
        return asked
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=str(file)) from error


def _settings(data: Path, realm: str) -> NodeSettings:
    settings = NodeSettings.load(data)
    if realm not in settings.realms:
        raise NotFoundError(f"no realm {realm!r} here", advice=f"one of {', '.join(settings.realms)}")
    return settings


def _roots(settings: NodeSettings, root: Path | None, passphrase: Path | None) -> dict[str, Signer]:
    from secretariat.exchange import own_keys
    from secretariat.ledger import root_file

    signers = None if root is None else root_file.read(root, _passphrase(passphrase))
    return own_keys.roots_of(settings, signers)


@commands.command("status")
def status(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List every key: in force since when, where it is, what is due, who cosigned the log last."""
    from secretariat.exchange import own_keys

    _settings(data, realm)
    with node_at(data) as node:
        found = own_keys.status(node, realm, now=now())
    emit(
        {**msgspec.to_builtins(found), "next": own_keys.due(found)},
        _status_text(found, own_keys.due(found)),
        json=json,
    )


_NEXT = {
    "cut-short": "a step was cut short, the log does not name the {} key; finish it:",
    "not-stated": "no descriptor names the present keys, so partners cannot learn them; seal one:",
    "old": "the {} key is older than `key_age_days`; stop the node and replace it:",
    "root-here": "the root key lies on this machine; stop the node and take it away:",
    "unseen": "no partner cosigned this log yet: who could say what was signed before a theft?",
    "still-opens": "a former sealing key opens what was sealed to it; when nothing old can come any more:",
}


def _status_text(found: Status, listed: list[Due]) -> str:
    lines = [found.origin, *(_key_line(one) for one in found.keys)]
    lines += [
        f"cosigned by {one.witness}: {one.size} entries, {stamp(datetime.fromtimestamp(one.at, UTC))}"
        for one in found.seen
    ]
    for number, one in enumerate(listed, 1):
        lines += [f"{number}. {_NEXT[one.what].format(one.role)}", f"     {one.how}"]
    soon = min((one.due_on for one in found.keys if one.due_on and one.until is None), default=None)
    if not listed:
        lines.append("nothing is due" + ("" if soon is None else f" before {stamp(soon)[:10]}"))
    lines.append("lost or stolen: secretariat keys drill lost|stolen ROLE says each step")
    return "\n".join(lines)


def _key_line(one: KeyLife) -> str:
    text = f"{one.role:<10} {one.key_id}  "
    if one.revoked is not None:
        return text + f"revoked since {stamp(one.revoked.since)} ({one.revoked.reason})"
    if one.until is not None:
        return f"{text}until {stamp(one.until)}{'  still opens what was sealed to it' if one.here else ''}"
    if not one.here and one.role != "root":
        return text + "replaced, and the log does not say so yet"
    since = "not in the log yet" if one.since is None else f"since {stamp(one.since)}"
    place = one.file if one.here else "not on this machine"
    until = f", to be replaced {stamp(one.due_on)[:10]}" if one.due_on else ""
    return f"{text}{since}{until}  {place}{'  DUE' if one.due else ''}"


@commands.command("offline")
def offline(
    file: Annotated[Path, typer.Argument(help="A new file, on a medium that leaves this machine.")],
    data: Data = DATA,
    passphrase_file: Passphrase = None,
    json: Json = False,
) -> None:
    """Write the root keys to an encrypted file, check it, and delete them here. Stop the node first."""
    from secretariat.exchange import own_keys

    settings = NodeSettings.load(data)
    ids = own_keys.take_away(settings, file, _passphrase(passphrase_file, confirm=True), now=now())
    text = (
        f"{file}: {len(ids)} root keys, read back and tried; they are deleted here.\n"
        "Make a second copy on another medium, keep the two apart. Old backups of this node still hold them."
    )
    emit({"file": str(file), "keys": ids}, text, json=json)


@commands.command("rotate")
def rotate(
    role: Annotated[str, typer.Argument(help="record, log, transport, witness, sealing or tls.")],
    data: Data = DATA,
    realm: Realm = "live",
    root: Root = None,
    passphrase_file: Passphrase = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the log.")] = "",
    json: Json = False,
) -> None:
    """Replace one key; what the old one signed stays good. Stop the node first: it holds the old one.

    A rotation that was cut short (keys replaced, entry not written) is finished instead of starting another.
    """
    from secretariat.exchange import own_keys

    settings = _settings(data, realm)
    roots = _roots(settings, root, passphrase_file)
    done = own_keys.rotate(settings, realm, role, roots=roots, reason=reason, now=now())
    emit(done, _done_text(done), json=json)


@commands.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id: secretariat keys status.")],
    since: Annotated[
        str, typer.Option("--since", help="When it counted last, RFC 3339 (2026-11-22T02:09:36Z), or `now`.")
    ],
    reason: Why,
    data: Data = DATA,
    realm: Realm = "live",
    root: Root = None,
    passphrase_file: Passphrase = None,
    json: Json = False,
) -> None:
    """Say that a key counts no more, for good, and replace it where it is in force. Stop the node first.

    What it signed counts only where a partner's witness saw it before --since. Grant anew what you stand by.
    A sealing key is destroyed by it: what was sealed to it and was not read yet is opened no more.
    """
    from secretariat.exchange import own_keys

    settings = _settings(data, realm)
    moment = now()
    at = moment if since == "now" else parse_stamp(since)
    roots = _roots(settings, root, passphrase_file)
    done = own_keys.revoke(settings, realm, key, since=at, reason=reason, roots=roots, now=moment)
    emit(done, _done_text(done), json=json)


def _done_text(done: Done) -> str:
    entry = "" if done.entry < 0 else f", entry {done.entry}"
    revoked = "" if done.revoked is None else f"{done.revoked} is revoked.\n"
    if done.finished:
        revoked = "a step that was cut short is finished; nothing else was replaced\n"
    return f"{revoked}{done.role}: {done.key_id}{entry}; partners learn it when the node serves again"


@commands.command("state")
def state(
    data: Data = DATA,
    root: Root = None,
    passphrase_file: Passphrase = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the descriptor to this file as well.")
    ] = None,
    json: Json = False,
) -> None:
    """Seal a descriptor of the present keys and address: for the time when the root key is away."""
    from secretariat.exchange import own_keys

    settings = NodeSettings.load(data)
    sealed = own_keys.state(settings, roots=_roots(settings, root, passphrase_file), now=now())
    if out is not None:
        out.write_bytes(sealed)
    emit({"bytes": len(sealed)}, "the descriptor states the present keys and address", json=json)


@commands.command("drill")
def drill(
    what: Annotated[Literal["lost", "stolen"], typer.Argument(help="What happened to the key.")],
    role: Annotated[
        Literal["record", "log", "transport", "witness", "root"], typer.Argument(help="Which key it is.")
    ],
    data: Data = DATA,
    realm: Realm = "exercise",
    json: Json = False,
) -> None:
    """Say step by step what to do when a key is lost or stolen, for this node, and check each step.

    It changes nothing: run the commands, and this again. By default for the realm exercise, to practise.
    """
    from secretariat.exchange import key_drill

    _settings(data, realm)
    with node_at(data) as node:
        steps = key_drill.steps(node, realm, what, role, data=data, now=now())
    lines = [
        f"{'done' if one.done else 'open':<5} {one.what}" + (f"\n      {one.how}" if one.how else "")
        for one in steps
    ]
    emit(steps, "\n".join(lines), json=json)
