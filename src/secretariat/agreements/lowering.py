"""Own objects that a newer version marks lower than before: two persons release them.

Rule: a door keeps a version of ours with a lower marking, so that a mistake can be put right by the tool that
made it. Nobody got it by that. Before it goes to anybody two persons must say DO (their names stand in the
grants), and no standing release covers it. What counts as before: the last version that was released, and
every one after it; where none was, every earlier one. Once two persons released it, it is as low as it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretariat.records import store as records
from secretariat.records.markings import Label, tlp_rank
from secretariat.storage.engine import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from secretariat.records.store import Version

_BEFORE = """
SELECT v.id, o.id FROM object_version v
JOIN object_version o ON o.stix_id = v.stix_id AND o.originator = v.originator AND o.version < v.version
WHERE v.id = ANY(%s) AND o.label <> v.label AND NOT EXISTS (
  SELECT 1 FROM object_version p WHERE p.stix_id = v.stix_id AND p.originator = v.originator
  AND p.version > o.version AND p.version < v.version AND p.root IS NOT NULL)
"""


def is_lower(label: Label, before: Label) -> bool:
    """Whether a marking lets out more than the one before: a lower TLP, another level, a caveat less."""
    return (
        tlp_rank(label) < tlp_rank(before)
        or (before.level is not None and (label.level, label.scheme) != (before.level, before.scheme))
        or not set(before.controls) <= set(label.controls)
        or not set(before.compartments) <= set(label.compartments)
        or bool(before.rel_to and not (label.rel_to and set(label.rel_to) <= set(before.rel_to)))
    )


def lowered(tx: sa.Connection, versions: Sequence[Version], *, party: str) -> list[str]:
    """Name those of these objects of `party` that are not released yet and marked lower than before."""
    asked = {
        one.id: one.stix_id
        for one in versions
        if isinstance(one, records.Stored) and one.root is None and one.originator == party
    }
    pairs = raw(tx).execute(_BEFORE, (list(asked),)).fetchall() if asked else []
    labels = records.labels_by_id(tx, sorted({number for pair in pairs for number in pair}))
    return sorted({asked[now] for now, before in pairs if is_lower(labels[now], labels[before])})
