"""`secretariat log …`: read, verify and export this node's log; look after partners' logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit, progress
from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.settings import NodeSettings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secretariat.ledger.audit import Report
    from secretariat.ledger.keys import Keyring
    from secretariat.ledger.witness import Standing

commands = typer.Typer(help="The signed log: list, show, verify, export.", no_args_is_help=True)


@contextlib.contextmanager
def _log(data: Path, realm: str) -> Iterator[tuple[Connection, Keyring]]:
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    keyring = _keyring(settings, realm)
    with opened(settings) as database, database.app(realm) as tx:
        yield tx, keyring


def _keyring(settings: NodeSettings, realm: str) -> Keyring:
    from secretariat.ledger import keys

    if realm not in settings.realms:
        raise NotFoundError(f"no realm {realm!r} here", advice=f"one of {', '.join(settings.realms)}")
    folder = keys.folder_of(settings.data, realm)
    return keys.load(folder, party=settings.party, realm=realm, host=settings.host)


@commands.command("list")
def list_entries(
    data: Data = DATA,
    realm: Realm = "live",
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; repeatable.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Only entries for this party.")] = None,
    before: Annotated[int | None, typer.Option("--before", help="Only positions below this.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many.", min=1, max=10_000)] = 50,
    json: Json = False,
) -> None:
    """List entries, newest first."""
    from secretariat.ledger import service, store

    with _log(data, realm) as (tx, keyring):
        lines = service.list_entries(tx, kinds=kind or (), recipient=to, before=before, limit=limit)
        size = store.read_head(tx).size
    rows = [
        {
            "position": line.position,
            "recorded_at": stamp(line.recorded_at),
            "kind": line.kind,
            "party": line.party,
            "to": line.recipient,
            "bytes": line.envelope_bytes,
            "leaf": line.leaf.hex(),
        }
        for line in lines
    ]
    text = "\n".join(
        f"{row['position']:>8}  {row['recorded_at']}  {row['kind']:<18} {row['to'] or '-':<8}"
        f" {row['bytes']:>9}"
        for row in rows
    )
    emit({"origin": keyring.origin, "size": size, "entries": rows}, text or "no such entry", json=json)


@commands.command()
def show(
    position: Annotated[int, typer.Argument(help="Position of the entry.", min=0)],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Show one entry: what it says, who signed it, and whether it holds."""
    from secretariat.ledger import service, witnessing

    with _log(data, realm) as (tx, keyring):
        found = service.detail(tx, position)
        verdict = service.verify_entry(tx, keyring, position)
        behind = witnessing.standing_of_own(tx, keyring, position, found.entry.recipient)
    entry = found.entry
    value = {
        "position": entry.position,
        "statement": found.statement,
        "signed_by": found.key_ids,
        "salt": entry.salt.hex(),
        "digest": entry.digest.hex(),
        "leaf": entry.leaf.hex(),
        "holds": verdict.holds,
        "steps": verdict.steps,
        "evidence": behind,
    }
    body = msgspec.json.format(msgspec.json.encode(found.statement.body), indent=2).decode()
    lines = [
        f"entry {entry.position} of {found.statement.origin}: {entry.kind} by {entry.party}"
        + (f" to {entry.recipient}" if entry.recipient else ""),
        f"recorded {found.statement.recorded_at}, signed by {', '.join(found.key_ids)}",
        *(f"{'holds' if step.holds else 'FAILS'}  {step.name}  {step.detail}" for step in verdict.steps),
        _evidence_text(behind),
        body,
    ]
    emit(value, "\n".join(lines), json=json)
    if not verdict.holds:
        raise typer.Exit(1)


def _evidence_text(behind: Standing) -> str:
    """Say what stands behind an entry in one line."""
    thirds = {"seen": "", "awaited": "; awaits a third witness", "none": "; no third witness"}
    by = f" by {', '.join(behind.by)}" if behind.by else ""
    return f"evidence: {behind.state}{by}{thirds[behind.third]}"


