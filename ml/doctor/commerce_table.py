"""Is the shop's table there, with the columns and rights of docs/data_contract.md?"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.settings import CommerceNames
from ml.storage.database import in_transaction

# By the catalogue, which everybody may read: so a table that we may not see is told from one that
# is not there.
_COLUMNS = text(
    """
    select a.attname as name,
           has_column_privilege(c.oid, a.attnum, 'SELECT') as readable,
           has_column_privilege(c.oid, a.attnum, 'UPDATE') as writable,
           has_schema_privilege(n.oid, 'USAGE') as usable
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = :schema and c.relname = :table and a.attnum > 0 and not a.attisdropped
    """
)


@dataclass(frozen=True)
class _Column:
    readable: bool
    writable: bool


def commerce_table(deployment: Deployment) -> Finding:
    """Look for the columns that the settings name, SELECT on each, UPDATE on the two we write."""
    names = deployment.settings.commerce
    table = f"{names.table_schema}.{names.table}"
    columns, usable = in_transaction(deployment.connections.engine, lambda c: _columns(c, names))
    if not columns:
        return failed(
            f"there is no table {table}",
            do="mend MODERATION_COMMERCE__TABLE_SCHEMA and __TABLE, or the database of "
            "MODERATION_DATABASE_URL",
        )
    absent = [name for name in read_columns(names) if name not in columns]
    if absent:
        return failed(
            f"{table} has no column {', '.join(absent)}",
            do="name the shop's columns in MODERATION_COMMERCE__* (docs/settings.md)",
        )
    grants = list(_missing(names, columns, usable=usable))
    if grants:
        return failed(f"rights are missing on {table}", do="; ".join(grants))
    return ok(f"{table}: reads {len(read_columns(names))} columns, writes 2")


def read_columns(names: CommerceNames) -> tuple[str, ...]:
    """The shop's names of the columns that we read."""
    return (
        names.image_id, names.review_id, names.product_id, names.object_key, names.uploaded_at,
        *written_columns(names),
    )  # fmt: skip


def written_columns(names: CommerceNames) -> tuple[str, str]:
    """The shop's names of the two columns that we write."""
    return names.moderation_status, names.moderated_at


def _columns(connection: Connection, names: CommerceNames) -> tuple[dict[str, _Column], bool]:
    place = {"schema": names.table_schema, "table": names.table}
    rows = connection.execute(_COLUMNS, place).all()
    found = {row.name: _Column(row.readable, row.writable) for row in rows}
    return found, all(row.usable for row in rows)


def _missing(names: CommerceNames, columns: dict[str, _Column], *, usable: bool) -> list[str]:
    """The grants that are lacking, as SQL for the shop's administrator."""
    table = f"{names.table_schema}.{names.table}"
    unread = [name for name in read_columns(names) if not columns[name].readable]
    unwritten = [name for name in written_columns(names) if not columns[name].writable]
    grants = [] if usable else [f"GRANT USAGE ON SCHEMA {names.table_schema} TO our user"]
    if unread:
        grants.append(f"GRANT SELECT ({', '.join(unread)}) ON {table} TO our user")
    if unwritten:
        grants.append(f"GRANT UPDATE ({', '.join(unwritten)}) ON {table} TO our user")
    return grants
