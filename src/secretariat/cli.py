"""The command `secretariat`: the node's own commands here, every other from the part it belongs to.

An error of ours is one line on stderr and exit code 2, never a traceback; a fault is a number in the log.
"""

from __future__ import annotations

import copy
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secretariat import __version__
from secretariat.agreements import commands as agreements
from secretariat.base.clock import now
from secretariat.base.console import DATA, Data, Json, emit, progress
from secretariat.base.errors import ConflictError, InputError, SecretariatError, StateError
from secretariat.base.settings import CODE, FILE, URL_VARIABLE, NodeSettings, read
from secretariat.demo import commands as demo
from secretariat.exchange import change_commands as changes
from secretariat.exchange import commands as exchange
from secretariat.exchange import duty_commands as duties
from secretariat.exchange import guest_commands as guests
from secretariat.exchange import key_commands
from secretariat.exchange import mailbox_commands as mailbox
from secretariat.exchange import private_commands as questions
from secretariat.exchange import taxii_commands as taxii
from secretariat.exchange import transfer_commands as transfer
from secretariat.ledger import commands as ledger
from secretariat.ledger import joint_commands as joint
from secretariat.people import commands as people
from secretariat.records import commands as records
from secretariat.register import file_commands as register
from secretariat.register.requests import commands as requests
from secretariat.register.requests import contact_commands as contacts

if TYPE_CHECKING:
    from secretariat.exchange.guest_moving import Arrived
    from secretariat.exchange.restoring import Comparison

GROUPS = {
    "records": records.commands,
    "register": register.commands,
    "requests": requests.commands,
    "contacts": contacts.commands,
    "agreements": agreements.commands,
    "log": ledger.commands,
    "joint": joint.commands,
    "keys": key_commands.commands,
    "peers": exchange.commands,
    "duties": duties.commands,
    "changes": changes.commands,
    "guests": guests.commands,
    "mailbox": mailbox.commands,
    "questions": questions.commands,
    "taxii": taxii.commands,
    "transfer": transfer.commands,
}
"""Groups of commands, by the word they stand under."""
VERBS = (people.verbs, records.verbs, agreements.verbs, exchange.verbs, changes.verbs, demo.verbs)
"""What stands at the top level."""


def _count_duties() -> None:
    from secretariat.desk import duty_counts

    duty_counts.begin()


