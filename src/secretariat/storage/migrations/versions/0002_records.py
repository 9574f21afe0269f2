"""Tables of records: labels, object versions, collections and their items."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from secretariat.storage.rls import CUSTODIAN, KEPT, READER, protect

revision = "0002_records"
down_revision = "0001_people"
branch_labels = None
depends_on = None

_STATES = (
    "draft",
    "published",
    "kept",
    "partial",
    "quarantined",
    "waiting",
    "disputed",
    "withdrawn",
    "hidden",
)
_MAY_READ = f"(reader = {READER} OR (reader = '*' AND {READER} <> ''))"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "label",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("key", BYTEA, nullable=False, unique=True),
        sa.Column("label", JSONB, nullable=False),
    )
    op.create_table(
        "object_version",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("stix_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("spec_version", sa.Text, nullable=False),
        sa.Column("created", sa.Text),
        sa.Column("modified", sa.Text),
        sa.Column("version", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bytes", BYTEA, nullable=False),
        sa.Column("root", BYTEA),
        sa.Column("salt", BYTEA),
        sa.Column("envelope", BYTEA),
        sa.Column("created_by", sa.Text),
        sa.Column("originator", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("label", sa.Integer, sa.ForeignKey("label.id"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
        sa.UniqueConstraint("stix_id", "version", "originator", "custodian"),
        sa.CheckConstraint("state IN ({})".format(", ".join(f"'{s}'" for s in _STATES)), name="state"),
    )
    # Bulk writes draw their numbers first and then COPY them.
    roles = op.get_context().opts["roles"]
    op.execute(f'GRANT USAGE ON SEQUENCE object_version_id_seq TO "{roles.app}"')
    # Compressing JSON of a kilobyte costs more than reading it; long rows stay in the page they belong to.
    op.execute("ALTER TABLE object_version ALTER COLUMN bytes SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE object_version SET (toast_tuple_target = 8160)")
    op.create_index(None, "object_version", ["root"])
    op.create_index(None, "object_version", ["type", "id"])
    op.create_index(
        "ix_object_version_version",
        "object_version",
        ["version"],
        postgresql_using="brin",
        postgresql_ops={"version": "timestamptz_minmax_multi_ops"},
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
    op.create_index(
        "ix_object_version_state_id",
        "object_version",
        ["state", "id"],
        postgresql_where=sa.text("state IN ('draft', 'quarantined', 'waiting', 'disputed')"),
    )
    op.create_table(
        "collection",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("taxii", sa.Uuid, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.UniqueConstraint("kind", "reader"),
        sa.CheckConstraint("kind IN ('own', 'from_partners', 'clear', 'partner')", name="kind"),
    )
    op.create_table(
        "item",
        sa.Column("collection", sa.Integer, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("grant_class", sa.Integer),
        sa.Column("last", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("first", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("left_out", sa.ARRAY(sa.Text)),
        sa.UniqueConstraint("version", "collection"),
    )
    op.create_index(
        "ix_item_grant_class",
        "item",
        ["grant_class"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16, "autosummarize": True},
    )
    op.create_table(
        "item_past",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("grant_class", sa.Integer, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(None, "item_past", ["version"])
    # The same end as foreign keys with ON DELETE CASCADE, which double the time of a bulk grant.
    op.execute(
        """
        CREATE FUNCTION item_follows_version() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          DELETE FROM item USING gone WHERE item.version = gone.id;
          DELETE FROM item_past USING gone WHERE item_past.version = gone.id;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER item_follows_version AFTER DELETE ON object_version
        REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION item_follows_version()
        """
    )
    op.create_table(
        "derivation",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
    )
    op.create_index(None, "derivation", ["target"])
    protect(op, "label", append_only=True)
    protect(op, "derivation")
    protect(op, "collection", peer=_MAY_READ)
    protect(op, "item_past")
    protect(op, "item", peer=f"collection = ANY(ARRAY(SELECT id FROM collection WHERE {_MAY_READ}))")
    protect(
        op,
        "object_version",
        # OFFSET keeps the planner from reading the reader's whole collection into a hash for a few objects
        peer="EXISTS (SELECT 1 FROM item WHERE item.version = object_version.id OFFSET 0)",
        app=KEPT,
    )
