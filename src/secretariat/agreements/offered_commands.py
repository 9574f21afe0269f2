"""`secretariat agreements between` and `… offered`: what both sides signed, and texts that partners gave."""

from __future__ import annotations

import json as plain
from typing import Annotated

import typer

from secretariat.agreements.release_commands import node_at
from secretariat.base.clock import now, stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.people.model import Permission
from secretariat.people.named import By, doer_at

offers = typer.Typer(help="Texts that partners' nodes gave: read, agree, refuse.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="TEXT", help="Its hash, the hash's beginning, or its key.")]


def between(
    partner: Annotated[str, typer.Argument(help="Only this partner.")] = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Say which instruments we and each partner signed, and since when both did: only these take part."""
    from secretariat.agreements.between import between as lines_between

    with node_at(data) as node, node.database.app(realm) as tx:
        lines = lines_between(tx, node.party, partner or None)
    rows = [
        {
            "partner": one.partner,
            "key": one.key,
            "hash": one.hash,
            "ours": one.ours,
            "theirs": one.theirs,
            "both": one.both,
            "text": one.text,
        }
        for one in lines
    ]
    text = "\n".join(
        f"{one.partner:8} {one.hash[:12]}  {one.key or '?':32}"
        + (f" both since {stamp(one.both)[:16]}" if one.both else " only us" if one.ours else " only them")
        + ("" if one.text == "recorded" else f"  text {one.text}")
        for one in lines
    )
    emit(rows, text or "no partner is enrolled here", json=json)


@offers.command("list")
def list_offers(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List the texts that partners gave when asked, newest first."""
    from secretariat.agreements import store

    with node_at(data) as node, node.database.app(realm) as tx:
        found = store.offers(tx)
    rows = [
        {
            "hash": one.hash.hex(),
            "key": one.key,
            "from": one.source,
            "state": one.state,
            "at": one.at,
            "decided_by": one.decided_by,
        }
        for one in found
    ]
    text = "\n".join(
        f"{one.hash.hex()[:12]}  {one.state:8} {one.key:32} from {one.source}, {stamp(one.at)[:16]}"
        for one in found
    )
    emit(rows, text or "no text came from a partner", json=json)


@offers.command("show")
def show(name: Name, data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Show a text that a partner gave, and where it differs from the one in use here."""
    from secretariat.agreements import offered

    with node_at(data) as node, node.database.app(realm) as tx:
        offer = offered.offer_of(tx, name)
        changes = offered.changes(tx, offer)
    body = plain.loads(offer.body)
    value = {
        "hash": offer.hash.hex(),
        "key": offer.key,
        "from": offer.source,
        "state": offer.state,
        "replaces": changes is not None,
        "changes": [{"where": one.where, "ours": one.ours, "theirs": one.theirs} for one in changes or ()],
        "text": body,
    }
    lines = [
        f"{offer.key}, from {offer.source}, {offer.state}",
        plain.dumps(body, ensure_ascii=False, indent=2),
    ]
    if changes is not None:
        lines.append(f"differs from the text in use here in {len(changes)} places:")
        lines += [f"  {one.where}\n    ours:   {one.ours}\n    theirs: {one.theirs}" for one in changes]
    emit(value, "\n".join(lines), json=json)


@offers.command("agree")
def agree(name: Name, by: By = "", data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """Take a text as one of ours: recorded, signed, told to partners; open grants are decided again."""
    from secretariat.agreements import offered

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            digest = offered.offer_of(tx, name).hash
        done = offered.agree(
            node, realm, digest, by=doer_at(node.database, realm, by, Permission.EDIT_AGREEMENTS), now=now()
        )
    emit(
        {
            "hash": digest.hex(),
            "recorded": done.recorded,
            "unchanged": done.unchanged,
            "lapsed": done.lapsed,
            "review": done.review,
        },
        f"{digest.hex()[:12]} agreed; {done.lapsed} open grants lapsed, {done.review} to review",
        json=json,
    )


@offers.command("refuse")
def refuse(
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why; noted in the log.")],
    by: By = "",
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """Note that this party does not agree to a text; it is not asked for again, and may be agreed later."""
    from secretariat.agreements import offered

    with node_at(data) as node:
        with node.database.app(realm) as tx:
            digest = offered.offer_of(tx, name).hash
        offered.refuse(
            node,
            realm,
            digest,
            by=doer_at(node.database, realm, by, Permission.EDIT_AGREEMENTS),
            reason=reason,
            now=now(),
        )
    emit({"hash": digest.hex()}, f"{digest.hex()[:12]} refused", json=json)