contacts.BEFORE_DIGESTS.append(_count_duties)
app = typer.Typer(
    name="secretariat",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"secretariat {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Run a party's node: share under agreements, keep the record, prove it."""


@app.command()
def init(
    party: Annotated[
        str, typer.Option("--party", help="Code of the party that runs this node, e.g. JP.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="The party's name as pages show it.")] = "",
    data: Data = DATA,
    host: Annotated[
        str,
        typer.Option("--host", help="Host name of this node. Default: PARTY.localhost, this machine only."),
    ] = "",
    port: Annotated[int, typer.Option("--port", help="Port of the live realm; exercise: the next.")] = 8400,
    url: Annotated[str, typer.Option("--url", help="Address of the live realm as others reach it.")] = "",
    exercise_url: Annotated[str, typer.Option("--exercise-url", help="The same of the exercise realm.")] = "",
    ceiling: Annotated[
        list[str] | None, typer.Option("--ceiling", help="TABLE=LEVEL, the highest level kept; repeatable.")
    ] = None,
    from_guest: Annotated[
        Path | None, typer.Option("--from-guest", help="What `guests move` wrote: the party's history.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a node: settings, keys and database in an empty data folder.

    Uses the PostgreSQL of SECRETARIAT_DATABASE_URL when it is set, else an embedded one. With --from-guest
    the party and its name are those of the file, which is verified before anything is made.
    """
    from secretariat.exchange import guest_moving
    from secretariat.ledger import keys
    from secretariat.storage import opening

    arrived = None if from_guest is None else guest_moving.read(from_guest)
    if arrived is not None:
        party, name = party or arrived.head.party, name or arrived.head.name
    if not (party and name) or (arrived is not None and arrived.head.party != party):
        raise InputError(
            "a node needs its party and name" if arrived is None else f"the file is {arrived.head.party}'s",
            where="--party, --name",
        )

    if not re.fullmatch(CODE, party):
        raise InputError(
            f"{party[:40]!r} is no party code",
            where="--party",
            advice="1 to 32 capital letters, digits, dots, dashes or underscores, beginning with a letter or"
            " digit: JP, KR, EU.CERT",
        )
    if not host:  # two nodes of one machine must not name their logs alike
        host = f"{party.lower()}.localhost"
        url, exercise_url = url or f"http://localhost:{port}", exercise_url or f"http://localhost:{port + 1}"
    settings = NodeSettings(party=party, name=name, host=host, port=port, url=url, exercise_url=exercise_url)
    settings.ceiling = dict(_pair(word) for word in ceiling or ())
    settings.database_url = os.environ.get(URL_VARIABLE, "")
    read(_text(settings), "the options")  # refuses what node.toml would refuse
    if (data / FILE).exists():
        raise ConflictError(f"{data} already holds a node", advice="choose an empty folder with --data")
    unfinished = data / ".unfinished"
    if unfinished.exists() and not settings.database_url:
        opening.remove(data)  # an init that was killed: nothing in it was ever a node
    held = {path.name for path in data.iterdir()} if data.is_dir() else set()
    if held - {".unfinished", "database.secret"}:
        raise ConflictError(f"{data} is not empty", advice="choose an empty folder with --data")
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        raise InputError(f"cannot make {data}: {error.strerror}", advice="choose another folder") from error
    settings.data = data.resolve()
    opening.create(settings)
    for realm in settings.realms:
        folder = keys.folder_of(settings.data, realm)
        if not folder.exists():
            keys.create(folder, party=party, realm=realm, host=host)
        if arrived is not None and realm in arrived.signers:
            guest_moving.take_keys(arrived, folder, realm)
    if arrived is not None:
        _take_history(settings, arrived)
    settings.save()  # last: a folder without settings is not a node
    unfinished.unlink()
    emit(
        {"party": party, "data": str(settings.data), "realms": settings.realms},
        f"{settings.data} holds the node of {party}. Next: secretariat person add, secretariat serve",
        json=json,
    )


@app.command()
def serve(
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Serve the node until Ctrl-C or SIGTERM."""
    from secretariat.app import serve as run

    settings = NodeSettings.load(data)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    def ready(_node: Any) -> None:
        addresses = {realm: settings.address(realm) for realm in settings.realms}
        text = "\n".join(f"{realm}: {address}" for realm, address in addresses.items())
        emit({"party": settings.party, "pid": os.getpid(), **addresses}, text, json=json)

    run(settings, ready=ready)


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="The file to write, - for standard output; it will hold private keys.")
    ],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Write settings, keys and all tables into one file, while the node runs or not.

    It is not encrypted: pipe it into age or gpg where it leaves the machine.
    """
    from secretariat.storage import backup as storage
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    with opened(settings) as database:
        tables = storage.count_tables(database)
        with progress("backing up tables", tables) as advance:
            out = sys.stdout.buffer if str(file) == "-" else file
            made = storage.write(settings, database, out, now=now(), advance=advance)
    if str(file) == "-":
        return
    size = file.stat().st_size
    emit(
        {
            "file": str(file),
            "bytes": size,
            "party": made.party,
            "created": made.created,
            "schema": made.schema,
        },
        f"{file}: {size:,} bytes. It holds private keys and everything this node keeps: store it as such.",
        json=json,
    )


@app.command()
def restore(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="What `secretariat backup` wrote; - for standard input.", dir_okay=False, allow_dash=True
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the restored node with what its partners last kept.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Do not wait for this partner; repeatable.")
    ] = None,
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Make the node of a backup in an empty data folder; then, with --check, let it serve again.

    Between the two the node can be read by commands, is not served, and writes nothing.
    """
    if (file is None) != check:
        raise InputError("give either the file of a backup or --check", where="restore")
    if file is not None:
        from secretariat.storage import backup as storage

        with progress("restoring tables") as advance:
            source = sys.stdin.buffer if str(file) == "-" else file
            settings = storage.restore(source, data, now=now(), advance=advance)
        emit(
            {"party": settings.party, "data": str(settings.data), "restored": settings.restored},
            f"{settings.data} holds the node of {settings.party} again. Next: secretariat restore --check",
            json=json,
        )
        return
    settings = NodeSettings.load(data)
    found = _checked(settings, without or ())
    lines = [f"{one.realm:<9} {one.party:<8} {one.state:<9} {one.reason}" for one in found]
    emit(
        found, "\n".join([*lines, "nothing that a partner has seen was lost: the node may serve"]), json=json
    )


def _checked(settings: NodeSettings, without: Sequence[str]) -> list[Comparison]:
    """Compare a restored node with its partners and free it; refuses when entries were lost."""
    import asyncio

    from secretariat.exchange import restoring
    from secretariat.ledger.node import Node
    from secretariat.storage.opening import opened

    if not settings.restored:
        raise StateError("this node was not restored from a backup", advice="there is nothing to check")
    with opened(settings) as database:
        found = asyncio.run(restoring.compare(Node.open(settings, database), without=without))
    behind = restoring.behind(found.partners)
    writable = copy.copy(settings)
    writable.restored = ""
    with opened(writable) as database:
        node = Node.open(writable, database)
        restoring.destroy_again(node, found.newer, now=now())
        settings.behind = behind or ""
        settings.save()
        restoring.refuse(found.partners)
        asyncio.run(restoring.catch_up(node, without=without))
    settings.restored = ""
    settings.save()
    return found.partners


for _word, _group in GROUPS.items():
    app.add_typer(_group, name=_word)
for _verbs in VERBS:
    app.add_typer(_verbs)


def main() -> None:
    """Run the command line."""
    # a command that runs the database for itself must stop it when it is told to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except SecretariatError as error:
        sys.stderr.write(f"secretariat: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _take_history(settings: NodeSettings, arrived: Arrived) -> None:
    """Keep what a guest brings from its host; an `init` killed in between is made anew as a whole."""
    from secretariat.exchange import guest_moving
    from secretariat.ledger.node import Node
    from secretariat.storage.opening import opened

    with opened(settings) as database:
        guest_moving.take(Node.open(settings, database), arrived, now=now())


def _pair(word: str) -> tuple[str, str]:
    table, mark, level = word.partition("=")
    if not (mark and table and level):
        raise InputError(f"not TABLE=LEVEL: {word!r}", where="--ceiling")
    return table, level


def _text(settings: NodeSettings) -> str:
    from secretariat.base.settings import write

    return write(settings)
