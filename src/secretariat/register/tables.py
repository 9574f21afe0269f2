"""Tables of the Register: statements as columns, and which version of a statement a later one replaced.

Both are append-only projections of object versions: `follow.rebuild` makes them again from the objects and
the log. A row goes when its object version is destroyed.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, TSVECTOR

from secretariat.records.store import object_version
from secretariat.register.model import RELATIONS
from secretariat.storage.metadata import metadata

MOMENT = sa.DateTime(timezone=True)
TEXTS = ARRAY(sa.Text)
MAY_STATE = (
    "(type LIKE 'sct-%' OR type = 'relationship' AND ("
    + " OR ".join(f'position(\'"relationship_type":"{one}"\'::bytea IN bytes) > 0' for one in RELATIONS)
    + "))"
)
"""SQL for an object version that may be a statement: what a partner sends by the million mostly is none, and
`follow` looks again and again at what may be. A relation says its type in its canonical bytes."""
sa.Index("ix_object_version_register", object_version.c.id, postgresql_where=sa.text(MAY_STATE))

register_statement = sa.Table(
    "register_statement",
    metadata,
    sa.Column(
        "id",
        sa.BigInteger,
        sa.ForeignKey("object_version.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("stix_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, index=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("true_first", sa.Date),
    sa.Column("begun", sa.Date),
    sa.Column("true_last", sa.Date),
    sa.Column("announced", sa.Date),
    sa.Column("known", MOMENT, nullable=False),
    sa.Column("known_exact", sa.Boolean, nullable=False),
    sa.Column("known_public", MOMENT),
    sa.Column("version", MOMENT, nullable=False),
    sa.Column("recorded_at", MOMENT, nullable=False),
    sa.Column("position", sa.BigInteger),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("parties", TEXTS, nullable=False),
    sa.Column("orgs", TEXTS, nullable=False),
    sa.Column("by", TEXTS, nullable=False),
    sa.Column("due_first", sa.Date),
    sa.Column("due_last", sa.Date),
    sa.Column("cadence", sa.Text),
    sa.Column("series", sa.Text),
    sa.Column("round", sa.Integer),
    sa.Column("aim", sa.Text),
    sa.Column("level", sa.Text),
    sa.Column("originator", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("about", sa.Text),
    sa.Column("other", sa.Text),
    sa.Column("says", sa.Text),
    sa.Column("tlp", sa.Text),
    sa.Column("retracted", sa.Boolean, nullable=False),
    sa.Index(None, "stix_id", "version"),
    sa.Index(None, "type", "begun"),
    sa.Index(None, "kind", "true_first"),
    sa.Index("ix_register_statement_about", "about", "type", postgresql_where=sa.text("about IS NOT NULL")),
    sa.Index("ix_register_statement_other", "other", postgresql_where=sa.text("other IS NOT NULL")),
    sa.Index("ix_register_statement_due", "due_last", postgresql_where=sa.text("due_last IS NOT NULL")),
    sa.Index("ix_register_statement_series", "series", postgresql_where=sa.text("series IS NOT NULL")),
    sa.Index(None, "true_first", "id"),
)
"""Narrow on purpose: a question reads all of it. The object's bytes stand in `object_version`."""

register_detail = sa.Table(
    "register_detail",
    metadata,
    sa.Column(
        "id",
        sa.BigInteger,
        sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("salt", BYTEA, nullable=False),
    sa.Column("search", TSVECTOR, nullable=False),
    sa.Index("ix_register_detail_search", "search", postgresql_using="gin"),
)
"""What a question does not read: the salt of the digest in the log's `record` entry, and the words."""

register_replaced = sa.Table(
    "register_replaced",
    metadata,
    sa.Column(
        "id",
        sa.BigInteger,
        sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column(
        "by",
        sa.BigInteger,
        sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("at", MOMENT, nullable=False),
    sa.Column("position", sa.BigInteger),
)
"""`id` is no longer the newest version since `at`, because `by` is; a version that arrives older than one
that is here is replaced from the start."""

register_shared = sa.Table(
    "register_shared",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, primary_key=True),
)
"""Keys under which several parties state something: few, so that a board sees at once who else states it."""

register_source = sa.Table(
    "register_source",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("sha256", BYTEA, nullable=False),
    sa.Column("bytes", BYTEA, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("text_sha256", BYTEA),
    sa.Column("lang", sa.Text),
    sa.Column("captured_at", MOMENT, nullable=False),
    sa.Column("captured_by", sa.Text, nullable=False),
    sa.Column("changed_from", sa.BigInteger),
    sa.UniqueConstraint("source_id", "sha256"),
    sa.Index(None, "address"),
    sa.Index(None, "sha256"),
    sa.Index(None, "text_sha256"),
)
"""Captured bytes and text of sources: local, never released. A changed document stands beside the older."""
