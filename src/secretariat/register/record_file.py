"""Importing a record file whole or not at all, finding its spans in the documents, and exporting it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from secretariat.base.errors import InputError
from secretariat.register import service, sources, store, yaml_form
from secretariat.register.model import Draft, Source, Statement, View, stix_id, to_draft
from secretariat.register.yaml_form import Placed

if TYPE_CHECKING:
    import sqlalchemy as sa

    from secretariat.ledger.node import Node

TEXT = "text/plain"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did; `spans` were found at their offsets, `unread` stand in documents not given."""

    record: str
    sources: int
    facts: int
    accounts: int
    evidence: int
    relations: int
    written: int
    unchanged: int
    amended: int
    spans: int
    unread: int
    positions: list[int]
    warnings: list[str]


class Document(msgspec.Struct, frozen=True):
    """A document as it lies in the folder."""

    file: str
    data: bytes
    text: str


def import_file(
    node: Node,
    realm: str,
    file: Path,
    *,
    documents: Path | None = None,
    by: str,
    now: datetime,
    tlp: str | None = None,
) -> Imported:
    """Record a YAML file as statements of this party, in one transaction.

    With the documents' folder every span is looked for in its document and kept with its offsets. Refuses the
    whole file with the first fault: a key nobody reads, a reference to nothing, words that are not in their
    document, and what `service.record` refuses. The same file again changes nothing; a changed one amends.
    """
    try:
        if file.stat().st_size > yaml_form.BYTES:
            raise yaml_form.too_large(file.stat().st_size, str(file))
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from error
    return import_bytes(node, realm, data, name=file.name, documents=documents, by=by, now=now, tlp=tlp)


def import_bytes(
    node: Node,
    realm: str,
    data: bytes,
    *,
    name: str = "record",
    documents: Path | None = None,
    by: str,
    now: datetime,
    tlp: str | None = None,
) -> Imported:
    """Do the same with the file's bytes."""
    read = yaml_form.read(data, node.party, name=name)
    warnings: list[str] = []
    held: dict[str, Document] = {}
    placed: Sequence[Placed] = read.drafts
    if documents is not None:
        held = _documents(read.drafts, documents, node.party, warnings)
        placed = [_with_offsets(one, held, node.party) for one in read.drafts]
    quotes = [
        cite for one in placed if isinstance(one.draft, Statement) for cite in one.draft.cites if cite.quote
    ]
    with node.database.app(realm) as tx:
        for stix, document in held.items():
            kept = sources.keep(tx, stix, document.data, text=document.text, media_type=TEXT, by=by, now=now)
            if kept.changed_from is not None:
                warnings.append(
                    f"{document.file}: another text than was captured before; it is kept beside the older one"
                )
        done = service.record_in(
            tx,
            node,
            realm,
            [one.draft for one in placed],
            by=by,
            now=now,
            tlp=tlp,
            replace=True,
            places=[one.where for one in placed],
            act="import",
        )
    return Imported(
        record=read.record,
        sources=read.sources,
        facts=read.facts,
        accounts=read.accounts,
        evidence=read.evidence,
        relations=read.relations,
        written=len(done.ids),
        unchanged=done.unchanged,
        amended=done.amended,
        spans=sum(cite.start is not None for cite in quotes),
        unread=sum(cite.start is None for cite in quotes),
        positions=done.positions,
        warnings=warnings,
    )


def _documents(
    drafts: Sequence[Placed], folder: Path, party: str, warnings: list[str]
) -> dict[str, Document]:
    """Read the documents that the sources name, by the sources' ids."""
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), advice="name the folder of the documents")
    found: dict[str, Document] = {}
    for one in drafts:
        if not isinstance(one.draft, Source) or one.draft.seed is None:
            continue
        path = folder / Path(one.draft.seed).name
        try:
            data = path.read_bytes()
            text = data.decode()
        except OSError as error:
            warnings.append(f"{one.where}: {path.name} cannot be read: {error.strerror}")
            continue
        except UnicodeDecodeError as error:
            raise InputError(
                f"not UTF-8 at byte {error.start}",
                where=str(path),
                advice="take it in by `register intake`, which reads other encodings",
            ) from None
        found[stix_id("sct-source", party, one.draft.key)] = Document(path.name, data, text)
    return found


def _with_offsets(placed: Placed, held: dict[str, Document], party: str) -> Placed:
    """Give a draft whose quotations carry their offsets in the documents. Refuses words not in them."""
    draft = placed.draft
    if isinstance(draft, Source):
        document = held.get(stix_id("sct-source", party, draft.key))
        if document is None:
            return placed
        captured = {
            "sha256": hashlib.sha256(document.data).hexdigest(),
            "text_sha256": hashlib.sha256(document.text.encode()).hexdigest(),
        }
        return Placed(placed.where, msgspec.structs.replace(draft, media_type=TEXT, **captured))
    if not isinstance(draft, Statement) or not draft.cites:
        return placed
    cites = []
    for number, cite in enumerate(draft.cites):
        document = held.get(cite.source_ref)
        if document is None or cite.quote is None:
            cites.append(cite)
            continue
        start = cite.start if cite.start is not None else document.text.find(cite.quote)
        if start < 0 or document.text[start : start + len(cite.quote)] != cite.quote:
            raise InputError(
                f"these words do not stand in {document.file}: {cite.quote[:60]!r}",
                where=f"{placed.where}/refs/{number}",
                advice="copy the words as they stand there, on one line",
            )
        cites.append(
            msgspec.structs.replace(
                cite,
                start=start,
                end=start + len(cite.quote),
                sha256=hashlib.sha256(document.text.encode()).hexdigest(),
            )
        )
    return Placed(placed.where, msgspec.structs.replace(draft, cites=tuple(cites)))


def export(tx: sa.Connection, view: View, *, originator: str, record: str | None = None) -> dict[str, Any]:
    """Give what the question sees of one party's statements in the form of a record file.

    `record` narrows to what came from that file. Rows stand in the order in which they were first recorded.
    """
    return yaml_form.write(drafts_of(tx, view, originator=originator, record=record))


def drafts_of(
    tx: sa.Connection, view: View, *, originator: str, record: str | None = None
) -> list[tuple[str, Draft]]:
    """Give a party's statements as drafts, in the order in which they were first recorded."""
    rows = store.rows(
        tx,
        f"SELECT {store.COLUMNS} FROM {store.live(view, announced=True)} AND s.originator = %(originator)s"
        " ORDER BY (SELECT min(f.id) FROM register_statement f WHERE f.stix_id = s.stix_id)",
        {**view.bound(), "originator": originator},
    )
    pairs = [(row.stix_id, to_draft(row.body)) for row in rows]
    if record is None:
        return pairs
    return [
        (stix, one)
        for stix, one in pairs
        if not isinstance(one, Statement) or record in {one.record, one.key}
    ]
