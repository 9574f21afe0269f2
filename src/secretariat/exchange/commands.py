"""`secretariat peers …`, and the verbs `withdraw`, `narrow`, `consent`, `receipts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import InputError, NotFoundError
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

commands = typer.Typer(help="Partners: invite, accept, look after.", no_args_is_help=True)
verbs = typer.Typer()

Reason = Annotated[str, typer.Option("--reason", help="Why; the holders read it.")]


@commands.command("invite")
def invite(
    party: Annotated[str, typer.Argument(help="Code of the party that will read the file.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the descriptor.")],
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Write this node's descriptor for a partner, and say the twelve words to read to it."""
    from secretariat.exchange import enrolment

    with node_at(data) as node:
        sealed, words = enrolment.invite(node, party, now=now())
    out.write_bytes(sealed)
    emit(
        {"party": party, "file": str(out), "fingerprint": words},
        f"{out} is for {party}. Read these words to a person you know there:\n{words}",
        json=json,
    )


@commands.command("accept")
def accept(
    file: Annotated[Path, typer.Argument(help="The partner's descriptor.")],
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="The twelve words the partner reads out.")
    ],
    data: Data = DATA,
    realm: Annotated[list[str] | None, typer.Option("--realm", help="Only this realm; repeatable.")] = None,
    via: Annotated[
        str | None,
        typer.Option(
            "--via", help="Neither reaches the other: the partner whose node is the mailbox; '' for none."
        ),
    ] = None,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="Media carried by hand are the only way to it: secretariat transfer."),
    ] = False,
    json: Json = False,
) -> None:
    """Enrol the partner of a descriptor, or meet a partner's guest, after its words were compared."""
    from secretariat.exchange import enrolment, guest_meeting
    from secretariat.exchange.transfer import BY_HAND

    if by_hand and via:
        raise InputError("a partner is reached by hand or through a mailbox", where="--by-hand")
    via = BY_HAND if by_hand else via
    try:
        sealed = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", where=str(file)) from error
    with node_at(data) as node:
        if guest_meeting.is_introduction(sealed):
            met = guest_meeting.meet(node, sealed, fingerprint, now=now())
            emit(met, f"{met.party} ({met.name}) is hosted by {met.host}", json=json)
            return
        done = enrolment.accept(node, sealed, fingerprint, realms=realm, via=via, now=now())
    again = " again, with its present keys" if done.renewed else ""
    emit(done, f"{done.party} ({done.name}) is enrolled in {', '.join(done.realms)}{again}", json=json)


