"""`secretariat taxii …`: what tools connect to, and which of them may have read an object."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from secretariat.base.clock import stamp
from secretariat.base.console import DATA, Data, Json, Realm, emit
from secretariat.base.errors import NotFoundError
from secretariat.base.settings import NodeSettings

commands = typer.Typer(help="What TAXII clients connect to and may have read.", no_args_is_help=True)


@commands.command("collections")
def list_collections(data: Data = DATA, realm: Realm = "live", json: Json = False) -> None:
    """List the collections with their addresses, who reads them and how much is in them."""
    from secretariat.exchange import taxii_store
    from secretariat.storage.opening import opened

    settings = NodeSettings.load(data)
    root = f"{settings.address(realm)}/{realm}/taxii2/"
    with opened(settings) as database, database.app(realm) as tx:
        found = [
            {
                "id": str(one.taxii),
                "kind": one.kind,
                "reader": one.reader,
                "title": one.title,
                "objects": one.items,
                "address": f"{root}collections/{one.taxii}/",
            }
            for one in taxii_store.filled(tx)
        ]
    lines = [f"{one['kind']:<14} {one['reader']:<8} {one['objects']:>9}  {one['address']}" for one in found]
    emit(
        {"api_root": root, "discovery": f"{settings.address(realm)}/taxii2/", "collections": found},
        "\n".join([f"API root {root}", *lines]),
        json=json,
    )


@commands.command("readers")
def list_readers(
    stix_id: Annotated[str, typer.Argument(help="STIX id of an object.", metavar="OBJECT")],
    data: Data = DATA,
    realm: Realm = "live",
    json: Json = False,
) -> None:
    """List the tokens that may have read an object: nobody behind them answers a withdrawal, tell them."""
    from secretariat.exchange import taxii_store
    from secretariat.storage.opening import opened

    with opened(NodeSettings.load(data)) as database, database.app(realm) as tx:
        if not taxii_store.recorded(tx, stix_id):
            raise NotFoundError(f"no object {stix_id} here", where="OBJECT")
        found: list[dict[str, Any]] = [
            {
                "label": one.label,
                "reader": one.reader,
                "collection": one.collection,
                "added": stamp(one.added),
                "last_used": stamp(one.last_used),
            }
            for one in taxii_store.may_have_read(tx, stix_id)
        ]
    lines = [f"{one['reader']:<8} {one['label']:<30} last used {one['last_used']}" for one in found]
    emit(found, "\n".join(lines) or "no token was used since it was added", json=json)
