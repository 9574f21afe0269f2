"""Tables of private questions: what is allowed, the set of an epoch, a question, the parts of its lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from secretariat.storage.rls import protect

revision = "0008_private_questions"
down_revision = "0007_register"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_TABLES = ("private_allowance", "private_set", "private_member", "private_question", "private_part")


def upgrade() -> None:
    """Create them; no partner ever reads one under its own role."""
    op.create_table(
        "private_allowance",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("under", sa.Text, nullable=False),
        sa.Column("types", ARRAY(sa.Text), nullable=False),
        sa.Column("elements", sa.Integer, nullable=False),
        sa.Column("standing", sa.Boolean, nullable=False),
        sa.Column("allowed_by", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_table(
        "private_set",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Text, primary_key=True),
        sa.Column("seed", BYTEA, nullable=False),
        sa.Column("root", BYTEA, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_table(
        "private_member",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("epoch", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("leaves", BYTEA, nullable=False),
        sa.Column("members", BYTEA, nullable=False),
    )
    op.create_table(
        "private_question",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("under", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("secret", BYTEA),
        sa.Column("set_position", sa.BigInteger),
        sa.Column("their_position", sa.BigInteger),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("their_size", sa.Integer),
        sa.Column("answer", BYTEA),
        sa.Column("result", sa.Integer),
        sa.Column("shown", sa.Integer),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("done_at", _MOMENT),
        sa.Column("entry", sa.BigInteger),
        sa.UniqueConstraint("side", "party", "type", "epoch"),
        sa.CheckConstraint("side IN ('asks', 'answers')", name="side"),
    )
    op.create_table(
        "private_part",
        sa.Column(
            "question",
            sa.BigInteger,
            sa.ForeignKey("private_question.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("items", BYTEA, nullable=False),
    )
    for table in _TABLES:
        protect(op, table)


def downgrade() -> None:
    """Drop them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
