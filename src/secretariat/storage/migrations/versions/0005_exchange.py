"""Tables of exchange: partners, what they sent, what they said they did, what was refused, what is owed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from secretariat.storage.rls import CUSTODIAN, KEPT, READER, deed, protect, reach

revision = "0005_exchange"
down_revision = "0004_agreements"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PEER_STATES = "'invited', 'accepted', 'suspended', 'removed'"


def upgrade() -> None:
    """Create them. None is for a peer's eyes but the letters it collects: the rest it is told in entries."""
    op.create_table(
        "peer",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("root_key", BYTEA, nullable=False),
        sa.Column("keys", JSONB, nullable=False),
        sa.Column("origin", sa.Text, nullable=False, unique=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cursor_position", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cursor_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_contact", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("descriptor", BYTEA, nullable=False),
        sa.Column("via", sa.Text, nullable=False, server_default=""),
        sa.CheckConstraint(f"state IN ({PEER_STATES})", name="state"),
    )
    op.create_table(
        "request_nonce",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index(None, "request_nonce", ["at"])
    op.create_table(
        "arrival",
        sa.Column("root", BYTEA, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("sender", sa.Text, primary_key=True),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_index("ix_arrival_waiting", "arrival", ["root"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_table(
        "attachment",
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", BYTEA, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("envelope", BYTEA, nullable=False),
        sa.Column("salt", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_table(
        "rival",
        sa.Column("root", BYTEA, primary_key=True),
        sa.Column("stix_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("created", sa.Text),
        sa.Column("modified", sa.Text),
        sa.Column("bytes", BYTEA, nullable=False),
        sa.Column("salt", BYTEA, nullable=False),
        sa.Column("envelope", BYTEA, nullable=False),
        sa.Column("originator", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_index(None, "rival", ["stix_id"])
    op.create_table(
        "holding",
        sa.Column("root", BYTEA, primary_key=True),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("due_at", MOMENT),
        sa.Column("article", sa.Text, nullable=False, server_default=""),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_table(
        "holding_past",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("due_at", MOMENT),
        sa.Column("article", sa.Text, nullable=False, server_default=""),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
    )
    op.create_index(None, "holding_past", ["root"])
    op.create_index("ix_holding_asked", "holding", ["at"], postgresql_where=sa.text("state = 'asked'"))
    op.create_table(
        "tomb",
        sa.Column("root", BYTEA, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("done", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_table(
        "refusal",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("digest", BYTEA, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("where", sa.Text),
        sa.Column("advice", sa.Text),
        sa.Column("position", sa.BigInteger),
        sa.Column("root", sa.Text),
        sa.Column("evidence", BYTEA, nullable=False, server_default=sa.text("''::bytea")),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("custodian", sa.Text, nullable=False, server_default=sa.text(CUSTODIAN)),
        sa.UniqueConstraint("digest", "custodian"),
    )
    op.create_index(None, "refusal", ["party", "last_at"])
    op.create_table(
        "obligation_timer",
        sa.Column("root", BYTEA, primary_key=True),
        sa.Column("duty", sa.Text, primary_key=True),
        sa.Column("article", sa.Text, primary_key=True),
        sa.Column("owed_to", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.Column("custodian", sa.Text, primary_key=True, server_default=sa.text(CUSTODIAN)),
    )
    op.create_index(
        "ix_obligation_timer_open",
        "obligation_timer",
        ["due_at"],
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "mail",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("state", JSONB, nullable=False),
        sa.Column("box", BYTEA, nullable=False),
    )
    op.create_table(
        "mailbox_user",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("allowed_by", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "letter",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("box", BYTEA, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("ix_letter_waiting", "letter", ["reader", "id"])
    op.create_index("ix_letter_at", "letter", ["at"])
    op.create_table(
        "letter_posted",
        sa.Column("sender", sa.Text, primary_key=True),
        sa.Column("reader", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", BYTEA, nullable=False),
    )
    op.create_table(
        "guest",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("public", BYTEA, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="hosted"),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.CheckConstraint("state IN ('hosted', 'moved', 'ended')", name="state"),
    )
    op.create_table(
        "hosted_party",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("public", BYTEA, nullable=False),
        sa.Column("introduction", BYTEA, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
    )
    op.create_table(
        "guest_place",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "guest_partner",
        sa.Column("guest", sa.Text, primary_key=True),
        sa.Column("partner", sa.Text, primary_key=True),
        sa.Column("cursor_position", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cursor_offset", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("last_contact", MOMENT),
        sa.Column("last_error", sa.Text),
    )
    op.create_table(
        "instrument_want",
        sa.Column("partner", sa.Text, primary_key=True),
        sa.Column("digest", BYTEA, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('open', 'came', 'refused', 'unanswered')", name="state"),
    )
    op.create_table(
        "handover",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("state", JSONB, nullable=False),
    )
    op.create_table(
        "carried",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("out", sa.Boolean, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("volume", sa.Integer, nullable=False),
        sa.Column("of", sa.Integer, nullable=False),
        sa.Column("start", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("ix_carried_party", "carried", ["party", "id"])
    op.create_table(
        "change",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("stix_id", sa.Text, nullable=False),
        sa.Column("change", JSONB, nullable=False),
        sa.Column("replaces", BYTEA, nullable=False),
        sa.Column("offices", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", MOMENT),
        sa.Column("why", sa.Text),
        sa.CheckConstraint("state IN ('proposed', 'done', 'refused')", name="state"),
    )
    op.create_index(None, "change", ["stix_id"])
    for table in TABLES:
        protect(op, table)
    # what partners sent a guest is kept apart from the application, like what the guest itself wrote
    for table in KEPT_APART:
        protect(op, table, app=KEPT)
    protect(op, "letter", peer=f"reader = {READER}")
    _let_strike()


def _let_strike() -> None:
    """Let go words under a partner's revoked witness key, in this way alone (exchange/disowning.py rule 5).

    The partner must have revoked a witness key from the moment `since` on or earlier; words by the keys whose
    hashes are given stay.
    """
    reach(op, "peer")
    deed(
        op,
        "strike_words",
        "log text, since timestamptz, unless bytea[]",
        """
        BEGIN
            IF NOT EXISTS (
                SELECT 1 FROM peer, jsonb_each(peer.keys -> 'revoked') AS one (key, said)
                WHERE peer.origin = log AND one.said ->> 'role' = 'witness'
                AND (one.said ->> 'since')::timestamptz <= strike_words.since
            ) THEN
                RAISE insufficient_privilege USING MESSAGE = 'no witness key of this log was revoked by then';
            END IF;
            DELETE FROM cosignature WHERE witness = log AND at >= strike_words.since
                AND substring(decode(split_part(convert_from(line, 'UTF8'), ' ', 3), 'base64') FOR 4)
                <> ALL (unless);
        END
        """,
    )


TABLES = (
    "carried",
    "change",
    "handover",
    "guest",
    "guest_place",
    "guest_partner",
    "hosted_party",
    "peer",
    "request_nonce",
    "instrument_want",
    "mail",
    "mailbox_user",
    "letter_posted",
)
KEPT_APART = (
    "arrival",
    "attachment",
    "rival",
    "holding",
    "holding_past",
    "tomb",
    "refusal",
    "obligation_timer",
)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION strike_words")
    for table in (*TABLES, *KEPT_APART, "letter"):
        op.drop_table(table)
