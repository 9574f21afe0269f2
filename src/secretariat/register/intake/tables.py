"""Tables of intake: documents being read and what is proposed; local working state, nobody's record."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from secretariat.storage.metadata import metadata

MOMENT = sa.DateTime(timezone=True)

register_intake = sa.Table(
    "register_intake",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("capture", sa.BigInteger, nullable=False, unique=True),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("source_kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("reading", JSONB, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("opened_at", MOMENT, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
)
"""A captured document that is being read; the capture itself stands in register_source."""

register_intake_proposal = sa.Table(
    "register_intake_proposal",
    metadata,
    sa.Column("intake", sa.BigInteger, sa.ForeignKey("register_intake.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", JSONB, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("stix_id", sa.Text),
    sa.Column("record_key", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("decided_at", MOMENT),
    sa.Column("decided_by", sa.Text),
    sa.CheckConstraint("state IN ('open', 'accepted', 'rejected')", name="state"),
)
"""One proposal and what an officer made of it."""
