"""`secretariat transfer …`: what goes to a partner, and comes from it, on media carried by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit, progress

commands = typer.Typer(
    help="Transfer by hand: sealed volumes on media, for partners without any link.", no_args_is_help=True
)


@commands.command("export")
def export(
    target: Annotated[
        Path, typer.Argument(help="A folder on the medium, or one file whose name ends in .transfer.")
    ],
    to: Annotated[str, typer.Option("--to", help="The partner's code.")],
    volume_mb: Annotated[
        int, typer.Option("--volume-mb", min=1, max=1_000_000, help="Megabytes of one volume at most.")
    ] = 4_000,
    again: Annotated[
        bool, typer.Option("--again", help="Write once more what went out and was not confirmed.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Where to start instead of the place that the partner confirmed: last (where the last "
            "transfer ended), whole, or a place in this log as 12.0.",
        ),
    ] = None,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Write what a partner has not confirmed yet, and how far this node is with its log, sealed to it."""
    from secretariat.exchange import transfer_service
    from secretariat.exchange.volumes import SUFFIX

    with node_at(data) as node, progress("entries of the log") as advance:
        done = transfer_service.export(
            node,
            realm,
            to,
            target,
            volume_mb=volume_mb,
            again=again,
            since=since,
            one_file=target.suffix == SUFFIX and not target.is_dir(),
            now=now(),
            advance=advance,
        )
    count = len(done.files)
    text = (
        f"transfer {done.number} for {to}: {done.entries} entries and {done.objects} objects,"
        f" {done.start} to {done.until}, {count} volume{'' if count == 1 else 's'}\n" + "\n".join(done.files)
    )
    text += f"\n{done.hint}" if done.hint else ""
    emit(done, text, json=json)


@commands.command("import")
def take(
    paths: Annotated[list[Path], typer.Argument(help="Volumes, or folders that hold some.")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Take volumes of partners, in their order. What is here already is not taken twice."""
    from secretariat.exchange import transfer_service

    total = 2 * sum(one.stat().st_size for one in _files(paths))
    with node_at(data) as node, progress("bytes checked and taken", total) as advance:
        done = transfer_service.take(node, realm, paths, now=now(), advance=advance)
    lines = []
    for one in done:
        name = f"{one.file}: " + (f"{one.party} {one.number}, volume {one.volume}" if one.party else "")
        if one.state == "taken":
            name += (
                f" of {one.of} taken: {one.entries} entries, {one.objects} objects; we stand at {one.place},"
                f" {one.party} at {one.confirmed}"
            )
        elif one.state == "already taken":
            name += f" of {one.of} already taken, nothing changed"
        elif one.state == "refused":
            name += f" refused ({one.code}): {one.what}. {one.advice}"
        else:
            name += " not tried"
        lines.append(name)
    refused = [one for one in done if one.state == "refused"]
    emit(done, "\n".join(lines), json=json)
    if refused:
        sys.stderr.write(f"secretariat: {refused[0].what} ({refused[0].where}). {refused[0].advice}\n")
        raise typer.Exit(2)


def _files(paths: list[Path]) -> list[Path]:
    from secretariat.exchange.volumes import SUFFIX

    found = [one for path in paths for one in (path.glob(f"*{SUFFIX}") if path.is_dir() else [path])]
    return [one for one in found if one.is_file()]


@commands.command("list")
def list_transfers(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List what went out and came in by hand, and what partners have not confirmed."""
    from secretariat.exchange import transfer_service

    with node_at(data) as node:
        found = transfer_service.standings(node, realm, now=now())
    lines = []
    for one in found:
        state = "waits for confirmation" if one.waits else "all confirmed"
        lines.append(
            f"{one.party:8} {'by hand only' if one.by_hand else 'also by hand'}  sent to {one.sent},"
            f" confirmed {one.confirmed}: {state}"
        )
        for each in one.carried:
            way = "out" if each.out else "in "
            volumes = f"{each.of} volumes" if each.out else f"volume {each.volume} of {each.of}"
            mark = "" if not each.out else " confirmed" if each.confirmed else " not confirmed"
            lines.append(
                f"         {way} {each.number} {stamp(each.at)} {volumes}, {each.start} to {each.until},"
                f" {each.entries} entries, {each.bytes} bytes{mark}"
            )
    emit(found, "\n".join(lines) or "nothing was carried: secretariat transfer export", json=json)
