"""Tables of records."""

revision = "0002_records"
down_revision = "0001_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
