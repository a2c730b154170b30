"""The real columns of the commerce table, as the database's catalog describes them.

The catalog may be read by everyone, so a table without permission is not taken for a missing one.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from ml.core.commerce_names import CommerceNames
from ml.storage.rows import load_rows

_HEADER = 4  # bytes that PostgreSQL adds to a length, or to a precision and scale


@dataclass(frozen=True)
class CommerceColumn:
    """A column. `base_type` is below all domains, "enum" for any enum.

    `sql_type` is what a value is cast to, with its modifier. `indexed` is whether an index begins
    with the column, None for a view; `checks` are the conditions on this column alone.
    """

    name: str
    base_type: str
    sql_type: str
    is_domain: bool
    modifier: int
    labels: list[str]
    nullable: bool
    collation: str | None
    deterministic: bool
    updatable: bool
    indexed: bool | None
    checks: list[str]

    @property
    def max_length(self) -> int | None:
        """Characters of a text column; None without a limit."""
        return self.modifier - _HEADER if self.modifier >= _HEADER else None

    @property
    def max_number(self) -> Decimal | None:
        """Where a `numeric` column overflows, and None without a limit; 0 below whole numbers."""
        if self.modifier < _HEADER:
            return None
        precision, scale = divmod(self.modifier - _HEADER, 1 << 16)
        whole_numbers = scale < 1 << 10  # a negative scale has the upper bit set
        return Decimal(10) ** (precision - scale) if whole_numbers else Decimal(0)


_COLUMNS = text(
    """
    select a.attname as name,
        case b.typtype when 'e' then 'enum' else format_type(b.oid, null) end as base_type,
        case when t.typnamespace = 'pg_catalog'::regnamespace
            then format_type(a.atttypid, a.atttypmod)
            else quote_ident(tn.nspname) || '.' || quote_ident(t.typname) end as sql_type,
        t.typtype = 'd' as is_domain,
        base.modifier,
        array(select e.enumlabel::text from pg_enum e where e.enumtypid = b.oid
              order by e.enumsortorder) as labels,
        not (a.attnotnull or base.not_null) as nullable,
        quote_ident(cn.nspname) || '.' || quote_ident(co.collname) as collation,
        coalesce(co.collisdeterministic, true) as deterministic,
        a.attgenerated = '' and (
            pg_column_is_updatable(c.oid, a.attnum, true)
            or exists (select from pg_trigger g  -- INSTEAD OF UPDATE
                       where g.tgrelid = c.oid and g.tgtype & 64 <> 0 and g.tgtype & 16 <> 0)
        ) as updatable,
        case when c.relkind in ('r', 'p') then exists (
            select from pg_index i
            join pg_class ic on ic.oid = i.indexrelid
            join pg_am m on m.oid = ic.relam and m.amname in ('btree', 'hash')
            where i.indrelid = c.oid and i.indkey[0] = a.attnum and i.indisvalid
            and i.indpred is null and i.indcollation[0] = a.attcollation
        ) end as indexed,
        array(select pg_get_expr(k.conbin, c.oid) from pg_constraint k
              where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
        ) as checks
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
    join pg_namespace tn on tn.oid = t.typnamespace
    cross join lateral (
        with recursive chain as (
            select a.atttypid as oid, a.atttypmod as modifier, false as not_null, 0 as depth
            union all
            select d.typbasetype, d.typtypmod, chain.not_null or d.typnotnull, depth + 1
            from chain join pg_type d on d.oid = chain.oid and d.typtype = 'd'
        )
        select * from chain order by depth desc limit 1
    ) base
    join pg_type b on b.oid = base.oid
    left join pg_collation co on co.oid = a.attcollation
    left join pg_namespace cn on cn.oid = co.collnamespace
    where n.nspname = :schema and c.relname = :table
    """
)


def load_columns(connection: Connection, names: CommerceNames) -> dict[str, CommerceColumn]:
    """All columns of the commerce table by name; empty where there is no such table."""
    table = {"schema": names.table_schema, "table": names.table}
    found = load_rows(connection, _COLUMNS, CommerceColumn, **table)
    return {column.name: column for column in found}
