"""May our database user write anything beyond its schema and the shop's two columns?"""

from sqlalchemy import Connection, text

from ml.doctor.commerce_table import written_columns
from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok, skipped
from ml.settings import CommerceNames
from ml.storage.database import in_transaction

SHOWN = 5  # tables named in the message

_SUPERUSER = text("select rolsuper from pg_roles where rolname = current_user")

# Tables of others, each with what we may do there beyond reading; a column's own rights count.
_WRITABLE = text(
    """
    select n.nspname || '.' || c.relname as place,
           array(
               select what from unnest(array['INSERT', 'DELETE', 'TRUNCATE']) what
               where has_table_privilege(c.oid, what)
           ) as whole,
           array(
               select a.attname::text from pg_attribute a
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               and (has_column_privilege(c.oid, a.attnum, 'UPDATE')
                    or has_column_privilege(c.oid, a.attnum, 'INSERT'))
               order by a.attnum
           ) as columns
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('moderation', 'pg_catalog', 'information_schema')
    and n.nspname not like 'pg\\_%'
    order by 1
    """
)


def least_rights(deployment: Deployment) -> Finding:
    """List what the user could write beyond need: a stolen password is worth no more than that."""
    if deployment.settings.database_url is None:
        return skipped("the embedded database is ours as a whole")
    engine, names = deployment.connections.engine, deployment.settings.commerce
    if in_transaction(engine, lambda c: c.execute(_SUPERUSER).scalar_one()):
        return failed(
            "our user is a superuser of the database",
            do="run the pipeline as a user of its own, which owns the schema moderation only "
            "(docs/data_contract.md)",
        )
    found = in_transaction(engine, lambda c: _beyond_need(c, names))
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return failed(
            f"our user may also write {'; '.join(found[:SHOWN])}{more}",
            do="REVOKE these rights, of the user and of PUBLIC",
        )
    return ok("writes its own schema and the shop's two columns alone")


def _beyond_need(connection: Connection, names: CommerceNames) -> list[str]:
    shop = f"{names.table_schema}.{names.table}"
    found = []
    for row in connection.execute(_WRITABLE):
        allowed = written_columns(names) if row.place == shop else ()
        columns = [name for name in row.columns if name not in allowed]
        what = [*row.whole, *([f"columns {', '.join(columns)}"] if columns else [])]
        if what:
            found.append(f"{row.place} ({', '.join(what)})")
    return found
