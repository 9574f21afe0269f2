"""Tables of the ledger: own entries, the head of the log, tiles, checkpoints, partners' logs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from secretariat.storage.rls import CUSTODIAN, KEPT, READER, deed, protect, reach

revision = "0003_ledger"
down_revision = "0002_records"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
_ANYBODY = f"{READER} <> ''"


def upgrade() -> None:
    """Create them. A partner reads the entries addressed to it; tiles and checkpoints hold digests only."""
    op.create_table(
        "entry",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("envelope", BYTEA, nullable=False),
        sa.Column("salt", BYTEA, nullable=False),
        sa.Column("digest", BYTEA, nullable=False),
        sa.Column("leaf", BYTEA, nullable=False),
        sa.CheckConstraint("position >= 0", name="position"),
        sa.CheckConstraint(
            "octet_length(salt) = 32 AND octet_length(digest) = 32 AND octet_length(leaf) = 32", name="hashes"
        ),
    )
    # Base64 of digests does not shrink: compressing it would only cost time.
    op.execute("ALTER TABLE entry ALTER COLUMN envelope SET STORAGE EXTERNAL")
    op.create_index(None, "entry", ["recipient", "position"])
    op.create_index(None, "entry", ["kind", "position"])
    op.create_table(
        "log_head",
        sa.Column("only", sa.Boolean, primary_key=True, server_default=sa.true()),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("frontier", BYTEA, nullable=False),
        sa.Column("keys", sa.Text, nullable=False, server_default=""),
        sa.Column("stopped", sa.Text),
        sa.CheckConstraint('"only"', name="one_row"),
    )
    op.execute("INSERT INTO log_head (size, root, frontier) VALUES (0, sha256(''), '')")
    op.create_table(
        "tile",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hashes", BYTEA, nullable=False),
        sa.CheckConstraint("part BETWEEN 0 AND 7", name="part"),
        sa.CheckConstraint(
            "octet_length(hashes) BETWEEN 32 AND 1024 AND octet_length(hashes) % 32 = 0", name="hashes"
        ),
    )
    op.execute("ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL")
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("note", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "cosignature",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("witness", sa.Text, primary_key=True),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("line", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index(None, "cosignature", ["origin", "witness", "size"])
    op.create_table(
        "contradiction",
        sa.Column("digest", BYTEA, primary_key=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("one", BYTEA, nullable=False),
        sa.Column("other", BYTEA, nullable=False),
        sa.Column("told_by", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "shown_log",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("told_by", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("note", BYTEA, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('agrees', 'open', 'void')", name="state"),
    )
    op.create_table(
        "named_log",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("origins", ARRAY(sa.Text), nullable=False),
    )
    op.create_table(
        "peer_log",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("note", BYTEA, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="ok"),
        sa.Column("reason", sa.Text),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('ok', 'suspended')", name="state"),
    )
    op.create_table(
        "peer_entry",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("envelope", BYTEA, nullable=False),
        sa.Column("salt", BYTEA, nullable=False),
        sa.Column("proof_size", sa.BigInteger, nullable=False),
        sa.Column("proof", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    )
    op.execute("ALTER TABLE peer_entry ALTER COLUMN envelope SET STORAGE EXTERNAL")
    op.create_table(
        "peer_note",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "peer_statement",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("made_at", MOMENT, primary_key=True),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("sealed", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index(None, "peer_entry", ["kind", "origin", "position"])
    op.create_table(
        "joint",
        sa.Column("digest", BYTEA, primary_key=True),
        sa.Column("payload", BYTEA, nullable=False),
        sa.Column("stix_id", sa.Text, nullable=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("parties", ARRAY(sa.Text), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
    )
    op.create_index(None, "joint", ["stix_id"])
    op.create_index(None, "joint", ["first_at"])
    op.create_table(
        "joint_word",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", BYTEA, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("stance", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("public", BYTEA, nullable=False),
        sa.Column("signature", BYTEA),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
    )
    op.create_index(None, "joint_word", ["digest"])
    protect(op, "entry", peer=f"{READER} IN (recipient, party)", append_only=True)
    protect(op, "log_head")
    protect(op, "tile", peer=_ANYBODY)
    protect(op, "checkpoint", peer=_ANYBODY, append_only=True)
    protect(op, "cosignature", append_only=True)
    protect(op, "contradiction", append_only=True)
    protect(op, "shown_log")
    protect(op, "named_log")
    protect(op, "peer_log")
    protect(op, "peer_entry", append_only=True, app=KEPT)
    protect(op, "peer_note", append_only=True)
    _let_rewind()
    # what a statement found wrong ends the transaction, though nobody waited for that statement's answer
    op.execute(
        "CREATE FUNCTION refuse(what text, advice text) RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING MESSAGE = what, HINT = advice; END $$"
    )
    protect(op, "peer_statement", append_only=True)
    protect(op, "joint", append_only=True)
    protect(op, "joint_word", append_only=True)


def _let_rewind() -> None:
    """Let go what a thief signed in a partner's name, in this way alone (exchange/disowning.py rule 6).

    The own log must say so in the entry `said_at`, written in the same transaction; the log it names must be
    a partner's and suspended. What lies behind the size it names goes, also what is kept for a guest.
    """
    reach(op, "entry", see="kind = 'note'")
    reach(op, "peer_log")
    reach(op, "cosignature", delete="true")
    reach(op, "peer_note", delete="true")
    reach(op, "peer_entry", delete="true")
    deed(
        op,
        "rewind_peer_log",
        "said_at bigint",
        """
        DECLARE signed bytea; said jsonb; log text; back bigint;
        BEGIN
            SELECT decode(convert_from(envelope, 'UTF8')::jsonb ->> 'payload', 'base64') INTO signed
                FROM entry WHERE position = said_at AND kind = 'note' AND xmin = pg_current_xact_id()::xid;
            said := convert_from(signed, 'UTF8')::jsonb -> 'body';
            log := said #>> '{detail,log}';
            back := (said #>> '{detail,to}')::bigint;
            IF said ->> 'act' IS DISTINCT FROM 'log-rewound' OR back IS NULL OR NOT EXISTS (
                SELECT 1 FROM peer_log WHERE origin = log AND state = 'suspended' AND size >= back
            ) THEN
                RAISE insufficient_privilege USING MESSAGE = 'no suspended log is taken back there';
            END IF;
            DELETE FROM peer_note WHERE origin = log AND size > back;
            DELETE FROM peer_entry WHERE origin = log AND position >= back;
            DELETE FROM cosignature WHERE origin = log AND size > back;
        END
        """,
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION refuse")
    op.execute("DROP FUNCTION rewind_peer_log")
    for table in (
        "joint_word", "joint", "peer_statement", "peer_note", "peer_entry", "peer_log",
        "named_log", "shown_log", "contradiction", "cosignature", "checkpoint", "tile", "log_head", "entry",
    ):  # fmt: skip
        op.drop_table(table)
