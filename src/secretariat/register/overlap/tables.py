"""Tables of the index of overlaps: rebuildable from the statements, nobody's record.

They hold what was read out of a statement, so a row is kept for whom the statement is kept (rls.KEPT) and
goes with it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.register.tables import TEXTS
from secretariat.storage.metadata import metadata
from secretariat.storage.rls import CUSTODIAN


def _of_statement(name: str, *, primary: bool = True) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.BigInteger,
        sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
        primary_key=primary,
        autoincrement=False,
    )


def _kept() -> sa.Column[str]:
    return sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN))


register_overlap = sa.Table(
    "register_overlap",
    metadata,
    _of_statement("id"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("circle", TEXTS, nullable=False),
    sa.Column("bodies", TEXTS, nullable=False),
    sa.Column("themes", TEXTS, nullable=False),
    sa.Column("words", TEXTS, nullable=False),
    sa.Column("shape", sa.Text, nullable=False),
    sa.Column("exact", sa.Boolean, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("vector", BYTEA),
    _kept(),
    sa.Index("ix_register_overlap_without", "id", postgresql_where=sa.text("vector IS NULL")),
)
"""What is compared of each statement version."""

register_overlap_waiting = sa.Table("register_overlap_waiting", metadata, _of_statement("id"), _kept())
"""Statement versions in the index whose pairs are not written yet; narrow, because every answer counts it."""

register_overlap_token = sa.Table(
    "register_overlap_token",
    metadata,
    sa.Column("token", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, primary_key=True),
    _of_statement("id"),
    _kept(),
    sa.Index(None, "id"),
)
"""By what a statement is found, nearest in time first."""

register_overlap_pair = sa.Table(
    "register_overlap_pair",
    metadata,
    _of_statement("low"),
    _of_statement("high"),
    sa.Column("score", sa.REAL, nullable=False),
    _kept(),
    sa.Index(None, "score", "low", "high"),
    sa.Index(None, "high"),
)
"""Pairs that are near enough for the board; who may see both is asked when it is read."""
