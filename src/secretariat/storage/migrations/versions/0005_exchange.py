"""Tables of exchange."""

revision = "0005_exchange"
down_revision = "0004_agreements"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
