"""`secretariat joint …`: put to signature, sign, reserve, object; who has signed; the proof as a file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError
from secretariat.base.settings import NodeSettings
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

if TYPE_CHECKING:
    from secretariat.ledger.joint import Side
    from secretariat.ledger.joint_service import Standing

commands = typer.Typer(help="Joint statements: put to signature, sign, object, prove.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The statement: its name or the first 8 letters or more of it.")]
Text = Annotated[str, typer.Option("--text", help="This party's own words.")]
_NAME = re.compile(r"[0-9a-f]{8,64}")


@contextlib.contextmanager
def _node(data: Path) -> Iterator[Any]:
    from secretariat.ledger.node import Node
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database:
        yield Node.open(settings, database)


def _found(node: Any, realm: str, name: str) -> bytes:
    from secretariat.ledger import joint_service

    if not _NAME.fullmatch(name):
        raise InputError(f"{name[:80]!r} names no joint statement", advice="`secretariat joint list`")
    with node.database.app(realm) as tx:
        return joint_service.named(tx, name)


@commands.command("list")
def list_joint(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List joint statements, newest first: what came of them, and who has not signed."""
    from secretariat.ledger import joint_service

    with _node(data) as node, node.database.app(realm) as tx:
        found = joint_service.newest(tx, 1000)
    lines = [
        f"{one.key[:16]}  {one.outcome:<24} {' '.join(one.kept.parties):<20} not signed: "
        + (" ".join(side.party for side in one.sides if not side.signed) or "-")
        + f"  {one.kept.stix_id}"
        for one in found
    ]
    emit([_plain(one) for one in found], "\n".join(lines) or "nothing is put to signature", json=json)


