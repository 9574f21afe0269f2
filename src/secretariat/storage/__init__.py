"""PostgreSQL: engines per realm, roles and row-level security, migrations, the embedded server, the change feed."""
