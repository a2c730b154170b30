"""Checks of the database: connection, schema, privileges, commerce table."""

from ml.core.settings import CommerceNames
from ml.operations.doctor.check import Deployment, Finding, failed, ok, skipped
from ml.storage import server
from ml.storage.database import check_migrated, in_transaction, newest

_MAX_TABLES = 5  # named in the message


def check_database(deployment: Deployment) -> Finding:
    """Log in, and read the names of user and database and the version."""
    user, database, version = in_transaction(deployment.connections.engine, server.session_identity)
    return ok(f"user {user} in database {database}, PostgreSQL {version}")


def check_migrations(deployment: Deployment) -> Finding:
    """Compare the database's revision with the newest one of the code."""
    in_transaction(deployment.connections.engine, check_migrated)
    return ok(f"schema moderation at {newest()}")


def check_own_schema(deployment: Deployment) -> Finding:
    """Compare our privileges on each table of `moderation` with the needed ones."""
    engine = deployment.connections.engine
    tables = in_transaction(engine, server.missing_privileges)
    missing = [f"{', '.join(names)} on {table}" for table, names in tables.items() if names]
    if not in_transaction(engine, server.has_schema_usage):
        missing.insert(0, "USAGE on the schema")
    if missing:
        return failed(
            f"missing in schema moderation: {'; '.join(missing)}",
            remedy="GRANT these, or run `python -m ml migrate` as the user that the pipeline runs "
            "as",
        )
    return ok(f"all rights on {len(tables)} tables")


def check_commerce_table(deployment: Deployment) -> Finding:
    """Look for the columns that the settings name, SELECT on each, UPDATE on the two we write."""
    names = deployment.settings.commerce
    table = _table_name(names)
    columns = in_transaction(
        deployment.connections.engine, server.column_privileges, names.table_schema, names.table
    )
    if not columns:
        return failed(
            f"there is no table {table}",
            remedy="fix MODERATION_COMMERCE__TABLE_SCHEMA and __TABLE, or the database of "
            "MODERATION_DATABASE_URL",
        )
    absent = [name for name in _read_columns(names) if name not in columns]
    if absent:
        return failed(
            f"{table} has no column {', '.join(absent)}",
            remedy="name the columns of the commerce table in MODERATION_COMMERCE__* "
            "(docs/settings.md)",
        )
    if grants := _missing_grants(names, columns):
        return failed(f"rights are missing on {table}", remedy="; ".join(grants))
    return ok(f"{table}: reads {len(_read_columns(names))} columns, writes 2")


def _missing_grants(names: CommerceNames, columns: dict[str, server.ColumnPrivileges]) -> list[str]:
    """The missing grants, as SQL for the administrator of the commerce database."""
    table = _table_name(names)
    unreadable = [name for name in _read_columns(names) if not columns[name].readable]
    unwritable = [name for name in _written_columns(names) if not columns[name].writable]
    grants = []
    if not all(column.usable for column in columns.values()):
        grants.append(f"GRANT USAGE ON SCHEMA {names.table_schema} TO our user")
    if unreadable:
        grants.append(f"GRANT SELECT ({', '.join(unreadable)}) ON {table} TO our user")
    if unwritable:
        grants.append(f"GRANT UPDATE ({', '.join(unwritable)}) ON {table} TO our user")
    return grants


def check_least_privilege(deployment: Deployment) -> Finding:
    """List what our user could write beyond need: a stolen password grants no more than that."""
    if deployment.settings.embedded:
        return skipped("the embedded database is ours as a whole")
    engine, names = deployment.connections.engine, deployment.settings.commerce
    if in_transaction(engine, server.is_superuser):
        return failed(
            "our user is a superuser of the database",
            remedy="run the pipeline as a user of its own, which owns the schema moderation only "
            "(docs/data_contract.md)",
        )
    excess = _excess_privileges(in_transaction(engine, server.list_foreign_tables), names)
    if excess:
        more = f" and {len(excess) - _MAX_TABLES} more" if len(excess) > _MAX_TABLES else ""
        return failed(
            f"our user may also write {'; '.join(excess[:_MAX_TABLES])}{more}",
            remedy="REVOKE these rights, of the user and of PUBLIC",
        )
    return ok("writes its own schema and the two columns of the commerce table alone")


def _excess_privileges(tables: list[server.WritableTable], names: CommerceNames) -> list[str]:
    excess = []
    for table in tables:
        needed = _written_columns(names) if table.name == _table_name(names) else ()
        columns = [name for name in table.columns if name not in needed]
        rights = [*table.privileges, *([f"columns {', '.join(columns)}"] if columns else [])]
        if rights:
            excess.append(f"{table.name} ({', '.join(rights)})")
    return excess


def _table_name(names: CommerceNames) -> str:
    return f"{names.table_schema}.{names.table}"


def _read_columns(names: CommerceNames) -> tuple[str, ...]:
    """The columns of the commerce table that we read, by its own names."""
    return (
        names.image_id, names.review_id, names.product_id, names.object_key, names.uploaded_at,
        *_written_columns(names),
    )  # fmt: skip


def _written_columns(names: CommerceNames) -> tuple[str, str]:
    """The two columns of the commerce table that we write, by its own names."""
    return names.moderation_status, names.moderated_at