@commands.command()
def show(name: Key, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Show where each party stands on a joint statement, in its own words."""
    from secretariat.ledger import joint_service

    with _node(data) as node:
        digest = _found(node, realm, name)
        with node.database.app(realm) as tx:
            one = joint_service.standing(tx, digest)
    lines = [f"{one.key}", f"{one.kept.stix_id}, root {one.kept.root.hex()}: {one.outcome}"]
    for side in one.sides:
        since = stamp(side.word.at if side.word else one.kept.first_at)
        lines.append(f"{side.party:<8} {side.state:<12} since {since}  {side.word.text if side.word else ''}")
        lines += [f"{'':<8} {one}" for one in _revoked_lines(side)]
        if side.later is not None:
            lines.append(f"{'':<8} objects since {stamp(side.later.at)}  {side.later.text}")
    emit(_plain(one), "\n".join(lines), json=json)


@commands.command()
def propose(
    stix_id: Annotated[str, typer.Argument(help="A published object of this party.")],
    to: Annotated[list[str], typer.Option("--to", help="A party that has to sign too; repeatable.")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Put an object to signature and sign it first. Each party must have been granted this version."""
    from secretariat.ledger import joint_service

    with _node(data) as node:
        digest = joint_service.propose(
            node,
            realm,
            stix_id,
            to,
            by=doer_at(node.database, realm, by, Permission.APPROVE_RELEASE),
            now=now(),
        )
    emit({"statement": digest.hex()}, f"{digest.hex()}\nsigned here; asked: {' '.join(to)}", json=json)


def _say(name: str, stance: Any, text: str, by: str, data: Path, realm: str, *, json: bool) -> None:
    from secretariat.ledger import joint_service

    with _node(data) as node:
        digest = _found(node, realm, name)
        joint_service.say(
            node,
            realm,
            digest,
            stance,
            text,
            by=doer_at(node.database, realm, by, Permission.APPROVE_RELEASE),
            now=now(),
        )
        with node.database.app(realm) as tx:
            one = joint_service.standing(tx, digest)
    emit(_plain(one), f"{node.party}: {stance}; now {one.outcome}", json=json)


@commands.command()
def sign(name: Key, by: By = "", data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Sign a joint statement for this party. A signature is not taken back."""
    _say(name, "signed", "", by, data, realm, json=json)


@commands.command()
def reserve(
    name: Key, text: Text, by: By = "", data: Data = DATA, realm: Realm = "live", json: Json = False
) -> None:
    """Sign a joint statement with a reservation in this party's own words."""
    _say(name, "reservation", text, by, data, realm, json=json)


@commands.command("object")
def object_to(
    name: Key, text: Text, by: By = "", data: Data = DATA, realm: Realm = "live", json: Json = False
) -> None:
    """Object to a joint statement in this party's own words."""
    _say(name, "objects", text, by, data, realm, json=json)


@commands.command()
def export(
    name: Key,
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    with_text: Annotated[
        bool, typer.Option("--with-text", help="The object itself too; without it the file holds digests.")
    ] = False,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Write who signed what to a file that anybody verifies with `secretariat joint verify`."""
    from secretariat.ledger import joint_service

    with _node(data) as node:
        digest = _found(node, realm, name)
        with node.database.app(realm) as tx:
            made = joint_service.file_of(tx, node.keyring(realm), digest, with_text=with_text)
    file.write_bytes(made)
    emit({"file": str(file), "bytes": len(made)}, f"{file}: {len(made)} bytes", json=json)


@commands.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A file of `secretariat joint export`.", exists=True)],
    key: Annotated[
        list[str] | None, typer.Option("--key", help="PARTY=HEX, a record key from elsewhere; repeatable.")
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", help="Believe this witness on revoked keys: name+hash+key; repeatable."),
    ] = None,
    statement: Annotated[
        list[Path] | None,
        typer.Option(
            "--statement",
            help="A party's newest descriptor, for the keys it revokes; repeatable.",
            exists=True,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Verify a joint statement's file without a node, and say what came of it."""
    from secretariat.ledger import checkpoint, joint_file

    named = dict(_key(one) for one in key or ())
    with file.open("rb") as stream:
        report = joint_file.verify(
            stream.read(joint_file.MAX_BYTES + 1),
            named,
            witnesses=[checkpoint.parse_verifier_key(one) for one in witness or ()],
            stated=[one.read_bytes() for one in statement or ()],
        )
    lines = [
        f"HOLDS: {report.object}, root {report.root}: {report.outcome}",
        *(line for side in report.sides for line in _side_lines(side, report.seen_by)),
        "the text in the file is the one that was signed" if report.with_text else "the file holds no text",
        f"keys named by you: {' '.join(report.named_keys) or 'none'}; all others are those in the file",
    ]
    emit(
        {
            "holds": True,
            "statement": report.statement,
            "object": report.object,
            "root": report.root,
            "outcome": report.outcome,
            "sides": {side.party: side.state for side in report.sides},
            "revoked": {side.party: one for side in report.sides if (one := _revoked(side)) is not None},
            "seen_by": report.seen_by,
            "with_text": report.with_text,
            "named_keys": report.named_keys,
        },
        "\n".join(lines),
        json=json,
    )


def _side_lines(side: Side, seen_by: Mapping[str, list[str]]) -> list[str]:
    lines = [f"{side.party:<8} {side.state}  {side.word.text if side.word else ''}"]
    lines += [f"{'':<8} {one}" for one in _revoked_lines(side)]
    if side.void is not None:
        by = " ".join(sorted(set(seen_by.get(side.party, ())))) or "nobody"
        lines.append(f"{'':<8} seen in time, as the file says, by {by}: believe one with --witness")
    return lines


def _revoked_lines(side: Side) -> list[str]:
    """Say which keys under a party's words are revoked, and what is left of them."""
    from secretariat.ledger.keys import key_id

    lines = []
    for word in (side.word, side.void):
        if word is not None and word.revoked is not None:
            one = word.revoked
            left = (
                "seen before that: it counts"
                if word.counts
                else "nobody else saw it before: it counts no more"
            )
            lines.append(
                f"{word.stance} {stamp(word.at)} with {key_id(word.public)},"
                f" revoked since {stamp(one.since)} ({one.reason}); {left}"
            )
    return lines


def _revoked(side: Side) -> dict[str, Any] | None:
    """Give the newest of a party's words under a revoked key, and whether it counts."""
    from secretariat.ledger.keys import key_id

    word = next((one for one in (side.word, side.void) if one is not None and one.revoked is not None), None)
    if word is None or word.revoked is None:
        return None
    one = word.revoked
    return {
        "key": key_id(word.public),
        "since": stamp(one.since),
        "reason": one.reason,
        "stance": word.stance,
        "counts": word.counts,
    }


def _key(text: str) -> tuple[str, bytes]:
    party, _, public = text.partition("=")
    try:
        made = bytes.fromhex(public)
    except ValueError:
        made = b""
    if not party or len(made) != 32:
        raise InputError(f"not PARTY=HEX of 32 bytes: {text[:100]!r}", where="--key")
    return party, made


def _plain(one: Standing) -> dict[str, Any]:
    return {
        "statement": one.key,
        "object": one.kept.stix_id,
        "root": one.kept.root.hex(),
        "outcome": one.outcome,
        "since": stamp(one.kept.first_at),
        "parties": {
            side.party: {
                "state": side.state,
                "text": side.word.text if side.word else "",
                "since": stamp(side.word.at if side.word else one.kept.first_at),
                "objects_since": stamp(side.later.at) if side.later else None,
                "objection": side.later.text if side.later else None,
                "revoked": _revoked(side),
            }
            for side in one.sides
        },
    }
