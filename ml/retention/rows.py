"""Deleting rows of a table, or counting what would be deleted: by one and the same condition."""

from sqlalchemy import Connection, TextClause, text

from ml.retention.purging import ROWS_A_BATCH, Count, Purging


class Rows:
    """The rows of a table that meet a condition.

    Args:
        table: of the schema `moderation`; its alias is `t`.
        condition: SQL on `t`, a constant of the caller, with named parameters.
    """

    def __init__(self, table: str, condition: str) -> None:
        found = "count(*), coalesce(sum(bytes), 0)"
        size = "pg_column_size(t.*) as bytes"
        where = f"moderation.{table} t where {condition}"
        self._count = text(f"select {found} from (select {size} from {where}) as due")  # noqa: S608 - built from constants
        self._delete = text(
            f"with gone as (delete from {where} returning {size}) select {found} from gone"  # noqa: S608 - as above
        )

    def purge(self, connection: Connection, values: dict[str, object], *, dry_run: bool) -> Count:
        """Delete them all, or in a dry run only count them."""
        items, size = connection.execute(self._statement(dry_run), values).one()
        return Count(items, int(size))

    def _statement(self, dry_run: bool) -> TextClause:
        return self._count if dry_run else self._delete


def limited(table: str, key: str, condition: str) -> Rows:
    """Up to `:rows` of the rows that meet a condition on `d`; `key` is the table's primary key."""
    due = f"select {key} from moderation.{table} d where {condition} limit :rows"  # noqa: S608 - built from constants
    return Rows(table, f"({key}) in ({due})")


def purge_in_batches(rows: Rows, purging: Purging, **values: object) -> None:
    """Delete what `limited` found, a batch a transaction; a dry run counts it in one."""
    dry_run = purging.plan.dry_run
    given = {**values, "rows": None if dry_run else ROWS_A_BATCH}
    while True:
        count = purging.batch(lambda c: rows.purge(c, given, dry_run=dry_run))
        if dry_run or count.items < ROWS_A_BATCH:
            return
