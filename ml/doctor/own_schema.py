"""May we read and write every table of our own schema?"""

from sqlalchemy import text

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.storage.database import in_transaction

_TABLES = text(
    """
    select c.relname,
           array(
               select right_name
               from unnest(case when c.relkind = 'v' then array['SELECT']
                           else array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] end) right_name
               where not has_table_privilege(c.oid, right_name)
           ) as missing
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'moderation' and c.relkind in ('r', 'p', 'v')
    order by 1
    """
)
_USAGE = text("select has_schema_privilege('moderation', 'USAGE')")


def own_schema(deployment: Deployment) -> Finding:
    """Ask the database for our rights on each table of `moderation`."""
    engine = deployment.connections.engine
    usable, tables = in_transaction(
        engine, lambda c: (c.execute(_USAGE).scalar_one(), c.execute(_TABLES).all())
    )
    lacking = [f"{', '.join(row.missing)} on {row.relname}" for row in tables if row.missing]
    if not usable:
        lacking.insert(0, "USAGE on the schema")
    if lacking:
        return failed(
            f"missing in schema moderation: {'; '.join(lacking)}",
            do="GRANT these, or run `python -m ml migrate` as the user that the pipeline runs as",
        )
    return ok(f"all rights on {len(tables)} tables")
