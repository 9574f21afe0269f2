"""PostgreSQL: engines per realm, roles, row-level security, migrations, embedded server, change feed."""