@commands.command("checkpoint")
def show_checkpoint(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Print the newest checkpoint as a signed note, with the key that other tools verify it with."""
    from secretariat.ledger import checkpoint as notes
    from secretariat.ledger import keys, witnessing

    with _log(data, realm) as (tx, keyring):
        note = witnessing.checkpoint(tx)
    held = notes.parse(note)
    value = {
        "origin": held.origin,
        "size": held.size,
        "root": held.root.hex(),
        "note": note.decode(),
        "verifier_key": notes.verifier_key(keyring.origin, keyring.log.public),
        "witness_key": notes.verifier_key(keyring.origin, keyring.witness.public, notes.COSIGNATURE_V1),
        "root_key": keys.key_id(keyring.root_public),
    }
    emit(value, note.decode(), json=json)


@commands.command()
def verify(
    data: Data = DATA,
    realm: Realm = "live",
    file: Annotated[
        Path | None, typer.Option("--file", help="Verify this exported file instead; needs no node.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The party's root key (64 hex digits) or key id, for --file.")
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option("--witness", help="Demand this witness's word, for --file: name+hash+key; repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Verify the whole log: every signature and digest, the tree, tiles, checkpoints. Exit code 1 if not."""
    from secretariat.ledger import audit, export, store
    from secretariat.ledger import checkpoint as notes

    if file is None:
        if key is not None or witness:
            raise InputError(
                "--key and --witness are for --file",
                advice="this node's log is verified with its own root key",
            )
        with _log(data, realm) as (tx, keyring):
            total = store.read_head(tx).size
            with progress("verifying", total) as advance:
                report = audit.verify_database(tx, keyring, advance)
    else:
        demanded = [notes.parse_verifier_key(one) for one in witness or ()]
        with progress("verifying") as advance:
            report = export.verify_file(file, root_key=key, witnesses=demanded, advance=advance)
    emit(report, _report_text(report), json=json)
    if not report.holds:
        raise typer.Exit(1)


def _report_text(report: Report) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
    what = "the whole log" if report.whole else f"an excerpt of {report.entries} entries"
    lines = [
        f"{'HOLDS' if report.holds else 'DOES NOT HOLD'}: {what} of {report.party}, {report.origin}",
        f"size {report.size}, root {report.root}",
        f"entries verified: {report.entries} ({kinds})",
        f"root key {report.root_key}, from {report.root_key_from}",
    ]
    if report.cosigned_by:
        lines.append(f"cosigned by {', '.join(report.cosigned_by)}; demanded: {_names(report)}")
    lines += [
        f"{one.role} key {one.key} is revoked since {one.since} ({one.reason}): "
        + (f"of {one.signed} entries {one.counts} count" if one.signed else "it signed none of it")
        for one in report.revoked
    ]
    if report.disowned:
        lines.append(f"entries that count nothing: {report.disowned}, under revoked keys, not seen in time")
    lines += [f"  {problem.where}: {problem.what}" for problem in report.problems]
    if report.problem_count > len(report.problems):
        lines.append(f"  and {report.problem_count - len(report.problems)} more")
    return "\n".join(lines)


def _names(report: Report) -> str:
    return ", ".join(report.witnesses_demanded) or "none, so none was verified"


@commands.command("export")
def export_log(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    data: Data = DATA,
    realm: Realm = "live",
    to: Annotated[
        str | None, typer.Option("--to", help="Only entries for this party, each with its proof.")
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", help="A partner's log instead, e.g. jp.example/live: what is kept of it here."),
    ] = None,
    json: Json = False,
) -> None:
    """Write the log to one file that anybody verifies offline with `secretariat log verify --file`.

    With --of it holds a partner's entries as they came here, each with proof that the partner's log held it.
    """
    from secretariat.ledger import export, store, witnessing

    if of is not None and to is not None:
        raise InputError("--of and --to exclude each other", advice="--of writes what came to this node")
    circles = NodeSettings.load(data).circles
    with _log(data, realm) as (tx, keyring):
        total = None if to or of else store.read_head(tx).size
        with progress("exporting", total) as advance:
            if of is None:
                named = None if to is None else witnessing.may_be_named(tx, circles, to)
                done = export.write_file(
                    tx, keyring, file, now=now(), recipient=to, named=named, advance=advance
                )
            else:
                done = export.write_kept(tx, of, file, realm=realm, now=now(), advance=advance)
    text = f"{done.file}: {done.entries} of {done.size} entries of {done.origin}, {done.bytes} bytes"
    emit(done, f"{text}\nSHA-256 {done.sha256}", json=json)


@commands.command("partners")
def list_partners(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List partners' logs as this node last verified them."""
    from secretariat.ledger import partners, witness_store, witnessing

    circles = NodeSettings.load(data).circles
    with _log(data, realm) as (tx, keyring):
        kept = partners.kept_logs(tx)
        behind = {
            one.origin: witnessing.standing_of_kept(tx, keyring, one.origin, one.size - 1, circles)
            for one in kept
        }
        proofs = witness_store.read_contradictions(tx)
    rows: list[dict[str, Any]] = [
        {
            "origin": one.origin,
            "party": one.party,
            "size": one.size,
            "root": one.root.hex(),
            "state": one.state,
            "reason": one.reason,
            "checked_at": stamp(one.checked_at),
            "evidence": behind[one.origin],
            "proofs": [proof.name for proof in proofs if proof.origin == one.origin],
        }
        for one in kept
    ]
    text = "\n".join(
        f"{row['party']:<8} {row['origin']:<32} {row['size']:>8}  {row['checked_at']}  {row['state']}"
        + (f": {row['reason']}" if row["reason"] else "")
        + f"\n         {_evidence_text(row['evidence'])}"
        + (f"\n         proof: secretariat log accuse FILE --of {row['origin']}" if row["proofs"] else "")
        for row in rows
    )
    emit({"logs": rows}, text or "no partner's log is kept yet", json=json)


@commands.command()
def accuse(
    file: Annotated[Path, typer.Argument(help="The proof: to verify, or with --of to write.")],
    of: Annotated[
        str | None,
        typer.Option("--of", help="Write the proof that is kept against this log, e.g. jp.example/live."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The party's root key (64 hex digits or id), or the log's verifier key."),
    ] = None,
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Verify, anywhere, that a file proves a log false: two roots of one size. Exit code 1 if not.

    With --of it writes the proof that this node keeps against a partner's log.
    """
    from secretariat.ledger import accusation, witness_store, witnessing

    if of is not None:
        with _log(data, realm) as (tx, keyring):
            found = witness_store.read_contradictions(tx, of)
            if not found:
                raise NotFoundError(
                    f"no proof against {of} is kept",
                    advice="a smaller tree is no proof to others: an old checkpoint may be genuine",
                )
            written = witnessing.accusation(tx, keyring, found[0])
        if file.exists():
            raise InputError("the file exists already", where=str(file), advice="choose another name")
        file.write_bytes(written)
    try:
        judged = accusation.judge(file.read_bytes(), key=key)
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=str(file)) from error
    verdict = "PROVEN" if judged.proven else "NOT PROVEN"
    lines = [
        f"{verdict}: two logs of {judged.size} entries, {judged.origin} of {judged.party}",
        *(f"root {root}" for root in judged.roots),
        f"key {judged.key or 'none'}",
        f"under root key {judged.root_key or 'none'}, from {judged.root_key_from}",
        *judged.revoked,
        *(f"  {problem}" for problem in judged.problems),
    ]
    emit(judged, "\n".join(lines), json=json)
    if not judged.proven:
        raise typer.Exit(1)


@commands.command()
def resume(
    origin: Annotated[str, typer.Argument(help="The suspended log, e.g. jp.example/live.")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Believe a suspended partner's log again, from the checkpoint kept before the contradiction."""
    from secretariat.ledger import partners, service
    from secretariat.ledger.entries import Draft, Note

    with _log(data, realm) as (tx, keyring):
        partners.resume(tx, origin)
        draft = Draft("note", None, Note(act="log-resumed", by="command line", detail=origin))
        [entry] = service.append(tx, keyring, [draft], now=now())
    emit({"origin": origin, "entry": entry.position}, f"{origin} is believed again", json=json)
