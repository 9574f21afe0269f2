"""Row-level security, said once for every table (architecture.md, rule 3: the database refuses too)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from secretariat.storage.roles import Roles

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

READER = "nullif(current_setting('secretariat.reader', true), '')"
"""SQL for who asks. NULL outside `Database.peer`: equal to no reader, so nothing is seen."""


CUSTODIAN = "coalesce(current_setting('secretariat.custodian', true), '')"
"""SQL for whose objects a transaction of the application sees: '' = the node's party, else a guest."""

EVERYBODYS = "*"
"""The custodian under which everything is seen: backups, and what is said of what a reader was granted."""
KEPT = f"{CUSTODIAN} IN (custodian, '{EVERYBODYS}')"


_AS_OWNER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path ="


class Operations(Protocol):
    """What is used of alembic's `op`."""

    def execute(self, sqltext: str, /) -> Any: ...
    def get_context(self) -> MigrationContext: ...


def deed(op: Operations, name: str, takes: str, body: str) -> None:
    """Make the one way in which the application may do what it has no right to, as the tables' owner.

    `body` is PL/pgSQL and looks itself whether the deed may be done. The owner passes by no row-level
    security: a policy of its own says which rows the deed reaches. Names mean this realm's, whoever calls.
    """
    context = op.get_context()
    roles: Roles = context.opts["roles"]
    assert context.connection is not None
    schema = context.connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in (
        f"CREATE FUNCTION {name}({takes}) RETURNS void {_AS_OWNER} {schema}, pg_temp AS $deed$ {body} $deed$",
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
        f'GRANT EXECUTE ON FUNCTION {name} TO "{roles.app}"',
    ):
        op.execute(statement)


def reach(op: Operations, table: str, *, delete: str | None = None, see: str = "true") -> None:
    """Let deeds (see `deed`) see the rows of `table` for which `see` holds, and delete those of `delete`."""
    owner = op.get_context().opts["roles"].owner
    op.execute(f'CREATE POLICY deed_sees ON "{table}" FOR SELECT TO "{owner}" USING ({see})')
    if delete is not None:
        op.execute(f'CREATE POLICY deed_deletes ON "{table}" FOR DELETE TO "{owner}" USING ({delete})')


def protect(
    op: Operations, table: str, *, peer: str | None = None, append_only: bool = False, app: str = "true"
) -> None:
    """Put `table` under forced row-level security in a migration.

    The application may read and insert the rows for which `app` holds (every row, mostly), and update and
    delete them unless `append_only`. The peer role may SELECT the rows for which the SQL predicate `peer`
    holds; None gives it no right at all.
    """
    roles: Roles = op.get_context().opts["roles"]
    may = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'GRANT {may} ON "{table}" TO "{roles.app}"',
        f'CREATE POLICY app ON "{table}" TO "{roles.app}" USING ({app}) WITH CHECK ({app})',
    ):
        op.execute(statement)
    if peer is not None:
        op.execute(f'GRANT SELECT ON "{table}" TO "{roles.peer}"')
        op.execute(f'CREATE POLICY peer ON "{table}" FOR SELECT TO "{roles.peer}" USING ({peer})')
