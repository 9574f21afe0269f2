"""Alembic's way in: the runner in storage/migrate.py hands over the connection and the realm's roles."""

from alembic import context

from secretariat.storage.migrate import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    roles=context.config.attributes["roles"],
)
context.run_migrations()
