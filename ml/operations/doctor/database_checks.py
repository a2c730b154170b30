"""Checks of the database: connection, schema, privileges, commerce table."""

from ml.core.commerce_names import KEYS, WRITTEN, CommerceNames
from ml.operations.doctor.check import Deployment, Finding, failed, ok, skipped, warned
from ml.storage import server
from ml.storage.commerce_columns import load_columns
from ml.storage.commerce_table import Problem, find_problems, table_name
from ml.storage.commerce_values import find_other_spellings, find_value_problems
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
    """Check columns and values, SELECT on each column, and UPDATE on the two that we write."""
    engine, names = deployment.connections.engine, deployment.settings.commerce
    columns = in_transaction(engine, load_columns, names)
    if problems := find_problems(names, columns):
        return _unusable(problems)
    privileges = in_transaction(engine, server.column_privileges, names.table_schema, names.table)
    if grants := _missing_grants(names, privileges):
        return failed(f"rights are missing on {table_name(names)}", remedy="; ".join(grants))
    if problems := in_transaction(engine, find_value_problems, names, columns):
        return _unusable(problems)
    if others := in_transaction(engine, find_other_spellings, names, columns):
        return warned(
            f"rows have the status {', '.join(map(repr, others.values()))}: another spelling than "
            "in the settings, so they are never written",
            remedy="; ".join(
                f"set MODERATION_COMMERCE__{setting.upper()} to {other!r}, or update the rows"
                for setting, other in others.items()
            ),
        )
    if columns[names.object_key].indexed is False:
        return warned(
            f"no index on {names.object_key}: each step of a nightly run reads the whole table",
            remedy=f"CREATE INDEX ON {table_name(names)} ({names.object_key})",
        )
    return ok(f"{table_name(names)}: reads {len(_read_columns(names))} columns, writes 2")


def _unusable(problems: list[Problem]) -> Finding:
    message = "; ".join(problem.message for problem in problems)
    return failed(message, remedy="; ".join(problem.remedy for problem in problems))


def _missing_grants(names: CommerceNames, columns: dict[str, server.ColumnPrivileges]) -> list[str]:
    """The missing grants, as SQL for the administrator of the commerce database."""
    table = table_name(names)
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
        needed = _written_columns(names) if table.name == table_name(names) else ()
        columns = [name for name in table.columns if name not in needed]
        rights = [*table.privileges, *([f"columns {', '.join(columns)}"] if columns else [])]
        if rights:
            excess.append(f"{table.name} ({', '.join(rights)})")
    return excess


def _read_columns(names: CommerceNames) -> list[str]:
    """The columns of the commerce table that we read, by its own names."""
    return [getattr(names, key) for key in (*KEYS, *WRITTEN)]


def _written_columns(names: CommerceNames) -> list[str]:
    """The two columns of the commerce table that we write, by its own names."""
    return [getattr(names, key) for key in WRITTEN]