@commands.command("list")
def list_peers(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List partners: in contact or not, how far we are with their logs."""
    from secretariat.exchange import service
    from secretariat.exchange.transfer import BY_HAND

    with node_at(data) as node:
        found = service.contacts(node, realm, now=now())
    lines = []
    for one in found:
        seen = stamp(one.last_contact) if one.last_contact else "never"
        state = "out of contact since" if one.out_of_contact else "last heard"
        lines.append(
            f"{one.party:8} {one.state:10} {state} {seen}  log {one.size} {one.log_state}"
            f"  {'by hand' if one.via == BY_HAND else f'mailbox of {one.via}' if one.via else one.url}"
        )
        if one.last_error:
            lines.append(f"         {one.last_error}")
    emit(found, "\n".join(lines) or "no partners: secretariat peers accept FILE", json=json)


@commands.command("show")
def show(
    party: Annotated[str, typer.Argument(help="The partner's code.")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Show one partner, its fingerprint, its certificates' keys, keys it revoked, and what was refused."""
    from secretariat.exchange import renewal, service
    from secretariat.exchange import store as tables
    from secretariat.exchange.fingerprint import fingerprint

    with node_at(data) as node:
        found = [one for one in service.contacts(node, realm, now=now()) if one.party == party]
        if not found:
            raise NotFoundError(f"{party} is not enrolled here", advice="secretariat peers list")
        refused = service.refusals(node, realm, party=party)
        root = service.root_key(node, realm, party)
        revoked = renewal.revoked_of(node, realm, party)
        with node.database.app(realm) as tx:
            [peer] = tables.read_peers(tx, "WHERE party = %s", [party])
    words = fingerprint(party, root)
    shown = msgspec.to_builtins(found[0])
    lines = [f"{name}: {value}" for name, value in shown.items()] + [f"fingerprint: {words}"]
    lines += [f"refused {stamp(one.last_at)} {one.code} ×{one.times}: {one.what}" for one in refused]
    lines += [f"comes with the certificate key sha256-{pin}" for pin in peer.client_pins]
    lines += [f"its server has the key sha256-{pin}" for pin in peer.server_pins]
    lines += [f"revoked {one.role} {one.key} since {one.since}: {one.reason}" for one in revoked]
    told = {"fingerprint": words, "revoked": revoked, "refused": refused}
    told |= {"client_pins": peer.client_pins, "server_pins": peer.server_pins}
    emit({**shown, **told}, "\n".join(lines), json=json)


@commands.command("remove")
def remove(
    party: Annotated[str, typer.Argument(help="The partner's code.")],
    reason: Reason,
    data: Data = DATA,
    json: Json = False,
) -> None:
    """End a partnership: nothing more is granted, offered or believed."""
    from secretariat.exchange import enrolment

    with node_at(data) as node:
        ended = enrolment.remove(node, party, reason=reason, now=now())
    text = f"{party} is a partner no more in {', '.join(ended)}; what it holds was not called back"
    emit({"party": party, "realms": ended}, text, json=json)


@commands.command("suspend")
def suspend(
    party: Annotated[str, typer.Argument(help="The partner's code.")],
    reason: Reason,
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Offer nothing to a partner and believe nothing of it until it is resumed."""
    from secretariat.exchange import service

    with node_at(data) as node:
        service.suspend(
            node,
            realm,
            party,
            reason=reason,
            by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS),
            now=now(),
        )
    emit({"party": party}, f"{party} is suspended: secretariat peers resume {party}", json=json)


@commands.command("resume")
def resume(
    party: Annotated[str, typer.Argument(help="The partner's code.")],
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Believe a suspended partner's log again, after its checkpoints were compared."""
    from secretariat.exchange import service

    with node_at(data) as node:
        service.resume(
            node, realm, party, by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS), now=now()
        )
    emit({"party": party}, f"{party}'s log is believed again from the kept checkpoint on", json=json)


@commands.command("rebind")
def rebind(
    file: Annotated[Path, typer.Argument(help="The descriptor under the new root key.")],
    fingerprint: Annotated[str, typer.Option("--fingerprint", help="The twelve words they read to you.")],
    by: Annotated[str, typer.Option("--by", help="The login of one person who may manage partners.")],
    other: Annotated[str, typer.Option("--and", help="The login of the other one.")],
    via: Annotated[
        str | None, typer.Option("--via", help="The party whose node is the mailbox between the two.")
    ] = None,
    data: Data = DATA,
    json: Json = False,
) -> None:
    """Bind a former partner's code to a new root key, because it lost the old one. Two persons are needed."""
    from secretariat.exchange import rebinding

    try:
        sealed = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", where=str(file)) from error
    with node_at(data) as node:
        done = rebinding.rebind(node, sealed, fingerprint, by=by, other=other, via=via, now=now())
    emit(
        done, f"{done.party} ({done.name}) is bound to a new root key in {', '.join(done.realms)}", json=json
    )


@commands.command("rewind")
def rewind(
    party: Annotated[str, typer.Argument(help="The partner's code.")],
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Go back to the last tree of a partner's log that was seen before it revoked a stolen log key."""
    from secretariat.exchange import rebinding

    with node_at(data) as node:
        log = rebinding.rewind(
            node, realm, party, by=doer_at(node.database, realm, by, Permission.MANAGE_PEERS), now=now()
        )
    text = f"{log.origin}: back to {log.size} entries; it is taken from there under the new key"
    emit({"origin": log.origin, "size": log.size}, text, json=json)


@commands.command("refused")
def refused(
    data: Data = DATA,
    realm: Realm = "live",
    party: Annotated[str | None, typer.Option("--party", help="Only of this partner.")] = None,
    json: Json = False,
) -> None:
    """List what partners sent and was refused, newest first."""
    from secretariat.exchange import service

    with node_at(data) as node:
        found = service.refusals(node, realm, party=party)
    lines = [f"{stamp(one.last_at)} {one.party} {one.code} ×{one.times}: {one.what}" for one in found]
    emit(found, "\n".join(lines) or "nothing was refused", json=json)


@verbs.command("withdraw")
def withdraw(
    stix_id: Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id of an own object.")],
    reason: Reason,
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Withdraw an own object from everybody who has it; the holders answer with signed receipts."""
    from secretariat.exchange import service

    with node_at(data) as node:
        called = service.withdraw(
            node,
            realm,
            stix_id,
            reason=reason,
            by=doer_at(node.database, realm, by, Permission.WITHDRAW),
            now=now(),
        )
    emit(called, _called("withdrawn", called), json=json)


@verbs.command("narrow")
def narrow(
    stix_id: Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id.")],
    to: Annotated[str, typer.Option("--from", help="The party that loses it.")],
    reason: Reason,
    only: Annotated[
        list[str] | None,
        typer.Option("--version", help="`modified` of a version; repeatable. Default: all."),
    ] = None,
    data: Data = DATA,
    realm: Realm = "live",
    by: By = "",
    json: Json = False,
) -> None:
    """Take the grant of an object, or of some of its versions, back from one party."""
    from secretariat.exchange import service
    from secretariat.records import store as records

    with node_at(data) as node:
        person = doer_at(node.database, realm, by, Permission.WITHDRAW)
        if only:
            with node.database.app(realm) as tx:
                versions = records.versions(tx, stix_id)
            roots = [one.root for one in versions if one.root is not None and one.modified in only]
            (called,) = service.narrow_some(
                node, realm, {stix_id: roots}, to=[to], reason=reason, by=person, now=now()
            )
        else:
            called = service.narrow(node, realm, stix_id, to=to, reason=reason, by=person, now=now())
    emit(called, _called("narrowed", called), json=json)


def _called(done: str, called: Any) -> str:
    from secretariat.exchange.withdrawal import EVERYBODY

    lines = [f"{called.stix_id} {done}: {called.versions} version(s)"]
    lines += [
        f"asked {party}; its receipt will come: secretariat receipts {called.stix_id}"
        for party in called.asked
    ]
    lines += [
        "it was public: whoever read it cannot be asked, make it known"
        if party == EVERYBODY
        else f"{party} cannot answer: tell them"
        for party in called.cannot_answer
    ]
    return "\n".join(lines)


@verbs.command("consent")
def consent(
    stix_id: Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id of an own object.")],
    via: Annotated[str, typer.Option("--via", help="The party that may pass it on.")],
    to: Annotated[str, typer.Option("--to", help="The party that may receive it.")],
    data: Data = DATA,
    realm: Realm = "live",
    purpose: Annotated[str | None, typer.Option("--purpose", help="Only for this use.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Last moment, RFC 3339.")] = None,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Take the consent back.")] = False,
    json: Json = False,
) -> None:
    """As originator, let a party pass an object on to another; the consent is a signed entry."""
    from secretariat.exchange import service

    with node_at(data) as node:
        position = service.consent(
            node, realm, stix_id, via=via, to=to, purpose=purpose, until=until, withdrawn=withdrawn, now=now()
        )
    text = f"{via} may {'no longer ' if withdrawn else ''}pass {stix_id} on to {to} (entry {position})"
    emit({"object": stix_id, "via": via, "to": to, "position": position}, text, json=json)


@verbs.command("receipts")
def receipts(
    stix_id: Annotated[str, typer.Argument(metavar="OBJECT", help="STIX id.")],
    data: Data = DATA,
    realm: Realm = "live",
    told_to: Annotated[
        str, typer.Option("--told-to", help="Party: the pseudonyms under which it knows our holders.")
    ] = "",
    json: Json = False,
) -> None:
    """Say who holds which version of an object, what was destroyed, and who has been silent since when.

    A relay names its next holders upward by pseudonyms; `--told-to` says which of ours a party was told.
    """
    from secretariat.exchange import further, service
    from secretariat.exchange.postgres import transaction

    with node_at(data) as node:
        found = service.holders(node, realm, stix_id, now=now())
        with transaction(node, realm, now()) as store:
            names = {one.holder: store.pseudonym(told_to, one.holder) for one in found if told_to}
    if told_to:
        text = "\n".join(f"{name}  {holder}" for holder, name in sorted(names.items()))
        emit({"told_to": told_to, "names": names}, text or "nobody but this node", json=json)
        return
    lines = []
    for one in found:
        since = f" since {stamp(one.at)}" if one.at else ""
        note = f" ({one.note})" if one.note else ""
        if further.is_further(one.holder):
            name = one.holder.partition("/")[2]
            lines.append(
                f"{name}, a holder further down for whom {one.via} answers:"
                f" {one.state} {one.version or '-'}{since}"
            )
            continue
        lines.append(f"{one.holder:8} {one.state:14} {one.version or '-'}  by word of {one.via}{since}{note}")
    emit(found, "\n".join(lines) or "nobody but this node", json=json)
