"""Tables of requests: the numbers this node gave, and who gets a digest by mail."""

from __future__ import annotations

import sqlalchemy as sa

from secretariat.storage.metadata import metadata

MOMENT = sa.DateTime(timezone=True)

register_number = sa.Table(
    "register_number",
    metadata,
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stix_id", sa.Text, nullable=False, unique=True),
    sa.Column("given_at", MOMENT, nullable=False),
)
"""One row of numbers for what this party asks and what it is asked: never given twice, never reused."""

register_digest = sa.Table(
    "register_digest",
    metadata,
    sa.Column("login", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("every", sa.Text, nullable=False),
    sa.Column("last_sent", MOMENT),
    sa.Column("last_error", sa.Text),
    sa.CheckConstraint("every IN ('daily', 'weekly')", name="every"),
)
"""Who gets the counts by mail, and how often."""
