"""Tables as data: sorted by a link, downloaded as CSV or JSON with marking, realm and as-of."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response

from secretariat.base.clock import stamp
from secretariat.base.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretariat.base.marking import Marking


class Column(msgspec.Struct, frozen=True):
    """Key in the row, heading shown, whether it holds numbers, and whether only files have it."""

    key: str
    heading: str
    number: bool = False
    file_only: bool = False


class Table(msgspec.Struct):
    """Rows of plain values under named columns; a template adds links and badges."""

    name: str
    columns: Sequence[Column]
    rows: list[dict[str, Any]]
    sort: str | None = None
    down: bool = False

    def sorted_by(self, query: Mapping[str, str]) -> Table:
        """Sort as the address asks (`sort=KEY`, `-KEY` for downwards); unknown keys change nothing."""
        wanted = query.get("sort", "")
        key, down = wanted.lstrip("-"), wanted.startswith("-")
        if key in {column.key for column in self.columns}:
            self.rows.sort(key=lambda row: _order(row.get(key)), reverse=down)
            self.sort, self.down = key, down
        return self


def _order(value: Any) -> tuple[int, Any]:
    if value is None or value == "":
        return (2, "")
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, datetime):
        return (1, stamp(value))
    return (1, str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(_plain(item)) for item in value)
    return value


def _cell(value: Any) -> str:
    text = "" if value is None else str(_plain(value))
    # a spreadsheet must not run what a partner wrote (OWASP, CSV injection)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def download(
    tables: Sequence[Table],
    wanted: str,
    *,
    party: str,
    realm: str,
    marking: Marking | None,
    as_of: Mapping[str, str],
) -> Response[bytes]:
    """Give one table as a file. Refuses a table this page does not have and any form but CSV and JSON."""
    name, _, form = wanted.rpartition(".")
    table = next((one for one in tables if one.name == name), None)
    if table is None or form not in {"csv", "json"}:
        raise NotFoundError(f"this page has no {wanted[:60]!r}", advice="take a download link of the page")
    mark = "" if marking is None else " ".join(word for word in (_tlp(marking), marking.level) if word)
    if form == "json":
        body = msgspec.json.format(
            msgspec.json.encode(
                {
                    "party": party,
                    "realm": realm,
                    "marking": mark or None,
                    "as_of": dict(as_of) or None,
                    "columns": [{"key": c.key, "heading": c.heading} for c in table.columns],
                    "rows": [{c.key: row.get(c.key) for c in table.columns} for row in table.rows],
                },
                enc_hook=str,
            ),
            indent=1,
        )
        kind = "application/json"
    else:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([*(column.heading for column in table.columns), "marking"])
        for row in table.rows:
            writer.writerow([*(_cell(row.get(column.key)) for column in table.columns), mark])
        body = out.getvalue().encode("utf-8-sig")
        kind = "text/csv; charset=utf-8"
    parts = ["EXERCISE" if realm == "exercise" else "", party, table.name, *as_of.values(), mark]
    file = re.sub(r"[^A-Za-z0-9.+-]+", "-", " ".join(part for part in parts if part)).strip("-")
    return Response(
        body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{file}.{form}"'}
    )


def _tlp(marking: Marking) -> str:
    return f"TLP:{marking.tlp}" if marking.tlp else ""
