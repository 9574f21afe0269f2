"""Tables of agreements: parties, instruments, consents, releases and the classes of grants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TSTZMULTIRANGE

from secretariat.storage.rls import CUSTODIAN, KEPT, READER, protect

revision = "0004_agreements"
down_revision = "0003_ledger"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "party",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False, server_default="state"),
        sa.Column("parent", sa.Text),
        sa.Column("facts", JSONB, nullable=False, server_default="{}"),
        sa.Column("partner", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("recorded_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "instrument",
        sa.Column("hash", BYTEA, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", BYTEA, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("audience", JSONB, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("replaced_at", _MOMENT),
        sa.Column("earlier", TSTZMULTIRANGE, nullable=False, server_default="{}"),
    )
    op.create_index(None, "instrument", ["key"])
    op.create_table(
        "instrument_agreed",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("partner", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("set_hash", BYTEA, nullable=False),
        sa.Column("hashes", JSONB, nullable=False),
        sa.Column("names", JSONB, nullable=False, server_default="{}"),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    )
    op.create_index(None, "instrument_agreed", ["partner", "by", "id"])
    op.create_table(
        "instrument_offer",
        sa.Column("hash", BYTEA, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body", BYTEA, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="offered"),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", _MOMENT),
        sa.CheckConstraint("state IN ('offered', 'agreed', 'refused')", name="state"),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("to", sa.Text, nullable=False),
        sa.Column("roots", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("until", _MOMENT),
        sa.Column("purpose", sa.Text),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
        sa.UniqueConstraint("origin", "position"),
    )
    op.create_index(None, "consent", ["by", "to"])
    op.create_table(
        "release",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("objects", JSONB, nullable=False),
        sa.Column("content", BYTEA, nullable=False),
        sa.Column("partners", JSONB),
        sa.Column("purpose", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("needs_two", sa.Boolean, nullable=False),
        sa.Column("offices", JSONB, nullable=False, server_default="[]"),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", _MOMENT, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", _MOMENT),
        sa.Column("reason", sa.Text),
        sa.Column("publication", sa.BigInteger),
        sa.Column("leave_out", JSONB, nullable=False, server_default="[]"),
        sa.CheckConstraint("state IN ('proposed', 'released', 'refused')", name="state"),
    )
    op.create_index(
        "ix_release_proposed", "release", ["proposed_at"], postgresql_where=sa.text("state = 'proposed'")
    )
    op.create_table(
        "standing_release",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("begins", _MOMENT, nullable=False),
        sa.Column("ends", _MOMENT, nullable=False),
        sa.Column("signed_by", JSONB, nullable=False),
        sa.Column("entry", sa.BigInteger),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("revoked_by", sa.Text),
        sa.Column("used", sa.Integer, nullable=False, server_default="0"),
        sa.Column("used_on", sa.Date),
    )
    op.create_table(
        "house_rule",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("rule", JSONB, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_by", sa.Text),
    )
    op.create_table(
        "grant_class",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("articles", JSONB, nullable=False),
        sa.Column("marks", JSONB, nullable=False),
        sa.Column("conditions", JSONB, nullable=False),
        sa.Column("obligations", JSONB, nullable=False),
        sa.Column("until", _MOMENT),
        sa.Column("basis", JSONB, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("lapsed_at", _MOMENT),
    )
    op.create_index(None, "grant_class", ["recipient", "entry"])
    op.create_index(None, "grant_class", ["entry"])
    op.create_table(
        "unnamed_source",
        sa.Column("stix_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "source_secret",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("secret", BYTEA, nullable=False),
    )
    for table in ("party", "instrument", "instrument_offer", "release", "standing_release", "house_rule"):
        protect(op, table)
    protect(op, "unnamed_source")
    protect(op, "source_secret")
    protect(op, "instrument_agreed", append_only=True, app=KEPT)
    protect(op, "consent", append_only=True, app=KEPT)
    protect(op, "grant_class", peer=f"recipient = {READER}")
