"""Table of the TAXII server: what became of each posting."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

from secretariat.storage.rls import READER, protect

revision = "0006_taxii"
down_revision = "0005_exchange"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. A client may see what was posted for its own party."""
    op.create_table(
        "taxii_status",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token", sa.Uuid, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", BYTEA, nullable=False),
    )
    op.create_index("ix_taxii_status_requested_at", "taxii_status", ["requested_at"])
    protect(op, "taxii_status", peer=f"reader = {READER}")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("taxii_status")
