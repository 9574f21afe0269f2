"""Tables of the Register: statements as columns, replaced versions, captured sources."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TSVECTOR

from secretariat.storage.rls import CUSTODIAN, KEPT, protect

revision = "0007_register"
down_revision = "0006_taxii"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_TEXTS = ARRAY(sa.Text)
_RELATIONS = (
    "supersedes",
    "conflicts-with",
    "same-origin",
    "part-of",
    "same-aim",
    "follows",
    "different-aim",
)
_OVERLAP = (
    "register_overlap",
    "register_overlap_waiting",
    "register_overlap_token",
    "register_overlap_pair",
)
_REQUESTS = ("register_number", "register_digest", "register_saved_view")
_MAY_STATE = (
    "(type LIKE 'sct-%' OR type = 'relationship' AND ("
    + " OR ".join(f'position(\'"relationship_type":"{one}"\'::bytea IN bytes) > 0' for one in _RELATIONS)
    + "))"
)
_INTAKE = ("register_intake", "register_intake_proposal")


def upgrade() -> None:
    """Create them."""
    op.create_index(
        "ix_object_version_register", "object_version", ["id"], postgresql_where=sa.text(_MAY_STATE)
    )
    op.create_table(
        "register_statement",
        sa.Column(
            "id",
            sa.BigInteger,
            sa.ForeignKey("object_version.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("stix_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("true_first", sa.Date),
        sa.Column("begun", sa.Date),
        sa.Column("true_last", sa.Date),
        sa.Column("announced", sa.Date),
        sa.Column("known", _MOMENT, nullable=False),
        sa.Column("known_exact", sa.Boolean, nullable=False),
        sa.Column("known_public", _MOMENT),
        sa.Column("version", _MOMENT, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("parties", _TEXTS, nullable=False),
        sa.Column("orgs", _TEXTS, nullable=False),
        sa.Column("by", _TEXTS, nullable=False),
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
    )
    table = "register_statement"
    op.create_index(None, table, ["key"])
    op.create_index(None, table, ["stix_id", "version"])
    op.create_index(None, table, ["type", "begun"])
    op.create_index(None, table, ["kind", "true_first"])
    for name, columns, column in (
        ("about", ["about", "type"], "about"),
        ("other", ["other"], "other"),
        ("due", ["due_last"], "due_last"),
        ("series", ["series"], "series"),
    ):
        op.create_index(
            f"ix_{table}_{name}", table, columns, postgresql_where=sa.text(f"{column} IS NOT NULL")
        )
    op.create_index(None, table, ["true_first", "id"])
    op.create_table(
        "register_detail",
        sa.Column(
            "id",
            sa.BigInteger,
            sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("salt", BYTEA, nullable=False),
        sa.Column("search", TSVECTOR, nullable=False),
    )
    op.create_index("ix_register_detail_search", "register_detail", ["search"], postgresql_using="gin")
    op.create_table(
        "register_replaced",
        sa.Column(
            "id",
            sa.BigInteger,
            sa.ForeignKey("register_statement.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "by", sa.BigInteger, sa.ForeignKey("register_statement.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("position", sa.BigInteger),
    )
    op.create_index(None, "register_replaced", ["by"])
    op.create_table(
        "register_shared",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
    )
    op.create_table(
        "register_source",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("sha256", BYTEA, nullable=False),
        sa.Column("bytes", BYTEA, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("text_sha256", BYTEA),
        sa.Column("lang", sa.Text),
        sa.Column("captured_at", _MOMENT, nullable=False),
        sa.Column("captured_by", sa.Text, nullable=False),
        sa.Column("changed_from", sa.BigInteger),
        sa.UniqueConstraint("source_id", "sha256"),
    )
    op.create_index(None, "register_source", ["address"])
    op.create_index(None, "register_source", ["sha256"])
    op.create_index(None, "register_source", ["text_sha256"])
    protect(op, "register_statement", append_only=True)
    protect(op, "register_detail", append_only=True)
    protect(op, "register_replaced", append_only=True)
    protect(op, "register_shared", append_only=True)
    protect(op, "register_source", append_only=True)
    _overlap()
    _intake()
    _requests()
    _analyze("register_analyze", ("register_statement", "register_detail", "register_replaced"))
    _analyze("register_overlap_analyze", _OVERLAP)


def _analyze(name: str, tables: Sequence[str]) -> None:
    """Let the application renew what the planner knows of these tables, and of no others.

    They belong to the owner, and only an owner may ANALYZE. `pg_temp` stands last in the path, so that a
    temporary table of the caller's cannot stand in for one of them.
    """
    context = op.get_context()
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    app = context.opts["roles"].app
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS void LANGUAGE sql SECURITY DEFINER"
        f" SET search_path = {schema}, pg_temp AS 'ANALYZE {', '.join(tables)}'"
    )
    op.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")
    op.execute(f'GRANT EXECUTE ON FUNCTION {name}() TO "{app}"')


def _requests() -> None:
    """Create the numbers of requests, who gets a digest by mail, and saved views."""
    op.create_table(
        "register_number",
        sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stix_id", sa.Text, nullable=False, unique=True),
        sa.Column("given_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "register_digest",
        sa.Column("login", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("every", sa.Text, nullable=False),
        sa.Column("last_sent", _MOMENT),
        sa.Column("last_error", sa.Text),
        sa.CheckConstraint("every IN ('daily', 'weekly')", name="every"),
    )
    op.create_table(
        "register_saved_view",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("saved_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("login", "name"),
    )
    protect(op, "register_saved_view")
    protect(op, "register_number", append_only=True)
    protect(op, "register_digest")


def _overlap() -> None:
    """Create the index of overlaps: rebuildable, kept for whom the statements are kept."""

    def of_statement(name: str) -> sa.Column[int]:
        there = sa.ForeignKey("register_statement.id", ondelete="CASCADE")
        return sa.Column(name, sa.BigInteger, there, primary_key=True, autoincrement=False)

    def kept() -> sa.Column[str]:
        return sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN))

    op.create_table(
        "register_overlap",
        of_statement("id"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("circle", _TEXTS, nullable=False),
        sa.Column("bodies", _TEXTS, nullable=False),
        sa.Column("themes", _TEXTS, nullable=False),
        sa.Column("words", _TEXTS, nullable=False),
        sa.Column("shape", sa.Text, nullable=False),
        sa.Column("exact", sa.Boolean, nullable=False),
        sa.Column("lang", sa.Text, nullable=False),
        sa.Column("vector", BYTEA),
        kept(),
    )
    op.create_index(
        "ix_register_overlap_without",
        "register_overlap",
        ["id"],
        postgresql_where=sa.text("vector IS NULL"),
    )
    op.create_table("register_overlap_waiting", of_statement("id"), kept())
    op.create_table(
        "register_overlap_token",
        sa.Column("token", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date, primary_key=True),
        of_statement("id"),
        kept(),
    )
    op.create_index(None, "register_overlap_token", ["id"])
    op.create_table(
        "register_overlap_pair",
        of_statement("low"),
        of_statement("high"),
        sa.Column("score", sa.REAL, nullable=False),
        kept(),
    )
    op.create_index(None, "register_overlap_pair", ["score", "low", "high"])
    op.create_index(None, "register_overlap_pair", ["high"])
    for table in _OVERLAP:
        protect(op, table, app=KEPT)


def _intake() -> None:
    op.create_table(
        "register_intake",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("capture", sa.BigInteger, nullable=False, unique=True),
        sa.Column("source_key", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("source_kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("reading", JSONB, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("opened_by", sa.Text, nullable=False),
    )
    op.create_table(
        "register_intake_proposal",
        sa.Column("intake", sa.BigInteger, sa.ForeignKey("register_intake.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("body", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("stix_id", sa.Text),
        sa.Column("record_key", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("decided_at", _MOMENT),
        sa.Column("decided_by", sa.Text),
        sa.CheckConstraint("state IN ('open', 'accepted', 'rejected')", name="state"),
    )
    for table in _INTAKE:
        protect(op, table)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_object_version_register")
    for table in reversed(_REQUESTS):
        op.drop_table(table)
    for table in reversed(_INTAKE):
        op.drop_table(table)
    for table in reversed(_OVERLAP):
        op.drop_table(table)
    for table in (
        "register_source",
        "register_shared",
        "register_replaced",
        "register_detail",
        "register_statement",
    ):
        op.drop_table(table)
