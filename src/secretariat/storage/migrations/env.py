"""Alembic's way in: the runner in storage/migrate.py hands over the connection and the realm's roles."""

from alembic import context

from secretariat.storage.metadata import metadata
from secretariat.storage.migrate import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,  # its naming convention names what a migration leaves unnamed
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    roles=context.config.attributes["roles"],
)
context.run_migrations()
